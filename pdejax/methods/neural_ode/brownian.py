"""Brownian motions of a batch, each sample's its own."""

from typing import Any

import diffrax
import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Keys


class SampledBrownian(diffrax.AbstractBrownianPath):
    """A Brownian motion for every sample of a batch, each of its own key, so that none depends on the batch.

    **Arguments:** `paths`: of all samples, made by `sampled_brownian`.
    """

    paths: diffrax.VirtualBrownianTree
    t0: Any
    t1: Any
    levy_area: Any = eqx.field(static=True)

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True, use_levy: bool = False) -> Any:
        """The increments of all samples between two times."""
        return eqx.filter_vmap(lambda path: path.evaluate(t0, t1, left, use_levy))(self.paths)


def _levy_area(solver: diffrax.AbstractSolver) -> type:
    """The least that a path must tell of its increments for a solver."""
    least: type = getattr(solver, "minimal_levy_area", diffrax.AbstractBrownianIncrement)
    for area in (diffrax.BrownianIncrement, diffrax.SpaceTimeLevyArea):
        if issubclass(area, least):
            return area
    return diffrax.SpaceTimeTimeLevyArea


def sampled_brownian(
    keys: Keys,
    t0: Any,
    t1: Any,
    state: Float[Array, " batch *state"],
    *,
    solver: diffrax.AbstractSolver,
    tolerance: float,
) -> SampledBrownian:
    """A path from `t0` to `t1` for each sample of `state`.

    **Arguments:** `keys`: one for each sample; `solver`: by which it will be used; `tolerance`: in time, below which a
    path is smooth.
    """
    area, shape = _levy_area(solver), jax.ShapeDtypeStruct(state.shape[1:], state.dtype)
    make = lambda key: diffrax.VirtualBrownianTree(t0, t1, tolerance, shape, key, levy_area=area)
    return SampledBrownian(eqx.filter_vmap(make)(keys), t0, t1, area)
