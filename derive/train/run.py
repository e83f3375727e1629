"""One run: data, a derivation, the code it gives, the check of that code, training, and the folder of results.

In: a `Model` and the `Options`.  Out: a `Run`; its folder holds the report, the code, the parameters, the history, the
curves, a checkpoint to go on from, and all that `derive predict` needs.
Invariant: nothing trains before every step is proved and the code's gradients agree with the model's.
"""

from __future__ import annotations

import hashlib
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
from derive.errors import DeriveError, printable
from derive.model import Model
from derive.parse.numbers import number_value
from derive.train.batches import Batches, batch_size, noises
from derive.train.boundary import boundary_svg, has_boundary
from derive.train.curve import history_curve_svg, loss_curve_svg, trajectory_svg
from derive.train.evaluate import Evaluator, Figures
from derive.train.examples_of import Examples
from derive.train.folder import RunFolder, open_folder
from derive.train.history import history_csv
from derive.train.limits import CHECKPOINT_SECONDS, Plan, check_options
from derive.train.outcome import output_kind, predict
from derive.train.part import Arrays
from derive.train.prepared import DataOptions, Prepared, prepare
from derive.train.rows import count
from derive.train.saved import Preparation, dump_parameters, dump_preparation
from derive.train.settings import read_settings, with_functions
from derive.train.state import Params, State, dump_state, first_state, load_state
from derive.train.steps import Rate
from derive.train.surface import surface_svg
from derive.train.text_data import written_sample
from derive.train.training import LOSS, History, Training, Watch, train_module
from derive.train.whole import train_whole
from derive.update_rule import UpdateRule, rule_for

MODEL, REPORT, TEX, PARAMETERS, PREPARATION = (
    "model.model",
    "report.html",
    "report.tex",
    "parameters.npz",
    "preparation.json",
)
HISTORY, CURVE, METRIC_CURVE, TRAJECTORY = "history.csv", "loss.svg", "metric.svg", "trajectory.svg"
CHECKPOINT = "checkpoint.npz"
MOST_PICTURED = 20_000  # examples over which the loss is drawn
SHOWN = 6  # scalar parameters of a model without data whose path is kept
BOUNDARY, SURFACE, SAMPLE = "boundary.svg", "surface.svg", "sample.txt"

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
    validation: float = 0.0
    patience: int | None = None
    dtype: str = "float64"
    resume: bool = False
    checkpoint: float = CHECKPOINT_SECONDS
    stream: bool | None = None
    report: int | None = None  # None: as often as `Plan` says where nothing is decided by it

    def of_data(self) -> DataOptions:
        names = ("data", "target", "features", "standardise", "test_fraction", "validation", "seed", "dtype", "stream")
        return DataOptions(**{name: getattr(self, name) for name in names})


@dataclass(frozen=True, slots=True)
class Run:
    model: Model
    proofs: dict[str, int]
    comparison: Comparison
    training: Training
    figures: dict[str, Figures]  # of the parts: "training", "validation", "test"
    examples: Examples | None
    scaling: str  # what was done to the inputs, as the user is told
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def train(self) -> Figures:
        return self.figures["training"]

    @property
    def test(self) -> Figures | None:
        return self.figures.get("test")


class GradientsDiffer(Exception):
    """The generated code's gradients are not those of the model: an error of derive itself."""

    def __init__(self, comparison: Comparison) -> None:
        super().__init__(f"the gradient of {comparison.name} differs by {comparison.worst:.1e}, relative")


def run(model: Model, options: Options, say: Say) -> Run:
    """Does it all; `say` is told what has been done."""
    check_options(
        1 if options.epochs is None else options.epochs,
        options.lr,
        options.batch_size,
        options.tolerance,
        options.patience,
        options.checkpoint,
        options.report,
    )
    rule = _rule(model, options)
    model, settings = with_functions(model, options.settings)
    where = Path(options.folder or Path("runs") / file_stem(model.name))
    prepared = prepare(model, options.of_data(), read_settings(model, settings), where)
    derivation = model.derive().prove()
    proofs = dict(sorted(count_proofs(derivation).items(), reverse=True))
    said = f"{count(len(derivation.gradients), 'gradient')} in {count(sum(proofs.values()), 'step')}"
    say(f"derived and proved {said}; checking the code …")
    source = derivation.generate(style="fast", optimizer=rule, dtype=options.dtype)
    comparison = _checked(derivation, prepared, options.seed)
    if not comparison.passed:
        raise GradientsDiffer(comparison)
    from derive.emit.module import load

    trainer = _Trainer(model, load(source, model.name), prepared, options, source, rule)
    return _trained(trainer, derivation, proofs, comparison, open_folder(where, options.force), say)


