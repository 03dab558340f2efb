"""States that are constant in parts of the box."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, Key, check_options, register
from pdejax.equations.laws.law import Drawn, law_of, read_law


@register("sampler", "piecewise")
@dataclasses.dataclass(frozen=True)
class Piecewise:
    """Riemann data: every axis is cut at one drawn place, and each part between the cuts has a drawn constant.

    A periodic axis has a second jump where the box ends.

    **Arguments:** `cuts`: range or law of the places, as a share of an axis' length; `values`: range or law of the
    constants of all channels, or a list of one for each of them.

    **Raises:** `ValueError` if a cut can be outside of the box, or laws and channels are not of one number.
    """

    cuts: Drawn = (0.25, 0.75)
    values: Any = (-1.0, 1.0)
    channels: Count = 1

    def __post_init__(self) -> None:
        check_options(self)
        object.__setattr__(self, "cuts", read_law("cuts", self.cuts))
        ((low, high),) = law_of(self.cuts).support
        if low < 0 or high > 1:
            raise ValueError(f"cuts should be shares of the length, from 0 to 1, got them from {low:g} to {high:g}")
        object.__setattr__(self, "values", self._read_values(self.values))

    def _read_values(self, given: Any) -> Any:
        if not (isinstance(given, list | tuple) and given and not isinstance(given[0], int | float | str)):
            return read_law("values", given)
        if len(given) != self.channels:
            raise ValueError(f"values should be one range or law, or one for each of {self.channels} channels, "
                             f"got {len(given)}")  # fmt: skip
        return tuple(read_law(f"values.{i}", one) for i, one in enumerate(given))

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        first, second = jax.random.split(key)
        cut = jax.vmap(law_of(self.cuts))(jax.random.split(first, grid.ndim))
        share = (grid.coordinates() - np.asarray(grid.origin)) / np.asarray(grid.lengths)
        # held against each other in float32 whatever the precision, so that float64 runs see the same parts
        one = (1,) * grid.ndim
        beyond = jnp.asarray(share, jnp.float32) >= cut[:, 0].astype(jnp.float32).reshape(*one, -1)
        part = (beyond.astype(jnp.int32) * (2 ** np.arange(grid.ndim, dtype=np.int32)).reshape(*one, -1)).sum(-1)
        return jnp.moveaxis(self._constants(second, 2**grid.ndim)[:, part], 0, -1)

    def _constants(self, key: Key, parts: int) -> Float[Array, "channel part"]:
        each = isinstance(self.values, tuple) and not isinstance(self.values[0], int | float)
        laws = [law_of(one) for one in (self.values if each else (self.values,) * self.channels)]
        keys = [jax.random.split(jax.random.fold_in(key, i), parts) for i in range(self.channels)]
        return jnp.stack([jax.vmap(law)(own)[:, 0] for law, own in zip(laws, keys, strict=True)])
