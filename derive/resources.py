"""Where the files that ship with derive are: templates, built-in models, data sets."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent


def template_dir() -> Path:
    """`templates/`: inside the package in a wheel, beside the package in an editable install."""
    inside = PACKAGE / "templates"
    return inside if inside.is_dir() else PACKAGE.parent / "templates"


def model_dir() -> Path:
    """The built-in models, one `.model` file each."""
    return PACKAGE / "models"


def optimizer_dir() -> Path:
    """The optimisers, one `.optimizer` file each."""
    return PACKAGE / "optimizers"


def schedule_dir() -> Path:
    """The learning-rate schedules, one `.schedule` file each."""
    return PACKAGE / "schedules"


@cache
def training_rows() -> dict[str, dict[str, Any]]:
    """How the built-in models are trained: the rows of `training.toml` by the model's name."""
    return tomllib.loads((model_dir() / "training.toml").read_text(encoding="utf-8"))


def data_dir() -> Path:
    """The data sets that ship with derive, each with its source and licence beside it."""
    return PACKAGE / "datasets"
