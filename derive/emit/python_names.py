"""Names in the generated module: the user's never collide with the module's own."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Iterable, Sequence

# What the functions that speak of the model's names call their own.
OF_FUNCTIONS = ("np", "scipy", "math", "sys", "csv", "params", "grads", "data", "sizes", "seed", "rng")
FUNCTIONS = ("init", "loss", "loss_and_gradients", "predict", "update", "train", "read_csv")
OWN = frozenset((*OF_FUNCTIONS, *FUNCTIONS))
# Arguments of `train` in one style or another.
OF_TRAIN = ("self", "data", "epochs", "lr", "batch_size", "seed", "tolerance", "params", "callback", "report")


def option_names(names: Sequence[str]) -> dict[str, str]:
    """What `train` calls these constants and sizes: as the model does, unless that is an argument of its own.

    >>> option_names(["lam", "lr"])
    {'lam': 'lam', 'lr': 'lr_'}
    """
    found: dict[str, str] = {}
    for name in names:
        option = name
        while option in OF_TRAIN or (option != name and option in names):
            option += "_"
        found[name] = option
    return found


class PythonNames:
    """A Python name for each name of the model; the same one wherever it can be."""

    def __init__(self, names: Iterable[str], own: Iterable[str] = ()) -> None:
        self.taken = {*OWN, *own}
        self.table: dict[str, str] = {}
        for name in names:
            self.table[name] = self.new(name)

    def copy(self) -> PythonNames:
        """The same names, for a function of its own: what is added here is not taken there."""
        other = PythonNames(())
        other.taken, other.table = set(self.taken), dict(self.table)
        return other

    def new(self, wanted: str) -> str:
        """A name that nothing else has: the wanted one, or with underscores behind it."""
        name = wanted
        while name in self.taken or keyword.iskeyword(name) or keyword.issoftkeyword(name) or hasattr(builtins, name):
            name += "_"
        self.taken.add(name)
        return name

    def __call__(self, name: str) -> str:
        if name not in self.table:
            self.table[name] = self.new("d_" + name.removeprefix("∂") if name.startswith("∂") else name)
        return self.table[name]
