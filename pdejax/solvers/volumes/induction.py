"""Magnetic fields: what has no divergence because its fluxes are those of induction, and keeps none on a grid."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import sympy

from pdejax.equations import Equation
from pdejax.solvers.volumes.law import conservation_law


@functools.lru_cache(maxsize=64)
def magnetic_fields(equation: Equation) -> tuple[tuple[int, ...], ...]:
    """Fields by number, in the order of axes, each set of which has the rate of change of a curl.

    The flux of none of them is along its own axis, and that of one along another's is minus the other way round, so
    that the divergence of their rates is zero whatever the state. In one dimension there is none.
    """
    fluxes = conservation_law(equation).conserved.fluxes
    ndim, count = equation.ndim, equation.channels
    if ndim == 1:
        return ()
    still = lambda i, axis: fluxes[axis][i] == 0 and any(fluxes[a][i] != 0 for a in range(ndim))
    along = [[i for i in range(count) if still(i, axis)] for axis in range(ndim)]
    zero = lambda e: sympy.cancel(e) == 0
    turned = lambda one: all(
        zero(fluxes[a][one[b]] + fluxes[b][one[a]]) for a, b in itertools.combinations(range(ndim), 2)
    )
    return tuple(one for one in itertools.product(*along) if len({*one}) == ndim and turned(one))


def induced(
    one: tuple[int, ...], fluxes: list[Any], middle: Callable[[int, int], Any], spacing: Callable[[int], Any]
) -> dict[int, Any]:
    """Rates of change of a magnetic field whose divergence stays as it is, `(batch, *space)` by field.

    At each edge that two faces of an axis and two of another share there is one electric field, of these four and the
    cells between them: Gardiner and Stone (2005), equation 39, by which flow along an axis is that of one dimension.
    The flux through a face is the mean of its edges', so that averages over cells have the rate of a curl: Toth (2000),
    section 4.4. What stays to rounding is the divergence at the corners of cells, of the mean of the two (in three
    dimensions four) differences that meet there; under every step that adds up rates.

    **Arguments:** `one`: of `magnetic_fields`; `fluxes`: along each axis through its faces, `(field, batch, *space)`
    with one more cell at both ends of every other axis; `middle`: those of an axis and field in cells, with one more at
    both ends of all axes; `spacing`: along an axis.
    """
    rates: dict[int, Any] = dict.fromkeys(one, 0.0)
    for a, b in itertools.combinations(range(len(one)), 2):
        sides = _both(_only(fluxes[a], one[b]), b) - _both(_only(fluxes[b], one[a]), a)
        edges = sides / 2 - _both(_both(middle(a, one[b]), a), b) / 4
        for other in (axis for axis in range(len(one)) if axis not in (a, b)):
            edges = _along(edges, other, slice(1, -1))
        rates[one[b]] = rates[one[b]] - _change(_both(edges, b), a) / (2 * spacing(a))
        rates[one[a]] = rates[one[a]] + _change(_both(edges, a), b) / (2 * spacing(b))
    return rates


def _only(flux: Any, field: int) -> Any:
    """One field of several, by a product: what is cut out of them XLA computes once more, with all it depends on."""
    chosen = jnp.zeros(flux.shape[0], flux.dtype).at[field].set(1)
    return jnp.tensordot(chosen, flux, 1, precision="highest")


def _along(values: Any, axis: int, part: slice) -> Any:
    """A part of `(batch, *space)` along an axis of space."""
    return values[(slice(None),) * (1 + axis) + (part,)]


def _both(values: Any, axis: int) -> Any:
    """Sums of neighbours."""
    return _along(values, axis, slice(None, -1)) + _along(values, axis, slice(1, None))


def _change(values: Any, axis: int) -> Any:
    """Differences of neighbours."""
    return _along(values, axis, slice(1, None)) - _along(values, axis, slice(None, -1))
