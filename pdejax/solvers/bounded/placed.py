"""A solver of each basis between states on equidistant points: how a state gets in, advances and gets out."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import AnyState, Grid, Key, Scaling, State, Tendency, as_state, as_tendency, hashed_by_identity
from pdejax.equations import Equation
from pdejax.solvers.bounded.chebyshev_stepper import ChebyshevStepper, chebyshev_stepper, check_growth_of
from pdejax.solvers.bounded.lines import line_form
from pdejax.solvers.bounded.mirror import Mirror, mirror_of
from pdejax.solvers.bounded.mirror_stepper import check_mirrored, mirror_stepper
from pdejax.solvers.spectral.resolution import energies
from pdejax.solvers.spectral.stepper import SpectralStepper

DEALIAS = 2 / 3  # of the modes of sines and cosines, which take part in products


@dataclasses.dataclass(frozen=True)
class Placed:
    """A Stepper of states of its own, and the ways to and from equidistant points.

    - `whole`: the Stepper of states on equidistant points.
    - `enter`, `leave`: from states `(*batch, *space, channel)` to its own and back; `energies`: of its own, see
        `pdejax.solvers.spectral.resolution`.
    """

    stepper: Any
    whole: Any
    enter: Callable[[Any], Any]
    leave: Callable[[Any], Any]
    energies: Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Method:
    """What does not depend on the basis.

    **Arguments:** `equation`; `step`: of a call; `order`: in time; `substeps`: of a call.
    """

    equation: Equation
    step: float
    order: Literal[2, 4]
    substeps: int

    @property
    def options(self) -> dict[str, Any]:
        """Of a Stepper."""
        return {"order": self.order, "substeps": self.substeps}

    @property
    def dt(self) -> float:
        """A step."""
        return self.step / self.substeps


def fourier(
    method: Method, grid: Grid, shape: tuple[int, ...], parameters: Mapping[str, Any], scaling: Scaling
) -> Placed:
    """Sines and cosines on `shape` points, for states on `grid`."""
    own = grid.with_shape(shape)
    into, back = mirror_of(method.equation, grid), mirror_of(method.equation, own)
    stepper = mirror_stepper(
        method.equation, own, method.dt, parameters=parameters, scaling=scaling, dealias=DEALIAS, **method.options
    )
    found = lambda u: energies(back.extended_state(u), back.extended, DEALIAS)
    whole = stepper if shape == grid.shape else Within(stepper, into, back)
    return Placed(stepper, whole, lambda u: into.transfer(u, shape), lambda v: back.transfer(v, grid.shape), found)


def check_fourier(method: Method, shape: tuple[int, ...], grid: Grid, parameters: Any, scaling: Scaling) -> None:
    """What `mirror_stepper` asks, without its work."""
    check_mirrored(method.equation, grid.with_shape(shape), method.dt, method.order, parameters, scaling, DEALIAS)


@hashed_by_identity
class Within(eqx.Module):
    """A Stepper on other points of a box with mirrors than its states are on, a `TimedStepper`."""

    stepper: SpectralStepper
    outer: Mirror = eqx.field(static=True)
    inner: Mirror = eqx.field(static=True)

    @property
    def grid(self) -> Grid:
        """The grid of the states."""
        return self.outer.grid

    @property
    def step_size(self) -> Array:
        """Time one call covers."""
        return self.stepper.step_size

    @property
    def time(self) -> Array:
        """Time the next call starts at."""
        return self.stepper.time

    def at(self, time: Any) -> "Within":
        """The same set to a time."""
        return Within(self.stepper.at(time), self.outer, self.inner)

    def __call__(self, u: AnyState, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state after one call, see `SpectralStepper`."""
        u = as_state(u)
        back = lambda v: self.inner.transfer(v, self.outer.grid.shape)
        into = lambda u: self.outer.transfer(u, self.inner.grid.shape)
        if tendency is None:
            return back(self.stepper(into(u)))
        given = as_tendency(tendency)
        within = (lambda t, v: into(given(t, back(v)))) if callable(given) else into(given)
        return back(self.stepper(into(u), tendency=within))


@hashed_by_identity
class Between(eqx.Module):
    """Advances states at Chebyshev points, a `TimedStepper`."""

    stepper: ChebyshevStepper

    @property
    def step_size(self) -> Array:
        """Time one call covers."""
        return self.stepper.step_size

    @property
    def time(self) -> Array:
        """Time the next call starts at."""
        return self.stepper.time

    def at(self, time: Any) -> "Between":
        """The same set to a time."""
        return Between(self.stepper.at(time))

    def __call__(self, v: Float[Array, "*batch point channel"], *, key: Key | None = None) -> Array:
        """The state after one call."""
        return self.stepper.advance(v)


def chebyshev(
    method: Method, grid: Grid, shape: tuple[int, ...], parameters: Mapping[str, Any], scaling: Scaling
) -> Placed:
    """Chebyshev points, `shape` of them, for states on `grid`."""
    stepper = chebyshev_stepper(
        method.equation, grid, method.dt, points=shape[0], parameters=parameters, scaling=scaling, **method.options
    )
    matrix = stepper.form.line.coefficients()
    return Placed(
        Between(stepper), stepper, stepper.enter, stepper.leave, functools.partial(_of_polynomials, matrix=matrix)
    )


def check_chebyshev(method: Method, shape: tuple[int, ...], grid: Grid, parameters: Any, scaling: Scaling) -> None:
    """What `chebyshev_stepper` asks, without its work."""
    form = line_form(method.equation, grid, shape[0], parameters, scaling)
    check_growth_of(form, method.equation, parameters, scaling)


def _of_polynomials(v: Float[Array, "*batch point channel"], *, matrix: np.ndarray) -> Float[Array, "3 *batch mode"]:
    """In the highest third of the coefficients, even and odd ones apart, in all but the mean, and in all."""
    size = len(matrix)
    found = jnp.einsum("kj,...jc->...kc", jnp.asarray(matrix, v.dtype), v, precision="highest") ** 2
    k = np.arange(size)
    masks = np.stack([(k >= 2 * size / 3) & (k % 2 == odd) for odd in (0, 1)] + [k > 0] * 2 + [k >= 0] * 2)
    sums = jnp.einsum("mk,...kc->m...c", jnp.asarray(masks, v.dtype), found, precision="highest")
    return jnp.concatenate([sums[0::2], sums[1::2]], -1)


BASES = {"fourier": (fourier, check_fourier), "chebyshev": (chebyshev, check_chebyshev)}
