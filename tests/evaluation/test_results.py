"""One result for every kind: rows, files, pages, comparisons, seeds, and what is brought from outside."""

import dataclasses
import inspect
import json
import re
import sys
import types

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor, register
from pdejax.data import Arrays
from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation import Result, compare, evaluate, kind_for, moments, summarise
from pdejax.evaluation.comparison.gains import plain_gain
from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.reference import select, weights_of
from pdejax.evaluation.rollouts.curves import TAKEN, check_own, curves_of, measure_of
from pdejax.evaluation.rollouts.rollout import rollout
from pdejax.methods import OperatorInfo, PhysicsInformed, ProblemCard
from pdejax.solvers import solve_truth

# drawn pages of every kind are those of its own tests; here it is what they say
pytestmark = pytest.mark.usefixtures("undrawn")


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


def scaled(data, factor):
    return StepperPredictor(lambda p: Scale(factor), data.step)


@pytest.fixture(scope="module")
def data(diffusion):
    return diffusion()


@pytest.fixture(scope="module")
def result(data):
    return evaluate(scaled(data, 0.9), data, baselines=["persistence"])


@pytest.fixture(scope="module")
def steady(diffusion):
    """Samples whose solution is twice their input."""
    states = diffusion((9,), trajectories=6, frames=1).split("test").states
    return Arrays(
        {"train": states, "test": states}, inputs={n: {"f": states[:, 0, :, 0] / 2} for n in ("train", "test")}
    )


def field(scale):
    problem = BoundaryValueProblem(
        **{
            "name": "heat",
            "equation": {"terms": ["u_t = nu*u_xx"], "parameters": {"nu": 0.05}},
            "domain": {"t": [0, 1], "x": [-1, 1]},
            "conditions": {
                "start": {"at": "t=0", "terms": "u = sin(pi*x)"},
                "walls": {"at": "boundary", "terms": "u = 0"},
            },
            "truth": {"kind": "exact", "fields": {"u": "exp(-0.05*pi**2*t)*sin(pi*x)"}, "shape": [9, 17]},
        }
    )
    spec = {"kind": "gaussians", "count": 8, "scale": scale}
    build = eqx.filter_jit(lambda key: PhysicsInformed().build(spec, ProblemCard(problem), key=key))
    return build(jax.random.key(0))


def fitted(scale):
    model = field(scale)
    return evaluate(model, solve_truth(model.problem), points=200)


@pytest.fixture(scope="module")
def pair():
    return {"narrow": fitted(0.1), "wide": fitted(0.4)}


# ---- rows


def test_rows_are_the_numbers_of_the_document(result):
    rows = {(row["system"], row["metric"]): row for row in result.rows()}
    for system, section in result.document["systems"].items():
        for metric, entry in section["metrics"].items():
            assert {k: rows[system, metric][k] for k in entry} == entry
        assert rows[system, "seconds"]["value"] == section["cost"]["seconds"]
    assert result.metric("mse", "persistence") == rows["persistence", "mse"]


def test_a_table_has_the_rows_with_both_ends_of_intervals(result, monkeypatch):
    table, rows = result.to_pandas(), result.rows()
    assert list(table["metric"]) == [row["metric"] for row in rows]
    assert list(table.loc[0, ["low", "high"]]) == rows[0]["interval"]
    assert "interval" not in table
    mean = table[table["metric"] == "mse"].set_index("system")["value"]
    assert mean["persistence"] == result.metric("mse", "persistence")["value"]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pdejax\[pandas\]'"):
        result.to_pandas()


# ---- files


@pytest.mark.parametrize("kind", ["rollout", "coordinate", "comparison"])
def test_results_survive_the_disk_and_have_a_page(kind, result, pair, tmp_path):
    made = {"rollout": result, "coordinate": pair["wide"], "comparison": compare({"a": result, "b": result})}[kind]
    made.save(tmp_path)
    again = Result.load(tmp_path)
    assert (again.kind, again.document) == (kind, json.loads(json.dumps(made.document)))
    assert str(again) == str(made)
    assert again.rows() == json.loads(json.dumps(made.rows()))
    page = again.write_page(tmp_path).read_text(encoding="utf-8")
    assert page.endswith("</html>\n")
    assert "<script" not in page


