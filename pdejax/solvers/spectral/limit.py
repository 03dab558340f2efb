"""How long an explicit step may be where coefficients vary: what they multiply is not in an exponential."""

import itertools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import numpy as np
import sympy

from pdejax.core import Grid, Scaling
from pdejax.equations import COORDINATES, TIME, Alpha, Equation, evaluate, jets
from pdejax.solvers._arrays import telling, traced, working
from pdejax.solvers.spectral.canonical import canonical
from pdejax.solvers.spectral.etdrk import etdrk
from pdejax.solvers.spectral.linear import Linear

PLACES = {1: 33, 2: 9, 3: 5}  # per axis, by the number of axes
WAVES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the highest mode that takes part in products
GROWTH = 1e-3  # in a step, beyond that of the solution
MOST_LOOKED_AT = 8  # trajectories; in two dimensions one takes a hundred megabytes
SHORTER, MOST_SHARES = 0.8, 100  # steps that are looked at, each by this share of the one before
LATER = np.concatenate([[0.0], np.geomspace(0.5, 1000.0, 24)])  # steps after which coefficients of time are looked at

Entry = tuple[int, int, Alpha, Any]  # equation, field, derivative, coefficient


def check_limit(
    equation: Equation,
    grid: Grid,
    waves: Grid,
    dt: Any,
    order: Literal[2, 4],
    parameters: Mapping[str, Any] | None,
    scaling: Scaling,
    dealias: float | None,
) -> None:
    """Compares a step's growth with that of the solution, of waves at places where the coefficients are held fixed.

    Terms are looked at that are linear in the fields. Of what is traced nothing is looked at.

    **Arguments:** `grid`: where the coefficients are; `waves`: the periodic grid of the waves, the same or that of all
    its images behind mirrors; `dt`: of one step, a number or array `(batch,)`.

    **Raises:** `ValueError` that names the step, its limit and the growth.
    """
    given, form = equation.resolve(parameters), canonical(equation)
    if any(map(traced, (*given.values(), scaling.length, scaling.step, dt))) or any(t.jet.mark for t in form.linear):
        return
    explicit = [e for product in form.products for e in _slopes(equation, product)]
    if not explicit:
        return
    moves = any(sympy.sympify(c).has(TIME) for *_, c in explicit)
    # of each trajectory, or of as many as tell
    drawn = (*given.values(), scaling.length, scaling.step * np.asarray(dt, float))
    columns = np.broadcast_arrays(*map(np.ravel, drawn))
    rows = telling(np.stack(columns, axis=-1), MOST_LOOKED_AT)
    *numbers, length, step = (np.asarray(column, float)[rows] for column in columns)
    given, step = dict(zip(given, numbers, strict=True)), step.reshape(-1, 1, 1)
    values, numbers = _places(grid, waves, given, length, dealias, step.max() * LATER if moves else np.zeros(1))
    linear = [(t.row, equation.fields.index(t.jet.field), t.jet.alpha, t.coefficient) for t in form.linear]
    implicit, rest = (_matrix(equation, entries, values, numbers) for entries in (linear, explicit))
    # where a wave turns by whole turns in a step it hides how it grows: all shorter steps have to be stable as well,
    # down to those that turn no wave by more than one half
    turns = float(np.abs(np.linalg.eigvals(implicit + rest)).max()) * float(step.max())
    shares = SHORTER ** np.arange(max(1, min(MOST_SHARES, 2 + np.log(max(turns, 1)) / -np.log(SHORTER))))
    growths = [_growth(implicit, rest, share * step, order) for share in shares]
    unstable = [i for i, growth in enumerate(growths) if growth > 1 + GROWTH]
    if not unstable:
        return
    growth, good = max(growths), SHORTER ** (unstable[-1] + 1)
    raise ValueError(
        f"a step of {float(step.max()):g} is beyond the limit of the terms with coefficients that vary in "
        f"{'; '.join(equation.terms)}, which are explicit: a wave grows by the factor {growth:.3g} in a step that is "
        f"as long or shorter; take steps of {good * float(step.max()):.3g}, {math.ceil(1 / good)} times as many "
        "substeps, or fewer points"
    )


