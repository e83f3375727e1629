"""What `derive verify` prints: every line with its verdict, then what is wrong, why, and how it would be right.

In: a `Checked`.  Out: text, or the JSON object.  The words are those of a catalogue.
"""

from __future__ import annotations

from typing import Any

from derive.expression.nodes import Ref
from derive.prove.counterexample import Counterexample
from derive.render.catalogue import Words
from derive.verify.judgement import UNDECIDED, WRONG
from derive.verify.slips import Slip
from derive.verify.statement import shown
from derive.verify.truths import spell
from derive.verify.verify import Checked, Line

COLUMN = 64  # verdicts stand here at most
MOST_VALUES = 8  # names of a counterexample


def print_text(checked: Checked, language: str = "en") -> str:
    """The verdicts, a line each; below, an explanation of each wrong or undecided one."""
    words = Words(language)
    rows = [(f"{line.claim.line:>4}  {_row(line)}", _verdict(line, words)) for line in checked.lines]
    column = min(COLUMN, max(len(left) for left, _ in rows))
    table = [f"{left:<{column}}   {verdict}" for left, verdict in rows]
    told = [_explanation(line, checked, words) for line in checked.lines if _needs_words(line)]
    return "\n".join([*table, *(f"\n{each}" for each in told), "", _summary(checked, words)]) + "\n"


def _row(line: Line) -> str:
    left = _left(line) if line.claim.opens else " " * len(_left(line))
    return f"{left} = {line.claim.text}"


def _left(line: Line, sign: str = "") -> str:
    """The left side with the sign that the author wrote, or with another."""
    claim = line.claim
    sign = sign or ("∂" if claim.partial else "d")
    return (spell(claim.of, claim.wrt, sign) if claim.wrt else claim.of) + claim.subscripts


def _verdict(line: Line, words: Words) -> str:
    told = words[line.verdict.verdict]
    if line.verdict.verdict == WRONG and line.follows:
        return f"{told} ({words['follows']})"
    return told


def _needs_words(line: Line) -> bool:
    return line.verdict.verdict in (WRONG, UNDECIDED)


def _explanation(line: Line, checked: Checked, words: Words) -> str:
    number, column = line.claim.place.line, line.claim.place.column
    source = checked.written.text.split("\n")[number - 1].rstrip()
    key = "line wrong" if line.verdict.verdict == WRONG else "line undecided"
    told = [words.sentence(key, number=str(number))]
    told += [f"    {source.replace(chr(9), ' ')}", "    " + " " * (column - 1) + "^" * line.claim.place.width]
    if line.verdict.verdict == UNDECIDED:
        return "\n".join([*told, words["no point"]])
    if line.follows:
        told.append(words["wrong before"])
    if line.slip is not None:
        told += [slip_sentence(line.slip, words), f"    {_left(line)} = {shown(line.slip.corrected)}"]
    elif not line.follows:
        told += [words["no slip"], f"    {_left(line)} = {shown(line.truth)}"]
    if line.verdict.counterexample is not None:
        told.append(_numbers(line.verdict.counterexample, words))
    if line.verdict.shapes is not None:
        found, wanted = line.verdict.shapes
        told.append(words.sentence("shapes differ", found=found, wanted=wanted))
    if line.verdict.reason:
        told.append(words.sentence("does not fit", reason=line.verdict.reason))
    return "\n".join(told)


def slip_sentence(slip: Slip, words: Words) -> str:
    """What was done, in a sentence.

    >>> from derive.expression.nodes import Neg
    >>> slip_sentence(Slip("sign", Ref("y"), Neg(Ref("y")), Ref("y")), Words("en"))
    'a sign is wrong: -y should be y'
    """
    before, after = ("" if e is None else shown(e) for e in (slip.before, slip.after))
    derivative = "" if slip.derivative is None else spell(*slip.derivative)
    told = f"{derivative} = {after}" if derivative and derivative != after else after
    said = words.sentence(f"slip {slip.kind}", before=before, after=told)
    return words.sentence("two slips", slip=said) if slip.turned else said


def _numbers(found: Counterexample, words: Words) -> str:
    at = [f"{shown(Ref(n))} = {_number(v)}" for n, v in list(found.values.items())[:MOST_VALUES]]
    at += [words.sentence("entry", places=", ".join(map(str, found.entry.values())))] if found.entry else []
    line = words["no value"] if found.after is None else _number(found.after)
    key = "counterexample" if at else "counterexample of one"
    return words.sentence(key, at=", ".join(at), line=line, truth=_number(found.before))


def _number(value: float) -> str:
    return f"{value:.5g}"


def _summary(checked: Checked, words: Words) -> str:
    count, right = len(checked.lines), sum(not _needs_words(line) for line in checked.lines)
    if checked.right:
        return words.sentence("verified", count=str(count)) if count > 1 else words["verified one"]
    first = next(line for line in checked.lines if _needs_words(line))
    return words.sentence("not verified", right=str(right), count=str(count), number=str(first.claim.line))


def to_dict(checked: Checked) -> dict[str, Any]:
    """The JSON object of ``derive verify --format json``."""
    return {
        "model": checked.model.name,
        "loss": checked.model.loss,
        "right": checked.right,
        "lines": [_line(line) for line in checked.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    claim = line.claim
    return {
        "line": claim.line,
        "column": claim.place.column,
        "left": _left(line, "d"),
        "text": claim.text,
        "verdict": line.verdict.verdict,
        "proof": line.verdict.proof,
        "follows": line.follows,
        "expr": shown(line.truth),
        "reason": line.verdict.reason or None,
        "shapes": None if line.verdict.shapes is None else list(line.verdict.shapes),
        "slip": None if line.slip is None else _slip(line.slip),
        "counterexample": None if line.verdict.counterexample is None else _values(line.verdict.counterexample),
    }


def _slip(slip: Slip) -> dict[str, Any]:
    before, after = (None if e is None else shown(e) for e in (slip.before, slip.after))
    return {
        "kind": slip.kind,
        "message": slip_sentence(slip, Words("en")),
        "before": before,
        "after": after,
        "corrected": shown(slip.corrected),
    }


def _values(found: Counterexample) -> dict[str, Any]:
    return {
        "at": {shown(Ref(name)): value for name, value in found.values.items()},
        "entry": list(found.entry.values()),
        "line": found.after,
        "derivative": found.before,
    }