def test_former_files_are_read(result, pair, tmp_path):
    former = {
        "rollout": (result, {"schema": 2}, {"steady": False}),
        "coordinate": (pair["wide"], {"schema": 1, "kind": "field"}, {}),
    }
    for kind, (one, heading, dataset) in former.items():
        path = one.save(tmp_path / kind)
        document = json.loads(path.read_text())
        document = heading | {k: v for k, v in document.items() if k not in ("schema", "kind", "evaluators", "sha256")}
        if dataset:
            document["dataset"] |= dataset
        path.write_text(json.dumps(document))
        again = Result.load(tmp_path / kind)
        assert again.kind == kind
        assert again.rows() == json.loads(json.dumps(one.rows()))
        assert again.write_page(tmp_path / kind).exists()


def test_files_of_other_versions_are_refused(result, tmp_path):
    path = result.save(tmp_path)
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"schema": 1}))
    with pytest.raises(ValueError, match=r"evaluation.json was changed since it was written: evaluate again"):
        Result.load(tmp_path)
    del document["sha256"]
    path.write_text(json.dumps(document | {"schema": 1}))
    with pytest.raises(ValueError, match="schema 1, this pdejax reads 4: evaluate the run again"):
        Result.load(tmp_path)


def test_arrays_of_another_evaluation_are_refused(result, tmp_path):
    path = result.save(tmp_path)
    arrays = path.with_suffix(".npz")
    other = dataclasses.replace(result, arrays={name: np.asarray(x) + 1 for name, x in result.arrays.items()})
    first = arrays.read_bytes()
    other.save(tmp_path)
    arrays.write_bytes(first)
    with pytest.raises(
        ValueError, match=r"evaluation.npz is damaged, or belongs to another evaluation.json: evaluate again"
    ):
        Result.load(tmp_path)


# ---- comparisons and seeds


def test_networks_of_coordinates_are_compared(pair, tmp_path):
    found = compare(pair, reference="narrow")
    assert found.models() == ["narrow", "wide"]
    mine, other = (pair[name].metric("relative_l2")["value"] for name in ("wide", "narrow"))
    entry = found.system("wide")["against_reference"]["relative_l2"]
    assert entry["gain"] == pytest.approx(mine / other - 1)
    assert entry["gain_interval"] is None
    found.save(tmp_path)
    text = found.write_page(tmp_path).read_text(encoding="utf-8")
    assert f"{100 * entry['gain']:+.1f} %".replace("-", "\N{MINUS SIGN}") in text
    assert (tmp_path / "figures" / "errors.png").exists()


def test_steady_operators_are_compared(steady, tmp_path):
    models = {"half": lambda f: f, "most": lambda f: 1.9 * f}
    found = compare(models, steady)
    assert found.document["of"] == "steady"
    assert found.metric("relative_l2", "half")["value"] == pytest.approx(0.5)
    assert found.metric("relative_l2", "most")["value"] == pytest.approx(0.05, rel=1e-5)
    entry = found.system("most")["against_reference"]["relative_l2"]
    np.testing.assert_allclose(entry["gain_interval"], [-0.9, -0.9], rtol=1e-5)  # of every sample
    assert "of the mean" not in found.write_page(tmp_path).read_text(encoding="utf-8")
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"distribution"}


def test_results_of_other_problems_are_not_compared(result, pair):
    with pytest.raises(ValueError, match="'b' is a coordinate result and 'a' a rollout one"):
        compare({"a": result, "b": pair["wide"]})
    document = pair["wide"].document
    moved = dataclasses.replace(pair["wide"], document=document | {"problem": document["problem"] | {"name": "other"}})
    with pytest.raises(ValueError, match=r"differ in problem\.name: other and heat"):
        compare({"a": pair["wide"], "b": moved})


