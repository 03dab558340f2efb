"""A right-hand side on a box with mirrors: linear part and nonlinear function for the spectra of all images."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, Scaling
from pdejax.equations import AXES, TIME, Equation, Jet, evaluate
from pdejax.solvers._arrays import batch_axis, expand_rank, lift, scale, working
from pdejax.solvers.bounded.mirror import Mirror, Signs, mirror_of
from pdejax.solvers.bounded.parity import turned
from pdejax.solvers.spectral.canonical import Product, canonical
from pdejax.solvers.spectral.discretise import Discretisation
from pdejax.solvers.spectral.linear import Linear, Spectra


class MirrorForm(eqx.Module):
    """What a `SpectralForm` is to a periodic grid, for a `Mirror`.

    Products are formed in the box, at its own coordinates, so that a coefficient is mirrored as it should be; then they
    are continued behind the mirrors and transformed, which takes two to four times the points per axis. Made by
    `mirror_form`.
    """

    linear: Linear
    forcing: tuple[Any, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[tuple[Any, ...], ...]
    values: dict[str, Any]
    products: tuple[Product, ...] = eqx.field(static=True)
    signs: tuple[Signs, ...] = eqx.field(static=True)
    jets: tuple[Jet, ...] = eqx.field(static=True)
    fields: tuple[str, ...] = eqx.field(static=True)
    mirror: Mirror = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid it works on."""
        return self.mirror.grid

    def to_spectral(self, u: Float[Array, "*batch_and_space channel"]) -> Spectra:
        """Half spectra of the fields of a state, in the working precision.

        **Raises:** `ValueError` if the state does not have the grid's shape or the equation's channels.
        """
        expected = (*self.grid.shape, len(self.fields))
        if u.shape[-len(expected) :] != expected:
            raise ValueError(f"expected a state (*batch, {', '.join(map(str, expected))}), got shape {u.shape}")
        return tuple(self._transform(u[..., i], signs) for i, signs in enumerate(self.mirror.signs))

    def to_physical(self, spectra: Spectra) -> Float[Array, "*batch_and_space channel"]:
        """The state of half spectra."""
        return jnp.stack([self._inverse(s) for s in spectra], axis=-1)

    def _transform(self, field: Any, signs: Signs) -> Array:
        return jnp.fft.rfftn(self.mirror.extend(working(field), signs), axes=tuple(range(-self.grid.ndim, 0)))

    def _inverse(self, spectrum: Array) -> Array:
        axes = tuple(range(-self.grid.ndim, 0))
        return self.mirror.restrict(jnp.fft.irfftn(spectrum, s=self.mirror.extended.shape, axes=axes))

    def nonlinear(self, spectra: Spectra, time: Any) -> Spectra:
        """All that is not in `linear`, at a time that is a scalar or `(batch,)`."""
        form, shape = lift(self, spectra[0].ndim), spectra[0].shape
        out: list[Any] = [
            jnp.zeros_like(s) if f is None else jnp.broadcast_to(f, shape)
            for f, s in zip(form.forcing, spectra, strict=True)
        ]
        values = form._values(spectra, time)
        for product, signs, symbols in zip(form.products, form.signs, form.outputs, strict=True):
            field = working(evaluate(product.expression, values))
            field = jnp.broadcast_to(field, shape[: -self.grid.ndim] + self.grid.shape)
            spectrum = form._transform(field, signs)
            for row, symbol in zip(product.rows, symbols, strict=True):
                out[row] += scale(symbol, spectrum)
        return tuple(out)

    def _values(self, spectra: Spectra, time: Any) -> dict[sympy.Symbol, Any]:
        values: dict[sympy.Symbol, Any] = {s: self.values[s.name] for p in self.products for s in p.constants}
        values[TIME] = expand_rank(batch_axis(working(time), self.grid.ndim), spectra[0].ndim)
        for jet, symbol in zip(self.jets, self.inputs, strict=True):
            spectrum = spectra[self.fields.index(jet.field)]
            values[jet] = self._inverse(spectrum if symbol is None else scale(symbol, spectrum))
        return values


def mirror_form(
    equation: Equation,
    grid: Grid,
    parameters: Mapping[str, Any] | None = None,
    *,
    scaling: Scaling | None = None,
    dealias: float | None = None,
) -> MirrorForm:
    """Linear part and nonlinear function of an equation on a grid whose ends are periodic or mirrors.

    **Arguments:** as of `discretise`; whether the equation is the same behind the mirrors is for `check_parity`.

    **Raises:** `ValueError` if an end is no mirror.
    """
    if grid.ndim != equation.ndim:
        raise ValueError(f"the equation {equation.terms} has {equation.ndim} space axes, the grid {grid.ndim}")
    scaling = Scaling() if scaling is None else scaling
    mirror = mirror_of(equation, grid)
    form, build = canonical(equation), Discretisation(mirror.extended, equation.resolve(parameters), scaling, dealias)
    for axis, x in enumerate(grid.axes()):  # of the box alone, where products are formed
        shape = [-1 if i == axis else 1 for i in range(grid.ndim)]
        build.values[AXES[axis]] = expand_rank(x.reshape(shape), build.rank) * build._parameter(scaling.length)
    static = [p for p in form.products if p.static]
    moving = tuple(p for p in form.products if not p.static)
    wanted = {s.name for p in moving for s in p.constants}
    arrays = (
        tuple(_forcing(build, mirror, static, row) for row in range(equation.channels)),
        tuple(build.input(jet) for jet in form.jets),
        tuple(tuple(build.output(p, row) for row in p.rows) for p in moving),
        {name: value for name, value in build.values.items() if name in wanted},
    )
    forcing, inputs, outputs, values = jax.tree.map(working, arrays)
    return MirrorForm(
        linear=build.linear((*form.linear, *form.beside), equation.fields),
        forcing=forcing,
        inputs=inputs,
        outputs=outputs,
        values=values,
        products=moving,
        signs=tuple(_signs(mirror, p) for p in moving),
        jets=form.jets,
        fields=equation.fields,
        mirror=mirror,
    )


def _signs(mirror: Mirror, product: Product) -> Signs:
    """What mirrors make of a product: what they make of the equation it is in, less the derivatives that follow."""
    use = product.uses[0]
    return turned(mirror.signs[use.row], use.alpha)


def _forcing(build: Discretisation, mirror: Mirror, products: Sequence[Product], row: int) -> Any:
    """The transform of all that depends on neither state nor time; `None` for nothing."""
    total: Any = None
    axes = tuple(range(-mirror.grid.ndim, 0))
    for product in (p for p in products if row in p.rows):
        field = evaluate(product.expression, {s: build.values[s.name] for s in product.constants})
        field = jnp.asarray(field * expand_rank(np.ones(mirror.grid.shape), build.rank))
        spectrum = jnp.fft.rfftn(mirror.extend(field, _signs(mirror, product)), axes=axes)
        uses = ((build.coefficient(u.coefficient), u.alpha, "") for u in product.uses if u.row == row)
        part = scale(jax.tree.map(working, build.symbol(uses, mask=True)), working(spectrum))
        total = part if total is None else total + part
    return total
