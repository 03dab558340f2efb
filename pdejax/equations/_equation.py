"""The equation: declared once as strings, used by solvers, losses and reports."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.core import Grid, known
from pdejax.equations._arrays import batch_axis, expand_rank, lift, scale, working
from pdejax.equations._canonical import Canonical, canonical
from pdejax.equations._discretise import LENGTH
from pdejax.equations._pointwise import pointwise_form, pointwise_residual
from pdejax.equations._residual import SymbolicResidual, evolution_residuals
from pdejax.equations._spectral import SpectralForm, discretise
from pdejax.equations.language.jets import AXES, TIME, Form, jets
from pdejax.equations.language.latex import latex
from pdejax.equations.language.parse import RESERVED, Parser, split_sides


@dataclasses.dataclass(frozen=True)
class Equation:
    """A system of evolution equations `FIELD_t = right-hand side` on a box.

    The grammar knows numbers, `+ - * / **`, parameters, `x y z t pi`, the usual functions, fields `u` with derivatives
    `u_x`, `u_xxy`, and the operators `dx(e) dy dz lap bilap grad div dot curl`; `velocity(w)` is the divergence-free
    velocity `(psi_y, -psi_x)` of a 2D vorticity `w`, with `lap(psi) = -w`, and `advect(w)` its advection
    `dot(velocity(w), grad(w))`.

    **Arguments:**

    - `terms`: one string or one per field, for example `"u_t = -u*u_x + nu*u_xx"`.
    - `parameters`: names and default values of the physical parameters.
    - `ndim`: number of space axes, one to three.

    Wherever an argument is called `parameters`, it maps names to numbers or arrays `(batch,)`, missing names take their
    defaults, and the further name `length` is a factor on all lengths of the domain.

    **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
    """

    terms: tuple[str, ...]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)
    ndim: int = 1

    def __init__(
        self, terms: str | Sequence[str], parameters: Mapping[str, float] | None = None, ndim: int = 1
    ) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("terms", (terms,) if isinstance(terms, str) else tuple(terms))
        set_("parameters", {str(k): float(v) for k, v in (parameters or {}).items()})
        set_("ndim", ndim)
        self._check()
        _ = self._forms  # read now, so that mistakes are reported where they are made

    def _check(self) -> None:
        if not 1 <= self.ndim <= 3:
            raise ValueError(f"an Equation has one to three space axes, got ndim={self.ndim}")
        if not self.terms:
            raise ValueError("an Equation needs at least one term such as 'u_t = nu*u_xx', got none")
        repeated = [f for f in self.fields if self.fields.count(f) > 1]
        if repeated:
            raise ValueError(f"field {repeated[0]!r} has two equations: {self.terms}")
        for name in self.parameters:
            if not name.isidentifier() or name in RESERVED or name in self.fields:
                raise ValueError(f"parameter name {name!r} is reserved, a field, or not a word; choose another")

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the channels."""
        return tuple(split_sides(term)[0] for term in self.terms)

    @property
    def channels(self) -> int:
        """Number of fields."""
        return len(self.fields)

    @functools.cached_property
    def _forms(self) -> tuple[Form, ...]:
        parser = Parser(self.fields, self.parameters, self.ndim)
        return tuple(parser(term, split_sides(term)[1]) for term in self.terms)

    @functools.cached_property
    def canonical(self) -> Canonical:
        """The right-hand sides sorted for a pseudo-spectral method."""
        return canonical(self.fields, self._forms)

    @functools.cached_property
    def autonomous(self) -> bool:
        """Whether time does not occur explicitly."""
        return not any(e.has(TIME) for form in self._forms for e in form.parts.values())

    @functools.cached_property
    def _streams(self) -> tuple[str, ...]:
        found = {j.field for form in self._forms for e in form.parts.values() for j in jets(e) if j.potential}
        return tuple(f for f in self.fields if f in found)

    @property
    def pointwise_fields(self) -> tuple[str, ...]:
        """What the channels of the function given to `residual` mean: a vorticity's is its stream function `psi`."""
        stream = lambda f: "psi" if len(self._streams) == 1 else f"psi_{f}"
        return tuple(stream(f) if f in self._streams else f for f in self.fields)

    def with_parameters(self, parameters: Mapping[str, float]) -> "Equation":
        """The same equation with other default values; unknown names are refused."""
        self._refuse_unknown(parameters, [])
        return Equation(self.terms, {**self.parameters, **parameters}, self.ndim)

    def resolve(self, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
        """All parameters, defaults filled in.

        **Raises:** `ValueError` for an unknown name, with the nearest spelling.
        """
        self._refuse_unknown(parameters or {}, [LENGTH])
        return {**self.parameters, **(parameters or {})}

    def _refuse_unknown(self, parameters: Mapping[str, Any], further: list[str]) -> None:
        for name in parameters:
            if name not in self.parameters and name not in further:
                raise ValueError(known("parameter", name, [*self.parameters, *further]))

    def discretise(
        self, grid: Grid, parameters: Mapping[str, Any] | None = None, *, dealias: float | None = None
    ) -> SpectralForm:
        """Linear symbol and nonlinear function on a periodic grid, in Fourier space.

        **Arguments:** `grid`; `parameters`: numbers or arrays `(batch,)`; `dealias`: keep only modes below this
        fraction of the Nyquist mode in and out of products, `None` for all.

        **Raises:** `ValueError` if the grid is not periodic or has another number of axes.
        """
        if grid.ndim != self.ndim:
            raise ValueError(f"the equation {self.terms} has {self.ndim} space axes, the grid {grid.ndim}")
        return discretise(self.canonical, self.fields, grid, self.resolve(parameters), dealias)

    def rhs(
        self,
        u: Float[Array, "*batch_and_space channel"],
        grid: Grid,
        parameters: Mapping[str, Any] | None = None,
        time: Any = 0.0,
        *,
        dealias: float | None = None,
    ) -> Float[Array, "*batch_and_space channel"]:
        """du/dt by Fourier derivatives.

        **Arguments:** `u`: state; `grid`: periodic; `parameters`: numbers or `(batch,)`; `time`: scalar or `(batch,)`;
        `dealias`: fraction of modes that products see and make, all of them when omitted.
        """
        form = self.discretise(grid, parameters, dealias=dealias)
        spectra, linear = form.to_spectral(u), lift(jax.tree.map(working, form.linear), u.ndim - 1)
        rates = form.nonlinear(spectra, time)
        rates = tuple(scale(symbol, s) + r for symbol, s, r in zip(linear, spectra, rates, strict=True))
        return form.to_physical(rates).astype(u.dtype)

    def residual(
        self,
        field: Callable[[Any, Any], Any],
        t: Float[Array, ""],
        x: Float[Array, " ndim"],
        parameters: Mapping[str, Any] | None = None,
    ) -> Float[Array, " channel"]:
        """u_t minus the right-hand side at one point, by nested forward-mode derivatives.

        **Arguments:** `field`: function `(t, x) -> (channel,)`; where `velocity` or `advect` of a vorticity occurs, its
        channel is the stream function instead (see `pointwise_fields`); `t`: time; `x`: place; `parameters`: scalars
        (`length` has no meaning here, since `x` is the place itself).

        **Returns:** the residual of each equation; `jax.vmap` gives it at many points.
        """
        values = {k: v for k, v in self.resolve(parameters).items() if k != LENGTH}
        return pointwise_residual(self._pointwise, self.fields, self._streams, field, t, x, values)

    @functools.cached_property
    def _pointwise(self) -> tuple[sympy.Expr, ...]:
        return tuple(pointwise_form(form.flat(), self._streams) for form in self._forms)

    @functools.cached_property
    def jet_residual(self) -> SymbolicResidual:
        """u_t minus the right-hand side as a function of the derivatives of a field in time and place."""
        expressions = evolution_residuals(self._pointwise, self.fields, self._streams)
        return SymbolicResidual(expressions, self.fields, ("t", *AXES[: self.ndim]))

    def grid_residual(
        self,
        trajectory: Float[Array, "time *batch_and_space channel"],
        dt: Any,
        grid: Grid,
        parameters: Mapping[str, Any] | None = None,
        *,
        start_time: Any = 0.0,
        dealias: float | None = None,
    ) -> Float[Array, "inner_time *batch_and_space channel"]:
        """How far frames are from solving the equation, each measured with its neighbours, to fourth order in `dt`.

        Simpson's compact form (u_{n+1} - u_{n-1}) / (2 dt) - (R_{n-1} + 4 R_n + R_{n+1}) / 6: both the time
        derivative and the right-hand side R are the trajectory's own.

        **Arguments:** `trajectory`: at least three frames; `dt`: time between frames, a number or `(batch,)`; `grid`:
        periodic; `parameters`: numbers or `(batch,)`; `start_time`: time of the first frame;
        `dealias`: as for `rhs`; with the solver's own fraction (2/3) its frames leave only the error in time.

        **Returns:** the residual of all frames but the first and the last.
        """
        frames = trajectory.shape[0]
        if frames < 3:
            raise ValueError(f"grid_residual needs at least three frames, got {frames}")
        rank, dtype = trajectory.ndim - 1, trajectory.dtype
        step = jnp.asarray(dt, dtype)
        rhs = lambda i: self.rhs(trajectory[i], grid, parameters, start_time + i * step, dealias=dealias)
        rates = jnp.stack([rhs(i) for i in range(frames)])
        step = expand_rank(batch_axis(step, grid.ndim + 1), rank + 1)
        slope = (trajectory[2:] - trajectory[:-2]) / (2 * step)
        return slope - (rates[:-2] + 4 * rates[1:-1] + rates[2:]) / 6

    def latex(self) -> str:
        """The equations as LaTeX, one line each."""
        return latex(self.fields, self._forms, self._streams)
