"""Whether `after` is defined wherever `before` is: a pole or a branch that was not there refutes a step.

Every new divisor, and every new argument of a logarithm or a root, is driven to the edge of its domain, and `before` is
evaluated there.
"""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import sympy

from derive.algebra.rational import parts_sorted
from derive.expression.nodes import D, Expression
from derive.expression.walk import holds, names
from derive.prove.digits import Undefined, many_digits, to_mpmath, working_digits
from derive.prove.edges import edges, edges_in
from derive.prove.numeric import DIGITS, Evaluator
from derive.prove.setting import Setting
from derive.prove.to_sympy import Converter, Unconvertible

CLOSE_DIGITS = 3 * DIGITS  # so near to an edge much cancels: of u/(exp(u) - 1) at 0 the fraction is no pole
STARTS = 4  # values of the other names at which an edge is solved


def new_edge(before: Expression, after: Expression, setting: Setting) -> str | None:
    """A place where `before` is defined and `after` is not, described; None where none was found."""
    old = set(map(parts_sorted, edges_in(before, setting)))
    fresh = [edge for edge in edges(after) if parts_sorted(edge) not in old]
    if not fresh or any(holds(e, D) for e in fresh):
        return None
    for edge in fresh:
        for name in names(edge):
            if setting.shapes.get(name) or name in {element.name for element, _ in setting.equations}:
                continue
            for point in _roots(edge, name, setting):
                if _defined(before, point, setting) and not _defined(after, point, setting):
                    return f"{edge} at {name} = {mpmath.nstr(to_mpmath(point[name]), 6)}"
    return None


def _roots(edge: Expression, name: str, setting: Setting) -> list[dict[str, Any]]:
    """Points at which the edge vanishes, found by solving for one name at random values of the others."""
    generator = random.Random(7)
    found: list[dict[str, Any]] = []
    with working_digits(DIGITS):
        others = {n for n in names(edge) if n != name}
        for element, body in setting.equations:
            if element.name in others:
                others |= set(names(body))
        for _ in range(STARTS):
            point = {n: Decimal(generator.randint(-3000, 3000)) / 997 for n in sorted(others)}
            for x in _solved(edge, name, point, setting):
                found += [{**point, name: x + off} for off in (0, Decimal(1) / 1024, -Decimal(1) / 1024)]
        return found


def _solved(edge: Expression, name: str, point: dict[str, Any], setting: Setting) -> list[Any]:
    try:
        shown = Converter(setting)(edge)
    except (Unconvertible, RecursionError):
        return []
    x = sympy.Symbol(name, real=True)
    fixed = {s: sympy.Rational(str(round(point[s.name], 12))) for s in shown.free_symbols if s.name in point}
    value = shown.xreplace(fixed)
    try:
        if value.is_polynomial(x) and sympy.degree(value, x) <= 4:
            roots = sympy.Poly(value, x).sqf_part().nroots(n=40)  # each once: double roots are hard to find
        else:
            roots = [sympy.nsolve(value, x, Fraction(1, 3), prec=40)]
    except (
        ValueError,
        TypeError,
        NotImplementedError,
        ZeroDivisionError,
        sympy.PolynomialError,
        mpmath.libmp.NoConvergence,
        KeyError,
        OverflowError,
    ):
        return []
    for s, v in fixed.items():
        point[s.name] = Decimal(int(v.p)) / int(v.q)
    return [many_digits(mpmath.mpf(str(sympy.re(r)))) for r in roots if abs(sympy.im(r)) < Fraction(1, 10**30)]


def _defined(e: Expression, point: dict[str, Any], setting: Setting) -> bool:
    with working_digits(CLOSE_DIGITS):
        values = dict(point)
        for name in names(e):
            values.setdefault(name, Decimal(1) / 3)
        for _, body in setting.equations:
            for name in names(body):
                values.setdefault(name, Decimal(1) / 3)
        evaluator = Evaluator(setting, values, dict.fromkeys(values, Decimal(1) / 3))
        try:
            for element, body in setting.equations:
                if element.name != setting.loss:
                    evaluator.values[element.name] = evaluator.number(body)
            value = evaluator.number(e)
        except (Undefined, KeyError):
            return False
        size = 0 if isinstance(value, (int, Fraction)) else abs(float(value))
        return size < 1e25
