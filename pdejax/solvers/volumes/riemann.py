"""Fluxes between two states: approximate solutions of Riemann's problem."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax.numpy as jnp
import sympy

from pdejax.core import register
from pdejax.equations import AXES, Equation, evaluate, shortest
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

    - `outermost`: speeds of the slowest and the fastest wave, of both sides and the mean of them as Einfeldt (1988)
        takes a mean of Roe's.
    """

    axis: int
    low: Side
    high: Side
    waves: Waves

    @property
    def outermost(self) -> tuple[Any, Any]:
        """Of a strong shock neither side knows the speed, and the mean does."""
        mean = {s: (self.low.values[s] + self.high.values[s]) / 2 for s in self.low.variables.symbols}
        slowest, fastest = self.waves.range({**self.low.values, **mean})
        return jnp.minimum(self.low.slowest, slowest), jnp.maximum(self.high.fastest, fastest)


def faces(variables: Variables, waves: Waves, axis: int, values: Mapping[Any, Any], low: Any, high: Any) -> Faces:
    """Everything of states whose variables are known, `low` and `high`, one array each."""

    def side(w: Any) -> Side:
        known = {**values, **dict(zip(variables.symbols, w, strict=True))}
        of = lambda expressions: tuple(evaluate(e, known) for e in expressions)
        return Side(variables, known, of(variables.fields), of(variables.fluxes[axis]), *waves.range(known))

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
        speed = jnp.maximum(jnp.maximum(-low.slowest, low.fastest), jnp.maximum(-high.slowest, high.fastest))
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
        width = jnp.where(b > a, b - a, 1)
        middle = lambda f, g, q, r: jnp.where(b > a, (b * f - a * g + a * b * (r - q)) / width, (f + g) / 2)
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
        low, high = faces.low, faces.high
        roles = flow(equation, faces.axis)
        slowest, fastest = faces.outermost
        gas = [
            _Gas(roles, one, evaluate(_pressure(equation, faces.axis, one.variables), one.values))
            for one in (low, high)
        ]
        inner = [one.density * (speed - one.velocity) for one, speed in zip(gas, (slowest, fastest), strict=True)]
        away = inner[0] - inner[1]
        force = gas[1].pressure - gas[0].pressure + inner[0] * gas[0].velocity - inner[1] * gas[1].velocity
        middle = force / jnp.where(away == 0, 1, away)
        left, right = (
            one.star(roles, states.fields, speed, middle)
            for one, states, speed in zip(gas, (low, high), (slowest, fastest), strict=True)
        )
        out = []
        for f, g, q, r, qs, rs in zip(low.fluxes, high.fluxes, low.fields, high.fields, left, right, strict=True):
            lower, upper = f + jnp.minimum(slowest, 0) * (qs - q), g + jnp.maximum(fastest, 0) * (rs - r)
            out.append(jnp.where(middle >= 0, lower, upper))
        return tuple(out)


@dataclasses.dataclass(frozen=True)
class Flow:
    """Which fields of a flow are what, by number.

    - `density`; `momentum`: along the axis; `energy`: what pressure works on; all others are carried along.
    - `pressure`: in fields.
    """

    density: int
    momentum: int
    energy: tuple[int, ...]
    pressure: sympy.Expr


@functools.lru_cache(maxsize=64)
def flow(equation: Equation, axis: int) -> Flow:
    """What the fields are, seen from the fluxes along an axis.

    **Raises:** `ValueError` if the fluxes are not those of a density, its momentum and what they carry.
    """
    conserved = conservation_law(equation).conserved
    q, fluxes = conserved.symbols, conserved.fluxes[axis]
    zero = lambda e: sympy.simplify(e) == 0
    for density, flux in enumerate(fluxes):
        if flux not in q or flux == q[density]:
            continue
        momentum = q.index(flux)
        velocity = q[momentum] / q[density]
        pressure = sympy.simplify(fluxes[momentum] - q[momentum] * velocity)
        rest = [i for i in range(len(q)) if i not in (density, momentum)]
        carried = [i for i in rest if zero(fluxes[i] - q[i] * velocity)]
        energy = [i for i in rest if i not in carried and zero(fluxes[i] - (q[i] + pressure) * velocity)]
        if len(carried) + len(energy) == len(rest):
            return Flow(density, momentum, tuple(energy), pressure)
    raise ValueError(f"riemann hllc is for flows with a density, its momentum and a pressure, and the fluxes of "
                     f"{list(equation.terms)} along {AXES[axis]} are none; hll and llf take any")  # fmt: skip


@functools.lru_cache(maxsize=64)
def _pressure(equation: Equation, axis: int, variables: Variables) -> sympy.Expr:
    """In the variables at hand: one that is a pressure needs no difference of energies."""
    fields = conservation_law(equation).conserved.symbols
    inserted = dict(zip(fields, variables.fields, strict=True))
    found: Any = flow(equation, axis).pressure.xreplace(inserted)
    return shortest(found)


class _Gas:
    """One side of a face."""

    def __init__(self, roles: Flow, states: Side, pressure: Any) -> None:
        self.density = states.fields[roles.density]
        self.velocity = states.fields[roles.momentum] / self.density
        self.pressure = pressure

    def star(self, roles: Flow, fields: Fields, speed: Any, middle: Any) -> Fields:
        """The state between the outer wave and the contact, which moves with `middle`."""
        apart = speed - middle
        factor = (speed - self.velocity) / jnp.where(apart == 0, 1, apart)
        out = [factor * q for q in fields]
        out[roles.momentum] = factor * self.density * middle
        for i in roles.energy:
            inner = self.density * (speed - self.velocity)
            work = middle + self.pressure / jnp.where(inner == 0, 1, inner)
            out[i] = factor * (fields[i] + self.density * (middle - self.velocity) * work)
        return tuple(out)
