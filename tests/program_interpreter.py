"""What a Program means: its statements carried out one by one by numpy, on buffers where it has them.

The oracle of the passes.  A buffer remembers whose value it holds: who reads a value that has been written over fails.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

import numpy as np
import scipy.special

from derive.emit.helpers import HELPERS
from derive.expression import nodes as n
from derive.expression.nodes import RELATIONS, Expression
from derive.functions import FUNCTIONS, fill
from derive.lower.program import Loop, Program, Statement

NAMESPACE: dict[str, Any] = {"np": np, "math": math, "scipy": scipy}
for source in HELPERS.values():
    exec(source, NAMESPACE)

def windows(x: Any, axis: float, places: float, size: float, *rest: float) -> Any:
    """x[..., step*i + dilation*p + start, ...], entry by entry."""
    step, dilation, start = (*map(int, rest), *(1, 1, 0)[len(rest) :])
    at = start + step * np.arange(int(places))[:, None] + dilation * np.arange(int(size))
    taken = np.take(x, at.ravel(), axis=int(axis))
    return taken.reshape(*x.shape[: int(axis)], *at.shape, *x.shape[int(axis) + 1 :])


def overlapped(w: Any, axis: float, length: float, *rest: float) -> Any:
    """Each window's entries added where they were taken from."""
    step, dilation, start = (*map(int, rest), *(1, 1, 0)[len(rest) :])
    moved = np.moveaxis(w, (int(axis), int(axis) + 1), (0, 1))
    found = np.zeros((int(length), *moved.shape[2:]))
    for i in range(moved.shape[0]):
        for p in range(moved.shape[1]):
            found[step * i + dilation * p + start] += moved[i, p]
    return np.moveaxis(found, 0, int(axis))


def padded(x: Any, *widths: float) -> Any:
    return np.pad(x, [(int(a), int(b)) for a, b in zip(widths[::2], widths[1::2], strict=True)])


OF_ARRAYS = {
    "windows": windows,
    "overlapped": overlapped,
    "padded": padded,
    "outer": np.outer, "diag": np.diag, "tril": np.tril, "triu": np.triu, "trace": np.trace, "dot": np.dot, "det": np.linalg.det,
    "inv": np.linalg.inv, "logdet": NAMESPACE["_logdet"], "scatter_add": NAMESPACE["_scatter_add"],
    "diagonal": lambda a: np.diagonal(a, axis1=-2, axis2=-1),
    "eye": lambda k: np.eye(int(k)), "arange": lambda k: np.arange(int(k)),
    "ones": lambda *shape: np.ones([int(k) for k in shape]), "zeros": lambda *shape: np.zeros([int(k) for k in shape]),
    "broadcast_to": lambda a, *shape: np.broadcast_to(a, [int(k) for k in shape]),
    "transpose": lambda a, *order: np.transpose(a, [int(k) for k in order]),
    "reshape": lambda a, *shape: np.reshape(a, [int(k) for k in shape]),
    "matmul": np.matmul,
    "copied": np.array,
}  # fmt: skip
ALONG = {
    "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "softmax": scipy.special.softmax,
    "logsumexp": scipy.special.logsumexp, "log_softmax": scipy.special.log_softmax,
}  # fmt: skip


def interpret(program: Program, given: Mapping[str, Any], count: int) -> tuple[float, dict[str, Any]]:
    """The loss and the gradients; `given` has parameters, data over the batch, constants and sizes."""
    run = _Run(program, {**_defaults(program), **given, **({program.count: count} if program.count else {})})
    with np.errstate(all="ignore"):
        for loop, group in groupby(program.statements, key=lambda s: s.loop):
            statements = list(group)
            for _ in run.steps(loop):
                for s in statements:
                    run.carry_out(s)
        loss = run.loss
    scale = count if program.summed else 1
    found = {g.name.removeprefix("∂"): run.read(g.name) / scale for g in program.gradients if g.name.startswith("∂")}
    for group in program.gathered:
        found |= dict(zip(group, found.pop("_".join(group)), strict=True))
    return loss, found


def _defaults(program: Program) -> dict[str, Any]:
    return {v.name: _Run(program, {}).value(v.value) for v in program.model.of_role("constant", "size") if v.value}


