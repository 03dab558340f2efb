import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.data import Batch
from pdejax.methods import OperatorInfo
from tests.methods._drawn import drawn, normal

NETWORK = {"kind": "perceptron", "width": 4, "depth": 1}
SPEC = {"kind": "distilled", "teacher": "runs/teacher"}


class Noisy(eqx.Module):
    """A teacher whose steps scatter around half of the state."""

    history: int = 1
    step: float = 0.5
    parameters: jnp.ndarray | None = None

    @property
    def info(self):
        return OperatorInfo(self.step, (4.0,), ("u", "v"), parameters=("nu",), history=self.history)

    def __call__(self, u, *, key=None):
        return u / 2 + jax.random.normal(key, u.shape)


def _batch(size):
    return Batch(
        states=normal(size, 2, 16, 2),
        inputs=jnp.zeros((size, 16, 0)),
        parameters=jnp.ones((size, 1)),
        row=jnp.arange(size, dtype=jnp.int32),
        mask=jnp.ones(size),
    )


@pytest.mark.parametrize("samples", [1, 16])
def test_loss_is_the_distance_to_the_mean_of_the_teachers_steps(card, key, samples):
    """A new student stays where it is: its distance to the mean of n noisy steps is known, and falls as 1 / n."""
    method = build("method", {**SPEC, "samples": samples, "predict": "state"}).taught_by(Noisy())
    student = drawn(method, NETWORK, card, scale=0.0)
    batch = _batch(256)
    loss, _ = eqx.filter_jit(method.loss)(student, batch, jax.random.split(key, 256))
    mean, std = np.array([1.0, -1.0]), np.array([2.0, 0.5])  # a network of zeros predicts the mean of the data
    bias = np.square(np.asarray(batch.states[:, 0]) / 2 - mean) / std**2
    assert float(loss.mean()) == pytest.approx(float(bias.mean() + (1 / std**2).mean() / samples), rel=0.03)


def test_student_does_not_hold_its_teacher(card, key):
    method = build("method", SPEC).taught_by(Noisy())
    student = drawn(method, NETWORK, card)
    assert student.calls == 1
    params, rest = eqx.partition(student, method.trainable(student))
    batch, keys = _batch(4), jax.random.split(key, 4)
    gradient = jax.jit(jax.grad(lambda p: method.loss(eqx.combine(p, rest), batch, keys)[0].sum()))(params)
    assert any(np.abs(g).max() > 0 for g in jax.tree.leaves(gradient))


def test_impossible_teachers_are_refused(card, key):
    with pytest.raises(ValueError, match="history should be that of the teacher runs/teacher, 2, got 1"):
        build("method", SPEC).taught_by(Noisy(history=2))
    with pytest.raises(ValueError, match=r"has step 9\.0, the data have 0\.5"):
        build("method", SPEC).taught_by(Noisy(step=9.0)).build(NETWORK, card, key=key)
    method = build("method", SPEC)
    with pytest.raises(ValueError, match="runs/teacher was not loaded"):
        method.loss(drawn(method, NETWORK, card), _batch(2), jax.random.split(key, 2))
