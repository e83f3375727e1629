"""Elimination: a derivative in terms of the node's own output.

Given ``a = f`` and ``g = f'``, both rational in kernels such as ``exp(z)``, a Gröbner basis of the two polynomials
``den(f)*a - num(f)`` and ``den(g)*G - num(g)``, with the kernels ordered first, holds a polynomial free of them if
there is one; where it is linear in G it gives ``G = P(a)``: a*(1 - a) for the logistic function, 1 - a**2 for tanh.
"""

from __future__ import annotations

from typing import Any

from sympy.polys.domains import QQ
from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import lex
from sympy.polys.rings import PolyRing

from derive.algebra.rational import Rational, TooLarge, alpha_normal
from derive.expression.build import ONE, add, mul
from derive.expression.nodes import Add, Call, Expression, Neg, Ref
from derive.expression.walk import nodes_of, operations

MOST_VARIABLES = 9
# For so many kernels to eliminate: the largest degree, and the most terms of the whole system.  Buchberger's
# algorithm is doubly exponential; systems beyond these are not tried, so that no derivation waits for one.
BOUNDS = {1: (6, 24), 2: (4, 14), 3: (3, 10)}
MOST_BESIDE_RELATED = 3  # names beside kernels that know of each other, as a sine and a cosine

Definitions = list[tuple[Expression, Expression]]  # (what stands for it, its value)


def eliminate(g: Expression, definitions: Definitions, name: str | None = None) -> Expression | None:
    """The derivative g through the outputs that the definitions name, or None where there is no such form.

    What is eliminated are the kernels that are no names; or, where `name` is given, that name alone, so that a known
    function of it stays.  The result is linear in G, its denominator does not vanish where g is defined, and it is
    shorter than g.
    """
    try:
        space = Rational(g, *(value for _, value in definitions))
        goal = space.into(g)
        values = [space.into(value) for _, value in definitions]
    except (TooLarge, ZeroDivisionError):
        return None
    kernels = space.kernels.shown
    if name is None:
        named = [
            k for k, kernel in enumerate(kernels) if _is_name(kernel) and space.kernels.roots[alpha_normal(kernel)] == 1
        ]
    else:
        named = [k for k, kernel in enumerate(kernels) if not (isinstance(kernel, Ref) and kernel.name == name)]
    hidden = [k for k in range(len(kernels)) if k not in named]
    if not hidden or len(hidden) not in BOUNDS or len(kernels) + 1 + len(values) > MOST_VARIABLES:
        return None
    most_degree, most_terms = BOUNDS[len(hidden)]
    if max(_degree(p) for e in (goal, *values) for p in (e.numer, e.denom)) > most_degree:
        return None
    ring, position = _ring(hidden, named, len(values))
    gens = ring.gens
    G = gens[len(hidden)]
    outputs = [gens[len(hidden) + 1 + len(named) + k] for k in range(len(values))]
    system = [_moved(goal.denom, ring, position) * G - _moved(goal.numer, ring, position)]
    for value, output in zip(values, outputs, strict=True):
        system.append(_moved(value.denom, ring, position) * output - _moved(value.numer, ring, position))
    relations = _relations(space, ring, position)
    if relations and len(hidden) > 1 and len(named) > MOST_BESIDE_RELATED:
        return None
    system += relations
    system = [p for p in system if p]
    if sum(len(p) for p in system) > most_terms:
        return None
    shown = Rational(*(e for e, _ in definitions), *(kernels[k] for k in named))
    best: Expression | None = None
    for p in _basis(system, ring, G, len(hidden)):
        slope = p.diff(G)
        if not slope or any(p.degree(gens[k]) > 0 for k in range(len(hidden))) or slope.degree(G) > 0:
            continue
        rest = -(p - slope * G)
        if not _defined(slope, values, space, goal, len(hidden), len(named)):
            continue
        found = _shortest(shown, slope, rest, len(hidden), len(named), definitions, [kernels[k] for k in named])
        if found is not None and (best is None or operations(found) < operations(best)):
            best = found
    return best if best is not None and operations(best) < operations(g) else None


def _basis(system: list[Any], ring: Any, G: Any, hidden: int) -> list[Any]:
    """A Gröbner basis; where it tells nothing of G, once more knowing that the denominators are not zero."""
    basis: list[Any] = groebner(system, ring)
    if any(p.degree(G) == 1 and all(p.degree(ring.gens[k]) <= 0 for k in range(hidden)) for p in basis):
        return basis
    denominators: list[Any] = []
    for p in system:
        for output in ring.gens[hidden:]:
            if p.degree(output) == 1:
                factors = p.diff(output).factor_list()[1]
                denominators += [f for f, _ in factors if f not in denominators and _degree(f) and f.degree(G) <= 0]
    if not denominators or len(denominators) > 3:
        return basis
    larger = PolyRing([f"s{k}" for k in range(ring.ngens + 1)], QQ, lex)
    inverse = larger.gens[0]

    def lifted(p: Any) -> Any:
        return larger.from_dict({(0, *powers): c for powers, c in p.terms()})

    product = inverse
    for f in denominators:
        product = product * lifted(f)
    found = groebner([*(lifted(p) for p in system), product - 1], larger)
    plain = [p for p in found if p.degree(inverse) <= 0]
    return [ring.from_dict({powers[1:]: c for powers, c in p.terms()}) for p in plain]