def _trained(
    trainer: _Trainer,
    derivation: Derivation,
    proofs: dict[str, int],
    comparison: Comparison,
    folder: RunFolder,
    say: Say,
) -> Run:
    """The training, and all that it leaves in the folder."""
    model, prepared = trainer.model, trainer.prepared
    code = f"{module_name(model.name)}.py"
    pictured = trainer.pictured or ()
    folder.check([REPORT, TEX, code, MODEL, PARAMETERS, PREPARATION, HISTORY, CURVE])
    folder.check([CHECKPOINT] * trainer.has_checkpoints)
    folder.check([METRIC_CURVE] * trainer.has_metric() + [TRAJECTORY] * (len(pictured) == 1))
    folder.check([BOUNDARY] * has_boundary(model) + [SURFACE] * (len(pictured) == 2))
    folder.check([SAMPLE] * trainer.writes_samples)
    start = trainer.start(folder, say)
    written = _write_derivation(folder, derivation, trainer.rule, code, trainer.source)
    training = trainer.train(start, folder)
    written |= _write_training(folder, trainer, training)
    written |= _write_pictures(folder, trainer, training)
    parts = {name: trainer.evaluator.figures(training.params, part) for name, part in prepared.parts.items()}
    figures = parts or {"training": trainer.evaluator.figures(training.params, None)}
    return Run(model, proofs, comparison, training, figures, prepared.examples, prepared.scaling, written)


def _rule(model: Model, options: Options) -> UpdateRule:
    """How parameters are updated; SciPy's optimisers choose their steps themselves, and cannot be stopped halfway."""
    rule = rule_for(model, **options.rule)
    if rule.optimizer.equations:
        return rule
    title = rule.optimizer.title
    for name, value in (("--lr", options.lr), ("--batch-size", options.batch_size), ("--report", options.report)):
        if value is not None:
            raise DeriveError(f"{title} takes no {name}: it finds the length of its steps, each over all examples")
    if options.resume:
        raise DeriveError(f"{title} takes no --resume: what it knows of earlier steps stays inside SciPy")
    return rule


def _checked(derivation: Derivation, prepared: Prepared, seed: int) -> Comparison:
    """The code's gradients beside the model's, at random data; where none can be found, at the first of the user's.

    The code is checked in double precision, whatever it will train in: in single precision rounding would hide errors.
    """
    model, module = derivation.model, derivation.compile(style="fast")
    try:
        return compare(model, module, draws=2)
    except NoSample:
        start = {name: np.asarray(value) for name, value in module.init(seed, **prepared.sizes).items()}
        return compare_at(model, module, _first(model, prepared, start, min(4, len(prepared.train or ()))))


def _first(model: Model, prepared: Prepared, start: Arrays, few: int) -> Sample:
    """The first of the user's examples."""
    arrays = prepared.train.take(slice(0, few)) if prepared.train else {}
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in arrays.items()}
    if model.examples is not None:
        return Sample(start, prepared.constants, {**prepared.sizes, model.examples: few}, (arrays,), together=True)
    rows = [{name: values[row] for name, values in arrays.items()} for row in range(few)]
    return Sample(start, prepared.constants, prepared.sizes, tuple(rows) or ({},))


# Training.


