"""derive: gradients of networks, derived from their equations, proved step by step, printed, and run.

What programs use is loaded when it is first asked for, so that ``import derive`` costs nothing:

>>> from derive import Model
>>> Model.builtin("quadratic").loss
'L'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.derivation import Derivation as Derivation
    from derive.errors import DeriveError as DeriveError
    from derive.model import Model as Model

__version__ = "0.1.0"
__all__ = ["Derivation", "DeriveError", "Model", "__version__"]

_HOMES = {"Derivation": "derive.derivation", "DeriveError": "derive.errors", "Model": "derive.model"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'derive' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
