"""Derivation → a module in fast style: the same interface, and steps of single calls on arrays that are made once.

In: a derivation.  Out: the optimised program as `templates/fast.py.j2` lays it out.  Where scalar parameters can be
gathered into products, quicker for small batches and slower for large ones, there are two functions that make a step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from derive.derivation import Derivation
from derive.emit.brackets import bracketed
from derive.emit.flat_update import rule_update
from derive.emit.module import Module, tuple_code
from derive.emit.numpy_code import NumpyPrinter
from derive.emit.step import Step, used_lines
from derive.emit.update import UpdateCode
from derive.expression.build import add
from derive.expression.walk import names
from derive.lower.lower import lower
from derive.lower.passes.table import FOR_LARGE_BATCHES, optimised
from derive.lower.states import with_next_states
from derive.model import Variable
from derive.parse.sizes import collected
from derive.update_rule import UpdateRule

CACHE = 160_000  # numbers that the arrays in between may have together
LEAST_BLOCK = 256  # examples, so that products have enough rows
SMALL = 1024  # examples, up to which calls cost more than what they compute


class FastModule(Module):
    template = "fast.py.j2"
    constants_in_train = "self.work.constants"
    own = ("step", "report", "total", "constants", "theta", "gradient", "work", "count")

    def __init__(self, derivation: Derivation, dtype: str, rule: UpdateRule) -> None:
        super().__init__(derivation, dtype, rule)
        self.in_step = True  # whether sizes are told by the arguments of the function that makes a step
        self.lowered = with_next_states(lower(derivation, steps_first=True))
        self.optimised = optimised(self.lowered)
        self.given = [v for v in self.model.of_role("input", "target", "noise") if v.name in self.read()]
        self.examples = self.count or (self.names(self.model.examples) if self.model.examples else self.names.new("n"))
        programs = [optimised(self.lowered, FOR_LARGE_BATCHES)] if self.optimised.gathered else []
        self.steps = [Step(p, self.names, dtype, self.given) for p in (*programs, self.optimised)]

    def read(self) -> set[str]:
        """What the statements read, in their values and in their shapes."""
        values = {n for s in self.optimised.statements for n in s.read}
        return values | {n for s in self.optimised.statements for size in s.shape or () for n in names(size)}

    def more_fields(self) -> dict[str, Any]:
        self.printer.helpers.clear()  # those of the readable gradients
        self.lines(self.program.needed(self.model.loss, *self.model.outputs))
        for step in self.steps:
            self.printer.helpers |= step.operations.printer.helpers
        data = self.model.of_role("input", "target", "noise")
        given_noise = [v for v in self.given if v.role == "noise"]
        noise = [{"name": v.name, "shape": self.noise_shape(v), "line": self.filled(v)} for v in given_noise]
        return {
            "count": self.examples,
            "blocks": self.is_blocked(),
            "summed": self.optimised.summed,
            "cache": CACHE,
            "least_block": LEAST_BLOCK,
            "small": SMALL,
            "per_example": self.per_example(),
            "block_sizes": used_lines(self.size_lines(), self.per_example()),
            "steps": [self.step_fields(step) for step in self.steps],
            "rows": [self.matrix_fields(name, rows) for name, rows in self.steps[-1].rows.items()],
            "parameter_names": tuple_code(self.parameter_order()),
            "original_names": tuple_code(list(self.model.kept)),
            "trained_names": tuple_code(list(self.model.parameters)),
            "state_names": tuple_code(list(self.model.states.values())),
            "given": [{"name": v.name, "code": self.array(v)} for v in self.given],
            "given_names": tuple_code([v.name for v in self.given]),
            "checks": self.checks(),
            "has_constants": bool(self.constants()),
            "gradients_unpack": self.gradients_unpack(list(data)),
            "data_items": ", ".join(f'"{v.name}": {self.names(v.name)}' for v in self.given),
            "constant_items": "{" + ", ".join(f'"{v.name}": {self.names(v.name)}' for v in self.constants()) + "}",
            "first_data": self.names(data[0].name) if data else "",
            "noise": noise,
            "noise_sizes": any("sizes[" in each["line"] for each in noise),
            "noise_names": tuple_code([v.name for v in self.given if v.role == "noise"]),
        }

    def update_fields(self, code: UpdateCode) -> dict[str, Any]:
        """The update of the vector of all parameters, if not SciPy's; `folded` with the division by the examples."""
        if not self.rule.optimizer.equations:
            return {}
        update = rule_update(self.rule, code.constants, self.dtype)
        return {
            "update_bound": update.bound,
            "update_lines": update.lines,
            "trainer_call": self.trainer_call(code),
            "folded": self.rule.is_plain or not self.optimised.summed,
        }

    def trainer_call(self, code: UpdateCode) -> str:
        """How `train` makes what it trains with: by its own arguments."""
        rule = [argument.partition("=")[0] for argument in code.train_arguments]
        options = ["options"] if self.has_options() else []
        own = ["data", "epochs", "lr", "batch_size", "seed", "params"]
        return bracketed("trainer = Trainer(", [*own, *options, *rule], ")", 4)

    # The functions that make a step.

    def step_fields(self, step: Step) -> dict[str, Any]:
        gathered = bool(step.program.gathered)
        flat = ["theta", "gradient"] if gathered else []
        data = [self.examples, "data"] if self.model.of_role("input", "target") else []
        constants = ["constants"] if self.constants() else []
        return {
            "name": "_small_step" if gathered else "_step",
            "gathered": gathered,
            "signature": ", ".join([*flat, "params", "grads", *data, *constants]),
            "arguments": step.arguments,
            "bound": step.bound(self.size_lines(), self.constant),
            "lines": step.lines,
            "passed": tuple_code(step.passed),
            "rows": tuple_code(list(step.rows)),
        }

    def matrix_fields(self, name: str, rows: list[str]) -> dict[str, Any]:
        """A matrix of data: which of them is which row; the others are ones."""
        entries = [(k, row) for k, row in enumerate(rows) if row != "1"]
        code = ", ".join(f'({k}, "{row}")' for k, row in entries)
        return {
            "name": name,
            "entries": entries,
            "entries_code": f"({code},)" if len(entries) == 1 else f"({code})",
            "count": len(rows),
        }

    def parameter_order(self) -> list[str]:
        """In memory: those that lie side by side first, states last."""
        gathered = [p for group in self.optimised.gathered for p in group]
        return [*gathered, *(p for p in self.model.kept if p not in gathered)]

    def constant(self, v: Variable) -> str:
        return f"constants{self.entry(v)}"

    def size_lines(self) -> list[str]:
        """The sizes that the arrays have."""
        sources = self.size_sources(list(self.given), set())
        return [f"{self.names(name)} = {code}" for name, code in sources.items() if name != self.model.examples]

    def shape_of(self, v: Variable, in_scope: bool) -> str:
        if not self.in_step:
            return super().shape_of(v, in_scope)
        if v.name in self.model.kept:
            return f'params["{v.name}"].shape'
        return f'np.shape(constants["{v.name}"])' if v.role == "constant" else f'data["{v.name}"].shape'

    # Blocks of examples.

    def is_blocked(self) -> bool:
        each = self.count != "" and self.model.loss in self.model.per_example
        return each and bool(self.given) and not self.model.states

    def per_example(self) -> str:
        sizes = self.steps[0].sizes_per_example()
        return self.printer.code(collected(add(*sizes))) if sizes else "1"

    # Data.

    def array(self, v: Variable) -> str:
        kind = "int" if v.kind == "integer" else f"np.{self.dtype}"
        return f'np.ascontiguousarray(data["{v.name}"], dtype={kind})'

    def checks(self) -> list[dict[str, str]]:
        """Whole numbers that say which row: they must lie below the size that the model declares."""
        sources = self.size_sources(list(self.given), set())
        found: list[dict[str, str]] = []
        for v in self.given:
            if v.kind == "integer" and v.kind_argument is not None:
                bound = sources.get(str(v.kind_argument), self.printer.code(v.kind_argument))
                found.append({"name": v.name, "bound": bound})
        return found

    def gradients_unpack(self, data: list[Variable]) -> list[str]:
        """Renamed data; noise that is not given."""
        lines = [line for line in self.unpack(data, set()) if "data[" in line or "data.get(" in line]
        noise = [v for v in data if v.role == "noise" and v.name in self.read()]
        drawn: list[str] = []
        for v in noise:
            python = self.names(v.name)
            code = self.draw(v, "np.random.default_rng()", f"len({self.names(data[0].name)})")
            drawn.append(f"{python} = {code} if {python} is None else {python}")
        sizes = [f"{self.names(name)} = {code}" for name, code in self.outside(data).items()]
        return [*lines, *used_lines(sizes, "\n".join(drawn)), *drawn]

    def unpack(self, data: list[Variable], used: set[str]) -> list[str]:
        with self.by_arguments():
            return super().unpack(data, used)

    def outside(self, data: list[Variable]) -> dict[str, str]:
        with self.by_arguments():
            return self.size_sources([v for v in data if v.role != "noise"], set())

    @contextmanager
    def by_arguments(self) -> Iterator[None]:
        """Sizes are told by what `loss` and `loss_and_gradients` have: their arguments."""
        self.in_step = False
        try:
            yield
        finally:
            self.in_step = True

    def filled(self, v: Variable) -> str:
        """The line that draws the noise of a minibatch into its place."""
        place = f'self.work.data["{v.name}"][batch.start : batch.stop]'
        if v.kind == "bernoulli":
            return f"{place} = {self.drawn(v)['code']}"
        kind = "" if self.dtype == "float64" else f"dtype=np.{self.dtype}, "
        return f"rng.{self.generator(v)}({kind}out={place})"

    def noise_shape(self, v: Variable) -> str:
        printer = NumpyPrinter(self.in_train)
        sizes = [printer.code(size) for size in self.model.entry_shape(v)]
        return ", ".join(["count", *sizes]) if sizes else "count,"
