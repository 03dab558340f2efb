"""Scattered points with weights as a domain: fields that decay at a rate of their place, known at all times."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import PointCloud, register
from pdejax.equations import Equation, Family, Times


@register("sampler", "ramps")
@dataclasses.dataclass(frozen=True)
class Ramps:
    """Random linear functions of place."""

    channels: int = 1

    def __call__(self, key, domain):
        slopes = jax.random.normal(key, (domain.dimension, self.channels), jnp.float32)
        return 1 + jnp.asarray(domain.coordinates()) @ slopes.astype(jnp.result_type(float))


def cloud(count=50, seed=0):
    """Points denser to the left of the unit square, each weighted by the inverse of its density 3/2 - x."""
    x, y = np.random.default_rng(seed).uniform(size=(2, count))
    x = 1.5 - np.sqrt(2.25 - 2 * x)
    return PointCloud(np.stack([x, y], axis=-1), 1 / ((1.5 - x) * count))


def simulate(family, fields, parameters, times):
    """u_t = -(1 + x) u, solved exactly."""
    decay = jnp.exp(-times[:, None] * (1 + family.domain.coordinates()[:, 0]))
    return (fields["u"][:, None] * decay[None])[..., None]


DECAY = Family("decay", Equation("u_t = -(1 + x)*u", ndim=2), cloud(), {"u": Ramps()}, times=Times(0.25))
