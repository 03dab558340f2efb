"""Whether an equation can be solved forwards in time on a periodic box: how its linear part acts on ever higher modes,
and whether its coefficients are periodic."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.core import Grid, Scaling
from pdejax.equations import AXES, SYMBOLS, TIME, VOLUME, Equation, evaluate, jets, nonlocals
from pdejax.solvers._arrays import traced
from pdejax.solvers.spectral.canonical import Canonical, canonical, in_order
from pdejax.solvers.spectral.discretise import Discretisation
from pdejax.solvers.spectral.linear import as_matrix

SMALL = 2.0**-14  # of the box: its modes are so high that the leading order rules
POINTS = 8  # per axis of that box, for modes in all directions
ROUNDING = 1e-6  # of an eigenvalue
SEEN = 1024  # points of an axis on which coefficients are looked at, before it is known whether more find room
JUMP = 1e-2  # of what has coefficients, where it is largest on the grid: humps that are far from the end have tails


def check_growth(
    equation: Equation, grid: Grid, parameters: Mapping[str, Any] | None = None, scaling: Scaling | None = None
) -> None:
    """Refuses equations whose modes grow the faster the higher they are, such as the heat equation backwards in time.

    The linear part with constant coefficients is looked at, all fields together, on two boxes so small that only the
    leading order counts. What is traced is not looked at, nor are equations with products of as high an order, which
    may outweigh it.

    **Arguments:** `equation`; `grid`: periodic; `parameters`: numbers or arrays `(batch,)`; `scaling`: of the lengths.

    **Raises:** `ValueError` that names the mode of `grid` which grows fastest, and its rate.
    """
    given, scaling = equation.resolve(parameters), scaling or Scaling()
    if any(map(traced, (*given.values(), scaling.length))) or _led_by_products(canonical(equation)):
        return
    box = lambda share: Grid((POINTS,) * grid.ndim, tuple(share * length for length in grid.lengths))
    rates = [_rates(equation, box(share), given, scaling) for share in (SMALL, SMALL / 4)]
    worse = (rates[0][0] > ROUNDING * rates[0][1]) & (rates[1][0] > 1.5 * rates[0][0])
    if not worse.any():
        return
    worst = int(np.argmax(np.where(worse, rates[0][0], -np.inf).max(axis=tuple(range(1, worse.ndim)))))
    values = {name: float(v[min(worst, v.size - 1)]) for name, v in ((n, np.ravel(x)) for n, x in given.items())}
    own = _rates(equation, grid, values, Scaling(np.ravel(scaling.length)[min(worst, np.size(scaling.length) - 1)]))
    place = np.unravel_index(np.argmax(own[0].max(-1)), own[0].shape[:-1])[-grid.ndim :]
    mode = [int(m - n if m > n / 2 else m) for m, n in zip(place, grid.shape, strict=True)]
    where = ", ".join(f"{name}={value:g}" for name, value in values.items())
    raise ValueError(
        f"the equation {'; '.join(equation.terms)}{f' with {where}' if where else ''} has no solution forwards in "
        f"time: its modes grow the faster the higher they are, mode {mode} of this grid like "
        f"exp({own[0].max():.3g} t); is the sign of a term wrong?"
    )


def _led_by_products(form: Canonical) -> bool:
    """Whether a product has as many derivatives as the linear part."""
    linear = max((sum(term.jet.alpha) for term in (*form.linear, *form.beside)), default=0)
    inside = lambda product: max((sum(one.alpha) for one in jets(product.expression)), default=0)
    return any(inside(p) + max(sum(use.alpha) for use in p.uses) >= linear for p in form.products if not p.static)


def _rates(equation: Equation, grid: Grid, parameters: Mapping[str, Any], scaling: Scaling) -> tuple[Any, Any]:
    """Growth rates and sizes of the linear part's eigenvalues, `(batch?, *modes, field)`."""
    build = Discretisation(grid, parameters, scaling, None)
    form = canonical(equation)
    linear = build.linear((*form.linear, *form.beside), equation.fields)
    values = np.linalg.eigvals(as_matrix(linear, tuple(range(len(equation.fields)))))
    return np.real(values), np.abs(values)


def check_ends(
    equation: Equation, grid: Grid, parameters: Mapping[str, Any] | None = None, scaling: Scaling | None = None
) -> None:
    """Refuses coefficients and forcing that jump where a periodic axis begins again, such as `-x*u_x` on [0, 1).

    **Arguments:** as of `check_growth`; of what is traced nothing is looked at.

    **Raises:** `ValueError` that names the field's equation, the axis and both values.
    """
    given, length = equation.resolve(parameters), Scaling().length if scaling is None else scaling.length
    if any(map(traced, (*given.values(), length))):
        return
    random, column = np.random.default_rng(0), lambda x: np.ravel(np.asarray(x, float))[:, None]
    known: dict[Any, Any] = {sympy.Symbol(name, real=True): column(value) for name, value in given.items()}
    form = canonical(equation)
    known |= {one: 1 + random.uniform() for product in form.products for one in jets(product.expression)}
    known |= {one: 1 + random.uniform() for one in in_order(form.products)}
    known |= {TIME: random.uniform()}
    box = [(column(length) * o, column(length) * (o + n)) for o, n in zip(grid.origin, grid.lengths, strict=True)]
    known |= {SYMBOLS[x]: low + (high - low) * random.uniform() for x, (low, high) in zip(AXES, box, strict=False)}
    known |= {VOLUME: math.prod(high - low for low, high in box)}
    for (row, _), terms in _grouped(form).items():
        for x, (low, high), points in zip(AXES, box, grid.shape, strict=False):
            along = low + (high - low) * np.linspace(0.0, 1.0, min(points, SEEN) + 1)
            at = {**known, SYMBOLS[x]: along}
            found = [np.broadcast_arrays(np.asarray(evaluate(c * term, at), float), along)[0] for c, term in terms]
            shape = np.broadcast_shapes(*(one.shape for one in found))
            values = np.sum([np.broadcast_to(one, shape) for one in found], axis=0)
            jump = np.abs(values[:, -1] - values[:, 0])
            if np.any(bad := jump > JUMP * np.abs(values).max(-1)):
                worst, field = int(np.argmax(bad)), equation.fields[row]
                along = np.broadcast_to(along, shape)
                raise ValueError(
                    f"the equation of {field} in {'; '.join(equation.terms)} jumps where the periodic axis {x} begins "
                    f"again: of the same state {values[worst, -1]:.3g} at {x}={along[worst, -1]:g}, "
                    f"{values[worst, 0]:.3g} at {along[worst, 0]:g}; take what is periodic in {x}"
                )


def _grouped(form: Canonical) -> dict[tuple[int, Any], list[tuple[Any, Any]]]:
    """Coefficients and expressions by the equation they are in and what is taken of their sum: a derivative, or the
    mean or the transform."""
    found: dict[tuple[int, Any], list[tuple[Any, Any]]] = {}
    for product in form.products:
        for use in product.uses:
            found.setdefault((use.row, use.alpha), []).append((use.coefficient, product.expression))
            for one in nonlocals(product.expression):
                found[use.row, one] = [(1, one.inner)]
    return found
