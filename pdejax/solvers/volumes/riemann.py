"""Fluxes between two states: approximate solutions of Riemann's problem."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import register
from pdejax.equations import Equation, evaluate, shortest
from pdejax.solvers.volumes.flow import Flow, flow
from pdejax.solvers.volumes.law import Variables, conservation_law
from pdejax.solvers.volumes.waves import Waves

Fields = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Side:
    """The states at one side of faces.

    - `variables`: that were reconstructed; `values`: of these, of parameters, places and time.
    - `fields`, `fluxes`: one array each.
    - `slowest`, `fastest`: the range of speeds of waves.
    """

    variables: Variables
    values: Mapping[Any, Any]
    fields: Fields
    fluxes: Fields
    slowest: Any
    fastest: Any


@dataclasses.dataclass(frozen=True)
class Faces:
    """The states at both sides of faces across an axis.

    - `waves`: in the fields.
    - `outermost`: speeds of the slowest and the fastest wave: of the side each leaves, and of the mean of the fields of
        both, where Einfeldt (1988) takes Roe's mean; that of primitive variables has half of a strong shock's speed.
    """

    axis: int
    low: Side
    high: Side
    waves: Waves

    @property
    def _between(self) -> tuple[Any, Any]:
        low, high = ({**one.values, **dict(zip(self.waves.symbols, one.fields, strict=True))} for one in self.sides)
        return self.waves.between(low, high)

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both."""
        return self.low, self.high

    @property
    def outermost(self) -> tuple[Any, Any]:
        """Of a strong shock neither side knows the speed, and what is between them does."""
        slowest, fastest = self._between
        if self.waves.convex and len(self.low.fields) == 1:
            slowest = fastest = self._of_shock(slowest)
        return jnp.minimum(self.low.slowest, slowest), jnp.maximum(self.high.fastest, fastest)

    def _of_shock(self, speed: Any) -> Any:
        """That of Rankine and Hugoniot for one field, of which the mean may tell another sign where the flux is convex
        and no parabola; where both sides are nearly one, that of their mean."""
        (low,), (high,) = self.low.fields, self.high.fields
        jump, size = high - low, jnp.abs(high) + jnp.abs(low)
        numbers = jnp.finfo(jump.dtype)  # and the square of a jump, which derivatives divide by, is a number
        apart = jnp.abs(jump) > np.sqrt(numbers.eps) * size + np.sqrt(numbers.tiny)
        carried = self.high.fluxes[0] - self.low.fluxes[0]
        return jnp.where(apart, carried / jnp.where(apart, jump, 1), speed)

    @property
    def largest(self) -> Any:
        """Size of the largest speed of all of them."""
        slowest, fastest = self._between
        for side in (self.low, self.high):
            slowest, fastest = jnp.minimum(slowest, side.slowest), jnp.maximum(fastest, side.fastest)
        return jnp.maximum(-slowest, fastest)


def faces(
    variables: Variables, speeds: Waves, waves: Waves, axis: int, values: Mapping[Any, Any], low: Any, high: Any
) -> Faces:
    """Everything of states whose variables are known.

    **Arguments:** `variables`; `speeds`: in these; `waves`: in the fields; `axis`; `values`: of parameters, places and
    time; `low`, `high`: the variables, one array each.
    """

    def side(w: Any) -> Side:
        known = {**values, **dict(zip(variables.symbols, w, strict=True))}
        of = lambda expressions: tuple(evaluate(e, known) for e in expressions)
        return Side(variables, known, of(variables.fields), of(variables.fluxes[axis]), *speeds.range(known))

    return Faces(axis, side(low), side(high), waves)


@runtime_checkable
class RiemannSolver(Protocol):
    """From the states at both sides to the flux through a face; frozen, so that it can be hashed."""

    def validate(self, equation: Equation) -> None:
        """**Raises:** `ValueError` for an equation it does not fit."""
        ...

    def __call__(self, equation: Equation, faces: Faces) -> Fields: ...


@register("riemann", "llf")
@dataclasses.dataclass(frozen=True)
class LocalLaxFriedrichs:
    """For any law: the mean of both fluxes and as much dissipation as the fastest wave needs; Rusanov (1961)."""

    def validate(self, equation: Equation) -> None:
        """Fits any equation."""

    def __call__(self, equation: Equation, faces: Faces) -> Fields:
        low, high = faces.low, faces.high
        speed = faces.largest
        one = lambda f, g, q, r: (f + g - speed * (r - q)) / 2
        return tuple(map(one, low.fluxes, high.fluxes, low.fields, high.fields))


