"""Real equations, solver, files and rollouts together."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.data import Dataset, Split, SplitSize, generate, read_problem
from pdejax.equations import EQUATIONS
from pdejax.evaluation import BASELINES, RolloutValidation, build_baselines, evaluate, moments, rollout
from pdejax.evaluation.page.html import formula


def stored(folder, spec):
    generate(*read_problem(spec), folder, {"train": SplitSize(16, 6), "test": SplitSize(4, 11)}, batch_size=4)
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def burgers(tmp_path_factory):
    return stored(
        tmp_path_factory.mktemp("burgers"),
        {
            "name": "burgers",
            "equation": "burgers",
            "vary": {"nu": [0.05, 0.1]},
            "domain": {"shape": [64], "lengths": [2 * np.pi]},
            "initial": {"kind": "truncated_fourier"},
            "time": {"step": 0.1, "burn_in": 3},
            "solver": {"substeps": 8},
        },
    )


@pytest.fixture(scope="module")
def evaluation(burgers):
    single = dataclasses.replace(burgers.simulator, substeps=1)
    model = StepperPredictor(lambda p: single.stepper(burgers.family, p), burgers.step)
    return evaluate(model, burgers, price=False)


@pytest.mark.long
def test_the_solver_is_ranked_by_its_resolution(evaluation):
    error = {name: evaluation.metric("one_step_nrmse", name)["value"] for name in evaluation.document["systems"]}
    assert error["solver"] < 2e-6
    assert error["solver"] < error["model"]
    assert error["solver_large_step"] < error["model"] < error["linear"] < error["persistence"]
    assert 10 * error["solver"] < error["solver_coarse_grid"] < error["linear"]
    assert evaluation.metric("correlation_time_0.9", "solver")["censored"] == 1


def test_solver_baselines_compute_as_the_generator_does(burgers):
    split, baselines = burgers.split("test"), build_baselines(BASELINES, burgers, ["solver"])[0]
    assert baselines["solver"].double
    result = rollout(
        baselines["solver"].predictor,
        split.states[:, 0],
        burgers.step * np.arange(1, 4),
        parameters=split.parameters,
        chunk=3,
        double=True,
    )
    assert result.values.dtype == np.float32
    with jax.enable_x64(True):
        parameters = {name: jnp.asarray(values, jnp.float64) for name, values in split.parameters.items()}
        stepper = burgers.simulator.stepper(burgers.family, parameters)
        state = jnp.asarray(split.states[:, 0], jnp.float64)
        for frame in result.values:
            state = stepper(state)
            # nothing is lost but by rounding the frame itself: half a unit in the last place
            error = np.linalg.norm(frame - np.asarray(state)) / np.linalg.norm(state)
            assert error < 2**-24


def test_the_ceiling_is_the_rounding_of_the_stored_frame(evaluation):
    assert evaluation.metric("one_step_nrmse", "solver")["value"] < 1e-7


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_named_equation_is_typeset(name):
    for line in EQUATIONS[name].latex().split(" \\\\\n"):
        assert "<svg" in (formula(line, "equation") or ""), line


def test_rollouts_in_training_agree_with_the_evaluation(burgers, evaluation):
    single = dataclasses.replace(burgers.simulator, substeps=1)
    model = StepperPredictor(lambda p: single.stepper(burgers.family, p), burgers.step)
    validation = RolloutValidation(burgers, "test")
    found = validation(model)
    value = lambda name: evaluation.metric(name)["value"]
    np.testing.assert_allclose(found["valid/one_step_nrmse"], value("one_step_nrmse"), rtol=1e-3)
    np.testing.assert_allclose(found["valid/rollout_nrmse"], value("nrmse_gmean"), rtol=1e-3)
    assert found["valid/correlation_time_0.8"] == value("correlation_time_0.8")
    assert found["valid/diverged"] == 0


def test_rollouts_in_training_read_only_what_they_measure(burgers, monkeypatch):
    monkeypatch.setattr(Split, "states", property(lambda self: pytest.fail("the whole split was read")))
    RolloutValidation(Dataset.open(burgers.root), "test", trajectories=2, steps=3)


def test_rollouts_in_training_compile_no_data_in(burgers, monkeypatch):
    seen = []

    class Keep(eqx.Module):
        def bind(self, parameters):
            return self

        def predict(self, initial, times, *, key=None):
            seen.append(initial)
            return jnp.broadcast_to(initial[None], (len(times), *initial.shape))

    monkeypatch.setattr(
        "pdejax.evaluation.rollouts.validation.moments", lambda u, v, w: (seen.append(v), moments(u, v, w))[1]
    )
    validation = RolloutValidation(burgers, "test", steps=3)
    first = validation(Keep())
    assert len(seen) == 2
    assert all(isinstance(array, jax.core.Tracer) for array in seen)
    persistence = evaluate(Keep(), burgers, steps=3, baselines=False, price=False)
    np.testing.assert_allclose(first["valid/one_step_nrmse"], persistence.metric("one_step_nrmse")["value"], rtol=1e-5)


@pytest.mark.long
def test_an_equation_that_depends_on_time_is_restarted_at_the_time_of_the_frame(tmp_path):
    dataset = stored(
        tmp_path,
        {
            "name": "forced",
            "equation": {"terms": ["u_t = nu*u_xx + sin(5*t)*cos(x)"], "parameters": {"nu": 0.1}, "ndim": 1},
            "vary": {"step": [0.8, 1.2]},
            "domain": {"shape": [16], "lengths": [2 * np.pi]},
            "initial": {"kind": "truncated_fourier"},
            "time": {"step": 0.2, "burn_in": 4},
            "solver": {"substeps": 8},
        },
    )
    model = StepperPredictor(
        lambda p: dataset.simulator.stepper(dataset.family, p), dataset.step
    )  # starts at time zero
    result = evaluate(model, dataset, baselines=["solver"], price=False)
    assert result.metric("one_step_nrmse", "solver")["value"] < 1e-5
    assert result.metric("one_step_nrmse")["value"] > 1e-2
