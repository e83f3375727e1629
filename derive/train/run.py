"""One run: data, a derivation, the code it gives, the check of that code, training, and the folder of results.

In: a `Model` and the `Options`.  Out: a `Run`; its folder holds the report, the code, the parameters, the history, the
loss curve, and all that `derive predict` needs.
Invariant: nothing trains before every step is proved and the code's gradients agree with the model's.
"""

from __future__ import annotations

import inspect
import keyword
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from derive.check.gradients import Comparison, compare, compare_at
from derive.check.proofs import count_proofs
from derive.check.sample import NoSample, Sample
from derive.derivation import Derivation
from derive.emit.defaults import training_defaults
from derive.errors import DeriveError
from derive.model import Model
from derive.train.boundary import boundary_svg, has_boundary
from derive.train.curve import loss_curve_svg, trajectory_svg
from derive.train.examples import Examples, default_sizes, read_examples
from derive.train.folder import RunFolder, history_csv, open_folder
from derive.train.metrics import Metric, check_target
from derive.train.outcome import metric, output_kind, predict
from derive.train.preparation import Scaler, divided, split, standardise, take
from derive.train.rows import count
from derive.train.saved import Preparation, dump_parameters, dump_preparation
from derive.train.settings import Settings, read_settings, with_functions
from derive.train.surface import surface_svg, two_parameters
from derive.train.tables import FloatArray
from derive.train.training import Params, Training, check_options, train_module
from derive.update_rule import UpdateRule, rule_for

MODEL, REPORT, TEX, PARAMETERS, PREPARATION = (
    "model.model",
    "report.html",
    "report.tex",
    "parameters.npz",
    "preparation.json",
)
HISTORY, CURVE, TRAJECTORY = "history.csv", "loss.svg", "trajectory.svg"
BOUNDARY, SURFACE = "boundary.svg", "surface.svg"

Arrays = dict[str, FloatArray]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `derive run`; None leaves what the model or the module says."""

    data: str | None = None
    target: str | None = None
    features: tuple[str, ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    tolerance: float = 0.0
    seed: int = 0
    settings: tuple[str, ...] = ()
    standardise: bool | None = None
    test_fraction: float = 0.2
    folder: str | None = None
    force: bool = False
    rule: Mapping[str, Any] = field(default_factory=dict)  # what `update_rule` takes


@dataclass(frozen=True, slots=True)
class Part:
    """How a part of the data came out."""

    examples: int
    loss: float
    metric: Metric | None


@dataclass(frozen=True, slots=True)
class Run:
    model: Model
    proofs: dict[str, int]
    comparison: Comparison
    training: Training
    train: Part
    test: Part | None
    examples: Examples | None
    scaling: str  # what was done to the inputs, as the user is told
    path: list[Params] = field(default_factory=list)  # the parameters from the start on, where there are no data
    losses: list[float] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """The data as the module takes them: test and training part, standardised."""

    examples: Examples | None
    train: Arrays
    test: Arrays
    scaler: Scaler | None
    scaling: str
    constants: dict[str, Any]
    sizes: dict[str, int]


class GradientsDiffer(Exception):
    """The generated code's gradients are not those of the model: an error of derive itself."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(f"the gradient of {comparison.name} differs by {comparison.worst:.1e}, relative")


def run(model: Model, options: Options, say: Say) -> Run:
    """Does it all; `say` is told what has been done."""
    check_options(1 if options.epochs is None else options.epochs, options.lr, options.batch_size, options.tolerance)
    rule = _rule(model, options)
    model, settings = with_functions(model, options.settings)
    prepared = _prepare(model, options, read_settings(model, settings))
    derivation = model.derive().prove()
    proofs = dict(sorted(count_proofs(derivation).items(), reverse=True))
    said = f"{count(len(derivation.gradients), 'gradient')} in {count(sum(proofs.values()), 'step')}"
    say(f"derived and proved {said}; checking the code …")
    source = derivation.generate(optimizer=rule)
    from derive.emit.module import load

    module = load(source, model.name)
    comparison = _checked(model, module, prepared, options.seed)
    if not comparison.passed:
        raise GradientsDiffer(comparison)
    folder = open_folder(options.folder or Path("runs") / file_stem(model.name), options.force)
    code = f"{module_name(model.name)}.py"
    files = [REPORT, TEX, code, MODEL, PARAMETERS, PREPARATION, HISTORY, CURVE]
    one = _only_parameter(model, prepared)
    drawn = ((TRAJECTORY, one), (BOUNDARY, has_boundary(model)), (SURFACE, two_parameters(model)))
    folder.check([*files, *(name for name, wanted in drawn if wanted)])
    written = _write_derivation(folder, derivation, rule, code, source)
    path: list[Params] = []
    training = _train(module, model, prepared, options, path)
    losses = [_loss(module, params, {}, prepared.constants) for params in path]
    written |= _write_training(folder, model, prepared, training)
    if one:
        written["the path on the loss curve"] = folder.write(
            TRAJECTORY, _trajectory(module, model, one, path, losses, prepared)
        )
    boundary = boundary_svg(
        model, prepared.train, lambda plane: predict(module, model, training.params, plane, prepared.constants)
    )
    if boundary is not None:
        written["the decision boundary"] = folder.write(BOUNDARY, boundary)
    surface = surface_svg(model, path, lambda at: _loss(module, at, {}, prepared.constants))
    if surface is not None:
        written["the path on the loss surface"] = folder.write(SURFACE, surface)
    trained = _judge(module, model, training.params, prepared.train, prepared.constants)
    tested = _judge(module, model, training.params, prepared.test, prepared.constants) if prepared.test else None
    return Run(
        model, proofs, comparison, training, trained, tested, prepared.examples, prepared.scaling, path, losses, written
    )


