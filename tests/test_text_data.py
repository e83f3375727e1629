"""Texts as data: characters as whole numbers, pieces with what follows them, a sample of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import derive.train.run as running
from derive.errors import DeriveError
from derive.model import Model
from derive.train.examples import read_examples
from derive.train.run import Options
from derive.train.settings import Settings
from derive.train.text_data import PLACES, SAMPLE, written_sample

BIGRAMS = Model.parse(
    "T: size = 8\nV: size\nx: input[T] = integer(V)\ny: target[T] = integer(V)\nW: parameter[V, V] = zeros\n"
    "z[t] = W[x[t]]\np: output = softmax(z, axis=1)\nL: loss = mean(-log(p[t, y[t]]), t)",
    "bigrams",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, **sizes: int) -> Any:
    Path("t.txt").write_text(text, encoding="utf-8")
    return read_examples(BIGRAMS, "t.txt", Settings(sizes=sizes))


def test_each_character_goes_with_the_one_that_follows() -> None:
    found = read("abcdabcdabcdé" * 3)
    assert found.alphabet == "abcdé" and found.sizes == {"V": 5, "T": 8}
    told = "".join(found.alphabet[int(k)] for k in found.arrays["x"].ravel())
    following = "".join(found.alphabet[int(k)] for k in found.arrays["y"].ravel())
    assert ("abcdabcdabcdé" * 3).startswith(told) and told[1:] == following[:-1]
    assert found.arrays["x"].shape == found.arrays["y"].shape == (4, 8)


def test_the_length_is_set() -> None:
    assert read("abcabcabcabc", T=3).arrays["x"].shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "sizes", "message"),
    [
        ("abc", {}, "has 3 characters, fewer than the 9 of one example"),
        ("abcdefghijklmn", {"V": 4}, "has 14 different characters, more than V"),
        ("", {}, "has 0 characters"),
    ],
)
def test_what_is_no_text_for_the_model_is_refused(text: str, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(DeriveError, match=message):
        read(text, **sizes)


def test_bytes_that_are_no_text_are_refused() -> None:
    Path("t.txt").write_bytes(b"\xff\xfe\x00abcdefghijkl")
    with pytest.raises(DeriveError, match="not a text in UTF-8"):
        read_examples(BIGRAMS, "t.txt", Settings())


def test_a_sample_is_drawn_by_the_probabilities() -> None:
    examples = read("abababababababab")

    def other_letter(arrays: Any) -> Any:
        return np.eye(2)[1 - arrays["x"]]

    assert written_sample(examples, "x", other_letter, seed=0) == "ab" * (4 + SAMPLE // 2) + "\n"


def test_a_run_learns_which_letter_follows() -> None:
    Path("t.txt").write_text("abcd" * 200, encoding="utf-8")
    options = Options("t.txt", epochs=2000, lr=50.0, folder="out")
    found = running.run(BIGRAMS, options, lambda message: None)
    assert found.test is not None and found.test.metric is not None and found.test.metric.value == 1
    texts = Path("out/sample.txt").read_text(encoding="utf-8").strip().split("\n\n…\n\n")
    assert len(texts) == PLACES and all(text in "abcd" * 200 and len(text) == 8 + SAMPLE for text in texts)
