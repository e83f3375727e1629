"""Text → `Checked`: every line of a written derivation with its verdict.

The road: the file (`written`) → what is true (`truths`, from a derivation whose every step was proved) → each side as
mathematics (`statement`) → against the truth and against the side before (`judgement`) → the first wrong one's likely
slip (`slips`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from derive.errors import DeriveError, Place
from derive.expression.nodes import Expression
from derive.model import Model
from derive.verify.batch import batch_statements
from derive.verify.judgement import RIGHT, UNDECIDED, WRONG, Verdict, judge, setting
from derive.verify.slips import Slip, find_slip
from derive.verify.statement import Head, Statements, Unfit
from derive.verify.truths import Truths
from derive.verify.written import Claim, Written, named, read

MOST_SLIPS = 20  # wrong lines that a slip is looked for in
DEFINED = "defined"  # a line that only gives a name its meaning


@dataclass(frozen=True)
class Line:
    """A claim and what became of it.

    `follows`: whether it equals the side before it, None where there is none.  `slip`: of the first wrong ones, those
    apart that only repeat what is wrong in the side before.  `truth`: what the left side is.
    """

    claim: Claim
    verdict: Verdict
    truth: Expression
    follows: bool | None = None
    slip: Slip | None = None


@dataclass(frozen=True)
class Checked:
    """A whole derivation, judged."""

    written: Written
    lines: tuple[Line, ...]

    @property
    def model(self) -> Model:
        return self.written.model

    @property
    def right(self) -> bool:
        return all(line.verdict.verdict in (RIGHT, DEFINED) for line in self.lines)

    @property
    def first_wrong(self) -> Line | None:
        return next((line for line in self.lines if line.verdict.verdict == WRONG), None)


def verify(text: str, name: str = "the derivation") -> Checked:
    """Judges a written derivation; DeriveError where it cannot be read.

    >>> text = "w: parameter; z = 3*w; L: loss = z**2; dL/dz = 2*z; dL/dw = 2*z*3; = 6*w".replace("; ", chr(10))
    >>> [line.verdict.verdict for line in verify(text).lines]
    ['right', 'right', 'wrong']
    """
    written = read(text, name)
    try:
        return Checked(written, tuple(_Judge(written).lines()))
    except DeriveError as error:
        raise named(error, text, name) from None
    except RecursionError:
        raise DeriveError("the derivation is nested too deeply").within(text) from None


class _Judge:
    def __init__(self, written: Written) -> None:
        self.written = written
        model = written.model
        heads = (*model.by_name, written.known.objective)
        by = dict.fromkeys(wrt for of, wrt in written.known.derivatives if of in heads and wrt not in model.by_name)
        derivation = model.derive(tuple(by)).prove()
        self.statements = Statements(model, written.known, Truths(derivation))
        self.batch = batch_statements(written.known, self.statements.truths)
        self.slips = MOST_SLIPS

    def lines(self) -> Iterator[Line]:
        before: tuple[Claim, Expression] | None = None
        for claim in self.written.claims:
            try:
                line, meant = self.line(claim, None if claim.opens else before)
            except DeriveError as error:
                raise _placed(error, claim) from None
            before = None if meant is None else (claim, meant)
            yield line

    def of(self, claim: Claim) -> Statements:
        return self.batch if claim.of == self.written.known.objective and claim.wrt else self.statements

    def line(self, claim: Claim, before: tuple[Claim, Expression] | None) -> tuple[Line, Expression | None]:
        statements = self.of(claim)
        if claim.first:
            written = statements.by_rank(statements.read(claim.side, ()))
            statements.define(claim.of, written)
            return Line(claim, Verdict(DEFINED), written), None
        heads = statements.heads(claim.of, claim.wrt, claim.subscripts, claim.partial)
        written = statements.read(claim.side, heads[0].fixed)
        verdict, head, tree, meant = self.best(claim, heads, written)
        follows = None
        if before is not None and meant is not None:
            follows = judge(before[1], meant, setting(statements, head, before[1], meant)).verdict == RIGHT
        slip = None
        if verdict.verdict == WRONG and not follows and self.slips:
            slip = find_slip(statements, head, claim.of, claim.wrt, tree)
            slip = None if slip is None else slip.spelled(statements.respelled)
            self.slips -= 1
        return Line(claim, verdict, statements.respelled(statements.printed(head)), follows, slip), meant

    def best(
        self, claim: Claim, heads: list[Head], written: Expression
    ) -> tuple[Verdict, Head, Expression, Expression | None]:
        """The reading of a side that is right, else the first that fits, else the first."""
        statements = self.of(claim)
        found: list[tuple[Verdict, Head, Expression, Expression | None]] = []
        for at, tree in self.readings(claim, heads, written):
            ranked = tree
            try:
                ranked = statements.by_rank(tree)
                meant = statements.meaning(ranked, at)
            except Unfit as error:
                found.append((Verdict(WRONG, shapes=(error.found, error.wanted)), at, ranked, None))
                continue
            except DeriveError as error:
                found.append((Verdict(WRONG, reason=error.message), at, ranked, None))
                continue
            verdict = judge(at.expr, meant, setting(statements, at, meant))
            found.append((verdict, at, ranked, meant))
            if verdict.verdict == RIGHT:
                return found[-1]
        return min(found, key=lambda each: (each[3] is None, each[0].verdict != UNDECIDED))

    def readings(self, claim: Claim, heads: list[Head], written: Expression) -> Iterator[tuple[Head, Expression]]:
        """Derivatives between names of one shape are read entry by entry, or as Jacobians; those of nodes as total
        ones, or as those of the nodes' own equations."""
        statements = self.of(claim)
        entries = statements.elementwise(written)
        strict = statements.read(claim.side, heads[0].fixed, strict=True)
        others = (statements.elementwise(strict), strict, statements.partials(entries), statements.partials(written))
        trees = dict.fromkeys((entries, written, *others))
        yield from ((head, tree) for head in heads for tree in trees)


def _placed(error: DeriveError, claim: Claim) -> DeriveError:
    """An error that stands in a side's text, at its place in the file."""
    if error.text is None or error.text == claim.side.text:
        place: Place = claim.side.place(error.place, claim.line) if error.place is not None else claim.place
        error.place, error.text = place, None
    return error