def _rule(model: Model, options: Options) -> UpdateRule:
    """How parameters are updated; SciPy's optimisers choose their steps themselves."""
    rule = rule_for(model, **options.rule)
    for name, value in (("--lr", options.lr), ("--batch-size", options.batch_size)):
        if value is not None and not rule.optimizer.equations:
            title = rule.optimizer.title
            raise DeriveError(f"{title} takes no {name}: it finds the length of its steps, each over all examples")
    return rule


def _checked(model: Model, module: ModuleType, prepared: _Prepared, seed: int) -> Comparison:
    """The code's gradients beside the model's, at random data; where none can be found, at the first of the user's."""
    try:
        return compare(model, module, draws=2)
    except NoSample:
        start = {name: np.asarray(value) for name, value in module.init(seed=seed, **prepared.sizes).items()}
        few = min(4, len(prepared.examples or ()))
        return compare_at(model, module, _first(model, prepared, start, few))


def _first(model: Model, prepared: _Prepared, start: Arrays, few: int) -> Sample:
    """The first of the user's examples."""
    if model.examples is not None:
        together = {name: values[:few] for name, values in prepared.train.items()}
        return Sample(start, prepared.constants, {**prepared.sizes, model.examples: few}, (together,), together=True)
    rows = [{name: values[row] for name, values in prepared.train.items()} for row in range(few)]
    return Sample(start, prepared.constants, prepared.sizes, tuple(rows) or ({},))


# Data.


def _prepare(model: Model, options: Options, settings: Settings) -> _Prepared:
    given = model.of_role("input", "target")
    if not given:
        if options.data or options.target or options.features:
            raise DeriveError("the model has no inputs or targets, so it takes no data")
        return _Prepared(None, {}, {}, None, "", *_complete(model, settings, Examples({})))
    examples = read_examples(model, options.data or _default_data(model), settings, options.target, options.features)
    targets = model.of_role("target")
    if len(targets) == 1:
        check_target(output_kind(model), examples.arrays[targets[0].name], targets[0].name)
    train_rows, test_rows = split(len(examples), options.test_fraction, options.seed)
    train, test = take(examples.arrays, train_rows), take(examples.arrays, test_rows)
    scaler, scaling = _scaler(model, options, examples, train)
    if scaler is not None:
        train, test = scaler.apply(train), scaler.apply(test)
    rest = _complete(model, settings, examples)
    return _Prepared(examples, train, test if len(test_rows) else {}, scaler, scaling, *rest)


def _scaler(model: Model, options: Options, examples: Examples, train: Arrays) -> tuple[Scaler | None, str]:
    """How the inputs are scaled: as asked for, else as suits a set that ships with derive; and that in words."""
    names = [v.name for v in model.of_role("input") if v.kind != "integer"]
    if not names or options.standardise is False or (options.standardise is None and examples.ships is None):
        return None, ""
    if options.standardise is None and examples.ships is not None and examples.ships.divide is not None:
        by = examples.ships.divide
        return divided(train, names, by), f"divided by {by:g}"
    return standardise(train, names), "standardised"


def _default_data(model: Model) -> str:
    """Built-in models have a data set of their own."""
    if (known := training_defaults(model).data) is not None:
        return known
    names = ", ".join(v.name for v in model.of_role("input", "target"))
    raise DeriveError(
        f"the model needs data for {names}", hint="--data FILE.csv, or --data breast_cancer, which ships with derive"
    )


def _complete(model: Model, settings: Settings, examples: Examples) -> tuple[dict[str, Any], dict[str, int]]:
    """All constants that are not at their default, and all sizes."""
    constants = {**examples.constants, **settings.constants}
    for v in model.of_role("constant"):
        if v.value is None and v.name not in constants:
            hint = f"--set {v.name}=VALUE" if not v.shape else "give it in an .npz file with --data"
            raise DeriveError(f"the constant '{v.name}' has no value", hint=hint)
    sizes = {**default_sizes(model), **examples.sizes, **settings.sizes}
    for v in model.of_role("size"):
        if v.name not in sizes:
            raise DeriveError(f"the size '{v.name}' is not known from the data", hint=f"--set {v.name}=NUMBER")
    return constants, sizes


