"""What of a domain travels beside the states: where their points lie and how much each counts."""

import equinox as eqx
from jaxtyping import Array, Float


class Geometry(eqx.Module):
    """Points on which states are given that are no plain grid.

    - `points`: their coordinates.
    - `mask`: 1 for points that are there, 0 for padding.
    - `weights`: of the points in means over the domain, as of a quadrature; 0 for padding.
    """

    points: Float[Array, "*batch_and_space axis"]
    mask: Float[Array, "*batch_and_space"]
    weights: Float[Array, "*batch_and_space"]
