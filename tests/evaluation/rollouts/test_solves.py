"""Evaluation of learned differential equations: what their solves take, and that everything else works with them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.evaluation import Accounted, compare, ensemble, evaluate, solve_counts, solve_rows, stability
from pdejax.evaluation.reference import select
from pdejax.evaluation.rollouts.solves import calls_per_step
from pdejax.methods import DataCard

SILENT = {"kind": "perceptron", "width": 2, "depth": 1}
HEAT = {"kind": "neural_ode", "terms": "u_t = nu*u_xx", "parameters": {"nu": 0.05}}
NOISY = {"kind": "neural_ode", "noise": {"initial": 0.05}, "solver": {"name": "ShARK", "fixed_steps": 2}}


@pytest.fixture
def make(diffusion):
    """A model of the diffusion data whose right-hand side is what a method's mapping knows."""

    def make(spec, vary=False):
        dataset = diffusion(vary=vary)
        names = ("nu",) if vary else ()
        card = DataCard(
            shape=dataset.domain.shape,
            lengths=dataset.domain.lengths,
            step=dataset.step,
            field_names=("u",),
            parameter_names=names,
            statistics={
                "mean": [0.0],
                "std": [1.0],
                "rms_delta": [0.1],
                "parameter_mean": [0.05] * len(names),
                "parameter_std": [0.02] * len(names),
            },
            periodic=(True,),
        )
        model = eqx.filter_jit(lambda key: build("method", spec).build(SILENT, card, key=key))(jax.random.key(0))
        silent = jax.tree.map(jnp.zeros_like, model.tendency.network.layers[-1])
        return eqx.tree_at(lambda m: m.tendency.network.layers[-1], model, silent), dataset

    return make


@pytest.mark.long
@pytest.mark.parametrize("vary", [True, pytest.param(False, marks=pytest.mark.long)])
def test_known_physics_is_evaluated_as_exact(make, vary):
    model, dataset = make(HEAT, vary)
    result = evaluate(model, dataset, baselines=["persistence"], price=False)
    entry = result.metric("relative_l2")["value"]
    assert entry < 1e-3
    assert result.metric("relative_l2", "persistence")["value"] > 100 * entry
    systems = result.document["systems"]
    assert systems["persistence"]["cost"]["solves"] == []
    solves = systems["model"]["cost"]["solves"]
    assert [(one["steps"], one["first_step"]) for one in solves] == [
        (1, 1.0), (1, "automatic"), (12, 1.0), (12, "automatic"),
    ]  # fmt: skip
    for one in solves:
        assert one["finished"]
        assert one["trajectories"] == 5
        extra = 2 if one["first_step"] == "automatic" else 0
        assert one["evaluations"] == 1 + extra + 6 * (one["accepted"] + one["rejected"])


def test_counts_are_those_of_the_solve(make):
    model, dataset = make(HEAT | {"solver": {"first_step": "automatic"}})  # one policy, so half the solves
    truth = select(dataset, "test", None, 3, 1)
    counts = solve_counts(model, truth, 1, trajectories=2, key=None)
    account = model.solve(jnp.asarray(truth.initial(1)[:2]), truth.times)[1]
    own = next(one for one in counts if (one["steps"], one["first_step"]) == (3, "automatic"))
    assert (own["evaluations"], own["accepted"]) == (int(account.evaluations), int(account.accepted))
    assert calls_per_step(counts) == own["evaluations"] / 3


@pytest.mark.long
@pytest.mark.parametrize(
    ("spec", "policies", "known"),
    [
        pytest.param(HEAT | {"solver": {"first_step": "automatic"}}, ["automatic"], True, marks=pytest.mark.long),
        (HEAT | {"solver": {"first_step": "diffrax"}}, [None, "automatic"], True),
        (HEAT | {"solver": {"fixed_steps": 4}}, [0.25], True),
        (HEAT | {"solver": {"name": "Kvaerno3"}}, [1.0, "automatic"], False),
        pytest.param(NOISY, [0.5], True, marks=pytest.mark.long),
        pytest.param(NOISY | {"solver": {"name": "ShARK"}}, [1.0], True, marks=pytest.mark.long),
    ],
    ids=["automatic", "diffrax", "fixed", "implicit", "noise", "adaptive noise"],
)
def test_policies_that_a_model_knows(make, spec, policies, known):
    model, dataset = make(spec)
    counts = solve_counts(model, select(dataset, "test", 2, 1, 1), 1, trajectories=2, key=jax.random.key(0))
    assert [one["first_step"] for one in counts] == policies
    assert all((one["evaluations"] is not None) == known for one in counts)
    assert (calls_per_step(counts) is not None) == known
    rows = solve_rows(counts)
    assert len(rows) == 1 + len(counts)
    assert all(len(row) == len(rows[0]) for row in rows)


def test_other_predictors_have_no_solves(diffusion):
    truth = select(diffusion(), "test", None, 1, 1)
    assert not isinstance(lambda u, key=None: u, Accounted)
    assert solve_counts(lambda u, key=None: u, truth, 1, trajectories=2, key=None) == []
    assert solve_rows([]) == []


@pytest.mark.long
def test_comparison_and_ensembles(make):
    (noisy, dataset), (heat, _) = make(NOISY), make(HEAT | {"solver": {"fixed_steps": 4}})
    document = compare({"noisy": noisy, "heat": heat}, dataset, steps=3, members=3, price=False).document
    systems = document["systems"]
    assert systems["heat"]["calls"] == (1 + 6 * 4 * 3) / 3  # Tsit5 keeps its last slope
    assert systems["solver"]["calls"] is None
    assert document["ensembles"]["noisy"]["members"] == 3
    assert document["ensembles"]["heat"]["reason"].startswith("deterministic")


@pytest.mark.long
def test_members_of_a_stochastic_operator_differ_and_repeat(make):
    model, dataset = make(NOISY)
    truth = select(dataset, "test", 2, 2, 1)
    draw = lambda members: ensemble(model, truth.initial(1), truth.times, members, key=jax.random.key(1))
    three, two = draw(3), draw(2)
    np.testing.assert_allclose(three[:2], two, atol=1e-6)
    assert float(np.abs(three[0] - three[1]).max()) > 1e-3
    long = stability(model, truth.initial(1), truth.frames, steps=4, key=jax.random.key(0))
    assert long.bounded == 1
