"""The smallest training there is: a line through points, on which everything about the loop can be seen in seconds."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.methods import AbstractMethod


class Line(eqx.Module):
    weight: jax.Array
    bias: jax.Array
    scale: jax.Array  # measured, not trained

    def __call__(self, x):
        return (x @ self.weight) * self.scale + self.bias[None]


def line(inputs=4, outputs=2, seed=0):
    weight = jax.random.normal(jax.random.key(seed), (inputs, outputs))
    return Line(weight, jnp.zeros(outputs), jnp.full((), 0.5))


class Points(eqx.Module):
    x: jax.Array
    y: jax.Array
    row: jax.Array
    mask: jax.Array


class Regression(AbstractMethod):
    """Mean squares, with a little noise from the keys of the samples."""

    @property
    def window(self):
        return 0

    def build(self, network, card, *, key):
        raise AssertionError("models of this method are made by hand")

    def trainable(self, model):
        return Line(True, True, False)

    def loss(self, model, batch, keys):
        noise = jax.vmap(lambda key: 1e-3 * jax.random.normal(key, batch.y.shape[1:]))(keys)
        losses = jnp.mean(jnp.square(model(batch.x) - batch.y - noise), axis=-1)
        return losses, {"size": jnp.mean(jnp.abs(batch.y), axis=-1)}


@dataclasses.dataclass
class PointFeed:
    """Points of a plane: everything about a batch follows from its number."""

    batch_size: int = 8
    inputs: int = 4
    arrays: tuple = ()

    def init(self):
        return {"step": 0}

    def next(self, state):
        first = state["step"] * self.batch_size
        return {"step": state["step"] + 1}, np.arange(first, first + self.batch_size, dtype=np.int32)

    def draw(self, item):
        return jax.vmap(lambda r: jax.random.normal(jax.random.fold_in(jax.random.key(5), r), (self.inputs,)))(item)

    def fetch(self, arrays, item):
        x = self.draw(item)
        y = jnp.stack([jnp.sum(x, axis=1), x[:, 0] - 1], axis=1)
        return Points(x, y, item, jnp.ones(len(item)))


@dataclasses.dataclass
class DriftingFeed(PointFeed):
    """The same, moved by what is kept on the device: how often it was renewed, and the model's bias and noise then."""

    every: int = 3

    def state(self):
        return {"count": jnp.zeros((), jnp.int32), "shift": jnp.zeros(2), "noise": jnp.zeros(())}

    def refresh(self, state, model, key):
        return {"count": state["count"] + 1, "shift": model.bias, "noise": jax.random.normal(key)}

    def fetch(self, arrays, item, state):
        batch = PointFeed.fetch(self, arrays, item)
        return eqx.tree_at(lambda b: b.y, batch, batch.y + (state["shift"] + 0.1 * state["noise"])[None])
