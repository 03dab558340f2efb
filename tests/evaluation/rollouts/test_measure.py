import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.evaluation import BASELINES, METRICS, Result, compare, evaluate, fit_linear_propagator
from pdejax.evaluation.predictor import BoundStepper

TOP = ["dataset", "environment", "evaluators", "price", "protocol", "skill", "skipped", "systems", "times"]
DATASET = [
    "available", "check", "domain", "equation", "family", "fields", "fingerprint", "frames", "inputs", "latex",
    "lengths", "name", "parameters", "periodic", "recipe", "rejects", "self_difference", "shape", "simulator", "split",
    "step", "trajectories", "vectors", "versions",
]  # fmt: skip
PROTOCOL = [
    "bands", "divergence_factor", "gmean_steps", "history", "horizon", "level", "resamples", "seeded", "start_frame",
    "steps", "thresholds", "weighted",
]  # fmt: skip
SYSTEM = ["cost", "curves", "diverged", "kind", "label", "meaning", "metrics"]
METRIC_NAMES = [
    "correlation_time_0.8", "correlation_time_0.8_each", "correlation_time_0.9", "correlation_time_0.9_each", "mse",
    "nrmse_gmean", "one_step_nrmse", "one_step_nrmse_high", "one_step_nrmse_low", "one_step_nrmse_mid",
    "one_step_vrmse", "relative_l2", "spectrum_log_distance", "vrmse",
]  # fmt: skip
ENTRY = ["better", "censored", "interval", "reason", "unit", "value"]
ARRAYS = [
    "correlation", "diverged_step", "error_spectrum", "mse", "nrmse", "nrmse_high", "nrmse_low", "nrmse_mid",
    "spectrum", "spectrum_log_distance", "truth_ms", "vrmse",
]  # fmt: skip


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


class Power(eqx.Module):
    """A predictor that knows nothing of parameters and frames."""

    factor: float = eqx.field(static=True)

    def predict(self, initial, times, *, key=None):
        power = jnp.asarray(self.factor ** np.rint(times / 0.25), initial.dtype)
        return power.reshape(-1, *([1] * initial.ndim)) * initial[None]


class Extrapolate(eqx.Module):
    """Two frames of history, oldest first: u_{n+1} = 2 u_n - u_{n-1}."""

    def __call__(self, z, *, key=None):
        older, newer = jnp.split(z, 2, axis=-1)
        return jnp.concatenate([newer, 2 * newer - older], axis=-1)


def scaled(dataset, factor):
    return StepperPredictor(lambda p: Scale(factor), dataset.step)


@pytest.fixture
def dataset(diffusion):
    return diffusion()


@pytest.fixture(scope="module")
def evaluation(diffusion):
    dataset = diffusion()
    return evaluate(scaled(dataset, 0.9), dataset, baselines=["linear", "persistence"], price=False)


def test_the_document_has_the_documented_keys(evaluation):
    document = evaluation.document
    assert sorted(document) == TOP
    assert sorted(document["dataset"]) == DATASET
    assert sorted(document["protocol"]) == PROTOCOL
    assert list(document["systems"]) == ["model", "linear", "persistence"]
    for system in document["systems"].values():
        assert sorted(system) == SYSTEM
        assert sorted(system["metrics"]) == METRIC_NAMES
        assert all(sorted(entry) == ENTRY for entry in system["metrics"].values())
        assert {name: sorted(curve) for name, curve in system["curves"].items()} == {
            "nrmse": ["high", "low", "mean"],
            "correlation": ["high", "low", "mean"],
        }
    expected = [f"{s}/{a}" for s in document["systems"] for a in ARRAYS]
    expected += ["times", "truth/spectrum", *(f"example/{n}" for n in ("frame", "model", "trajectory", "truth"))]
    assert sorted(evaluation.arrays) == sorted(expected)
    assert sorted(METRICS) == METRIC_NAMES
    assert list(BASELINES) == ["solver", "solver_coarse_grid", "solver_large_step", "linear", "dmd", "persistence"]


def test_the_result_survives_the_disk_unchanged(evaluation, tmp_path):
    evaluation.save(tmp_path)
    again = Result.load(tmp_path)
    assert again.document == json.loads(json.dumps(evaluation.document))
    for name, values in evaluation.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)


