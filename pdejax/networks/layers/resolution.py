"""How the grid changes from block to block of a network."""

from collections.abc import Sequence
from math import prod

from pdejax.networks.layers.checks import per_axis

Factors = float | Sequence[float]


def as_scaling(
    scaling: Sequence[Factors] | None, depth: int, periodic: Sequence[bool]
) -> tuple[tuple[float, ...], ...] | None:
    """Factor of the number of points for every block and axis, of periodic axes only.

    **Arguments:** `scaling`: for every block one factor, or one per axis; `depth`: number of blocks; `periodic`:
    whether each axis is.

    **Raises:** `ValueError` if there is not one entry per block, a factor is not positive or scales a bounded axis,
    whose end points a change of resolution would move.
    """
    if scaling is None:
        return None
    ndim = len(periodic)
    out = tuple(per_axis("scaling", factors, ndim) for factors in scaling)
    if len(out) != depth or any(min(f) <= 0 for f in out):
        raise ValueError(f"scaling needs one positive factor, or {ndim}, for each of {depth} blocks, got {scaling}")
    if any(factor != 1 and not wraps for f in out for factor, wraps in zip(f, periodic, strict=True)):
        raise ValueError(f"scaling changes periodic axes only, got {scaling} with periodic {tuple(periodic)}")
    return tuple(tuple(map(float, f)) for f in out)


def grids(shape: Sequence[int], scaling: Sequence[Sequence[float]]) -> list[tuple[int, ...]]:
    """Points per axis after every block: those of the input times all factors so far, rounded.

    Factors whose product is one so lead back to the input's grid, odd or even.
    """
    products = [[prod(factors) for factors in zip(*scaling[: i + 1], strict=True)] for i in range(len(scaling))]
    return [tuple(max(round(n * f), 1) for n, f in zip(shape, product, strict=True)) for product in products]