# Training.


def _train(module: ModuleType, model: Model, prepared: _Prepared, options: Options, path: list[Params]) -> Training:
    # numpy's floats overflow to infinity, where Python's raise an error
    start = {name: np.asarray(value)[()] for name, value in module.init(seed=options.seed, **prepared.sizes).items()}
    if prepared.examples is None:
        path.append({name: np.copy(value) for name, value in start.items()})

    def observe(epoch: int, loss: float, params: Params) -> bool:
        if prepared.examples is None:
            path.append({name: np.copy(value) for name, value in params.items()})
        return False

    return train_module(
        module,
        prepared.train,
        epochs=default_epochs(module) if options.epochs is None else options.epochs,
        lr=options.lr,
        batch_size=options.batch_size,
        seed=options.seed,
        tolerance=options.tolerance,
        params=start,
        observe=observe,
        judge=lambda params: _loss(module, params, prepared.train, prepared.constants),
        **prepared.constants,
    )


def default_epochs(module: ModuleType) -> int:
    return int(inspect.signature(module.train).parameters["epochs"].default)


def _judge(module: ModuleType, model: Model, params: Params, arrays: Arrays, constants: dict[str, Any]) -> Part:
    loss = _loss(module, params, arrays, constants)
    measured = None
    if arrays and model.outputs:
        measured = metric(model, predict(module, model, params, arrays, constants), arrays)
    return Part(len(next(iter(arrays.values()), ())), loss, measured)


def _loss(module: ModuleType, params: Params, arrays: Arrays, constants: dict[str, Any]) -> float:
    with np.errstate(all="ignore"):
        return float(module.loss(dict(params), **arrays, **constants))


def _only_parameter(model: Model, prepared: _Prepared) -> str | None:
    """The parameter of a model without data that has a single scalar one: its path can be drawn."""
    found = model.of_role("parameter")
    return found[0].name if prepared.examples is None and len(found) == 1 and not found[0].shape else None


def _trajectory(
    module: ModuleType, model: Model, name: str, path: list[Params], losses: list[float], prepared: _Prepared
) -> str:
    walked = [float(params[name]) for params in path]
    low, high = min(walked), max(walked)
    around = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    xs = np.linspace(low - 0.5 * around, high + around, 241)
    with np.errstate(all="ignore"):
        ys = [float(module.loss({name: x}, **prepared.constants)) for x in xs]
    return trajectory_svg(xs, ys, walked, losses, model.title or model.name, name, model.loss)


# Files.


def _write_derivation(
    folder: RunFolder, derivation: Derivation, rule: UpdateRule, code: str, source: str
) -> dict[str, Path]:
    from derive.check.example import example_numbers
    from derive.emit.formula import numpy_formula
    from derive.render.html_document import print_html
    from derive.render.latex_document import print_latex
    from derive.render.report import report

    document = report(derivation, "en", "normal", rule, example_numbers(derivation.model))
    return {
        "the derivation": folder.write(REPORT, print_html(document, numpy=numpy_formula)),
        "the same for LaTeX": folder.write(TEX, print_latex(document)),
        "the training code": folder.write(code, source),
        "the model": folder.write(MODEL, derivation.model.text),
    }


def _write_training(folder: RunFolder, model: Model, prepared: _Prepared, training: Training) -> dict[str, Path]:
    examples = prepared.examples or Examples({})
    constants = {name: float(value) for name, value in prepared.constants.items() if np.ndim(value) == 0}
    preparation = Preparation(examples.features, examples.classes, prepared.sizes, prepared.scaler, constants)
    return {
        "the parameters": folder.write(PARAMETERS, dump_parameters(training.params)),
        "how the data were prepared": folder.write(PREPARATION, dump_preparation(preparation)),
        "the loss by epoch": folder.write(HISTORY, history_csv(training.history)),
        "the loss curve": folder.write(CURVE, loss_curve_svg(training.history, model.title or model.name)),
    }


def file_stem(name: str) -> str:
    """A name that is safe for a folder: letters, digits, ``-`` and ``_``.

    >>> file_stem("../a b.model")
    'a_b'
    """
    return re.sub(r"[^A-Za-z0-9-]+", "_", name.removesuffix(".model")).strip("_-")[:80] or "model"


def module_name(name: str) -> str:
    """A name under which Python can import the code, and that hides no module it needs itself.

    >>> module_name("two-layer"), module_name("random")
    ('two_layer', 'random_model')
    """
    found = file_stem(name).replace("-", "_").lower()
    if found in sys.stdlib_module_names or found in ("numpy", "scipy") or keyword.iskeyword(found):
        return f"{found}_model"
    return found if found.isidentifier() else f"model_{found}"