def test_a_sweep_over_seeds_is_mean_and_spread(data, tmp_path):
    each = {str(f): evaluate(scaled(data, f), data, baselines=False, price=False) for f in (0.7, 0.8, 0.9)}
    rows = {row["metric"]: row for row in summarise(each)}
    values = [one.metric("one_step_nrmse")["value"] for one in each.values()]
    found = rows["one_step_nrmse"]
    assert (found["count"], found["low"], found["high"]) == (3, min(values), max(values))
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["spread"] == pytest.approx(np.std(values, ddof=1))
    together = compare(each, together={"seeds": ["0.7", "0.8", "0.9"]})
    assert together.document["seeds"]["seeds"]["one_step_nrmse"] == {k: v for k, v in found.items() if k != "metric"}
    assert f"{found['mean']:.4g} +- {found['spread']:.2g}" in str(together)
    assert "<h2>Over seeds</h2>" in together.write_page(tmp_path).read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="got none"):
        summarise([])
    with pytest.raises(ValueError, match=r"unknown predictor '0\.6'"):
        compare(each, together={"seeds": ["0.6", "0.7"]})


def test_words_among_numbers_count_in_no_mean(data, monkeypatch):
    """Of three trainings one is never repaid: mean and spread are those of the others, and no gain is told."""
    rows = lambda value: [
        {"system": "model", "metric": "breakeven", "value": value, "unit": "solves", "better": "lower"}
    ]
    one = evaluate(scaled(data, 0.9), data, baselines=False, price=False)
    for values in ((3.0, "never", 5.0), ("never", "never", None)):
        each = iter(values)
        monkeypatch.setattr(type(one), "rows", lambda self, each=each: rows(next(each)))
        (found,) = summarise([one, one, one])
        known = [x for x in values if isinstance(x, float)]
        assert (found["count"], found["mean"]) == (len(known), 4.0 if known else None)
    entry = plain_gain({"value": "never"}, {"value": 3.0})
    assert (entry["gain"], entry["reason"]) == (None, "never is no number")


# ---- brought from outside


@register("evaluator", "largest_step")
class LargestStep:
    """How much a model changes the first frame at most."""

    def __init__(self, data, power: int = 1):
        self.data, self.power = data, power

    def __call__(self, model):
        u = jnp.asarray(self.data.split("test").states[:, 0])
        after = model.predict(u, np.array([self.data.step]))[0]
        return {"largest step": float(jnp.abs(after - u).max() ** self.power)}


def test_evaluators_of_ones_own(data, tmp_path):
    mine = lambda model: {"always": 3.0, "never": float("nan")}
    kinds = ["largest_step", {"kind": "largest_step", "power": 2}]
    once = evaluate(scaled(data, 0.9), data, baselines=False, price=False, evaluators=[mine, kinds[0]])
    largest = 0.1 * np.abs(data.split("test").states[:, 0]).max()
    assert once.metric("largest step")["value"] == pytest.approx(largest, rel=1e-5)
    assert once.metric("always")["value"] == 3.0
    assert (once.metric("never")["value"], once.metric("never")["reason"]) == (None, "not finite")
    assert "always" in str(once)
    once.save(tmp_path)
    assert "<h2>Further numbers</h2>" in Result.load(tmp_path).write_page(tmp_path).read_text(encoding="utf-8")
    squared = evaluate(scaled(data, 0.9), data, baselines=False, price=False, evaluators=kinds[1:])
    assert squared.metric("largest step")["value"] == pytest.approx(largest**2, rel=1e-5)
    with pytest.raises(ValueError, match="two numbers 'largest step'"):
        evaluate(scaled(data, 0.9), data, baselines=False, price=False, evaluators=kinds)
    with pytest.raises(ValueError, match=r"unknown evaluator 'largest_stp'\. Did you mean 'largest_step'\?"):
        evaluate(scaled(data, 0.9), data, evaluators=["largest_stp"])


