"""A right-hand side on a periodic grid: linear part and nonlinear function in Fourier space."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import TIME, Equation, Jet, Nonlocal, evaluate
from pdejax.solvers._arrays import batch_axis, check_points, expand_rank, lift, scale, working
from pdejax.solvers.spectral.canonical import Product, canonical, in_order
from pdejax.solvers.spectral.discretise import Discretisation
from pdejax.solvers.spectral.linear import Linear, Spectra
from pdejax.solvers.spectral.nonlocal_values import nonlocal_values


class SpectralForm(eqx.Module):
    """The right-hand side of an equation for the half spectra of its fields, one array `(*batch, *modes)` a field.

    d/dt spectra = linear(spectra) + nonlinear(spectra, t), with wavenumber factors, masks and forcing ready for use.
    The symbols of `linear` are in NumPy float64 unless a parameter is traced, so that integrators can derive accurate
    coefficients from them. Made by `discretise`.
    """

    linear: Linear
    forcing: tuple[Any, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[tuple[Any, ...], ...]
    transform: Any
    values: dict[str, Any]
    products: tuple[Product, ...] = eqx.field(static=True)
    nonlocals: tuple[Nonlocal, ...] = eqx.field(static=True)
    jets: tuple[Jet, ...] = eqx.field(static=True)
    fields: tuple[str, ...] = eqx.field(static=True)
    grid: Grid = eqx.field(static=True)
    solenoidal: tuple[int, ...] = eqx.field(static=True, default=())
    projection: tuple[Any, ...] = ()
    beside: Linear | None = None

    def to_spectral(self, u: Float[Array, "*batch_and_space channel"]) -> Spectra:
        """Half spectra of the fields of a state, in the working precision; of a velocity without its divergence.

        **Raises:** `ValueError` if the state does not have the grid's shape or the equation's channels.
        """
        expected = (*self.grid.shape, len(self.fields))
        if u.shape[-len(expected) :] != expected:
            raise ValueError(f"expected a state (*batch, {', '.join(map(str, expected))}), got shape {u.shape}")
        spectra = tuple(self._transform(u[..., i]) for i in range(len(self.fields)))
        return self._project(spectra, lift(self.projection, u.ndim - 1))

    def to_physical(self, spectra: Spectra) -> Float[Array, "*batch_and_space channel"]:
        """The state of half spectra."""
        return jnp.stack([self._inverse(s) for s in spectra], axis=-1)

    def projected(self, u: Float[Array, "*batch_and_space channel"]) -> Float[Array, "*batch_and_space channel"]:
        """A state whose velocity has no divergence; others as they are."""
        return self.to_physical(self.to_spectral(u)).astype(u.dtype) if self.solenoidal else u

    def _project(self, spectra: Spectra, projection: tuple[Any, ...]) -> Spectra:
        """Less the gradient that makes the divergence of a velocity zero."""
        if not self.solenoidal:
            return spectra
        *wavenumbers, inverse = projection
        along = sum(scale(k, spectra[i]) for k, i in zip(wavenumbers, self.solenoidal, strict=True))
        potential, out = scale(inverse, along), list(spectra)
        for k, i in zip(wavenumbers, self.solenoidal, strict=True):
            out[i] = out[i] - scale(k, potential)
        return tuple(out)

    def _transform(self, field: Any) -> Array:
        return jnp.fft.rfftn(working(field), axes=tuple(range(-self.grid.ndim, 0)))

    def _inverse(self, spectrum: Array) -> Array:
        return jnp.fft.irfftn(spectrum, s=self.grid.shape, axes=tuple(range(-self.grid.ndim, 0)))

    def nonlinear(self, spectra: Spectra, time: Any) -> Spectra:
        """All that is not in `linear`, at a time that is a scalar or `(batch,)`."""
        form, shape = lift(self, spectra[0].ndim), spectra[0].shape
        out: list[Any] = [
            jnp.zeros_like(s) if f is None else jnp.broadcast_to(f, shape)
            for f, s in zip(form.forcing, spectra, strict=True)
        ]
        values = form._values(spectra, time)
        for product, symbols in zip(form.products, form.outputs, strict=True):
            field = working(evaluate(product.expression, values))
            field = jnp.broadcast_to(field, shape[: -self.grid.ndim] + self.grid.shape)
            spectrum = form._transform(field)
            for row, symbol in zip(product.rows, symbols, strict=True):
                out[row] += scale(symbol, spectrum)
        if form.beside is not None:
            out = [a + b for a, b in zip(out, form.beside(spectra), strict=True)]
        return form._project(tuple(out), form.projection)

    def _values(self, spectra: Spectra, time: Any) -> dict[sympy.Symbol, Any]:
        """Coordinates, parameters, time, jets in physical space, and what is made of them there."""
        values: dict[sympy.Symbol, Any] = {s: self.values[s.name] for p in self.products for s in p.constants}
        values[TIME] = expand_rank(batch_axis(working(time), self.grid.ndim), spectra[0].ndim)
        for jet, symbol in zip(self.jets, self.inputs, strict=True):
            spectrum = spectra[self.fields.index(jet.field)]
            values[jet] = self._inverse(spectrum if symbol is None else scale(symbol, spectrum))
        return values | nonlocal_values(self.nonlocals, values, self.grid, lambda: self.transform)


def discretise(
    equation: Equation,
    grid: Grid,
    parameters: Mapping[str, Any] | None = None,
    *,
    scaling: Scaling | None = None,
    dealias: float | None = None,
) -> SpectralForm:
    """Linear part and nonlinear function of an equation on a periodic grid, in Fourier space.

    **Arguments:** `equation`; `grid`; `parameters`: numbers or arrays `(batch,)`, defaults for those that are missing;
    `scaling`: its `length` is a factor on the lengths of the grid; `dealias`: keep only modes below this fraction of
    the Nyquist mode in and out of products, `None` for all.

    **Raises:** `ValueError` if the grid is not periodic or has another number of axes, or for an unknown parameter.
    """
    if grid.ndim != equation.ndim:
        raise ValueError(f"the equation {equation.terms} has {equation.ndim} space axes, the grid {grid.ndim}")
    if not grid.periodic:
        raise ValueError(f"a pseudo-spectral right-hand side needs periodic ends on every axis, got {grid.ends}")
    check_points(grid, "a pseudo-spectral right-hand side")
    form, fields = canonical(equation), equation.fields
    build = Discretisation(grid, equation.resolve(parameters), scaling or Scaling(), dealias)
    rows = range(len(fields))
    static = tuple(p for p in form.products if p.static)
    moving = tuple(p for p in form.products if not p.static)
    wanted = {s.name for p in moving for s in p.constants}
    nonlocals = in_order(moving)
    arrays = (
        tuple(build.forcing(static, row) for row in rows),
        tuple(build.input(jet) for jet in form.jets),
        tuple(tuple(build.output(p, row) for row in p.rows) for p in moving),
        None if all(one.uniform for one in nonlocals) else build.transform(),
        {name: value for name, value in build.values.items() if name in wanted},
        build.projection() if equation.solenoidal else (),
    )
    forcing, inputs, outputs, transform, values, projection = jax.tree.map(working, arrays)
    return SpectralForm(
        linear=build.linear(form.linear, fields),
        forcing=forcing,
        inputs=inputs,
        outputs=outputs,
        transform=transform,
        values=values,
        products=moving,
        nonlocals=nonlocals,
        jets=form.jets,
        fields=fields,
        grid=grid,
        solenoidal=tuple(fields.index(name) for name in equation.solenoidal),
        projection=projection,
        beside=jax.tree.map(working, build.linear(form.beside, fields)) if form.beside else None,
    )
