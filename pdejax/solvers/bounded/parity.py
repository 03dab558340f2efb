"""Whether an equation is the same behind a mirror as before it, term by term: what sines and cosines need."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from pdejax.core import Scaling
from pdejax.equations import AXES, COORDINATES, TIME, Alpha, Equation, Jet, evaluate, jets, symbols
from pdejax.solvers._arrays import traced
from pdejax.solvers.bounded.mirror import INSTEAD, Mirror, Signs
from pdejax.solvers.spectral.canonical import Canonical, Product, canonical, in_order

SAMPLES = 64
NEAR = (
    0.05  # of an axis: so far from an end a mirror image is looked at, since what is flat there may go on as it likes
)
ROUNDING = 1e-9  # of a term


def turned(signs: Signs, alpha: Alpha) -> Signs:
    """What mirrors make of a derivative."""
    return tuple((low * (-1) ** alpha[a], high * (-1) ** alpha[a]) for a, (low, high) in enumerate(signs))


def check_parity(
    equation: Equation, mirror: Mirror, parameters: Mapping[str, Any] | None = None, scaling: Scaling | None = None
) -> None:
    """Compares each term with its mirror image near each end, of random jets.

    **Arguments:** `equation`; `mirror`; `parameters`: numbers or arrays `(batch,)`; `scaling`: of the lengths. Of what
    is traced the default is taken.

    **Raises:** `ValueError` that names the term, the end and what is expected there.
    """
    form, signs = canonical(equation), dict(zip(equation.fields, mirror.signs, strict=True))
    _check_whole(equation, form)
    for term in (*form.linear, *form.beside):
        for axis, side in _ends(mirror):
            own, wanted = turned(signs[term.jet.field], term.jet.alpha), mirror.signs[term.row]
            if own[axis][side] != wanted[axis][side]:
                raise _refused(equation, term.row, term.coefficient * term.jet, wanted, axis, side)
    given = {name: _numbers(value, equation.parameters[name]) for name, value in equation.resolve(parameters).items()}
    length = _numbers(Scaling().length if scaling is None else scaling.length, 1.0)
    # every trajectory is looked at, in turns
    count = max(SAMPLES, length.size, *(value.size for value in given.values()))
    given, length = {name: np.resize(value, count) for name, value in given.items()}, np.resize(length, count)
    for product in form.products:
        _check_product(equation, mirror, product, signs, given, length)


def _numbers(value: Any, default: float) -> np.ndarray:
    return np.ravel(np.asarray(default if traced(value) else value, float))


def _ends(mirror: Mirror) -> list[tuple[int, int]]:
    return [(a, s) for a, periodic in enumerate(mirror.grid.periodic_axes) if not periodic for s in (0, 1)]


def _check_whole(equation: Equation, form: Canonical) -> None:
    """**Raises:** `ValueError` for what a part of the periodic field does not tell."""
    found = [*in_order(form.products), *(t.jet for t in (*form.linear, *form.beside) if t.jet.mark in ("^", "-"))]
    if found or equation.solenoidal:
        what = "a pressure that is understood" if equation.solenoidal else "means, integrals and Hilbert transforms"
        raise ValueError(f"sines and cosines on a box with ends take derivatives and products, not {what} as in "
                         f"{'; '.join(equation.terms)}; periodic ends (solver: etdrk) do")  # fmt: skip


def _check_product(
    equation: Equation, mirror: Mirror, product: Product, signs: Mapping[str, Signs], given: Any, length: np.ndarray
) -> None:
    count = len(length)
    box = [(o * length, n * length) for o, n in zip(mirror.grid.origin, mirror.grid.lengths, strict=True)]
    for axis, side in _ends(mirror):
        random = np.random.default_rng(0)
        values: dict[Any, Any] = {TIME: random.uniform(0, 1, count)}
        values |= {s: random.uniform(0.5, 1.5, count) for s in jets(product.expression)}
        values |= {s: given[str(s)] for s in symbols(product.expression) if str(s) in given}
        values |= {x: o + n * random.uniform(0, 1, count) for x, (o, n) in zip(COORDINATES, box, strict=False)}
        low, extent = box[axis]
        end, near = low + side * extent, NEAR * extent * random.uniform(0, 1, count)
        flip = lambda s, axis=axis, side=side: turned(signs[s.field], s.alpha)[axis][side] if isinstance(s, Jet) else 1
        here = {**values, COORDINATES[axis]: end + near}
        there = {s: flip(s) * v for s, v in {**values, COORDINATES[axis]: end - near}.items()}
        sizes, one, other = (_at(product.expression, at, count) for at in (values, here, there))
        size = np.abs(np.concatenate([sizes, one])[np.isfinite(np.concatenate([sizes, one]))]).max(initial=0)
        for use in product.uses:
            wanted = turned(mirror.signs[use.row], use.alpha)[axis][side]
            if not np.all(np.abs(one - wanted * other) <= ROUNDING * size):
                term = use.coefficient * product.expression
                inner = "".join(a * n for a, n in zip(AXES, use.alpha, strict=True))
                raise _refused(equation, use.row, term, mirror.signs[use.row], axis, side, inner)


def _at(expression: sympy.Expr, values: Mapping[Any, Any], count: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(evaluate(expression, values), float), (count,))


def _refused(
    equation: Equation, row: int, term: sympy.Expr, signs: Signs, axis: int, side: int, outer: str = ""
) -> ValueError:
    kind = {1: ("even", "slope"), -1: ("odd", "value")}[signs[axis][side]]
    what = f"the derivative by {outer} of {term}" if outer else f"{term}"
    return ValueError(
        f"{equation.fields[row]} is {kind[0]} about the {('low', 'high')[side]} side of {AXES[axis]} (its end is "
        f"{kind[1]}), and {what} in {equation.terms[row]!r} is not, so that it has no series of sines and cosines; "
        f"{INSTEAD}"
    )