def _is_name(e: Expression) -> bool:
    return isinstance(e, Ref) or (isinstance(e, Call) and e.function == "delta")


def _degree(p: Any) -> int:
    return max((sum(m) for m in p.monoms()), default=0)


def _ring(hidden: list[int], named: list[int], outputs: int) -> tuple[Any, dict[int, int]]:
    """The ring with the hidden kernels first, then G, the named kernels and the outputs; where each kernel went."""
    position = {k: n for n, k in enumerate(hidden)}
    position |= {k: len(hidden) + 1 + n for n, k in enumerate(named)}
    count = len(hidden) + 1 + len(named) + outputs
    return PolyRing([f"s{k}" for k in range(count)], QQ, lex), position


def _moved(p: Any, ring: Any, position: dict[int, int]) -> Any:
    terms = {}
    for powers, c in p.terms():
        key = [0] * ring.ngens
        for k, n in enumerate(powers):
            if n:
                key[position[k]] = n
        terms[tuple(key)] = c
    return ring.from_dict(terms)


def _relations(space: Rational, ring: Any, position: dict[int, int]) -> list[Any]:
    """What kernels know of each other: sin² + cos² = 1, and a root's power is its base."""
    found: list[Any] = []
    kernels = {alpha_normal(k): n for n, k in enumerate(space.kernels.shown)}
    for n, kernel in enumerate(space.kernels.shown):
        variable = ring.gens[position[n]]
        if isinstance(kernel, Call) and kernel.function == "sin":
            other = kernels.get(alpha_normal(Call("cos", kernel.args)))
            if other is not None:
                found.append(variable**2 + ring.gens[position[other]] ** 2 - 1)
        root = space.kernels.roots[alpha_normal(kernel)]
        if root > 1 and not isinstance(kernel, (Ref, Call)):
            try:
                base = space.into(kernel)
            except (TooLarge, ZeroDivisionError, KeyError):
                continue
            found.append(_moved(base.denom, ring, position) * variable**root - _moved(base.numer, ring, position))
    return found


def _defined(slope: Any, values: list[Any], space: Rational, goal: Any, hidden: int, named: int) -> bool:
    """Whether dividing by `slope` makes no pole where g has none: its value divides a power of g's denominator."""
    if _degree(slope) == 0:
        return True
    if any(slope.degree(slope.ring.gens[hidden + 1 + k]) > 0 for k in range(named)):
        return False
    total = space.field.zero
    for powers, c in slope.terms():
        term = space.field(c)
        for k, n in enumerate(powers[hidden + 1 + named :]):
            term = term * values[k] ** n
        total = total + term
    if total == 0:
        return False
    return bool((goal.denom ** _degree(total.numer)).rem(total.numer) == 0)


def _shortest(
    shown: Rational, slope: Any, rest: Any, hidden: int, named: int, definitions: Definitions, names: list[Expression]
) -> Expression | None:
    """The shortest way to write rest/slope: factored, plain, or collected by one of its symbols."""
    order = [*(alpha_normal(e) for e, _ in definitions)]
    columns = {hidden + 1 + named + k: shown.kernels.order[key] for k, key in enumerate(order)}
    columns |= {hidden + 1 + k: shown.kernels.order[alpha_normal(name)] for k, name in enumerate(names)}

    def back(p: Any) -> Any:
        total = shown.field.zero
        for powers, c in p.terms():
            term = shown.field(c)
            for k, n in enumerate(powers):
                if n:
                    term = term * shown.field.gens[columns[k]] ** n
            total = total + term
        return total

    element = back(rest) / back(slope)
    candidates = [shown.out(element), shown.out(element, factored=False)]
    if element.denom == 1:
        for k, gen in enumerate(element.numer.ring.gens):
            if element.numer.degree(gen) == 1:
                coefficient = element.numer.diff(gen)
                constant = element.numer - coefficient * gen
                if constant and coefficient != 1:
                    product = shown.polynomial(coefficient)
                    sign = isinstance(product, Neg)
                    product = product.arg if isinstance(product, Neg) else product
                    term = shown.kernel(k) if product == ONE else mul(shown.kernel(k), product)
                    candidates.append(add(shown.polynomial(constant), Neg(term) if sign else term))
    return min(candidates, key=lambda e: (operations(e), _longest_sum(e)))


def _longest_sum(e: Expression) -> int:
    """Among forms equally short, one with a product of sums reads better than a long sum."""
    return max((len(node.terms) for node in nodes_of(e, Add)), default=0)