class _Trainer:
    """What training needs of a run: the module, the data, the plan."""

    def __init__(
        self, model: Model, module: ModuleType, prepared: Prepared, options: Options, source: str, rule: UpdateRule
    ) -> None:
        self.model, self.module, self.prepared, self.options = model, module, prepared, options
        self.source, self.rule = source, rule
        defaults = inspect.signature(module.train).parameters
        epochs = int(defaults["epochs"].default) if options.epochs is None else options.epochs
        self.has_checkpoints = bool(rule.optimizer.equations)  # SciPy's optimisers keep their state to themselves
        usual = defaults["batch_size"].default if self.has_checkpoints else None
        size = batch_size(prepared.train, options.batch_size, usual)
        self.plan = Plan(
            epochs,
            options.lr,
            size,
            options.seed,
            options.tolerance,
            options.patience,
            options.checkpoint,
            self._report(),
        )
        drawn = noises(model, prepared.sizes, prepared.constants)
        self.batches = Batches(prepared.train, size, drawn)
        self.rate = self._rate(defaults["lr"].default) if self.has_checkpoints else None
        self.evaluator = Evaluator(model, module, prepared.constants, drawn, options.seed)

    def _report(self) -> int | None:
        """How often to tell the loss: in every epoch where something is decided by it, or each step is shown."""
        options = self.options
        if not self.has_checkpoints:
            return 1
        if self.prepared.train is None and options.report is not None:
            raise DeriveError("a model without data takes no --report: each of its steps is told")
        decides = options.validation > 0 or options.patience is not None or options.tolerance > 0
        return 1 if options.report is None and (decides or self.prepared.train is None) else options.report

    def _rate(self, usual: float) -> Rate | None:
        """The learning rate by step, where a schedule changes it."""
        if not self.rule.schedules:
            return None
        base = usual if self.options.lr is None else self.options.lr
        steps = self.plan.epochs * self.batches.count
        constants = [number_value(value) for value in self.rule.schedule_constants.values()]
        return lambda step: float(self.module.learning_rate(step, steps, base, *constants))

    def start(self, folder: RunFolder, say: Say) -> State:
        """The state to begin with: the checkpoint's where that was asked for."""
        saved = load_state(folder.path / CHECKPOINT) if self.options.resume else None
        if saved is not None:
            state, told = saved
            _check_same(told, self.told())
            self._check_shapes(state)
            say(f"continuing after epoch {state.epoch}")
            return state
        if self.options.resume:
            say(f"there is no checkpoint in {printable(folder.path)}: beginning anew")
        return first_state(self._first_params(), self.options.seed)

    def _first_params(self) -> Params:
        # numpy's floats overflow to infinity, where Python's raise an error
        start = self.module.init(self.options.seed, **self.prepared.sizes)
        return {name: np.asarray(value, dtype=self.options.dtype)[()] for name, value in start.items()}

    def _check_shapes(self, state: State) -> None:
        best = state.best.params if state.best else state.params
        found = [{n: np.shape(v) for n, v in each.items()} for each in (self._first_params(), state.params, best)]
        if found[1:] != [found[0]] * 2:
            raise DeriveError("the checkpoint's parameters are not those of the model", hint="run without --resume")

    def told(self) -> dict[str, str]:
        """What must be the same for a run to be continued, each as the user would say it."""
        names = ("lr", "tolerance", "patience", "seed", "test_fraction", "validation", "dtype", "report")
        told = {f"--{name.replace('_', '-')}": str(getattr(self.options, name)) for name in names}
        settings = {**self.prepared.constants, **self.prepared.sizes}
        arrays = [name for name, value in settings.items() if np.ndim(value)]
        settings |= {n: hashlib.sha256(np.asarray(settings[n]).tobytes()).hexdigest() for n in arrays}
        told["--batch-size"] = str(self.plan.batch_size)
        if self.rule.schedules:  # they look ahead to the end
            told["--epochs"] = str(self.plan.epochs)
        told["--set"] = " ".join(f"{name}={value}" for name, value in sorted(settings.items()))
        told["the model or its code"] = hashlib.sha256(self.source.encode()).hexdigest()
        told["the data or how they are scaled"] = self.prepared.digest()
        told["--stream"] = str(self.prepared.train is not None and self.prepared.train.streamed)
        return told

    def train(self, start: State, folder: RunFolder) -> Training:
        told = self.told()
        watch = Watch(
            self._measured,
            lambda params: self.evaluator.loss(params, self.prepared.train),
            self._trace if self.pictured is not None or self.prepared.train is None else None,
            lambda state: self._save(folder, state, told),
        )
        train = train_module if self.has_checkpoints else train_whole
        return train(
            self.module, self.batches, self.plan, start, watch, self.prepared.constants, self.rate, self.prepared.sizes
        )

    def _save(self, folder: RunFolder, state: State, told: dict[str, str]) -> None:
        folder.write(CHECKPOINT, dump_state(state, told))

    def _measured(self, params: Params) -> dict[str, float]:
        """Further columns of the history; of streamed examples only the validation part is gone through again."""
        found: dict[str, float] = {}
        train, validation = self.prepared.train, self.prepared.validation
        if train is not None and not train.streamed and (metric := self.evaluator.metric(params, train)):
            found[metric.column] = metric.value
        if validation is not None:
            found["validation_loss"] = self.evaluator.loss(params, validation)
            if metric := self.evaluator.metric(params, validation):
                found[f"validation_{metric.column}"] = metric.value
        return found

    def has_metric(self) -> bool:
        return bool(self.prepared.train) and bool(self.model.outputs)

    def _trace(self, params: Params) -> dict[str, float]:
        scalars = [name for name, value in params.items() if np.ndim(value) == 0][:SHOWN]
        return {name: float(params[name]) for name in scalars}

    @property
    def writes_samples(self) -> bool:
        """Whether the data are a text, and the model says which character comes next."""
        examples = self.prepared.examples
        return examples is not None and bool(examples.alphabet) and output_kind(self.model) == "classes"

    def sample(self, params: Params) -> str:
        """A text that the model writes."""
        model, examples = self.model, self.prepared.examples or Examples({})

        def told(arrays: Mapping[str, Any]) -> Any:
            return predict(self.module, model, params, arrays, self.prepared.constants)[model.outputs[0]]

        return written_sample(examples, model.of_role("input")[0].name, told, self.options.seed)

    @property
    def pictured(self) -> tuple[str, ...] | None:
        """The parameters of a model that has one or two scalar ones: their path on the loss can be drawn."""
        found = self.model.of_role("parameter")
        few = len(found) in (1, 2) and not any(v.shape for v in found)
        part = self.prepared.train
        small = part is None or (not part.streamed and len(part) <= MOST_PICTURED)
        return tuple(v.name for v in found) if few and small else None

    def loss_at(self, params: Mapping[str, Any]) -> float:
        """The loss over the examples at other parameters."""
        return self.evaluator.loss(dict(params), self.prepared.train)


