"""Where models come from: built-in names, files, standard input."""

from __future__ import annotations

from pathlib import Path

from derive.errors import DeriveError, did_you_mean, printable
from derive.model import Model
from derive.parse import limits
from derive.parse.model import parse_model
from derive.parse.settings import with_settings
from derive.resources import model_dir

GROUPS = (
    "Basics", "Regression", "Kernels", "Classification", "Networks", "Convolution", "Attention", "Autoencoders",
    "Embeddings", "Metric learning", "Reinforcement learning", "Derivatives", "Sequences", "Time series",
)  # fmt: skip


def builtin_names() -> list[str]:
    """The names of the models that ship with derive, in alphabetical order."""
    return sorted(path.stem for path in model_dir().glob("*.model"))


def builtin_groups() -> dict[str, list[str]]:
    """The names by groups, as the comment under a model's title says: ``# Regression: A. Author, Paper, 1805``.

    >>> "ridge" in builtin_groups()["Regression"]
    True
    """
    found: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in builtin_names():
        found[builtin_text(name).splitlines()[1].removeprefix("# ").partition(":")[0]].append(name)
    return found


def builtin_text(name: str) -> str:
    if name not in builtin_names():
        raise DeriveError(
            f"there is no model '{name}'", hint=did_you_mean(name, builtin_names()) or "`derive models` lists them"
        )
    return (model_dir() / f"{name}.model").read_text(encoding="utf-8")


def builtin_model(name: str, /, **settings: str | float) -> Model:
    """A built-in model, its sizes, constants and functions as `settings` say."""
    return parse_model(with_settings(builtin_text(name), settings), name)


def read_text(path: str | Path) -> str:
    """A model file's text, under the limits."""
    file = Path(path)
    try:
        if file.is_dir():
            raise DeriveError(f"'{printable(file)}' is a folder, not a model")
        if file.exists() and not file.is_file():
            raise DeriveError(f"'{printable(file)}' is not a regular file", hint="- reads a model from standard input")
        if not file.is_file():
            raise DeriveError(f"there is no file '{printable(file)}'")
        if file.stat().st_size > 4 * limits.TEXT:
            raise DeriveError(f"the file '{printable(file)}' is too large for a model")
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        raise DeriveError(
            f"the file '{printable(path)}' cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from None
    return decode(data, str(file))


def decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DeriveError(f"'{printable(source)}' is not text in UTF-8: line {line} has unreadable bytes") from None


def load_model(path: str | Path) -> Model:
    return parse_model(read_text(path), Path(path).name)
