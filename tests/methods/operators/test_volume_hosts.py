"""Finite volumes as what a network drives: derivatives go through their equal steps, and what is conserved stays."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.data import Batch
from pdejax.equations import EQUATIONS, Family, SumOfSines, Times
from pdejax.methods import DataCard, SolverBase, Supervised
from pdejax.methods.operators.roles import Correct, Tendency
from pdejax.solvers import FiniteVolume
from tests.methods._drawn import drawn

GRID = Grid((16,), (1.0,), cells=True)
FAMILY = Family("b", EQUATIONS["inviscid_burgers"], GRID, {"u": SumOfSines(count=2)}, times=Times(0.05))
CARD = DataCard(
    shape=GRID.shape, lengths=GRID.lengths, step=0.05, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [0.0], "std": [0.7], "rms_delta": [0.2], "rms_residual": [0.05]}, source={"family": FAMILY},
)  # fmt: skip
NETWORK = {"kind": "dilated_resnet", "width": 4, "depth": 1, "dilations": (1,), "activation": "gelu"}


def _batch():
    x = GRID.axes()[0]
    frames = [np.sin(2 * np.pi * (x - 0.05 * i)) + 0.3 * np.cos(4 * np.pi * x) for i in range(3)]
    states = jnp.asarray(np.stack(frames)[None, ..., None], jnp.float32)
    none = jnp.zeros((1, 0), jnp.float32)
    return Batch(states, states[:, 0, :, :0], none, jnp.zeros(1, jnp.int32), jnp.ones(1, jnp.float32))


@pytest.mark.parametrize(
    "role", [Tendency(), *(pytest.param(one, marks=pytest.mark.long) for one in (Tendency(held=False), Correct()))]
)
def test_a_loss_over_several_frames_has_the_derivative_of_its_differences(role):
    method = Supervised(unroll=2, base=SolverBase(FiniteVolume(substeps=3)), role=role)
    model = drawn(method, NETWORK, CARD)
    batch, keys = _batch(), jax.random.split(jax.random.key(0), 1)
    trained, rest = eqx.partition(model, method.trainable(model))
    loss = jax.jit(lambda t: jnp.mean(method.loss(eqx.combine(t, rest), batch, keys)[0]))
    along = jax.tree.map(lambda x: jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype), trained)
    moved = lambda h: float(loss(jax.tree.map(lambda x, d: x + h * d, trained, along)))
    gradient = jax.tree.leaves(jax.jit(jax.grad(loss))(trained))
    found = sum(float(jnp.vdot(g, d)) for g, d in zip(gradient, jax.tree.leaves(along), strict=True))
    assert found == pytest.approx((moved(1e-2) - moved(-1e-2)) / 2e-2, rel=2e-2)
    assert abs(found) > 1e-3


def test_a_host_that_chooses_its_steps_is_refused_where_gradients_go_back_through_it():
    base = SolverBase(FiniteVolume())
    build = lambda **options: Supervised(base=base, **options).build(NETWORK, CARD, key=jax.random.key(0))
    for asked in ({"role": Tendency()}, {"role": Correct(), "unroll": 2}):
        with pytest.raises(ValueError, match=r"base\.simulator\.substeps, or set through_base=false"):
            build(**asked)
    for asked in ({"role": Tendency(), "through_base": False}, {"role": Correct()},
                  {"role": Correct(), "unroll": 2, "cut_gradient": True}):  # fmt: skip
        assert build(**asked).base.step_size == CARD.step
