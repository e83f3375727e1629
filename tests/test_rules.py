"""Every row of the rule table: used, replayed, and caught when it is broken; every axiom and lemma against numbers.

Derivations of the corpus (tests/model_corpus.py) and of the built-in models are derived once.  A mutant of a rule changes
its result by a sign, a factor, a term; the prover, which sees only the two lines, must refuse each, and where the mutant gets
into a gradient, the complex step on the model must differ.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import mpmath
import numpy as np
import pytest
from function_reference import KINKS, MORE_ARGUMENTS, NATIVE, POINTS
from model_corpus import MODELS, POSITIVE, numbers, parsed
from time_limit import time_limit

from derive.check.complex_step import complex_step_gradient, evaluate, evaluate_expression
from derive.derivation import Derivation, Step
from derive.differentiate.derive import clear_caches
from derive.differentiate.forms import Form, RenamedSteps
from derive.differentiate.lemma import lemma, slope_of
from derive.errors import DeriveError
from derive.expression.build import ONE, TWO, ZERO, add, mul, neg
from derive.expression.nodes import Add, Div, Expression, Mul, Neg, Ref
from derive.expression.walk import operations
from derive.functions import FUNCTIONS, Function
from derive.model import Model
from derive.parse.expression import parse_expression
from derive.prove.sampling import agree_numerically
from derive.prove.setting import ProofError, Setting
from derive.prove.steps import judge
from derive.rules import calculus
from derive.rules.identities import IDENTITIES
from derive.rules.rule import Context, Rule
from derive.rules.table import ALL_RULES, RULES

# Models that exist to use one rule each: a derivative of f(x) itself and of f(u) for every function of the table.


BEYOND_ONE = ("arccosh", "arcsec", "arccsc", "arccoth")  # defined where |u| > 1


def _domain(row: Function) -> str:
    """An inner function of w that stays where the function is defined and off its kinks."""
    return {
        "arccosh": "w**2 + 2",
        "log": "w**2 + 2",
        "sqrt": "w**2 + 2",
        "lgamma": "w**2 + 2",
        "gamma": "w**2 + 2",
        "logit": "sin(w)/3 + 1/2",
        "digamma": "w**2 + 2",
        "trigamma": "w**2 + 2",
        "polygamma": "w**2 + 2",
        "arcsin": "sin(w)/2",
        "arccos": "sin(w)/2",
        "arctanh": "sin(w)/2",
        "log2": "w**2 + 2",
        "log10": "w**2 + 2",
        "log1p": "w**2 + 2",
        "erfinv": "sin(w)/2",
        "erfcinv": "1 + sin(w)/2",
        "ndtri": "sin(w)/3 + 1/2",
        "arcsech": "sin(w)/3 + 1/2",
        "lambertw": "w**2",
        **dict.fromkeys(("rsqrt", "power", "factorial", "rgamma", "expi", "exp1", "log1mexp", "entr"), "w**2 + 2"),
        **dict.fromkeys(("y0", "y1", "yv", "k0", "k1", "kv", "k0e", "k1e", "kve", *BEYOND_ONE), "w**2 + 2"),
        **dict.fromkeys(("gammainc", "gammaincc"), "w**2 + 2"),
        "betainc": "sin(w)/3 + 1/2",
    }.get(row.name, "sin(w) + w/3")


def _call(row: Function, inner: str) -> str:
    more = {
        "polygamma": ("2", inner),
        "clip": (inner, "-1/3", "1/2"),
        "maximum": (inner, "x"),
        "minimum": (inner, "x"),
        "hypot": (inner, "x"),
        "logaddexp": (inner, "x"),
        "arctan2": (inner, "x"),
        "xlogy": ("x", f"({inner})**2 + 1"),
        **dict.fromkeys(("jv", "yv", "iv", "kv", "ive", "kve"), ("2", inner)),
        **dict.fromkeys(("gammainc", "gammaincc"), ("3/2", inner)),
        "betainc": ("3/2", "3", inner),
        **dict.fromkeys(("power", "logaddexp2", "mod", "fmod", "heaviside", "copysign", "fmax", "fmin"), (inner, "x")),
        "lerp": (inner, "x", "1/3"),
        **dict.fromkeys(("xlog1py", "rel_entr", "kl_div", "beta", "betaln"), ("x", f"({inner})**2 + 1")),
        "lchoose": (f"({inner})**2 + 2", "x"),
        "prelu": (inner, "x"),
        "threshold": (inner, "1/7", "x"),
        **dict.fromkeys(("glu", "swiglu", "geglu", "reglu"), (inner, "x")),
        **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"), (inner, "x")),
        **dict.fromkeys(("soft_margin_loss", "poisson_nll_loss", "kl_div_loss", "hinge_embedding_loss"), (inner, "x")),
        "binary_cross_entropy": (f"1/(1 + ({inner})**2)", "x"),
        **dict.fromkeys(("binary_cross_entropy_with_logits", "sigmoid_focal_loss"), (inner, "x")),
        "gaussian_nll_loss": (inner, "x", "2"),
        "margin_ranking_loss": (inner, "x", "1"),
    }.get(row.name, (inner,))
    missing = len(row.parameters) - len(more)
    defaults = row.defaults[len(row.defaults) - missing :] if missing else ()
    return f"{row.name}({', '.join((*more, *defaults))})"


def _functions(row: Function) -> str:
    plain = _call(row, "w") if row.name != "xlogy" else "xlogy(x, w)"
    return f"x: input\nw: parameter\na = {plain}\nc = 1 + {_call(row, _domain(row))}\nd = 2*{plain}\nL: loss = a*c + d"


# An identity shows in a derivative where its left side is a factor: dL/dp of L = p*(left side).
EXTRA = {
    f"identity {rule.name}": f"p: parameter\nw: parameter\nL: loss = p*({rule.statement.rpartition(' = ')[0].replace('(u', '(w').replace('u*', 'w*')})"
    for rule in IDENTITIES
}


@cache
def derivations() -> dict[str, Derivation]:
    models = {name: parsed(name) for name in MODELS if name not in REFUSED}
    models |= {name: Model.builtin(name) for name in ("chain", "quadratic", "logistic", "two-layer")}
    models |= {f"function {row.name}": Model.parse(_functions(row)) for row in FUNCTIONS.values()}
    models |= {name: Model.parse(text) for name, text in EXTRA.items()}
    found = {}
    for name, model in models.items():
        try:
            with time_limit(4):
                found[name] = model.derive()
        except (DeriveError, RecursionError, TimeoutError):
            broken.append(name)
    return found


REFUSED = ("convolution",)  # an index that stands with another one in every subscript
broken: list[str] = []


@dataclass(frozen=True)
class Used:
    model: str
    step: Step
    form: Form


def _forms(d: Derivation) -> Iterator[Form]:
    for steps in (
        *(r.steps for r in d.local),
        *(a.result.steps for a in (*d.nodes, *d.gradients)),
        *d.lemmas.values(),
    ):
        if isinstance(steps, RenamedSteps):
            yield steps.form


@cache
def uses() -> dict[str, list[Used]]:
    """For each rule the steps that used it, the shortest first."""
    found: dict[str, list[Used]] = {}
    seen: set[int] = set()
    for name, d in derivations().items():
        for form in _forms(d):
            if id(form) in seen:
                continue
            seen.add(id(form))
            for step in form.steps:
                found.setdefault(step.rule, []).append(Used(name, step, form))
    for steps in found.values():
        steps.sort(key=lambda u: (operations(u.step.before) + operations(u.step.after), u.model))
    return found


def test_every_model_of_the_corpus_derives():
    derivations()
    assert broken == []


@pytest.mark.parametrize("rule", [r.name for r in ALL_RULES])
def test_every_rule_is_used(rule):
    assert uses().get(rule), f"no derivation of the corpus uses '{rule}': {RULES[rule].statement}"


def test_names_of_rules_are_their_own():
    assert len({r.name for r in ALL_RULES}) == len(ALL_RULES)
    assert set(uses()) <= set(RULES)


# Replay, and chains without gaps.

NAMES = tuple(
    name
    for name in (
        *MODELS,
        *EXTRA,
        "chain",
        "quadratic",
        "logistic",
        "two-layer",
        *(f"function {f}" for f in FUNCTIONS),
    )
    if name not in REFUSED
)


@pytest.mark.parametrize("name", NAMES)
def test_steps_replay_and_chains_have_no_gaps(name):
    d = derivations()[name]
    results = [*d.local, *(a.result for a in (*d.nodes, *d.gradients))]
    for r in results:
        steps = list(r.steps)
        assert steps, f"d{r.of}/d{r.wrt} has no steps"
        for before, after in zip(steps, steps[1:], strict=False):
            assert before.after == after.before
        for step in steps:
            assert step.before != step.after
            assert d.replay(step) == step.after
        assert str(steps[0].before).startswith("D(")


@pytest.mark.parametrize("name", NAMES)
def test_every_step_of_the_corpus_is_proved(name):
    d = derivations()[name].prove()
    for r in (*d.local, *(a.result for a in (*d.nodes, *d.gradients))):
        assert {step.proof for step in r.steps} <= {"symbolic", "numeric"}


# Mutants.


def _double(e: Expression) -> Expression:
    return mul(TWO, e)


def _one_more(e: Expression) -> Expression:
    return add(e, ONE)


def _without_a_term(e: Expression) -> Iterator[Expression]:
    """The expression with one term or factor less, at the top or in the numerator."""
    match e:
        case Add():
            for k, term in enumerate(e.terms):
                if term != ZERO:
                    yield add(*e.terms[:k], *e.terms[k + 1 :])
        case Mul():
            for k, factor in enumerate(e.factors):
                if factor != ONE:
                    yield mul(*e.factors[:k], *e.factors[k + 1 :])
        case Neg():
            yield e.arg
        case Div():
            yield e.numerator
            for shorter in _without_a_term(e.numerator):
                yield Div(shorter, e.denominator)


MUTANTS: dict[str, Callable[[Expression], Expression]] = {
    "negated": neg,
    "doubled": _double,
    "one more": _one_more,
}


def _is_zero(used: Used) -> bool:
    return used.step.after == ZERO or judge(used.step.before, ZERO, used.form.setting).proof is not None


def _scalar_form(used: Used) -> bool:
    """Whole-array lines cannot be multiplied as they stand."""
    return used.step.rule != "array notation"


@pytest.mark.parametrize("rule", [r.name for r in ALL_RULES])
def test_the_prover_catches_every_mutant(rule):
    candidates = uses().get(rule, [])[:6]
    judged = 0
    for used in candidates:
        if judged >= 3:
            break  # each way to break the rule was tried
        zero = used.step.after == ZERO or (_scalar_form(used) and _is_zero(used))  # then twice it is it
        mutants = [] if zero or judged >= 2 else [neg(used.step.after), _double(used.step.after)]
        for mutant in (*mutants, _one_more(used.step.after)) if _scalar_form(used) else mutants:
            verdict = judge(used.step.before, mutant, used.form.setting)
            assert verdict.proof is None, (
                f"{used.step.before} → {mutant} was '{verdict.proof}', the rule gives {used.step.after}"
            )
            judged += 1
    assert judged, f"no step to mutate for '{rule}'"


@pytest.mark.parametrize("rule", [r.name for r in ALL_RULES])
def test_the_prover_catches_a_dropped_term_or_factor(rule):
    """A term that is 0 may go unnoticed; among the steps of a rule there is one whose terms all count."""
    tried = refused = 0
    for used in uses().get(rule, [])[:8]:
        for mutant in _without_a_term(used.step.after):
            tried += 1
            refused += judge(used.step.before, mutant, used.form.setting).proof is None
            if refused:
                return
    assert refused or not tried or all(map(_is_zero, uses()[rule][:8]))


def _forget() -> None:
    clear_caches()
    lemma.cache_clear()
    slope_of.cache_clear()
    calculus.partial_derivative.cache_clear()


@pytest.fixture
def forgetful():
    _forget()
    yield
    _forget()


def _wrong(d: Derivation, name: str) -> bool:
    """Whether some gradient of the derivation differs from the complex step, on one branch or another."""
    return any(_wrong_at(d, name, seed) for seed in (3, 4, 5))


def _wrong_at(d: Derivation, name: str, seed: int) -> bool:
    positive = (
        ("w",) if name.startswith("identity") and "arccosh" not in d.model.text else POSITIVE.get(name, ())
    )
    values = numbers(d.model, seed, positive)
    if "arccosh" in d.model.text:
        values |= {"w": np.asarray(1.7)}
    if name.startswith("function"):
        values = {
            "x": np.asarray(0.4),
            "w": np.asarray(_inside(FUNCTIONS[name.removeprefix("function ")]) / (1 if seed == 3 else seed)),
        }
        if name.removeprefix("function ") in BEYOND_ONE:
            values["w"] = np.asarray(1.0 + seed)
    known = evaluate(d.model, values)
    adjoints = {a.name: complex_step_gradient(d.model, values, a.name) for a in (*d.nodes, *d.gradients)}
    for a in (*d.nodes, *d.gradients):
        try:
            found = evaluate_expression(
                a.result.expr, known, a.result.indices, adjoints[a.name].shape, adjoints
            )
        except (DeriveError, KeyError, IndexError):
            return True
        if not np.allclose(found, adjoints[a.name], rtol=1e-8, atol=1e-8):
            return True
    return False


# Rules whose result is only one of several roads: a mutant that makes it longer is not taken, and nothing wrong comes out.
COMPETING = {
    "expand",
    "factor",
    "lowest terms",
    "common denominator",
    "cancel",
    "express through the output",
    "express through a known function",
    "name the output",
    "signs",
    "order of terms",
}
LATE = {
    "array notation",
    "name a known function",
    "not reached",
}  # the first two change the notation alone; the last's result is 0 by construction


@pytest.mark.parametrize("rule", sorted(COMPETING | LATE - {"not reached"}))
def test_numbers_alone_catch_a_mutant_of_a_competing_rule(rule):
    """Of these rules a whole derivation need not take the broken result; each step with it is refused by numbers."""
    caught = 0
    for used in uses()[rule][:4]:
        if used.step.after == ZERO or _is_zero(used):
            continue
        for mutant in (neg(used.step.after), _double(used.step.after)):
            assert agree_numerically(used.step.before, mutant, used.form.setting) is False
            caught += 1
    assert caught, f"no step to mutate for '{rule}'"


@pytest.mark.parametrize("rule", [r.name for r in ALL_RULES if r.name not in COMPETING | LATE])
def test_a_broken_rule_is_caught_by_the_prover_and_by_the_numbers(rule, forgetful):
    """The rule itself gives twice its result at one place: the derivation is refused, and its gradient is wrong."""
    row: Rule = RULES[rule]
    original = row.apply
    caught_by_prover = wrong_numbers = 0
    for used in [u for u in uses().get(rule, ()) if u.step.after != ZERO][:4] or uses().get(rule, [])[:2]:
        place = used.step.before
        change = _one_more if used.step.after == ZERO or _is_zero(used) else _double

        def broken_rule(e: Expression, context: Context, place=place, change=change) -> Expression | None:
            result = original(e, context)
            return change(result) if result is not None and e == place else result

        model = derivations()[used.model].model
        object.__setattr__(row, "apply", broken_rule)
        try:
            _forget()
            with time_limit(20):
                d = model.derive()
                wrong_numbers += _wrong(d, used.model)
                try:
                    d.prove()
                except ProofError:
                    caught_by_prover += 1
        except DeriveError:
            continue
        finally:
            object.__setattr__(row, "apply", original)
        if caught_by_prover and wrong_numbers:
            return
    assert caught_by_prover, "no derivation with the broken rule was refused by the prover"
    assert wrong_numbers, "no gradient with the broken rule differed from the complex step"


# Axioms and lemmas against numbers.

def _inside(row: Function) -> float:
    return POINTS.get(row.name, (0.6,))[0] if row.name in POINTS else 0.6


def _points(row: Function) -> tuple[tuple[float, ...], ...]:
    if row.name in MORE_ARGUMENTS:
        return MORE_ARGUMENTS[row.name]
    return tuple((p,) for p in POINTS.get(row.name, (-2.3, -0.7, 0.4, 1.7, 7.1)))


def test_every_function_has_a_reference_of_its_own():
    assert set(NATIVE) == set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_the_oracle_equal_the_reference(name):
    """What `complex_step` computes, value and derivative, against mpmath: the oracle itself is checked."""
    row = FUNCTIONS[name]
    for point in _points(row):
        args = [Ref(p) for p in row.parameters]
        values = dict(zip(row.parameters, point, strict=True))
        text = f"{name}({', '.join(f'q{p}' for p in row.parameters)})"
        model = Model.parse("\n".join(f"q{p}: parameter" for p in row.parameters) + f"\nL: loss = {text}")
        given = {f"q{p}": np.asarray(v) for p, v in values.items()}
        assert float(evaluate(model, given)["L"]) == pytest.approx(
            float(NATIVE[name](*map(mpmath.mpf, point))), rel=1e-12, abs=1e-14
        )
        for k in range(len(args)):
            if row.partials and row.partials[k] is None:
                continue
            wanted = mpmath.diff(
                NATIVE[name], tuple(map(mpmath.mpf, point)), tuple(int(m == k) for m in range(len(point)))
            )
            found = complex_step_gradient(model, given, f"q{row.parameters[k]}")
            assert float(found) == pytest.approx(float(wanted), rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_derivative_of_the_table_equals_the_numerical_one(name):
    """Axioms (`partials`) and lemmas alike, at points of both signs inside of the domain."""
    row = FUNCTIONS[name]
    for k, parameter in enumerate(row.parameters):
        if row.partials and row.partials[k] is None:
            continue
        derivative = calculus.partial_derivative(name, k)
        for point in _points(row):
            with mpmath.workdps(40):
                wanted = mpmath.diff(
                    NATIVE[name], tuple(map(mpmath.mpf, point)), tuple(int(m == k) for m in range(len(point)))
                )
            found = float(
                evaluate_expression(
                    derivative, dict(zip(row.parameters, map(np.asarray, point), strict=True))
                )
            )
            assert found == pytest.approx(float(wanted), rel=1e-11, abs=1e-12), (
                f"d{name}/d{parameter} = {derivative} at {point}"
            )


@pytest.mark.parametrize("name", [n for n, row in FUNCTIONS.items() if not row.partials])
def test_every_lemma_is_proved(name):
    row = FUNCTIONS[name]
    for k in range(len(row.parameters)):
        assert set(lemma(name, k).form.proofs) <= {"symbolic", "numeric"}


@pytest.mark.parametrize(("name", "at", "argument", "wanted"), KINKS)
def test_kinks_follow_the_stated_convention(name, at, argument, wanted):
    row = FUNCTIONS[name]
    derivative = calculus.partial_derivative(name, argument)
    found = float(
        evaluate_expression(derivative, dict(zip(row.parameters, map(np.asarray, at), strict=True)))
    )
    assert found == pytest.approx(float(Fraction(wanted)), abs=1e-12)


def test_every_kink_that_the_table_states_is_tested():
    stated = {name for name, row in FUNCTIONS.items() if row.convention}
    assert stated <= {name for name, *_ in KINKS}


@pytest.mark.parametrize("name", sorted({name for name, *_ in KINKS}))
def test_a_model_at_its_kink_has_the_derivative_of_the_convention(name):
    """The whole road, not the lemma alone: the derived gradient of L = f(w) at the kink."""
    row = FUNCTIONS[name]
    for at, argument, wanted in [k[1:] for k in KINKS if k[0] == name]:
        names = [f"q{p}" for p in row.parameters]
        model = Model.parse(
            "\n".join(f"{q}: parameter" for q in names) + f"\nL: loss = {name}({', '.join(names)})"
        )
        (gradient,) = [a for a in model.derive().gradients if a.name == names[argument]]
        values = {q: np.asarray(float(v)) for q, v in zip(names, at, strict=True)}
        found = float(evaluate_expression(gradient.result.expr, evaluate(model, values)))
        assert found == pytest.approx(float(Fraction(wanted)), abs=1e-12)


def test_max_over_an_axis_shares_its_derivative_as_torch_amax():
    model = Model.parse("w: parameter[3]\nL: loss = max(w)")
    (gradient,) = model.derive().gradients
    values = {"w": np.array([2.0, 1.0, 2.0])}
    found = evaluate_expression(gradient.result.expr, evaluate(model, values), gradient.result.indices, (3,))
    assert found.tolist() == [0.5, 0, 0.5] == complex_step_gradient(model, values, "w").tolist()


def test_partials_parse_to_what_the_table_says():
    for row in FUNCTIONS.values():
        for text in filter(None, row.partials):
            assert parse_expression(str(parse_expression(text))) == parse_expression(text)


def test_a_wrong_axiom_would_be_caught():
    """The check of axioms is no tautology: cos with a wrong sign, a forgotten factor, fail it."""
    for text, name in (("sin(u)", "cos"), ("exp(-u**2)", "erf"), ("digamma(u)", "gamma")):
        found = float(evaluate_expression(parse_expression(text), {"u": np.asarray(0.4)}))
        wanted = float(mpmath.diff(NATIVE[name], mpmath.mpf("0.4")))
        assert abs(found - wanted) > 1e-3


def test_a_setting_without_equations_is_enough_for_the_first_steps():
    """Local derivatives are proved in a setting that holds the node's own equation alone."""
    d = derivations()["logistic"]
    for r in d.local:
        assert isinstance(r.steps, RenamedSteps) and isinstance(r.steps.form.setting, Setting)
        assert len(r.steps.form.setting.equations) == 1


def test_the_numbers_of_the_mutation_tests_are_real():
    """Unbroken, none of the derivations that the mutants start from is wrong."""
    for name in ("sigmoid-log-loss", "softmax", "function tanh", "attention"):
        assert not _wrong(derivations()[name], name)
