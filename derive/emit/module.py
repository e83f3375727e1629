"""Derivation → the source of a numpy module that trains the model, with the interface that the command line documents.

Python hands the template finished lines; the template holds the layout of the module.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection
from itertools import groupby
from typing import Any

from derive.derivation import Derivation
from derive.emit.defaults import training_defaults
from derive.emit.helpers import HELPERS, with_needs
from derive.emit.initial import initial_values
from derive.emit.numpy_code import NumpyPrinter, number_code
from derive.emit.python_names import PythonNames, option_names
from derive.emit.step_views import loop_code
from derive.emit.told_sizes import solved_sizes
from derive.emit.update import UpdateCode, update_code
from derive.errors import DeriveError
from derive.expression.nodes import Call, Div, Expression, Number, Pow, Where
from derive.expression.walk import walk
from derive.lower.lower import lower
from derive.lower.passes.forgetting import steps_behind_examples_forgotten
from derive.lower.passes.loops import is_zero
from derive.lower.passes.stacks import slices_as_matrices
from derive.lower.program import Program, Statement
from derive.lower.turned import StepsNotFirst
from derive.model import Model, Variable
from derive.parse.numbers import number_value
from derive.render.templates import template
from derive.update_rule import UpdateRule, rule_for

WIDTH = 120  # of a line, as ruff formats this repository
STYLES = ("readable", "fast", "estimator")
DTYPES = ("float64", "float32")


def generate(
    derivation: Derivation,
    style: str = "readable",
    optimizer: str | UpdateRule | None = None,
    dtype: str = "float64",
    schedule: str | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    weight_decay: float | None = None,
) -> str:
    """The module's source: numpy and the standard library alone, deterministic, formatted.

    `optimizer` is a name or a rule, that of the model if it is None; it and what follows `dtype` are as `update_rule`
    takes them: ``generate(derivation, optimizer="adam", schedule="warm-up,cosine", clip_norm=1.0)``.
    """
    for value, known, what in ((style, STYLES, "style"), (dtype, DTYPES, "dtype")):
        if value not in known:
            raise DeriveError(f"there is no {what} '{value}'", hint=f"one of {', '.join(known)}")
    rule = rule_for(derivation.model, optimizer, schedule, clip_norm, clip_value, weight_decay)
    if style == "estimator":
        from derive.emit.estimator import estimator_source

        return estimator_source(derivation, rule, dtype)
    _check_fits(rule, derivation.model)
    source = _fast_source(derivation, dtype, rule) if style == "fast" else Module(derivation, dtype, rule).source()
    compile(source, "generated", "exec")  # a broken module is an error here, not at the user's
    return source


def _fast_source(derivation: Derivation, dtype: str, rule: UpdateRule) -> str:
    """In readable style where the steps of a recurrence cannot be laid as fast code has them."""
    from derive.emit.fast import FastModule

    try:
        return FastModule(derivation, dtype, rule).source()
    except StepsNotFirst:
        return Module(derivation, dtype, rule).source()


def _check_fits(rule: UpdateRule, model: Model) -> None:
    """SciPy's optimisers take a function of entries that are all free, the same at every call."""
    if rule.optimizer.equations:
        return
    title = rule.optimizer.title
    for role, what in (("noise", "draws noise"), ("state", "has a state")):
        if model.of_role(role):
            raise DeriveError(f"{title} needs a loss that is the same each time, and this model {what}")
    symmetric = [name for name, structure in model.structures.items() if structure == "symmetric"]
    if symmetric:
        raise DeriveError(f"{title} needs parameters whose entries are all free; '{symmetric[0]}' is symmetric")


def load(source: str, name: str) -> types.ModuleType:
    """A generated module, ready to call."""
    module = types.ModuleType(re.sub(r"\W", "_", name))
    try:
        exec(compile(source, f"<generated code of {name}>", "exec"), module.__dict__)
    except ModuleNotFoundError as error:
        raise DeriveError(f"the code of this model needs {error.name}", hint="pip install scipy") from None
    return module


