"""Gaussians leave, split, move and come where the residual asks for it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.equations import BoundaryValueProblem
from pdejax.methods import PhysicsInformed, ProblemCard, adapt_field
from pdejax.methods.physics.adaptation import sizes_of

# u = 0 solves it but for a bump of the source in one corner
PROBLEM = BoundaryValueProblem(
    **{
        "name": "bump",
        "equation": {"terms": "u_xx + u_yy = exp(-200*((x - 0.8)**2 + (y - 0.8)**2))"},
        "domain": {"x": [0, 1], "y": [0, 1]},
        "conditions": {"walls": {"at": "boundary", "terms": "u = 0"}},
    }
)
SPEC = {"kind": "gaussians", "count": [5, 5], "head": "linear"}


def model(key, **options):
    @eqx.filter_jit
    def build(key):
        made = PhysicsInformed().build({**SPEC, **options}, ProblemCard(PROBLEM), key=key)
        return eqx.tree_at(lambda m: m.field.weights, made, 1e-3 * made.field.weights)

    return build(key)


def near(points):
    """Which points lie where the residual is."""
    return np.linalg.norm(np.asarray(points) - 0.8, axis=-1) < 0.25


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.long),
        pytest.param({"shared": False, "head": "mlp", "count": 25}, marks=pytest.mark.long),
        {"covariance": "dense"},
    ],
)
def test_sizes(options, key):
    found = adapt_field(model(key, **options), move=2, split=3, add=4, candidates=2048, key=key)
    field = found.field
    assert field.centres.shape[1] == field.weights.shape[1] == field.log_widths.shape[1] == 25 + 3 + 4
    assert sizes_of(found.field) == {"count": 32}
    assert np.isfinite(jax.jit(lambda x: found.residual(x))(jnp.full((3, 2), 0.4))).all()


def test_new_ones_come_where_the_residual_is_and_change_nothing(key):
    before = model(key)
    after = adapt_field(before, add=6, candidates=2048, key=key)
    assert near(after.field.centres[0, 25:]).all()
    points = jnp.asarray(np.random.default_rng(0).uniform(size=(50, 2)), jnp.float32)
    np.testing.assert_array_equal(*jax.jit(lambda points: (after(points), before(points)))(points))
    np.testing.assert_array_equal(after.field.centres[:, :25], before.field.centres)


def test_the_weakest_move(key):
    before = model(key)
    weights = before.field.weights.at[0, 7].set(1e-9)
    before = eqx.tree_at(lambda m: m.field.weights, before, weights)
    after = adapt_field(before, move=1, candidates=2048, key=key)
    assert after.field.centres.shape == before.field.centres.shape
    kept = np.delete(np.asarray(before.field.centres[0]), 7, axis=0)
    np.testing.assert_array_equal(after.field.centres[0, :24], kept)
    assert near(after.field.centres[0, 24:]).all()


def test_halves_are_narrower_and_have_half_the_weight(key):
    before = model(key)
    after = adapt_field(before, split=1, candidates=2048, key=key)
    before, after = (jax.tree.map(np.asarray, one.field) for one in (before, after))
    middle = np.mean(after.centres[0, 24:], axis=0)
    parent = int(np.argmin(np.linalg.norm(before.centres[0] - middle, axis=1)))
    assert near(before.centres[0, parent])
    np.testing.assert_allclose(middle, before.centres[0, parent], atol=1e-6)
    np.testing.assert_allclose(after.weights[0, 24:], before.weights[0, parent][None] / 2 * np.ones((2, 1)))
    narrower = before.log_widths[0, parent] - after.log_widths[0, 24]
    np.testing.assert_allclose(np.sort(narrower), [0, np.log(1.6)], atol=1e-6)


def test_the_weak_leave(key):
    before = model(key)
    weights = before.field.weights.at[0, :10].set(1e-9)
    after = adapt_field(eqx.tree_at(lambda m: m.field.weights, before, weights), prune=1e-3, candidates=2048, key=key)
    np.testing.assert_array_equal(after.field.centres[0], before.field.centres[0, 10:])


def test_too_much_is_refused(key):
    with pytest.raises(ValueError, match="take away 25 of 25 Gaussians"):
        adapt_field(model(key), move=25, candidates=2048, key=key)
    with pytest.raises(ValueError, match="split 26 Gaussians, there are 25"):
        adapt_field(model(key), split=26, candidates=2048, key=key)
    spec = {"kind": "gaussian_lattice", "counts": [6, 6]}
    lattice = eqx.filter_jit(lambda key: PhysicsInformed().build(spec, ProblemCard(PROBLEM), key=key))(key)
    with pytest.raises(ValueError, match="network=gaussians"):
        adapt_field(lattice, add=1, candidates=2048, key=key)
