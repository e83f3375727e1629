"""Where the files that ship with derive are: templates, built-in models, data sets."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def template_dir() -> Path:
    """`templates/`: inside the package in a wheel, beside the package in an editable install."""
    inside = PACKAGE / "templates"
    return inside if inside.is_dir() else PACKAGE.parent / "templates"


def model_dir() -> Path:
    """The built-in models, one `.model` file each."""
    return PACKAGE / "models"


def data_dir() -> Path:
    """The data sets that ship with derive, each with its source and licence beside it."""
    return PACKAGE / "datasets"