def test_a_metric_of_ones_own_has_an_interval_and_stands_beside_every_system(data, tmp_path):
    largest = lambda prediction, truth: jnp.abs(prediction - truth).max(tuple(range(2, truth.ndim)))
    found = evaluate(scaled(data, 0.9), data, baselines=["persistence"], price=False, metrics={"largest": largest})
    assert "largest" in str(found).splitlines()[5], "a metric of one's own is shown below the main ones"
    states = data.split("test").states
    expected = np.abs(states[:, 1:] - states[:, :1]).max((2, 3)).mean(1)  # of persistence, mean over time
    entry = found.metric("largest", "persistence")
    assert entry["value"] == pytest.approx(expected.mean(), rel=1e-5)
    assert entry["interval"][0] < entry["value"] < entry["interval"][1]
    assert "a metric of your own" in found.write_page(tmp_path).read_text(encoding="utf-8")
    other = evaluate(scaled(data, 0.8), data, baselines=False, price=False, metrics={"largest": largest})
    gain = compare({"a": other, "b": found}).system("b")["against_reference"]["largest"]
    assert gain["gain_interval"][0] <= gain["gain"] <= gain["gain_interval"][1]


def test_options_that_nothing_reads_are_refused(data, steady, pair):
    with pytest.raises(ValueError, match=r"unknown option of a rollout evaluation: 'stepps'\. Did you mean 'steps'\?"):
        evaluate(scaled(data, 0.9), data, stepps=3)
    with pytest.raises(ValueError, match="unknown option of a steady evaluation: 'steps'"):
        evaluate(lambda f: f, steady, steps=1)
    with pytest.raises(ValueError, match="unknown option of a comparison of results: 'chunk'"):
        compare(pair, chunk=3)
    with pytest.raises(ValueError, match="is evaluated on data, got none"):
        evaluate(scaled(data, 0.9))


# ---- data that say nothing of their equation, and points that count by weights


def test_data_without_a_family_have_no_solver_beside(data, tmp_path):
    splits = {name: data.split(name).states for name in ("train", "test")}
    bare = Arrays(splits, step=data.step, domain=data.domain)
    found = evaluate(scaled(data, 0.9), bare)
    known = evaluate(scaled(data, 0.9), data, baselines=["linear", "dmd", "persistence"], price=False)
    assert list(found.document["systems"]) == ["model", "linear", "dmd", "persistence"]
    assert set(found.document["skipped"]) == {"solver", "solver_coarse_grid", "solver_large_step"}
    for name, values in found.arrays.items():
        np.testing.assert_array_equal(values, known.arrays[name])
    said = "the data do not say which equation they solve, so there is no solver to compare with"
    assert f"without solver, solver_coarse_grid, solver_large_step: {said}" in str(found)
    assert f"price: none, because {said}" in str(found)
    assert found.metric("speed_up")["reason"] == said
    text = found.write_page(tmp_path).read_text(encoding="utf-8")
    assert "the data do not say which equation they solve" in text
    joint = compare({"a": scaled(data, 0.9), "b": scaled(data, 0.8)}, bare)
    assert list(joint.document["systems"]) == ["a", "b"]
    assert joint.document["lyapunov"]["reason"] == said
    assert joint.write_page(tmp_path).exists()


class Cloud:
    """Points on a line that stand for pieces of different length."""

    dimension, shape = 1, (16,)

    def __init__(self, pieces):
        self.pieces = pieces

    def measure(self):
        return self.pieces


