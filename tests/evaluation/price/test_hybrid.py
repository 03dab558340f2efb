"""A hybrid is judged beside its solver alone, and is told what of its price that solver takes."""

import jax
import numpy as np
import pytest

from pdejax.core import trajectory
from pdejax.data import Dataset, SplitSize, generate, read_problem
from pdejax.evaluation import compare, evaluate
from pdejax.methods import DataCard, SolverBase, Supervised
from pdejax.methods.operators.roles import Correct
from pdejax.solvers import ETDRK
from tests.evaluation.price.test_measure import KS
from tests.methods._drawn import drawn


@pytest.fixture(scope="module")
def ks(tmp_path_factory):
    family, simulator = read_problem(KS)
    sizes = {"train": SplitSize(2, 4), "test": SplitSize(3, 5)}
    root = tmp_path_factory.mktemp("hybrid") / "ks"
    return Dataset.open(generate(family, simulator, root, sizes, shard_size=8, batch_size=8))


@pytest.fixture(scope="module")
def hybrid(ks):
    method = Supervised(base=SolverBase(ETDRK(order=2, substeps=2)), role=Correct())
    return drawn(method, {"kind": "perceptron", "width": 4, "depth": 1}, DataCard.of(ks, method), scale=0.01)


def test_the_solver_in_it_is_judged_and_priced(ks, hybrid, undrawn, tmp_path):
    found = evaluate(hybrid, ks, baselines=["persistence"])
    assert list(found.document["systems"]) == ["model", "base", "persistence"]
    states = np.moveaxis(ks.split("test").states, 1, 0)
    coarse = ETDRK(order=2, substeps=2).stepper(ks.family, {})
    frames = jax.jit(lambda u: trajectory(coarse, u, 1))(states[0])
    missed = np.sqrt(np.mean((frames[0] - states[1]) ** 2, axis=(1, 2)) / np.mean(states[1] ** 2, axis=(1, 2)))
    entry = found.document["systems"]["base"]["metrics"]["one_step_nrmse"]
    assert entry["value"] == pytest.approx(float(np.mean(missed)), rel=1e-3)

    network = found.document["price"]["networks"]["model"]
    host, (batch, *_) = network["host"], found.document["price"]["batches"]
    ratio = host["seconds"][str(batch)]["cpu"]["value"] / network["seconds"][str(batch)]["cpu"]["value"]
    assert host["share"] == min(1.0, ratio)
    assert host["limit"] == pytest.approx(1 / host["share"])
    told = "The solver in it takes"
    assert told in str(found)
    assert told in found.write_page(tmp_path).read_text(encoding="utf-8")
    assert found.metric("host_share")["value"] == host["share"]


@pytest.mark.long
def test_a_comparison_tells_it_of_hybrids_alone(ks, hybrid):
    networks = compare({"mended": hybrid, "alone": hybrid.base}, ks).document["price"]["networks"]
    assert networks["mended"]["host"]["seconds"].keys() == networks["mended"]["seconds"].keys()
    assert networks["alone"]["host"] is None
