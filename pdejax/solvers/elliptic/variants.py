"""What the solver of steady problems can trade: points, and the residual at which it stops."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.equations import Family
from pdejax.solvers._arrays import working
from pdejax.solvers._variants import Variant

GRIDS = (1.0, 0.75, 0.5, 0.375, 0.25)  # of the intervals per axis
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-6)
FEWEST = 4  # intervals per axis


def elliptic_variants(simulator: Any, family: Family) -> Iterator[Variant]:
    """Shares of the grid that the input fields are stored on, each with several tolerances."""
    intervals = [n - 1 for n in family.domain.shape]
    shapes = [tuple(max(FEWEST, round(n * share)) + 1 for n in intervals) for share in GRIDS]
    for shape, tolerance in itertools.product(dict.fromkeys(shapes), TOLERANCES):
        one = dataclasses.replace(simulator, shape=shape, tolerance=tolerance)
        # each iteration of the conjugate gradients gains about as many digits as the one before
        work = math.prod(shape) * -math.log10(tolerance)
        yield Variant(one, {"points": list(shape), "tolerance": tolerance}, work, f"{shape} points", _Tolerating(one))


class Tolerant(eqx.Module):
    """The solver as a function of input fields, whose tolerance is an array."""

    simulator: Any = eqx.field(static=True)
    family: Family = eqx.field(static=True)
    parameters: Mapping[str, Any]
    tolerance: Float[Array, ""]

    def __call__(self, inputs: Float[Array, "*batch_and_space input"]) -> Float[Array, "*batch_and_space 1"]:
        """The solution for inputs on a grid of any size."""
        found = self.simulator.solve(self.family, inputs, self.parameters, tolerance=self.tolerance)
        return found.u[..., None]


@dataclasses.dataclass(frozen=True)
class _Tolerating:
    """Makes the `Tolerant` of a simulator."""

    simulator: Any

    def __call__(self, family: Family, parameters: Mapping[str, Any]) -> Tolerant:
        return Tolerant(self.simulator, family, dict(parameters), jnp.asarray(working(self.simulator.tolerance)))