class Module:
    """A module in readable style; `template` has its layout."""

    template = "module.py.j2"
    own: tuple[str, ...] = ()  # names in functions that also have the model's, beside those that every style has

    def __init__(self, derivation: Derivation, dtype: str, rule: UpdateRule) -> None:
        self.rule = rule
        self.derivation = derivation
        self.model: Model = derivation.model
        self.dtype = dtype
        self.program: Program = slices_as_matrices(steps_behind_examples_forgotten(lower(derivation)))
        everything = [*self.model.variables, *self.model.by_name]
        self.names = PythonNames(everything, self.own)
        self.count = "" if self.program.count is None else self.names.new("n")
        if self.program.count is not None:
            self.names.table[self.program.count] = self.count
        steps = {s.loop.index for s in self.program.statements if s.loop}
        sizes = (v.name for v in self.model.of_role("size"))
        self.printer = NumpyPrinter(self.names, frozenset({*steps, *sizes}), dtype)

    def source(self) -> str:
        model, program = self.model, self.program
        data = list(model.of_role("input", "target", "noise"))
        outputs = model.outputs
        predicted = program.needed(*outputs)
        used = {n for s in predicted for n in s.read}
        stepped = program.needed(*model.states)
        forward = program.needed(model.loss)
        backward_names = {n for s in (*program.backward, *program.gradients) for n in s.read}
        both = program.needed(model.loss, *backward_names)
        alive = {n for s in (*both, *program.backward, *program.gradients) for n in s.read}
        alive_in_loss = {n for s in forward for n in s.read}
        inputs = [v for v in model.of_role("input", "noise") if v.name in used]
        self.check_sizes(data, alive)
        self.check_sizes(inputs, used)
        initial = initial_values(model, self.names, self.dtype)
        defaults = training_defaults(model, self.is_classifier(), self.rule)
        options = option_names([v.name for v in (*self.constants(), *model.of_role("size"))])
        fields: dict[str, Any] = {
            "dtype": self.dtype,
            "fast": self.template == "fast.py.j2",
            "title": one_line_text(model.title or f"The model {model.name}"),
            "equations": [one_line_text(s.formula) for s in program.forward],
            "formulas": [one_line_text(g.formula) for g in program.gradients],
            "init_signature": self.init_signature(),
            "init_sizes": self.renamed_sizes(),
            "init": initial,
            "signature": self.signature(data),
            "unpack": self.unpack(data, alive),
            "loss_unpack": self.unpack(data, alive_in_loss),
            "forward": self.lines(forward),
            "both": self.lines(both),
            "objective": self.mean_loss(),
            "backward": self.lines(program.backward),
            "gradients": [
                {"name": g.name.removeprefix("∂"), **self.one_line(g, grads=True)} for g in program.gradients
            ],
            "predict_signature": self.signature(inputs, self.unneeded(inputs, used)),
            "predict_unpack": self.unpack(inputs, used),
            "predict_lines": self.lines(predicted),
            "outputs": [self.names(name) for name in outputs],
            "states": [{"name": s, "code": self.next_value(e)} for e, s in model.states.items()],
            "states_lines": self.lines(stepped),
            "states_unpack": self.unpack(data, {n for s in stepped for n in s.read}),
            "is_mean": model.loss in model.per_example,
            "data_names": [v.name for v in data if v.role != "noise"],
            "bound_sizes": self.bound_sizes(),
            "noise": [self.drawn(v) for v in model.of_role("noise")],
            "constant_names": tuple_code([v.name for v in self.constants()]),
            "size_names": tuple_code([v.name for v in model.of_role("size")]),
            "csv_names": tuple_code([v.name for v in data if v.role != "noise"]),
            "csv_scalars": tuple_code([v.name for v in data if v.role != "noise" and not v.shape]),
            "quiet": self.needs_quiet(),
            "symmetric": tuple_code([p for p, s in model.structured_parameters.items() if s == "symmetric"]),
            "has_options": self.has_options(),
            "defaults": defaults,
            "renamed_options": [(option, name) for name, option in options.items() if option != name],
            "update": update_code(self.rule, f"{defaults.lr}", options.values()),
        }
        fields |= self.more_fields()
        fields |= self.update_fields(fields["update"])
        fields["random"] = any("rng." in p["code"] for p in initial)
        fields["helpers"] = [HELPERS[name].rstrip() for name in with_needs(self.printer.helpers)]
        fields["needs_math"] = any("math." in HELPERS[name] for name in with_needs(self.printer.helpers))
        needs = not self.rule.optimizer.equations or self.dtype == "float32"
        fields["needs_numpy"] = bool(data) or bool(fields["random"]) or needs or "np." in repr(fields)
        fields["needs_scipy"] = "scipy.special." in repr(fields)
        return template("python", self.template).render(fields)

    def more_fields(self) -> dict[str, Any]:
        """What the template of another style needs besides."""
        return {}

    def update_fields(self, code: UpdateCode) -> dict[str, Any]:
        """What it needs of the update rule."""
        return {}

    def has_options(self) -> bool:
        return bool(self.constants() or self.model.of_role("size"))

    def is_classifier(self) -> bool:
        """Whether an output is a probability, so that the default learning rate may be larger."""
        heads = ("_sigmoid(", "_softmax(")
        return any(
            self.printer.code(s.value).startswith(heads) for s in self.program.forward if s.name in self.model.outputs
        )

    def init_signature(self) -> str:
        """Sizes whose names the module needs itself come through ``**sizes``, also one that is called `seed`."""
        sizes = self.model.of_role("size")
        own = [v for v in sizes if self.names(v.name) == v.name]
        required = [v.name for v in own if v.value is None]
        given = [f"{v.name}={self.default(v)}" for v in own if v.value is not None]
        renamed = len(own) < len(sizes)
        parts = ["seed=0", *(["/"] * renamed), *(["*"] if own else []), *required, *given, *(["**sizes"] * renamed)]
        return ", ".join(parts)

    def renamed_sizes(self) -> list[str]:
        """The lines of `init` for the sizes that come through ``**sizes``."""
        renamed = [v for v in self.model.of_role("size") if self.names(v.name) != v.name]
        return [
            f'{self.names(v.name)} = sizes["{v.name}"]'
            if v.value is None
            else f'{self.names(v.name)} = sizes.get("{v.name}", {self.default(v)})'
            for v in renamed
        ]

    def default(self, v: Variable) -> str:
        if isinstance(v.value, Number):
            return number_code(v.value.value)
        return "" if v.value is None else self.printer.code(v.value)

    def constants(self) -> list[Variable]:
        return list(self.model.of_role("constant"))

    def unneeded(self, data: list[Variable], used: set[str]) -> set[str]:
        """The constants that neither statements with these names need nor the lines before them, for sizes."""
        words = {word for line in self.unpack(data, used) for word in re.findall(r"\w+", line)}
        return {v.name for v in self.constants()} - used - words

    def signature(self, data: list[Variable], unneeded: Collection[str] = ()) -> str:
        """The keyword arguments after ``params``; names that the module needs itself come through ``**data``."""
        parts: list[str] = []
        rest = False
        for v in data:
            if self.names(v.name) != v.name:
                rest = True
            else:
                parts.append(f"{v.name}=None" if v.role == "noise" else v.name)
        for v in self.constants():
            if self.names(v.name) != v.name:
                rest = True
            else:
                parts.append(f"{v.name}={self.default(v)}" if v.value is not None else self.without_value(v, unneeded))
        if rest:
            parts.append("**data")
        if not parts:
            return "params"
        star = ["*"] if not parts[0].startswith("**") else []
        return ", ".join(["params", *(["/"] if rest else []), *star, *parts])

    def without_value(self, v: Variable, unneeded: Collection[str]) -> str:
        return f"{v.name}=None" if v.name in unneeded else v.name

    def unpack(self, data: list[Variable], used: set[str]) -> list[str]:
        """Lines that bring parameters, renamed data, sizes and the number of examples into scope."""
        model = self.model
        lines = [f'{self.names(p)} = params["{p}"]' for p in model.kept if p in used]
        for v in (*data, *self.constants()):
            python = self.names(v.name)
            if python != v.name:
                lines.append(f"{python} = {self.renamed(v)}")
        for v in data:
            if v.name not in used or v.role == "noise":
                continue
            kind = ", dtype=int" if v.kind == "integer" else f", dtype=np.{self.dtype}"
            lines.append(f"{self.names(v.name)} = np.asarray({self.names(v.name)}{kind})")
        for v in self.constants():
            if v.shape and v.value is None and v.name in used:
                lines.append(f"{self.names(v.name)} = np.asarray({self.names(v.name)}, dtype=np.{self.dtype})")
        if self.count and data and (self.program.count in used):
            lines.append(f"{self.count} = len({self.names(data[0].name)})")
        for size, where in self.size_sources(data, used).items():
            if size in used or any(v.role == "noise" for v in data):
                lines.append(f"{self.names(size)} = {where}")
        for v in data:
            if v.role == "noise" and v.name in used:
                count = self.count or self.names(model.examples or "")
                if not any(line.startswith(f"{count} = ") for line in lines):
                    lines.append(f"{count} = len({self.names(data[0].name)})")
                python = self.names(v.name)
                drawn = self.draw(v, "np.random.default_rng()", count)
                given = f"np.asarray({python})" if self.dtype == "float64" else python
                lines.append(f"{python} = {drawn} if {python} is None else {given}")
                if self.dtype != "float64":
                    lines.append(f"{python} = np.asarray({python}, dtype=np.{self.dtype})")
        return lines

    def renamed(self, v: Variable) -> str:
        """The code for what comes through ``**data``."""
        if v.role == "noise":
            return f'data.get("{v.name}")'
        return f"data{self.entry(v)}"

    def entry(self, v: Variable) -> str:
        """How it is looked up in a dictionary, which may leave out what has a value."""
        return f'["{v.name}"]' if v.value is None else f'.get("{v.name}", {self.default(v)})'

    def draw(self, v: Variable, rng: str, count: str) -> str:
        """The code that draws a noise for `count` examples."""
        shape = [self.printer.code(size) for size in self.model.entry_shape(v)]
        return self.random_numbers(v, rng, [count, *shape], self.printer)

    def drawn(self, v: Variable) -> dict[str, str]:
        """How `train` draws a noise for a minibatch, from its own seeded generator."""
        printer = NumpyPrinter(self.in_train)
        shape = [printer.code(size) for size in self.model.entry_shape(v)]
        return {"name": v.name, "code": self.random_numbers(v, "rng", ["len(batch)", *shape], printer)}

    constants_in_train = "constants"  # the dictionary of those that the user gave

    def in_train(self, name: str) -> str:
        """A size or a constant, where each is an entry of a dictionary."""
        v = self.model.variables[name]
        if v.role == "size":
            return f'sizes["{name}"]'
        return f"{self.constants_in_train}{self.entry(v)}"

    def random_numbers(self, v: Variable, rng: str, shape: list[str], printer: NumpyPrinter) -> str:
        """The code that draws an array of this shape from a noise's distribution."""
        size = f"size=({', '.join(shape)}{',' if len(shape) == 1 else ''})"
        exact = self.dtype == "float64"
        if v.kind == "bernoulli" and v.kind_argument is not None:
            kind = "float" if exact else f"np.{self.dtype}"
            return f"({rng}.random({size}) < {printer.code(v.kind_argument)}).astype({kind})"
        if v.kind != "uniform" and exact:
            return f"{rng}.normal({size})"
        return f"{rng}.{self.generator(v)}({size}{'' if exact else f', dtype=np.{self.dtype}'})"

    @staticmethod
    def generator(v: Variable) -> str:
        """numpy's method that draws what is normal or uniform."""
        return "random" if v.kind == "uniform" else "standard_normal"

    def size_sources(self, data: list[Variable], used: set[str]) -> dict[str, str]:
        """For each size, an array's dimension that tells it (of an array in scope if there is one), or its value."""
        model = self.model
        found: dict[str, str] = {}
        arrays = (*model.of_role("parameter", "state"), *model.of_role("constant"), *data)
        axes: list[tuple[Expression, str]] = []
        for v in sorted(arrays, key=lambda v: v.name not in used):
            offset = 0 if v.role in ("parameter", "state", "constant") else 1
            for axis, size in enumerate(model.entry_shape(v)):
                axes.append((size, f"{self.shape_of(v, v.name in used)}[{axis + offset}]"))
        for size, length in axes:
            if str(size) in model.variables:
                found.setdefault(str(size), length)
        found |= solved_sizes(axes, found)
        for v in model.of_role("size"):
            if v.name not in found and v.value is not None:
                found[v.name] = self.default(v)
        given = [v for v in data if v.role != "noise"]
        if model.examples is not None and given:
            found[model.examples] = f"len({self.names(given[0].name)})"
        return found

    def check_sizes(self, data: list[Variable], used: set[str]) -> None:
        """Refuses a size that code needs and no array tells."""
        told = self.size_sources(data, used)
        for v in self.model.of_role("size"):
            if v.name in used and v.name not in told:
                message = f"no array tells the size '{v.name}', and it has no value"
                raise DeriveError(message, v.place, f"for example `{v.name}: size = 3`").within(
                    self.model.text, self.model.source
                )

    def shape_of(self, v: Variable, in_scope: bool) -> str:
        """The code for an array's shape; what no line uses has not been made an array."""
        if in_scope:
            return f"{self.names(v.name)}.shape"
        return f'params["{v.name}"].shape' if v.name in self.model.kept else f"np.shape({self.names(v.name)})"

    def bound_sizes(self) -> list[str]:
        """How `train` learns the sizes from the data: the lengths of axes, else what ``integer(size)`` needs."""
        found: dict[str, str] = {}
        counted: dict[str, list[str]] = {}
        for v in self.model.of_role("input", "target", "noise"):
            for axis, size in enumerate(self.model.entry_shape(v)):
                named = self.model.variables.get(str(size))
                if named is not None:
                    length = f'np.shape(data["{v.name}"])[{axis + 1}]'
                    if v.role == "noise" and named.value is not None:  # it may be left out
                        length += f' if "{v.name}" in data else {number_value(named.value):.0f}'
                    found.setdefault(str(size), f'"{size}": {length}')
            count = self.model.variables.get(str(v.kind_argument)) if v.kind == "integer" else None
            if count is not None and count.role == "size" and count.value is None:
                counted.setdefault(count.name, []).append(f'int(np.max(data["{v.name}"]))')
        for name, largest in counted.items():
            most = largest[0] if len(largest) == 1 else f"max({', '.join(largest)})"
            found.setdefault(name, f'"{name}": 1 + {most}')
        return list(found.values())

    def lines(self, statements: tuple[Statement, ...]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        made: set[str] = set()
        for loop, group in groupby(statements, key=lambda s: s.loop):
            own = list(group)
            for s in own:
                if s.at is not None and s.name not in made:
                    made.add(s.name)
                    found.append(_plain_line(self.array_of_steps(s)))
            if loop is not None:
                found.append(_plain_line(loop_code(loop, self.printer)))
            found += [self.one_line(s) for s in own if loop is not None or s.at is None or not is_zero(s.value)]
        return found

    def array_of_steps(self, s: Statement) -> str:
        """The array whose steps are computed one after another."""
        sizes = ", ".join(self.printer.code(size) for size in s.whole or ())
        dtype = "" if self.dtype == "float64" else f", dtype=np.{self.dtype}"
        one = "," if len(s.whole or ()) == 1 else ""
        return f"{self.names(s.name)} = np.zeros(({sizes}{one}){dtype})"

    def one_line(self, s: Statement, grads: bool = False) -> dict[str, str]:
        value = s.value
        if s.at is not None and isinstance(value, Call) and value.function == "broadcast_to":
            value = value.args[0]  # what is written into is as long already
        code = self.printer.code(value)
        left = "" if grads else f"{self.names(s.name)}{self.subscript(s)} = "
        indent = " " * 4 if s.loop else ""
        return {
            "indent": indent,
            "comment": one_line_text(s.formula),
            "rewritten": one_line_text(s.formula) + ", in a stable form" if s.rewritten else "",
            "code": indent + wrapped(left, code, 8 if grads or s.loop else 4),
        }

    def subscript(self, s: Statement) -> str:
        """Which steps of an array a statement computes."""
        if s.at is None:
            return ""
        step = self.printer.subscripts((s.at,))
        return f"[:, {step[1:]}" if len(s.whole or ()) > len(self.model.shapes[s.name.removeprefix("∂")]) else step

    def mean_loss(self) -> str:
        loss = self.names(self.model.loss)
        return f"float(np.mean({loss}))" if self.model.loss in self.model.per_example else f"float({loss})"

    def next_value(self, equation: str) -> str:
        """The code for the next value of a state: of one example's, the mean over the examples, as the loss's is."""
        value = self.names(equation)
        return f"np.mean({value}, axis=0)" if equation in self.model.per_example else value

    def needs_quiet(self) -> bool:
        """Whether a case distinction has a branch that may overflow or leave its domain where it is not taken."""
        for s in (*self.program.forward, *self.program.backward, *self.program.gradients):
            for node in walk(s.value):
                if isinstance(node, Where) and any(_risky(branch) for branch in (node.then, node.otherwise)):
                    return True
        return False


def _plain_line(code: str) -> dict[str, str]:
    """A line that computes nothing of the model's."""
    return {"indent": "", "comment": "", "rewritten": "", "code": code}


def tuple_code(names: list[str]) -> str:
    """A tuple of names as source."""
    inner = ", ".join(f'"{name}"' for name in names)
    return f"({inner},)" if len(names) == 1 else f"({inner})"


def _risky(e: Expression) -> bool:
    return any(
        isinstance(n, (Div, Pow)) or (isinstance(n, Call) and n.function not in ("abs", "sign")) for n in walk(e)
    )


def one_line_text(text: str) -> str:
    """Text that may stand in a comment or a docstring: one line, no quotes that end it, nothing escaped."""
    return " ".join(text.replace("\\", "/").replace('"""', "'''").split()).rstrip('"')


def wrapped(left: str, code: str, indent: int) -> str:
    """A long line broken before its top-level signs, inside parentheses."""
    if indent + len(left) + len(code) <= WIDTH:
        return left + code
    parts: list[str] = []
    depth = start = 0
    for k in range(len(code)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(code[k], 0)
        if depth == 0 and code[k : k + 3] in (" + ", " - ") and k > 0:
            parts.append(code[start:k])
            start = k + 1
    parts.append(code[start:])
    if len(parts) == 1:
        return left + code
    inside = "\n".join(" " * (indent + 4) + part for part in parts)
    return f"{left}(\n{inside}\n{' ' * indent})"