class _Run:
    def __init__(self, program: Program, values: dict[str, Any]) -> None:
        self.values = values
        self.buffers: dict[str, tuple[str, Any]] = {}  # whose value a buffer holds, and the array
        self.buffer_of = {s.name: s.buffer for s in program.statements if s.buffer is not None and s.at is None}
        self.of_loss, self.loss = program.model.loss, math.nan

    def steps(self, loop: Loop | None) -> Iterator[None]:
        """The index of a loop takes its values, one after the other."""
        if loop is None:
            yield
            return
        steps = range(int(self.value(loop.start)), int(self.value(loop.stop)))
        for step in reversed(steps) if loop.backwards else steps:
            self.values[loop.index] = step
            yield

    def carry_out(self, s: Statement) -> None:
        if s.at is None:
            self.compute(s.name, s.buffer, s.value)
        else:
            if s.name not in self.values:
                self.values[s.name] = np.zeros([int(self.value(size)) for size in s.whole or ()])
            self.values[s.name][self.subscript(s.at)] = self.value(s.value)  # the steps come first
        if s.name == self.of_loss:
            self.loss = float(np.mean(self.read(s.name)))

    def compute(self, name: str, buffer: str | None, value: Expression) -> None:
        result = self.value(value)
        if buffer is None:
            self.values[name] = result
        elif buffer in self.buffers:
            array = self.buffers[buffer][1]
            assert array.shape == np.shape(result), f"{name} has another shape than its buffer"
            array[...] = result
            self.buffers[buffer] = (name, array)
        else:
            kind = bool if np.asarray(result).dtype == bool else float  # as the module makes them
            self.buffers[buffer] = (name, np.array(result, dtype=kind))

    def read(self, name: str) -> Any:
        if name not in self.buffer_of:
            return self.values[name]
        owner, array = self.buffers[self.buffer_of[name]]
        assert owner == name, f"{name} is read after {owner} was written over it"
        return array

    def value(self, e: Expression) -> Any:
        match e:
            case n.Number():
                return float(e.value)
            case n.Constant():
                return {"pi": math.pi, "inf": math.inf}[e.name] if e.name in ("pi", "inf") else ast.literal_eval(e.name)
            case n.Index():
                return self.values[e.name]
            case n.Ref():
                return self.subscripted(self.read(e.name), e.indices)
            case n.Item():
                return self.subscripted(self.value(e.arg), e.indices)
            case n.Add():
                return sum(self.value(t) for t in e.terms)
            case n.Mul():
                product = self.value(e.factors[0])
                for f in e.factors[1:]:
                    product = product * self.value(f)
                return product
            case n.Neg():
                return -self.value(e.arg)
            case n.Div():
                return np.asarray(self.value(e.numerator)) / self.value(e.denominator)
            case n.Pow():
                return np.asarray(self.value(e.base), dtype=float) ** self.value(e.exponent)
            case n.MatMul():
                return self.value(e.left) @ self.value(e.right)
            case n.Transpose():
                return self.value(e.arg).T
            case n.Compare():
                return RELATIONS[e.op](self.value(e.left), self.value(e.right))
            case n.Both():
                return np.logical_and.reduce(np.broadcast_arrays(*(self.value(c) for c in e.conditions)))
            case n.Where() if not np.shape(chosen := self.value(e.condition)):
                return self.value(e.then if chosen else e.otherwise)
            case n.Where():
                return np.where(self.value(e.condition), self.value(e.then), self.value(e.otherwise))
            case n.Call(function="concatenate", args=(n.Stack(items=pieces),)):
                axis = int(self.value(e.options[0][1])) if e.options else 0
                return np.concatenate([self.value(piece) for piece in pieces], axis=axis)
            case n.Call():
                return self.call(e)
        raise TypeError(f"{e} is no array expression")

    def subscripted(self, array: Any, subscripts: tuple[Expression, ...]) -> Any:
        return array[tuple(self.subscript(s) for s in subscripts)] if subscripts else array

    def subscript(self, e: Expression) -> Any:
        if isinstance(e, n.Slice):
            return slice(*(None if part is None else int(self.value(part)) for part in (e.start, e.stop)))
        found = self.value(e)
        return found if found is None else np.asarray(found).astype(int)

    def call(self, e: n.Call) -> Any:
        args = [self.value(arg) for arg in e.args]
        if e.function == "einsum":
            return np.einsum(e.options[0][1].name, *args)
        if e.function == "tensordot":
            return np.tensordot(*args, axes=tuple(self.value(places) for _, places in e.options))
        if e.function in ("argmax", "argmin"):
            axes = tuple(int(axis) for axis in self.value(e.options[0][1]))
            rows = np.moveaxis(args[0], axes, range(-len(axes), 0))
            return getattr(np, e.function)(rows.reshape(*rows.shape[: -len(axes)], -1), axis=-1)
        if e.function in ALONG:
            axis = self.value(e.options[0][1]) if e.options else None
            return ALONG[e.function](args[0], axis=int(axis) if isinstance(axis, float) else axis)
        if e.function == "scatter_add":
            return OF_ARRAYS[e.function](args[0].astype(int), args[1], int(args[2]))
        if e.function in ("gathered", "rows"):
            return np.stack(np.broadcast_arrays(*args))
        if e.function in OF_ARRAYS:
            return OF_ARRAYS[e.function](*args)
        names = [f"u{k}" for k in range(len(args))]
        return eval(fill(FUNCTIONS[e.function].numpy, names), NAMESPACE, dict(zip(names, args, strict=True)))
