"""Prices of real operators: on a small Kuramoto-Sivashinsky run, on samples of Poisson's equation."""

import dataclasses
import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor, resample
from pdejax.data import Arrays, Dataset, SplitSize, generate, read_problem
from pdejax.evaluation import Result, evaluate
from pdejax.evaluation.price.floor import floor_of
from pdejax.evaluation.price.solving import Solver
from pdejax.evaluation.reference import select
from pdejax.solvers import ETDRK, Function

KS = {
    "name": "ks",
    "equation": "kuramoto_sivashinsky",
    "domain": {"shape": [32], "lengths": [22.0]},
    "initial": {"kind": "sum_of_sines", "count": 4, "wavenumbers": [1, 2], "amplitude": 0.5},
    "time": {"step": 0.5, "burn_in": 20},
    "solver": {"substeps": 8},
}
POISSON = {
    "name": "poisson",
    "equation": "poisson",
    "domain": {"shape": [17, 17], "lengths": [1.0, 1.0], "ends": "value"},
    "input": {"kind": "neumann_random_field", "alpha": 2.5, "tau": 7.0},
}


class Slow(eqx.Module):
    """The solver with an error of two per cent a step, made dear by matrices that change nothing."""

    solver: eqx.Module
    dear: int = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        waste = jnp.zeros((self.dear, self.dear), u.dtype)
        for _ in range(3):
            waste = waste @ waste + jnp.sum(u) * 0
        return self.solver(u) * (1.02 + jnp.sum(waste))