def test_means_over_space_are_weighted_by_the_domain(data, tmp_path):
    pieces = np.random.default_rng(0).uniform(0.5, 2.0, 16)
    splits = {name: data.split(name).states for name in ("train", "test")}
    cloud = Arrays(splits, step=data.step, domain=Cloud(pieces))
    found = evaluate(scaled(data, 0.9), cloud, baselines=["persistence", "linear"])
    states = data.split("test").states.astype(np.float64)[..., 0]
    norm = lambda u: np.sqrt((u**2 @ pieces) / pieces.sum())
    expected = norm(states[:, 1:] - states[:, :1]) / norm(states[:, 1:])
    np.testing.assert_allclose(found.arrays["persistence/nrmse"], expected.T, rtol=1e-4)
    assert found.document["protocol"]["weighted"]
    assert "periodic" in found.document["skipped"]["linear"]
    assert "by the weights of their domain" in found.write_page(tmp_path).read_text(encoding="utf-8")


def test_equal_weights_are_none():
    assert weights_of(Cloud(np.full(16, 0.25))) is None
    weights = weights_of(Cloud(np.arange(1.0, 17.0)))
    assert weights.mean() == pytest.approx(1)
    u, v = np.random.default_rng(1).normal(size=(2, 3, 4, 16, 1))
    plain, weighted = moments(u, v), moments(u, v, np.ones(16))
    for name in ("error", "truth", "prediction", "variance"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(plain, name))
    np.testing.assert_allclose(weighted.correlation, plain.correlation, rtol=1e-5)


@pytest.mark.parametrize(
    ("metric", "sentence"),
    [
        (
            lambda u, v: abs(u - v),
            r"'m' should give numbers \(time, trajectory\), here \(\d+, \d+\), from .*; it",
        ),
        (lambda u, v: 1.0, r"metric 'm' should give numbers .*; it gave the shape \(\)"),
        (lambda u: u, r"metric 'm' cannot be traced on prediction and truth, .*: TypeError: .* 1 positional argument"),
        (lambda u, v: np.abs(u - v), r"metric 'm' cannot be traced on prediction and truth"),
    ],
)
def test_a_metric_of_ones_own_that_gives_something_else_is_named(data, metric, sentence):
    with pytest.raises(ValueError, match=sentence):
        evaluate(scaled(data, 0.9), data, baselines=False, metrics={"m": metric})


def test_metrics_and_models_have_names(data):
    """As users have both functions, without the type checks of these tests."""
    with pytest.raises(ValueError, match="metrics map names to functions of prediction and truth, got list"):
        inspect.unwrap(check_own)([max], select(data, "test", 2, 2, 1))
    with pytest.raises(ValueError, match=r"models map names to predictors, such as .*, got list"):
        inspect.unwrap(compare)([scaled(data, 0.9)], data)


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"lengths": (22.0,)}, r"made for a domain of the lengths \[22.0\], the data have \[1.0\]"),
        ({"periodic": (False,)}, "made for bounded ends, the data have periodic ends"),
        ({"lengths": (1.0, 1.0)}, r"made for a domain of the lengths \[1.0, 1.0\], the data have \[1.0\]"),
        ({"fields": ("v",)}, r"made for the fields \['v'\], the data have \['u'\]"),
        ({"fields": ("u", "v")}, r"made for the fields \['u', 'v'\], the data have \['u'\]"),
        ({"inputs": ("a",)}, r"made for the inputs \['a'\], the data have \[\]"),
        ({"step": 0.7}, r"made for the step 0.7, the data have 1, which is no multiple of it"),
    ],
)
def test_an_operator_is_judged_on_the_box_and_fields_that_it_was_made_for(about, sentence):
    waves = Arrays(np.ones((2, 3, 8, 1)), step=1.0)
    usual = {"step": 1.0, "lengths": (1.0,), "fields": ("u",)}
    made = lambda **about: types.SimpleNamespace(info=OperatorInfo(**usual | about))
    assert kind_for(made(lengths=(1.0 + 1e-6,), shape=(16,)), waves) == "rollout"
    assert kind_for(made(step=0.5), waves) == "rollout"
    for judge in (lambda model: evaluate(model, waves), lambda model: compare({"a": model}, waves)):
        with pytest.raises(ValueError, match=sentence):
            judge(made(**about))