def test_persistence_errs_by_the_norm_of_the_increment(dataset, evaluation):
    states = dataset.split("test").states.astype(np.float64)
    norm = lambda u: np.linalg.norm(u.reshape(*u.shape[:2], -1), axis=-1)
    expected = (norm(states[:, 1:] - states[:, :1]) / norm(states[:, 1:])).T
    np.testing.assert_allclose(evaluation.arrays["persistence/nrmse"], expected, rtol=1e-4)
    value = evaluation.metric("one_step_nrmse", "persistence")["value"]
    np.testing.assert_allclose(value, expected[0].mean(), rtol=1e-4)


def test_the_linear_propagator_solves_a_linear_equation(evaluation):
    assert evaluation.metric("one_step_nrmse", "linear")["value"] < 1e-5
    time = evaluation.metric("correlation_time_0.9", "linear")
    assert (time["value"], time["censored"], time["better"]) == (3.0, 1, "higher")


def test_numbers_of_a_model_that_is_known_to_be_wrong(dataset, evaluation):
    """It decays every mode by 0.9: its nRMSE follows from the true decay of each mode."""
    states = dataset.split("test").states.astype(np.float64)
    prediction = states[:, :1] * 0.9 ** np.arange(1, 13).reshape(1, -1, 1, 1)
    error = np.linalg.norm(prediction - states[:, 1:], axis=(2, 3)) / np.linalg.norm(states[:, 1:], axis=(2, 3))
    gmean = np.exp(np.log(error.mean(0)).mean())
    np.testing.assert_allclose(evaluation.metric("nrmse_gmean")["value"], gmean, rtol=1e-4)
    low, high = evaluation.metric("nrmse_gmean")["interval"]
    assert low < gmean < high
    assert evaluation.document["protocol"]["gmean_steps"] == 12
    np.testing.assert_allclose(
        evaluation.document["systems"]["model"]["curves"]["nrmse"]["mean"], error.mean(0), rtol=1e-4
    )


def test_the_solver_and_its_coarser_forms_work_with_parameters_of_each_trajectory(diffusion):
    dataset = diffusion(vary=True)
    predictor = BoundStepper(lambda p: dataset.simulator.stepper(dataset.family, p), dataset.step)
    result = evaluate(predictor, dataset, chunk=2, price=False)
    assert list(result.document["systems"]) == ["model", *BASELINES]
    for name in ("model", "solver", "solver_coarse_grid", "solver_large_step"):  # exact for a linear equation
        assert result.metric("one_step_nrmse", name)["value"] < 1e-5, name
    assert result.metric("one_step_nrmse", "linear")["value"] > 1e-3  # one map for all parameters cannot be exact
    assert result.document["systems"]["solver_coarse_grid"]["label"] == "solver, 8 points"


def test_a_bare_stepper_is_repeated(dataset):
    solver = dataset.simulator.stepper(dataset.family)
    assert (
        evaluate(solver, dataset, baselines=False, price=False).metric("nrmse_gmean")["value"] < 1e-5
    )  # exact for a linear one
    result, expected = (
        evaluate(one, dataset, baselines=False, price=False) for one in (Scale(0.9), scaled(dataset, 0.9))
    )
    np.testing.assert_array_equal(result.arrays["model/nrmse"], expected.arrays["model/nrmse"])
    with pytest.raises(ValueError, match="'solver' is the name of a folder, which is measured alone"):
        evaluate("solver", dataset)


def test_a_predictor_without_parameters_needs_no_bind(dataset):
    result, expected = (
        evaluate(one, dataset, baselines=False, price=False) for one in (Power(0.9), scaled(dataset, 0.9))
    )
    np.testing.assert_allclose(result.arrays["model/nrmse"], expected.arrays["model/nrmse"], rtol=1e-4)


def test_a_diverging_model_is_counted_and_leaves_no_nan(dataset, tmp_path):
    result = evaluate(scaled(dataset, 5e6), dataset, baselines=False, price=False)
    system = result.document["systems"]["model"]
    assert system["diverged"] == {"count": 5, "of": 5, "first_step": 1}
    text = result.save(tmp_path).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert all(entry["value"] is not None for entry in system["metrics"].values())
    assert result.metric("correlation_time_0.8")["value"] == dataset.step
    assert result.metric("correlation_time_0.8")["censored"] == 0
    assert not result.arrays["model/correlation"].any()
    assert result.metric("spectrum_log_distance")["value"] == 12


