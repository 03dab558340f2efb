"""Evaluation of solution operators of steady problems."""

import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.data import Dataset, SplitSize, generate, read_problem
from pdejax.evaluation import METRICS, RolloutValidation, evaluate

SPEC = {
    "name": "poisson",
    "equation": "poisson",
    "domain": {"shape": [9, 9], "lengths": [1.0, 1.0]},
    "solver": {"shape": [17, 17]},
    "input": {"kind": "neumann_random_field", "cutoff": 4},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("poisson") / "poisson"
    generate(
        *read_problem(SPEC), root, {"train": SplitSize(8), "test": SplitSize(5)}, tolerance=1e-8, space_tolerance=0.1
    )
    return Dataset.open(root)


@pytest.fixture(scope="module")
def evaluation(dataset):
    off = lambda inputs: 1.5 * dataset.simulator.solve(dataset.family, inputs).u[..., None]
    return evaluate(off, dataset, price=False)


def test_errors_are_those_of_the_given_function(dataset, evaluation):
    split = dataset.split("test")
    ours = 1.5 * np.asarray(dataset.simulator.solve(dataset.family, jnp.asarray(split.inputs)).u)
    truth = split.states[:, 0, ..., 0]
    norm = lambda x: np.linalg.norm(x.reshape(len(x), -1), axis=1)
    expected = norm(ours - truth) / norm(truth)
    np.testing.assert_allclose(evaluation.arrays["model/nrmse"][0], expected, rtol=1e-4)
    assert evaluation.metric("relative_l2")["value"] == pytest.approx(expected.mean(), rel=1e-4)


def test_baselines_are_the_discretisation_and_the_mean(dataset, evaluation):
    error = {name: evaluation.metric("relative_l2", name)["value"] for name in evaluation.document["systems"]}
    assert list(error) == ["model", "solver", "solver_coarse_grid", "mean"]
    assert 0.002 < error["solver"] < 0.03
    assert error["solver_coarse_grid"] > 3 * error["solver"]  # twice the spacing, and interpolated
    train, test = dataset.split("train").states[:, 0], dataset.split("test").states[:, 0]
    norm = lambda x: np.linalg.norm(x.reshape(len(x), -1), axis=1)
    assert error["mean"] == pytest.approx((norm(train.mean(0)[None] - test) / norm(test)).mean(), rel=1e-4)


def test_what_needs_time_says_so(evaluation):
    for name, metric in METRICS.items():
        entry = evaluation.metric(name)
        assert (entry["reason"] == "a steady problem has no time") == metric.timed
    assert evaluation.document["dataset"]["inputs"] == ["f"]
    assert evaluation.document["protocol"]["start_frame"] == -1


def test_a_grid_without_a_middle_has_no_coarse_baseline(tmp_path):
    spec = {**SPEC, "domain": {"shape": [8, 8], "lengths": [1.0, 1.0]}, "solver": {}}
    generate(*read_problem(spec), tmp_path / "p", {"train": SplitSize(2), "test": SplitSize(2)})
    made = evaluate(lambda f: jnp.zeros_like(f), Dataset.open(tmp_path / "p"), price=False)
    assert "misses the boundary" in made.document["skipped"]["solver_coarse_grid"]
    assert made.metric("relative_l2")["value"] == pytest.approx(1.0)


def test_validation_during_training_measures_the_same(dataset, evaluation):
    class Off:
        def predict(self, initial, times, *, key=None):
            return 1.5 * dataset.simulator.solve(dataset.family, initial).u[None, ..., None]

    found = RolloutValidation(dataset, "test", trajectories=5)(Off())
    assert found["valid/one_step_nrmse"] == pytest.approx(evaluation.metric("relative_l2")["value"], rel=1e-3)


def test_the_report_shows_solutions_instead_of_rollouts(evaluation, tmp_path):
    page = evaluation.write_page(tmp_path).read_text()
    main = page[page.index("<h2>Model and baselines") : page.index("<details")]
    rows = [row.count("<td") + row.count("<th") for row in main.split("<tr")[1:]]
    assert len(set(rows)) == 1
    assert "has no time" not in main
    assert "relative L2 error, mean over samples" in page
    assert "Rollouts start" not in page
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"solution.png", "distribution.png"}
