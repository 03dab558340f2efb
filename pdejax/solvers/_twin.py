"""What solvers on cells are judged by: half the step, and a twin on half as many cells from the same averages."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import Equation, Family
from pdejax.solvers._in_time import coarser_shape, first_and_last

MOST_CORNERS = 64  # of ranges of parameters, all of six
TINY = 1e-12  # of the largest field: smaller ones are rounding, and no scale of their own
FLAT = 1e-6  # of a field's size: what varies less is no scale of its own


def check_cells(family: Family, kind: str, shape: tuple[int, ...] | None) -> None:
    """**Raises:** `ValueError` for a family that is steady or on no grid, or a `shape` that does not fit it."""
    what, grid = f"problem {family.name!r}", family.domain
    if not isinstance(family.equation, Equation):
        raise ValueError(f"{what}: solver {kind} is for equations in time, and this one is steady; the kind elliptic "
                         "takes it")  # fmt: skip
    if not isinstance(grid, Grid):
        raise ValueError(f"{what}: solver {kind} needs a grid, got {type(grid).__name__}")
    fits = lambda fine: len(fine) == grid.ndim and not any(map(int.__mod__, fine, grid.shape))
    if shape is not None and not fits(shape):
        raise ValueError(f"{what}: solver.shape should hold whole multiples of domain.shape={list(grid.shape)}, "
                         f"so that cells are means of cells, got {list(shape)}")  # fmt: skip
    if odd := [n for n in (shape or grid.shape) if n % 2]:
        raise ValueError(f"{what}: half as many cells are compared with, so that solver.shape, or else "
                         f"domain.shape, should be even, got {odd[0]}")  # fmt: skip


def cells_of(family: Family, shape: tuple[int, ...] | None, coarser: int = 1, least: int = 1) -> Grid:
    """The grid of cells a solver works on, or one of so many times fewer per axis, which are at least as many."""
    grid = family.domain
    assert isinstance(grid, Grid)
    whole = grid if shape is None else grid.with_shape(shape)
    return whole if coarser == 1 else grid.with_shape(coarser_shape(whole.shape, coarser, least))


def halved(grid: Grid) -> Grid:
    """Half as many cells per axis."""
    return grid.with_shape(tuple(n // 2 for n in grid.shape))


def corners(family: Family) -> Iterator[tuple[dict[str, float], Scaling]]:
    """Parameters and scaling at the corners of the ranges of what varies, or as many as can be looked at, drawn."""
    names, ranges = tuple(family.support), np.array([*family.support.values()], float).reshape(-1, 2)
    count = 2 ** len(names)
    few = np.arange(count) if count <= MOST_CORNERS else np.random.default_rng(0).integers(count, size=MOST_CORNERS)
    for number in few.tolist():
        own, scaling = Scaling.split({name: float(ends[number >> i & 1]) for i, (name, ends)
                                      in enumerate(zip(names, ranges, strict=True))})  # fmt: skip
        yield dict(own), scaling


def half_step_error(
    simulator: Any, family: Family, states: Any, parameters: Mapping[str, Any], shorter: Callable[[Any, Any], Any]
) -> Float[Array, " batch"]:
    """Largest relative mean difference, over one frame, to the same with half the solver step.

    It starts from the first and from the last but one stored frame.

    **Arguments:** `states`: stored; `shorter`: from a Stepper and a share of its step, or where it makes equal steps so
    many times as many of them, to a Stepper.
    """
    one = simulator.stepper(family, parameters)
    step = jnp.asarray(one.step_size)
    chosen, times = first_and_last(family, states, step)

    def frame(at: Any) -> Array:
        state, time, share = at
        return shorter(one, share).at(time)(family.domain.transfer(state, simulator.domain(family)))

    twice = lambda x: jnp.concatenate([x, x])
    if simulator.substeps is None:  # one program for both
        shares = jnp.repeat(jnp.asarray([1.0, 0.5], step.dtype), 2)
        whole, half = jnp.split(jax.lax.map(frame, (twice(chosen), twice(times), shares)), 2)
    else:
        whole, half = (jax.lax.map(lambda at, s=s: frame((*at, s)), (chosen, times)) for s in (1, 2))
    return jnp.max(jnp.stack([mean_error((a - b)[None], b[None]) for a, b in zip(whole, half, strict=True)]), axis=0)


def mean_error(error: Float[Array, "time batch *space channel"], truth: Any) -> Float[Array, " batch"]:
    """Largest mean size of an error over frames and fields, each field against what it varies by, in the mean."""
    space = tuple(range(2, truth.ndim - 1))
    mean = lambda u: jnp.mean(jnp.abs(u), axis=space)
    varies = jnp.max(mean(truth - jnp.mean(truth, axis=space, keepdims=True)), axis=0)
    sizes = jnp.max(mean(truth), axis=0)
    scale = jnp.maximum(jnp.maximum(varies, FLAT * sizes), TINY * jnp.max(sizes, axis=-1, keepdims=True))
    found = mean(error) / jnp.where(scale > 0, scale, 1)[None]
    return jnp.max(found, axis=(0, 2))


def shares(shape: tuple[int, ...], least: int) -> Iterator[tuple[int, ...]]:
    """Parts of a grid whose cells are whole ones of it, with at least so many per axis."""
    for times in (2**i for i in itertools.takewhile(lambda i: min(shape) >> i >= least, itertools.count())):
        if not any(n % times for n in shape):
            yield tuple(n // times for n in shape)