def test_models_of_two_kinds_are_not_compared_and_not_measured(data):
    with pytest.raises(ValueError, match="'a' is of the kind 'rollout' and 'b' of 'coordinate': they share no metric"):
        compare({"a": scaled(data, 0.9), "b": field(0.1)}, data)


def test_a_name_is_no_model_and_data_are_none_either(data):
    said = r"'runs/a' is the name of a folder, which .* take pdejax.load\('runs/a'\)"
    with pytest.raises(ValueError, match=said):
        evaluate("runs/a", data)
    with pytest.raises(ValueError, match=said):
        compare({"a": "runs/a"}, data)
    with pytest.raises(ValueError, match=r"evaluate\(model, data\), got \w+ as the model"):
        evaluate(data, scaled(data, 0.9))
    with pytest.raises(ValueError, match=r"takes a data set, such as Arrays or what open_data gives, got str"):
        evaluate(scaled(data, 0.9), "data/ks")


def test_what_is_no_folder_of_a_run_is_told(tmp_path):
    (tmp_path / "notes.py").write_text("")
    file = "notes.py is a file: expected the folder of a run"
    for name, said in (("nope", "nope does not exist"), ("notes.py", file)):
        with pytest.raises(FileNotFoundError, match=said):
            evaluate(tmp_path / name)


@pytest.mark.parametrize("size", [1e-18, 1e24])
def test_fields_whose_squares_vanish_or_overflow_are_refused(size):
    split = np.full((2, 3, 8, 1), size, np.float32)
    waves = Arrays({"train": split, "test": split}, step=1.0)
    sentence = f"the largest number is {size:.3g}; in float32 it should be between"
    with pytest.raises(ValueError, match=re.escape(sentence)):
        evaluate(lambda u: u, waves)


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"relative_l2": lambda u, v: jnp.zeros(u.shape[:2])}, "a metric cannot be called 'relative_l2'"),
        ({"mse": lambda u, v: jnp.zeros(u.shape[:2])}, "a metric cannot be called 'mse'"),
        ({"turned": lambda u, v: jnp.full(u.shape[:2], 1j)}, "'turned' should give real numbers, it gave complex64"),
    ],
)
def test_metrics_of_ones_own_are_real_and_replace_no_other(data, metrics, sentence):
    with pytest.raises(ValueError, match=sentence):
        evaluate(scaled(data, 0.9), data, baselines=False, price=False, metrics=metrics)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1], r"should give a mapping of names to numbers, got \[1\]"),
        ({"a": "b"}, "should give one number for 'a', got 'b'"),
        ({"a": np.ones(2)}, "should give one number for 'a', got array"),
        ({"a": 1j}, "'a' is real, got complex128"),
    ],
)
def test_evaluators_give_numbers(data, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        evaluate(scaled(data, 0.9), data, baselines=False, price=False, evaluators=[lambda model: given])


def test_no_less_than_no_long_rollout(data):
    for name in ("long_steps", "members"):
        with pytest.raises(ValueError, match=f"{name} should be greater than or equal to 0, got -1"):
            compare({"a": scaled(data, 0.9)}, data, **{name: -1})


def test_a_metric_that_gives_no_number_is_blamed_for_it(data):
    nothing = lambda u, v: jnp.full(u.shape[:2], jnp.nan)
    found = evaluate(scaled(data, 0.9), data, baselines=False, price=False, metrics={"nothing": nothing})
    assert found.metric("nothing")["reason"] == "not finite: the metric gave such a number"


def test_no_metric_of_ones_own_has_the_name_of_a_curve(data):
    truth = select(data, "test", 2, 2, 1)
    found = rollout(scaled(data, 0.9), truth.initial(1), truth.times, truth=truth.frames, measure=measure_of(truth))
    assert {*METRICS, *curves_of(found, truth)} == {*TAKEN}
