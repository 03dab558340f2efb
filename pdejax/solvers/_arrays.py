"""Shapes and precision of what meets states: parameters `(batch,)`, wavenumbers, and symbols of operators."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.core import Grid, as_real
from pdejax.core import check_positive as check_positive
from pdejax.core import traced as traced


def working(x: Any) -> Array:
    """A JAX array in the working precision: float64 (or complex128) when 64-bit numbers are on, else 32-bit."""
    return jnp.asarray(x, jnp.result_type(complex if jnp.iscomplexobj(x) else float))


def real_or_traced(value: Any, what: str) -> Any:
    """Real numbers as they are; nothing is asked of what is traced, also within a list."""
    return value if any(map(traced, jax.tree.leaves(value))) else as_real(value, what)


def shown_stepper(stepper: Any) -> str:
    """A Stepper in a line: the time of a call, the steps that make it, and where."""
    covers = stepper.step_size if traced(stepper.step_size) else np.asarray(stepper.step_size).tolist()
    return f"{type(stepper).__name__}(step_size={covers}, substeps={stepper.substeps}, grid={stepper.grid})"


def compose(real: Any, imaginary: Any) -> Any:
    """real + i imaginary, of NumPy or JAX arrays that broadcast against each other."""
    if not isinstance(real, jax.Array) and not isinstance(imaginary, jax.Array):
        return real + 1j * imaginary
    return jax.lax.complex(*jnp.broadcast_arrays(working(real), working(imaginary)))


def batch_axis(value: Any, ndim: int) -> Any:
    """`(batch,)` to `(batch, 1, ...)` with `ndim` trailing axes; scalars stay."""
    return value.reshape(value.shape + (1,) * ndim) if np.ndim(value) else value


def expand_rank(x: Any, rank: int) -> Any:
    """Leading axes of size one in front of an array that is not a scalar.

    **Raises:** `ValueError` if the array has more axes than that already.
    """
    if not np.ndim(x):
        return x
    if x.ndim > rank:
        raise ValueError(f"parameters of {x.shape[0]} trajectories need a state with a batch axis, got none")
    return x.reshape((1,) * (rank - x.ndim) + x.shape)


def lift(tree: Any, rank: int) -> Any:
    """`expand_rank` of all arrays in a tree, so that they meet arrays of that rank."""
    return jax.tree.map(lambda x: expand_rank(x, rank), tree)


def check_batch(tree: Any, shape: tuple[Any, ...], ndim: int) -> None:
    """Whether arrays of several trajectories, `(batch, *modes)`, meet a state of as many.

    **Arguments:** `tree`: of arrays; `shape`: of half spectra `(*batch, *modes)`, maybe with unknowns of `jax.export`;
    `ndim`: axes of space.

    **Raises:** `ValueError` that names both numbers.
    """
    axis = -ndim - 1
    for x in jax.tree.leaves(tree):
        if np.ndim(x) > ndim and x.shape[axis] not in (1, shape[axis]) and shape[axis] != 1:
            raise ValueError(f"parameters of {x.shape[axis]} trajectories meet a state of {shape[axis]}")


def telling(table: np.ndarray, most: int) -> list[int]:
    """Numbers of rows to look at: all different ones, or so many with the least and the largest of every column."""
    rows = np.unique(table, axis=0, return_index=True)[1]
    if len(rows) <= most:
        return sorted(rows.tolist())
    ends = [*table.argmin(0), *table.argmax(0)]
    return sorted({*map(int, ends), *rows[np.linspace(0, len(rows) - 1, most).astype(int)].tolist()})


def check_points(grid: Grid, what: str) -> None:
    """**Raises:** `ValueError` for a grid of cells, on which a state holds averages."""
    if grid.cells:
        raise ValueError(f"{what} takes values at points, and this grid of {list(grid.shape)} cells holds averages: "
                         "leave domain.cells out, cells=False, or take finite volumes")  # fmt: skip


class Imaginary(eqx.Module):
    """A purely imaginary symbol, stored as a real array: half the memory traffic of a complex one."""

    value: Any


def as_complex(x: Any) -> Any:
    """A real array, or number, as a complex one; a complex one as it is."""
    return x if jnp.iscomplexobj(x) else compose(x, 0 * x)


def plain(symbol: Any) -> Any:
    """A symbol as a real or complex array."""
    return compose(0 * symbol.value, symbol.value) if isinstance(symbol, Imaginary) else symbol


def scale(symbol: Any, spectrum: Any) -> Array:
    """A real, imaginary or complex symbol times a complex spectrum."""
    if isinstance(symbol, Imaginary):
        return jax.lax.complex(-symbol.value * spectrum.imag, symbol.value * spectrum.real)
    if jnp.iscomplexobj(symbol):
        return symbol * spectrum
    return jax.lax.complex(symbol * spectrum.real, symbol * spectrum.imag)