def test_history_is_stacked_oldest_first_and_all_systems_start_from_the_newest_frame(dataset):
    predictor = StepperPredictor(lambda p: Extrapolate(), dataset.step, history=2)
    result = evaluate(predictor, dataset, steps=3, baselines=["persistence"], price=False)
    states = dataset.split("test").states.astype(np.float64)
    norm = lambda u: np.linalg.norm(u, axis=(1, 2))
    expected = norm(2 * states[:, 1] - states[:, 0] - states[:, 2]) / norm(states[:, 2])
    np.testing.assert_allclose(result.arrays["model/nrmse"][0], expected, rtol=1e-3)
    increment = norm(states[:, 2] - states[:, 1]) / norm(states[:, 2])
    np.testing.assert_allclose(result.arrays["persistence/nrmse"][0], increment, rtol=1e-4)
    assert result.document["protocol"]["start_frame"] == 1


def test_a_comparison_is_paired(dataset):
    first, second = (evaluate(scaled(dataset, f), dataset, baselines=False, price=False) for f in (0.9, 0.8))
    found = compare({"first": first, "second": second}, reference="second")
    entry = found.system("first")["against_reference"]["one_step_nrmse"]
    value = lambda e: e.metric("one_step_nrmse")["value"]
    np.testing.assert_allclose(entry["difference"], value(first) - value(second), rtol=1e-5)
    assert entry["difference_interval"][1] < 0  # the first one is better beyond doubt
    same = compare({"one": first, "other": first}).system("other")["against_reference"]["correlation_time_0.8"]
    assert (same["difference"], same["difference_interval"]) == (0.0, [0.0, 0.0])


def test_unequal_evaluations_are_not_compared(dataset):
    first, second = (evaluate(scaled(dataset, 0.9), dataset, baselines=False, price=False, steps=n) for n in (4, 5))
    with pytest.raises(ValueError, match="'second' and 'first' differ in steps: 5 and 4"):
        compare({"first": first, "second": second})


def test_one_trajectory_has_no_interval(dataset):
    result = evaluate(scaled(dataset, 0.9), dataset, trajectories=1, baselines=False, price=False)
    entry = result.metric("mse")
    assert entry["interval"] is None
    assert entry["value"] > 0
    assert result.document["systems"]["model"]["curves"]["nrmse"]["low"] == [None] * 12


def test_a_zero_truth_gives_null_with_a_reason(dataset):
    dataset.splits["test"].states[:, 5:] = 0
    entry = evaluate(scaled(dataset, 0.9), dataset, baselines=False, price=False).metric("nrmse_gmean")
    assert entry["value"] is None
    assert "truth is zero" in entry["reason"]


def test_baselines_that_cannot_be_made_say_why(dataset):
    del dataset.splits["train"]
    result = evaluate(scaled(dataset, 0.9), dataset, baselines=["linear"], price=False)
    assert result.document["skipped"] == {"linear": "unknown split 'train'"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baselines": ["persistance"]}, "unknown baseline 'persistance'. Did you mean 'persistence'?"),
        ({"steps": 13}, "1 known frame.* leave 12 to predict, not 13"),
        ({"trajectories": 6}, "has 5 trajectories, 6 were asked for"),
    ],
)
def test_requests_that_cannot_be_met(dataset, options, message):
    with pytest.raises(ValueError, match=message):
        evaluate(scaled(dataset, 0.9), dataset, **options)


def test_names_are_checked(evaluation):
    with pytest.raises(ValueError, match=r"unknown metric 'vrms'\. Did you mean 'vrmse'?"):
        evaluation.metric("vrms")
    with pytest.raises(ValueError, match="unknown system 'linea'"):
        evaluation.metric("mse", "linea")


def test_the_linear_baseline_is_the_fit_to_the_training_split(dataset, evaluation):
    stepper = fit_linear_propagator(dataset.split("train").states)
    result = evaluate(StepperPredictor(lambda p: stepper, dataset.step), dataset, baselines=False, price=False)
    np.testing.assert_allclose(result.arrays["model/nrmse"], evaluation.arrays["linear/nrmse"], rtol=1e-5)


def test_double_precision_works_as_well(diffusion, x64):
    dataset = diffusion(trajectories=2, frames=4)
    result = evaluate(scaled(dataset, 0.9), dataset, price=False)
    assert result.metric("one_step_nrmse", "solver_coarse_grid")["value"] < 1e-6
    assert result.metric("one_step_nrmse", "linear")["value"] < 1e-6
