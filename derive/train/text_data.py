"""A text as data: its characters as whole numbers, in pieces, each with the characters that follow.

In: a file, and a model with an input and a target of whole numbers, ``x: input[T] = integer(V)``, ``y: target[T] =
integer(V)``.  Out: `Examples` with their alphabet; and a sample, written by a trained model character by character.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from derive.errors import DeriveError, printable
from derive.expression.nodes import Number, Ref
from derive.model import Model, Variable
from derive.train.examples_of import Examples
from derive.train.settings import Settings

LARGEST = 20_000_000  # characters of a text
PLACES, SAMPLE = 3, 200  # of the text, and characters that are written on from each

Predict = Callable[[Mapping[str, Any]], Any]


def text_variables(model: Model) -> tuple[Variable, Variable] | None:
    """The input and the target of a model of texts: sequences of whole numbers below the same size."""
    inputs, targets = model.of_role("input"), model.of_role("target")
    if len(inputs) != 1 or len(targets) != 1 or not _is_sequence(inputs[0]) or not _is_sequence(targets[0]):
        return None
    x, y = inputs[0], targets[0]
    alike = x.shape == y.shape and x.kind_argument == y.kind_argument
    return (x, y) if alike else None


def _is_sequence(v: Variable) -> bool:
    return v.kind == "integer" and len(v.shape) == 1 and isinstance(v.kind_argument, Ref)


def read_text_data(path: Path, model: Model, x: Variable, y: Variable, settings: Settings) -> Examples:
    """Pieces of the text that do not overlap; the size of the alphabet is bound by the text."""
    text = _read(path)
    length = _length(model, x, settings)
    alphabet = "".join(sorted(set(text)))
    count = (len(text) - 1) // length
    if count < 1:
        raise DeriveError(f"{printable(path)} has {len(text)} characters, fewer than the {length + 1} of one example")
    size = str(x.kind_argument)
    if settings.sizes.get(size, len(alphabet)) < len(alphabet):
        raise DeriveError(f"{printable(path)} has {len(alphabet)} different characters, more than {size}")
    place = {character: k for k, character in enumerate(alphabet)}
    numbers = np.array([place[character] for character in text[: count * length + 1]], dtype=np.float64)
    arrays = {x.name: numbers[:-1].reshape(count, length), y.name: numbers[1:].reshape(count, length)}
    sizes = {size: len(alphabet)} if size not in settings.sizes else {}
    if isinstance(x.shape[0], Ref) and x.shape[0].name not in settings.sizes:
        sizes[x.shape[0].name] = length
    return Examples(arrays, sizes=sizes, source=printable(path), alphabet=alphabet)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > 4 * LARGEST:
            raise DeriveError(f"{printable(path)} is longer than {LARGEST:,} characters")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DeriveError(f"there is no file {printable(path)}") from None
    except UnicodeDecodeError:
        raise DeriveError(f"{printable(path)} is not a text in UTF-8") from None
    except OSError as error:
        raise DeriveError(f"cannot read {printable(path)}: {error.strerror or error}") from None


def _length(model: Model, x: Variable, settings: Settings) -> int:
    """How many characters an example has."""
    (size,) = x.shape
    if isinstance(size, Number):
        return int(size.value)
    known = settings.sizes.get(str(size))
    declared = model.variables.get(str(size))
    if known is None and declared is not None and isinstance(declared.value, Number):
        known = int(declared.value.value)
    if known is None:
        raise DeriveError(f"the data cannot tell the size {size}", hint="set it with --set NAME=VALUE")
    return known


def written_sample(examples: Examples, x: str, predict: Predict, seed: int) -> str:
    """Texts as the model would go on at a few places of what it read: each character is drawn by its probability.

    `predict` gives, for one example of whole numbers, the probabilities after each of its characters, (1, T, V).
    """
    rng = np.random.default_rng(seed)
    windows = examples.arrays[x]
    places = rng.choice(len(windows), size=min(PLACES, len(windows)), replace=False)
    return "\n\n…\n\n".join(_written(examples, x, predict, [int(k) for k in windows[n]], rng) for n in places) + "\n"


def _written(examples: Examples, x: str, predict: Predict, window: list[int], rng: np.random.Generator) -> str:
    found = list(window)
    for _ in range(SAMPLE):
        told = np.asarray(predict({x: np.array([window])}), dtype=np.float64)
        chances = np.clip(told.reshape(len(window), -1)[-1], 0, None)
        chances = chances[: len(examples.alphabet)] + 1e-12
        found.append(int(rng.choice(len(examples.alphabet), p=chances / chances.sum())))
        window = found[-len(window) :]
    return "".join(examples.alphabet[k] for k in found)