def _check_same(told: dict[str, str], now: dict[str, str]) -> None:
    for name, value in now.items():
        if (before := told.get(name)) != value:
            shown = f"{name} was {before}, now it is {value}" if name.startswith("--") else f"{name} changed since"
            raise DeriveError(
                f"the checkpoint belongs to another run: {printable(shown)}", hint="run without --resume to begin anew"
            )


def _trajectory(trainer: _Trainer, name: str, path: History) -> str:
    walked = [row[name] for row in path]
    losses = [row[LOSS] if trainer.prepared.train is None else trainer.loss_at({name: row[name]}) for row in path]
    low, high = min(walked), max(walked)
    around = max(high - low, 1e-3 * max(abs(low), abs(high)), 1e-9)
    ahead, behind = (1.0, 0.3) if walked[-1] < walked[0] else (0.3, 1.0)  # more of the curve beyond the end of the path
    xs = np.linspace(low - ahead * around, high + behind * around, 241)
    ys = [trainer.loss_at({name: x}) for x in xs]
    return trajectory_svg(xs, ys, walked, losses, trainer.model.title or trainer.model.name, name, trainer.model.loss)


# Files.


def _write_derivation(
    folder: RunFolder, derivation: Derivation, rule: UpdateRule, code: str, source: str
) -> dict[str, Path]:
    from derive.check.example import example_numbers
    from derive.emit.formula import numpy_formulas
    from derive.render.html_document import print_html
    from derive.render.latex_document import print_latex
    from derive.render.report import report

    document = report(derivation, "en", "normal", rule, example_numbers(derivation.model))
    return {
        "the derivation": folder.write(REPORT, print_html(document, numpy=numpy_formulas(derivation.model))),
        "the same for LaTeX": folder.write(TEX, print_latex(document)),
        "the training code": folder.write(code, source),
        "the model": folder.write(MODEL, derivation.model.text),
    }


def _write_training(folder: RunFolder, trainer: _Trainer, training: Training) -> dict[str, Path]:
    prepared, title = trainer.prepared, trainer.model.title or trainer.model.name
    examples = prepared.examples or Examples({})
    constants = {name: float(value) for name, value in prepared.constants.items() if np.ndim(value) == 0}
    preparation = Preparation(
        examples.features, examples.classes, prepared.sizes, prepared.scaler, constants, trainer.options.dtype
    )
    files = {
        "the parameters": folder.write(PARAMETERS, dump_parameters(training.params)),
        "how the data were prepared": folder.write(PREPARATION, dump_preparation(preparation)),
        **({"where --resume goes on": folder.path / CHECKPOINT} if trainer.has_checkpoints else {}),
        "the loss by epoch": folder.write(HISTORY, history_csv(training.history)),
        "the loss curve": folder.write(CURVE, loss_curve_svg(training.history, title)),
    }
    if (name := _metric_column(training.history)) is not None:
        picture = history_curve_svg(training.history, name, title)
        files["the metric by epoch"] = folder.write(METRIC_CURVE, picture)
    return files


def _write_pictures(folder: RunFolder, trainer: _Trainer, training: Training) -> dict[str, Path]:
    """The decision boundary of two features, the path on the loss over one or two parameters."""
    model, module, prepared = trainer.model, trainer.module, trainer.prepared
    first = next(iter(prepared.train.chunks()), {}) if prepared.train else {}

    def output(plane: Mapping[str, Any]) -> Mapping[str, Any]:
        return predict(module, model, training.params, plane, prepared.constants)

    pictures = [("the decision boundary", BOUNDARY, boundary_svg(model, first, output))]
    match trainer.pictured:
        case (one,):
            pictures.append(("the path on the loss curve", TRAJECTORY, _trajectory(trainer, one, training.path)))
        case (u, v):
            drawn = surface_svg(model, (u, v), training.path, trainer.loss_at)
            pictures.append(("the path on the loss surface", SURFACE, drawn))
    if trainer.writes_samples:
        pictures.append(("what it writes", SAMPLE, trainer.sample(training.params)))
    return {what: folder.write(file, picture) for what, file, picture in pictures if picture is not None}


def _metric_column(history: History) -> str | None:
    names = [name.removeprefix("validation_") for name in history[0]] if history else []
    return next((name for name in names if name not in ("epoch", "loss")), None)


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