def _slopes(equation: Equation, product: Any) -> list[Entry]:
    """Coefficients of the fields in a product, where it is linear in them, for each equation it is in."""
    found = []
    for one in jets(product.expression):
        slope = product.expression.diff(one)
        if one.mark or jets(slope):
            continue
        for use in product.uses:
            alpha = tuple(a + b for a, b in zip(one.alpha, use.alpha, strict=True))
            found.append((use.row, equation.fields.index(one.field), alpha, use.coefficient * slope))
    return found


def _places(
    grid: Grid, waves: Grid, given: Mapping[str, Any], length: Any, dealias: float | None, times: np.ndarray
) -> tuple[Any, Any]:
    """Values of parameters `(batch, 1, 1)`, places and times `(1, place, 1)`, all places at each time, and wavenumbers
    `(batch?, 1, wave)` per axis."""
    column = lambda x: np.reshape(np.asarray(x, float), (-1, 1, 1))
    length = column(length)
    values: dict[Any, Any] = {sympy.Symbol(name, real=True): column(value) for name, value in given.items()}
    axes = [np.linspace(o, o + n, PLACES[grid.ndim]) for o, n in zip(grid.origin, grid.lengths, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, grid.ndim)
    values[TIME] = np.repeat(times, len(points))[None, :, None]
    points = np.tile(points, (len(times), 1))
    values |= {x: points[None, :, i, None] * length for i, x in enumerate(COORDINATES[: grid.ndim])}
    highest = [np.pi / h * (dealias or 1.0) for h in waves.spacing]
    shares = np.array([*itertools.product(WAVES, repeat=grid.ndim)])
    return values, [shares[None, None, :, i] * k / length for i, k in enumerate(highest)]


def _matrix(equation: Equation, entries: list[Entry], values: Any, waves: Any) -> np.ndarray:
    """The sum of terms for a wave, `(batch, place, wave, equation, field)`."""
    count = equation.channels
    total: Any = np.zeros((1, 1, 1, count, count), complex)
    for row, field, alpha, coefficient in entries:
        factor: Any = np.asarray(evaluate(sympy.sympify(coefficient), values), complex) * np.ones((1, 1, 1))
        for axis, k in enumerate(waves):
            factor = factor * (1j * k) ** alpha[axis]
        unit = np.zeros((count, count))
        unit[row, field] = 1
        total = total + factor[..., None, None] * unit
    return total


def _growth(implicit: np.ndarray, rest: np.ndarray, dt: Any, order: Literal[2, 4]) -> float:
    """The largest growth in a step over that of the solution, or over none where it decays."""
    shape = np.broadcast_shapes(implicit.shape, rest.shape, (*dt.shape, 1, 1))
    implicit, rest = (np.broadcast_to(m, shape).reshape(-1, *shape[-2:]) for m in (implicit, rest))
    step = np.broadcast_to(dt, shape[:-2]).ravel()
    count = shape[-1]
    pairs = [*itertools.product(range(count), repeat=2)]
    symbols = {(i, j): implicit[:, i, j] for i, j in pairs if i == j or implicit[:, i, j].any()}
    with jax.ensure_compile_time_eval():
        slopes, one = working(rest), lambda j: tuple(working(np.full(len(step), complex(i == j))) for i in range(count))
        nonlinear = lambda v, _: tuple(sum(slopes[:, i, j] * v[j] for j in range(count)) for i in range(count))
        method = etdrk(Linear.of(symbols), step, order)
        columns = [np.stack([np.asarray(x) for x in method(nonlinear, one(j), 0.0, step)], -1) for j in range(count)]
    # by eigenvalues: in the exponential of a long step, rounding grows until any growth looks like that of the solution
    rates = np.linalg.eigvals((implicit + rest) * step[:, None, None]).real.max(-1)
    with np.errstate(over="ignore"):  # what grows beyond all numbers in a step
        return float(np.max(_size(np.stack(columns, -1)) / np.exp(np.maximum(rates, 0))))


def _size(matrices: np.ndarray) -> np.ndarray:
    """The largest eigenvalue of each; the largest number there is where they are beyond it."""
    good = np.asarray(np.isfinite(matrices).all((-2, -1)))
    found = np.abs(np.linalg.eigvals(np.where(good[..., None, None], matrices, 0))).max(-1)
    return np.where(good, found, np.finfo(float).max)
