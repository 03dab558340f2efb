"""Whether an equation can be solved forwards in time on a periodic box: how its linear part acts on ever higher modes,
and whether its coefficients are periodic."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.core import Grid, Scaling
from pdejax.equations import AXES, SYMBOLS, TIME, Equation, evaluate, jets
from pdejax.solvers._arrays import traced
from pdejax.solvers.spectral.canonical import Canonical, canonical
from pdejax.solvers.spectral.discretise import Discretisation
from pdejax.solvers.spectral.linear import as_matrix

SMALL = 2.0**-14  # of the box: its modes are so high that the leading order rules
POINTS = 8  # per axis of that box, for modes in all directions
ROUNDING = 1e-6  # of an eigenvalue


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
    linear = max((sum(term.jet.alpha) for term in form.linear), default=0)
    inside = lambda product: max((sum(one.alpha) for one in jets(product.expression)), default=0)
    return any(inside(p) + max(sum(use.alpha) for use in p.uses) >= linear for p in form.products if not p.static)


def _rates(equation: Equation, grid: Grid, parameters: Mapping[str, Any], scaling: Scaling) -> tuple[Any, Any]:
    """Growth rates and sizes of the linear part's eigenvalues, `(batch?, *modes, field)`."""
    build = Discretisation(grid, parameters, scaling, None)
    linear = build.linear(canonical(equation).linear, equation.fields)
    values = np.linalg.eigvals(as_matrix(linear, tuple(range(len(equation.fields)))))
    return np.real(values), np.abs(values)


def check_ends(
    equation: Equation, grid: Grid, parameters: Mapping[str, Any] | None = None, scaling: Scaling | None = None
) -> None:
    """Refuses coefficients and forcing that jump where a periodic axis begins again, such as `-x*u_x` on [0, 1).

    **Arguments:** as of `check_growth`; of several values of a parameter the first is looked at, of what is traced
    nothing.

    **Raises:** `ValueError` that names the term, the axis and both values.
    """
    given, length = equation.resolve(parameters), Scaling().length if scaling is None else scaling.length
    if any(map(traced, (*given.values(), length))):
        return
    first, random = lambda x: float(np.ravel(x)[0]), np.random.default_rng(0)
    known: dict[Any, Any] = {sympy.Symbol(name, real=True): first(value) for name, value in given.items()}
    known |= {one: 1 + random.uniform() for product in canonical(equation).products for one in jets(product.expression)}
    known |= {TIME: random.uniform()}
    box = [(first(length) * o, first(length) * (o + size)) for o, size in zip(grid.origin, grid.lengths, strict=True)]
    known |= {SYMBOLS[x]: random.uniform(*ends) for x, ends in zip(AXES, box, strict=False)}
    for product in canonical(equation).products:
        for x, ends in zip(AXES, box, strict=False):
            along = np.linspace(*ends, POINTS + 1)
            values = np.asarray(evaluate(product.expression, {**known, SYMBOLS[x]: along})) + 0 * along
            if abs(values[0] - values[-1]) > ROUNDING * np.abs(values).max():
                raise ValueError(
                    f"{product.expression} in {'; '.join(equation.terms)} jumps where the periodic axis {x} begins "
                    f"again, from {values[-1]:.3g} at {x}={ends[1]:g} to {values[0]:.3g} at {ends[0]:g}: take what is "
                    f"periodic in {x}"
                )
