"""Wavenumber factors, coordinates, masks and forcing of an equation on one grid."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import Grid, Scaling, angular_wavenumbers
from pdejax.equations import AXES, HILBERT, MEAN, VOLUME, ZERO, Alpha, Jet, evaluate, unit
from pdejax.solvers._arrays import Imaginary, batch_axis, compose, expand_rank, scale, traced, working
from pdejax.solvers.spectral.canonical import LinearTerm, Product, in_order
from pdejax.solvers.spectral.linear import Entry, Linear
from pdejax.solvers.spectral.nonlocal_values import nonlocal_values

Monomial = tuple[Any, Alpha, str]  # coefficient, derivative, mark of the jet


class Discretisation:
    """Makes the arrays of a `SpectralForm`, in NumPy float64 as long as no parameter is traced.

    **Arguments:** `grid`; `parameters`: numbers or arrays `(batch,)`; `scaling`: its `length` is a factor on the
    lengths of the grid; `dealias`: fraction of modes kept in products.
    """

    def __init__(self, grid: Grid, parameters: Mapping[str, Any], scaling: Scaling, dealias: float | None) -> None:
        self.grid = grid
        self.values = {name: self._parameter(value) for name, value in parameters.items()}
        length = self._parameter(scaling.length)
        self.rank = grid.ndim + any(np.ndim(v) > 0 for v in (*self.values.values(), length))
        lifted = [self._lift(k) for k in angular_wavenumbers(grid)]
        self.wavenumbers = [k / length for k in lifted]
        self.modes = [k * (size / (2 * np.pi)) for k, size in zip(lifted, grid.lengths, strict=True)]
        if dealias is not None and not 0 < dealias <= 1:
            raise ValueError(
                f"dealias is a fraction of the modes, above 0 and at most 1, or None for all, got {dealias}"
            )
        self.mask = None if dealias is None else self._mask(dealias)
        for axis, x in enumerate(grid.axes()):
            shape = [-1 if i == axis else 1 for i in range(grid.ndim)]
            self.values[AXES[axis]] = self._lift(x.reshape(shape)) * length
        self.values[VOLUME.name] = math.prod(grid.lengths) * length**grid.ndim

    def _parameter(self, value: Any) -> Any:
        if traced(value):
            return batch_axis(working(value), self.grid.ndim)
        value = np.asarray(value, np.float64)
        return batch_axis(value, self.grid.ndim) if value.ndim else float(value)

    def _lift(self, x: np.ndarray) -> np.ndarray:
        return expand_rank(x, self.rank)

    def _mask(self, fraction: float) -> np.ndarray:
        """One for modes strictly below `fraction` of the Nyquist mode on every axis, zero elsewhere."""
        out = np.ones((1,) * self.rank)
        for n, mode in zip(self.grid.shape, self.modes, strict=True):
            out = out * (np.abs(mode) < fraction * n / 2 - 1e-9).astype(float)
        return out

    def _derivative(self, alpha: Alpha, mark: str) -> Any:
        """(i k)^alpha, times what a mark stands for, without the i that odd symbols have."""
        out: Any = np.ones((1,) * self.rank) * (1, 1, -1, -1)[_quarters(alpha, mark) % 4]
        for axis, (n, k, mode) in enumerate(zip(self.grid.shape, self.wavenumbers, self.modes, strict=True)):
            out = out * k ** alpha[axis]
            if (alpha[axis] + (mark == HILBERT)) % 2:  # what is odd in the highest mode of an even axis is not real
                out = out * (np.abs(mode) < n / 2 - 1e-9).astype(float)
        return out * self._marked(mark) if mark else out

    def _marked(self, mark: str) -> Any:
        """The real factor of a mark: sign(k), the mean, or 1 / |k|^2 and no mean, from a vorticity to its stream."""
        if mark == HILBERT:
            return np.sign(self.modes[0])
        constant = np.where(sum(np.abs(m) for m in self.modes) < 0.5, 1.0, 0.0)
        return constant if mark == MEAN else (1 - constant) / (sum(k**2 for k in self.wavenumbers) + constant)

    def projection(self) -> tuple[Any, ...]:
        """Wavenumbers along each axis, as first derivatives have them, and one over their square, for no gradient."""
        waves = [self._derivative(unit(axis), "") for axis in range(self.grid.ndim)]
        square = sum(k**2 for k in waves)
        # of the mean, and of highest modes alone, which have no first derivative
        counted = (np.abs(m) * (np.abs(m) < n / 2 - 1e-9) for m, n in zip(self.modes, self.grid.shape, strict=True))
        none = sum(counted) < 0.5
        inverse = np.where(none, 0.0, 1.0) / (square + np.where(none, 1.0, 0.0))
        return tuple(self._broadcast(k) for k in (*waves, inverse))

    def symbol(self, monomials: Iterable[Monomial], mask: bool = False) -> Any:
        """The sum of derivatives as a real, imaginary or complex factor `(batch?, *modes)`."""
        parts: dict[int, Any] = {}
        for coefficient, alpha, mark in monomials:
            odd = _quarters(alpha, mark) % 2
            parts[odd] = parts.get(odd, 0.0) + coefficient * self._derivative(alpha, mark)
        if mask and self.mask is not None:
            parts = {odd: part * self.mask for odd, part in parts.items()}
        even, odd = (self._broadcast(parts[i]) if i in parts else None for i in (0, 1))
        if odd is None:
            return self._broadcast(np.zeros((1,) * self.rank)) if even is None else even
        return Imaginary(odd) if even is None else compose(even, odd)

    def _broadcast(self, x: Any) -> Any:
        modes = (*self.grid.shape[:-1], self.grid.shape[-1] // 2 + 1)
        shape = x.shape[: self.rank - self.grid.ndim] + modes
        return jnp.broadcast_to(x, shape) if isinstance(x, jax.Array) else np.broadcast_to(x, shape)

    def coefficient(self, expression: sympy.Expr) -> Any:
        """A constant of the equation: a number or `(batch, 1, ...)`."""
        return evaluate(expression, {s: self.values[s.name] for s in expression.free_symbols})  # type: ignore

    def linear(self, terms: Iterable[LinearTerm], fields: Sequence[str]) -> Linear:
        """The linear part: what every equation has of its own field, zero if it has nothing, and of others."""
        found: dict[Entry, list[Monomial]] = {(row, row): [] for row in range(len(fields))}
        for t in terms:
            monomial = (self.coefficient(t.coefficient), t.jet.alpha, t.jet.mark)
            found.setdefault((t.row, fields.index(t.jet.field)), []).append(monomial)
        return Linear.of({entry: self.symbol(monomials) for entry, monomials in found.items()})

    def input(self, jet: Jet) -> Any:
        """What a spectrum is multiplied by to give a jet; `None` for nothing."""
        if self.mask is None and not jet.mark and not sum(jet.alpha):
            return None
        return self.symbol([(1.0, jet.alpha, jet.mark)], mask=True)

    def transform(self) -> Any:
        """What the spectrum of a product is multiplied by to give that of its Hilbert transform."""
        return self.symbol([(1.0, ZERO, HILBERT)], mask=True)

    def output(self, product: Product, row: int) -> Any:
        """What the transform of a product is multiplied by in equation number `row`."""
        uses = (u for u in product.uses if u.row == row)
        return self.symbol(((self.coefficient(u.coefficient), u.alpha, "") for u in uses), mask=True)

    def forcing(self, products: Sequence[Product], row: int) -> Any:
        """The transform of all that depends on neither state nor time; `None` for nothing."""
        total: Any = None
        for product in (p for p in products if row in p.rows):
            values: dict[sympy.Symbol, Any] = {s: self.values[s.name] for s in product.constants}
            values |= nonlocal_values(in_order([product]), values, self.grid, self.transform)
            field = evaluate(product.expression, values)
            field = field * self._lift(np.ones(self.grid.shape))
            module = jnp if isinstance(field, jax.Array) else np
            spectrum = module.fft.rfftn(field, axes=tuple(range(-self.grid.ndim, 0)))
            factor = self.symbol((self.coefficient(u.coefficient), u.alpha, "") for u in product.uses if u.row == row)
            total = scale(factor, spectrum) if total is None else total + scale(factor, spectrum)
        return total


def _quarters(alpha: Alpha, mark: str) -> int:
    """The power of i in a symbol: one for every derivative, and -i sign(k) has three."""
    return sum(alpha) + 3 * (mark == HILBERT)