@register("riemann", "hll")
@dataclasses.dataclass(frozen=True)
class HLL:
    """For any law: one state between the slowest and the fastest wave; Harten, Lax and van Leer (1983)."""

    def validate(self, equation: Equation) -> None:
        """Fits any equation."""

    def __call__(self, equation: Equation, faces: Faces) -> Fields:
        low, high = faces.low, faces.high
        slowest, fastest = faces.outermost
        a, b = jnp.minimum(slowest, 0), jnp.maximum(fastest, 0)
        # nothing moves where this is nothing, to within what its square can be divided by; else what is no number stays
        still = b - a <= 10 * jnp.finfo(a.dtype).tiny ** 0.5
        width = jnp.where(still, 1, b - a)
        middle = lambda f, g, q, r: jnp.where(still, (f + g) / 2, (b * f - a * g + a * b * (r - q)) / width)
        return tuple(map(middle, low.fluxes, high.fluxes, low.fields, high.fields))


@register("riemann", "hllc")
@dataclasses.dataclass(frozen=True)
class HLLC:
    """For flows of a density with a momentum and a pressure: contacts stay sharp; Toro, Spruce and Speares (1994).

    What is density, momentum, pressure and energy is seen from the fluxes.
    """

    def validate(self, equation: Equation) -> None:
        """**Raises:** `ValueError` if the fluxes are not those of such a flow."""
        for axis in range(equation.ndim):
            flow(equation, axis)

    def __call__(self, equation: Equation, faces: Faces) -> Fields:
        roles, (slowest, fastest) = flow(equation, faces.axis), faces.outermost
        low, high = (_Gas.of(equation, faces.axis, one) for one in (faces.low, faces.high))
        inner, outer = low.density * (slowest - low.velocity), high.density * (fastest - high.velocity)
        away = inner - outer
        force = high.pressure - low.pressure + inner * low.velocity - outer * high.velocity
        middle = force / jnp.where(away == 0, 1, away)
        # the side of the contact that the face is on; nothing is asked of the other one
        lower = middle >= 0
        gas = _Gas(*(jnp.where(lower, x, y) for x, y in zip(low, high, strict=True)))
        pick = lambda x, y: tuple(jnp.where(lower, a, b) for a, b in zip(x, y, strict=True))
        fields, fluxes = (pick(getattr(faces.low, n), getattr(faces.high, n)) for n in ("fields", "fluxes"))
        speed, mass = jnp.where(lower, slowest, fastest), jnp.where(lower, inner, outer)
        stars = gas.star(roles, fields, speed, mass, middle)
        reach = jnp.where(lower, jnp.minimum(speed, 0), jnp.maximum(speed, 0))
        return tuple(f + reach * (star - q) for f, star, q in zip(fluxes, stars, fields, strict=True))


@functools.lru_cache(maxsize=64)
def _known(equation: Equation, axis: int, variables: Variables) -> tuple[sympy.Expr, ...]:
    """Density, velocity and pressure in the variables at hand: of primitive ones nothing is to be computed."""
    fields, roles = conservation_law(equation).conserved.symbols, flow(equation, axis)
    inserted = dict(zip(fields, variables.fields, strict=True))
    density, momentum = fields[roles.density], fields[roles.momentum]
    found: list[Any] = [e.xreplace(inserted) for e in (density, momentum / density, roles.pressure)]
    return tuple(map(shortest, found))


class _Gas(NamedTuple):
    """One side of a face."""

    density: Any
    velocity: Any
    pressure: Any

    @classmethod
    def of(cls, equation: Equation, axis: int, states: Side) -> "_Gas":
        """What is known of a side."""
        return cls(*(evaluate(e, states.values) for e in _known(equation, axis, states.variables)))

    def star(self, roles: Flow, fields: Fields, speed: Any, mass: Any, middle: Any) -> Fields:
        """The state between an outer wave of this speed, through which so much mass goes, and the contact."""
        apart = speed - middle
        factor = (speed - self.velocity) / jnp.where(apart == 0, 1, apart)
        out = [q if i in roles.still else factor * q for i, q in enumerate(fields)]
        out[roles.momentum] = factor * self.density * middle
        for i in roles.energy:
            work = self.density * middle + self.pressure * self.density / jnp.where(mass == 0, 1, mass)
            out[i] = factor * (fields[i] + (middle - self.velocity) * work)
        return tuple(out)