@pytest.fixture(scope="module")
def ks(tmp_path_factory):
    root = tmp_path_factory.mktemp("price") / "ks"
    family, simulator = read_problem(KS)
    sizes = {"train": SplitSize(2, 4), "test": SplitSize(6, 9)}
    return Dataset.open(generate(family, simulator, root, sizes, shard_size=8, batch_size=8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that took a minute, by ten seconds of CPU."""
    root = tmp_path_factory.mktemp("run") / "slow"
    root.mkdir()
    (root / "metrics.jsonl").write_text(json.dumps({"step": 9, "loss": 1.0, "time": 60.0, "cpu_time": 10.0}) + "\n")
    return root


@pytest.fixture(scope="module")
def result(ks, folder):
    slow = Slow(ks.simulator.stepper(ks.family, {}), 256)
    return evaluate(slow, ks, baselines=False, run=folder, trials=3)


def test_the_document_holds_the_price(result):
    price = result.document["price"]
    assert (price["reason"], price["metrics"]) == (None, ["relative_l2", "one_step_nrmse"])
    assert (price["batches"], price["trajectories"], price["steps"]) == ([6, 1], 6, 8)
    network = price["networks"]["model"]
    assert network["error"]["one_step_nrmse"]["median"] == pytest.approx(0.02, rel=0.01)
    assert len(network["quotes"]) == 2 * 2 * 2 * 2  # errors, quantiles, batches, clocks
    for quote in network["quotes"]:
        solver = price["solvers"][quote["solver"]]
        assert str(quote["batch"]) in solver["seconds"]
        assert quote["speed_up"] == pytest.approx(quote["solver_seconds"] / quote["seconds"])
        if quote["end"] != "accurate":
            assert solver["error"][quote["metric"]][quote["quantile"]] <= quote["error"]
    spent = network["spent"]
    assert (spent["training"], spent["trials"], spent["without"]) == ({"wall": 60.0, "cpu": 10.0}, 3, None)
    assert spent["data"]["cpu"] > 0  # generate noted what the training split took


def test_a_dear_network_never_repays(result):
    """Three products of matrices of 256 rows are dearer than a few steps on 32 points, whatever the machine does."""
    first = result.document["price"]["networks"]["model"]["quotes"][0]
    assert first["metric"] == "relative_l2"
    assert first["speed_up"] < 0.5
    assert first["breakeven"] == "never"
    assert result.metric("breakeven")["value"] == "never"
    assert result.metric("speed_up")["value"] == first["speed_up"]
    assert result.metric("breakeven_hours")["reason"] == "it is never repaid"


def test_a_coarser_grid_is_as_accurate_and_the_reference_is_not_needed(result):
    price = result.document["price"]
    assert price["set"]["run"] < price["set"]["variants"]
    settings = [one["setting"] for one in price["solvers"]]
    assert {"points": [32], "steps": 8, "order": 4} not in settings
    assert {tuple(one["points"]) for one in settings} > {(16,), (32,)}


def test_the_table_and_the_page_hold_the_price(result, undrawn, folder, tmp_path):
    assert str(result).splitlines()[-1].startswith("price: ")
    assert "It never repays its training." in str(result)
    text = result.write_page(tmp_path).read_text(encoding="utf-8")
    assert "<h2>Price</h2>" in text
    assert "It never repays its training." in text
    assert "10 s of CPU time" in text
    assert re.search(r"the classical solver of the same error takes (at most )?[\d.]+ × as long", text)
    assert "points, 1 step, order 4" in text
    assert (tmp_path / "figures" / "price.png").exists()


def test_the_price_survives_the_disk(result, tmp_path):
    result.save(tmp_path)
    again = Result.load(tmp_path)
    assert again.document["price"] == json.loads(json.dumps(result.document["price"]))
    assert again.rows() == json.loads(json.dumps(result.rows()))
    assert str(again) == str(result)


def test_former_results_have_no_price(result, tmp_path, undrawn):
    path = result.save(tmp_path)
    document = {k: v for k, v in json.loads(path.read_text()).items() if k not in ("price", "sha256")}
    path.write_text(json.dumps(document | {"schema": 3}))
    again = Result.load(tmp_path)
    assert not [row for row in again.rows() if row["metric"].startswith("speed_up")]
    assert "price" not in str(again)
    assert "<h2>Price</h2>" not in again.write_page(tmp_path).read_text(encoding="utf-8")


def test_it_may_be_left_out(ks):
    found = evaluate(StepperPredictor(lambda p: lambda u, key=None: u, ks.step), ks, baselines=False, price=False)
    assert found.document["price"] is None
    assert "price" not in str(found)
    with pytest.raises(ValueError, match="trials is the number of trainings"):
        evaluate(lambda u: u, ks, trials=0)


# ---- the truth is not known any better than its floor


def test_the_reference_is_scored_against_something_finer(ks):
    """Started from the stored frame, it gives the stored frames again; what it errs by shows all the same."""
    truth = select(ks, "test", None, None, 1)
    coarse = ETDRK(substeps=1)  # data are what the simulator says they were made by: here of too few steps
    solver = Solver(coarse, ks.family, ks.domain, ks.family.times.burn_in)
    rows = np.arange(6)
    arguments = solver.arguments(truth, rows)
    states = truth.states[:, :1]
    for _ in range(8):
        states = np.concatenate([states, np.asarray(coarse.stepper(ks.family, {})(states[:, -1]))[:, None]], 1)
    own = dataclasses.replace(truth, states=states)
    errors = solver.errors(own, 6, solver.compiled(arguments), arguments)
    assert errors["relative_l2"].max() < 1e-5  # against itself it has no error
    floor = floor_of(solver, own, {}, "test")
    with jax.enable_x64(True):
        start = jnp.asarray(states[:, 0], float)
        better = ETDRK(substeps=2, shape=(48,)).stepper(ks.family, {})(resample(start, (48,)))
        better = np.asarray(resample(better, (32,)))
    norm = lambda u: np.linalg.norm(u, axis=(1, 2))
    expected = np.median(norm(states[:, 1] - better) / norm(states[:, 1]))
    np.testing.assert_allclose(floor.levels["one_step_nrmse"]["median"], expected, rtol=1e-3)
    assert expected > 100 * errors["one_step_nrmse"].max()


def test_what_the_data_note_of_their_check_counts(ks):
    truth = select(ks, "test", None, None, 1)
    solver = Solver(ks.simulator, ks.family, ks.domain, ks.family.times.burn_in)
    manifest = {"self_difference": {"test": {"median": 0.5, "max": 0.7}}}
    floor = floor_of(solver, truth, manifest, "test").levels
    assert floor["one_step_nrmse"] == {"median": 0.5, "p95": 0.7}
    assert floor["relative_l2"]["median"] < 0.5


# ---- steady problems, and data without a classical set


@pytest.fixture(scope="module")
def poisson(tmp_path_factory):
    family, simulator = read_problem(POISSON)
    sizes = {"train": SplitSize(2), "test": SplitSize(5)}
    root = tmp_path_factory.mktemp("price") / "poisson"
    return Dataset.open(generate(family, simulator, root, sizes, space_tolerance=0.5))


def test_steady_operators_have_a_price_of_their_solution(poisson, undrawn, tmp_path):
    solve = poisson.simulator.stepper(poisson.family, {})
    found = evaluate(lambda f: 1.3 * solve(f), poisson, baselines=False)
    price = found.document["price"]
    assert price["metrics"] == ["relative_l2"]
    assert len(price["networks"]["model"]["quotes"]) == 2 * 2 * 2
    assert price["networks"]["model"]["quotes"][0]["error"] == pytest.approx(0.3, rel=1e-3)
    assert "divided as for a method of first order" in price["floor"]["how"]
    assert {one["setting"]["points"][0] for one in price["solvers"]} < {17, 13, 9, 7, 5}
    assert all("tolerance" in one["setting"] for one in price["solvers"])
    assert "classical solver" in str(found).splitlines()[-1]
    assert "<h2>Price</h2>" in found.write_page(tmp_path).read_text(encoding="utf-8")


def test_data_of_a_function_have_none(ks):
    splits = {name: ks.split(name).states for name in ks.split_names}
    bare = Arrays(splits, step=ks.step, domain=ks.domain)
    keep = StepperPredictor(lambda p: lambda u, key=None: u, ks.step)
    assert "do not say which equation" in evaluate(keep, bare, baselines=False).document["price"]["reason"]
    own = dataclasses.replace(ks)
    vars(own).update(simulator=Function(lambda *of: None))
    reason = evaluate(keep, own, baselines=False).document["price"]["reason"]
    assert "has no step" in reason
