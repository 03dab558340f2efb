"""Sums of selected sines, some folded and some cut off."""

import dataclasses
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Interval
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, check_options, register
from pdejax.equations.sampling.series import check_modes, uniform

EDGE = 0.01  # width of a window's edges, as a share of the box
Probability = Annotated[float, Interval(ge=0, le=1)]


@register("sampler", "selected_sines")
@dataclasses.dataclass(frozen=True)
class SelectedSines:
    """The random initial states in one dimension of Takamoto et al. (2022), "PDEBench", as their code draws them.

    Of the wavenumbers 1 to `highest`, `count` are chosen; one that is chosen twice is doubled, and each that is not
    leaves a constant. Amplitudes are uniform in [0, 1]. Some states are then replaced by their absolute values, half of
    all change their sign, and some are cut off beyond a window with smooth edges. Theirs are a little longer than the
    box; these fit it.

    **Arguments:** `count`, `highest`; `folded`, `cut`: shares of the states whose absolute value is taken, and that are
    cut off; `normalised`: whether each is shifted and scaled to lie between 0 and 1.

    **Raises:** `ValueError` when called on a grid of several axes, or one that cannot hold what may be chosen.
    """

    count: Count = 2
    highest: Count = 8
    folded: Probability = 0.1
    cut: Probability = 0.1
    normalised: bool = False
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        if grid.ndim != 1:
            raise ValueError(f"selected_sines are of one dimension, got a grid of {grid.ndim}")
        check_modes("count*highest", self.count * self.highest, grid)
        place = (grid.coordinates()[:, 0] - grid.origin[0]) / grid.lengths[0]
        own = jax.random.split(key, self.channels)
        return jnp.stack([self._drawn(k, place) for k in own], axis=-1)

    def _drawn(self, key: Key, place: np.ndarray) -> Float[Array, " space"]:
        keys = jax.random.split(key, 8)
        chosen = jax.random.randint(keys[0], (self.count,), 0, self.highest, jnp.int32)
        waves = jnp.zeros(self.highest, jnp.int32).at[chosen].add(1) * np.arange(1, self.highest + 1, dtype=np.int32)
        amplitude, phase = uniform(keys[1], (self.highest,), 0, 1), uniform(keys[2], (self.highest,), 0, 2 * np.pi)
        happens = lambda i, share: jax.random.uniform(keys[i], (), jnp.float32) < share
        turned, folded, cut = happens(3, 0.5), happens(4, self.folded), happens(5, self.cut)
        left, right = uniform(keys[6], (), 0.1, 0.45), uniform(keys[7], (), 0.55, 0.9)

        def at(points: np.ndarray) -> Float[Array, " space"]:
            x = jnp.asarray(points, phase.dtype)
            angle = 2 * np.pi * jnp.outer(x, waves.astype(phase.dtype)) + phase[None]
            u = jnp.matmul(jnp.sin(angle), amplitude, precision="highest")
            u = jnp.where(folded, jnp.abs(u), u)
            window = (jnp.tanh((x - left) / EDGE) - jnp.tanh((x - right) / EDGE)) / 2
            return jnp.where(turned, -u, u) * jnp.where(cut, window, 1.0)

        if not self.normalised:
            return at(place)
        # on points of their own, so that every grid shows the same
        many = 64 * self.count * self.highest
        fine = at(np.arange(many) / many)
        return (at(place) - fine.min()) / (fine.max() - fine.min())
