"""Fluxes between two states of a gas that conducts."""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import sympy

from pdejax.core import register
from pdejax.equations import Equation, evaluate, shortest
from pdejax.solvers.volumes.law import Variables, conservation_law
from pdejax.solvers.volumes.plasma import Plasma, plasma
from pdejax.solvers.volumes.riemann import Faces, Fields, Side


@register("riemann", "hlld")
@dataclasses.dataclass(frozen=True)
class HLLD:
    """For ideal magnetohydrodynamics: contacts and Alfven waves stay sharp; Miyoshi and Kusano (2005).

    Four states between the outer waves, two at each side of the contact. What is density, momentum, energy and magnetic
    field is seen from the fluxes.
    """

    def validate(self, equation: Equation) -> None:
        """**Raises:** `ValueError` if the fluxes are not those of such a gas."""
        for axis in range(equation.ndim):
            plasma(equation, axis)

    def __call__(self, equation: Equation, faces: Faces) -> Fields:
        roles, (slowest, fastest) = plasma(equation, faces.axis), faces.outermost
        low, high = (_Gas.of(equation, faces.axis, one) for one in (faces.low, faces.high))
        inner, outer = low.density * (slowest - low.velocity), high.density * (fastest - high.velocity)
        # equation 38
        away = inner - outer
        force = high.total - low.total + inner * low.velocity - outer * high.velocity
        middle = force / jnp.where(away == 0, 1, away)
        through = (low.through + high.through) / 2
        pair = (_Star.of(low, slowest, inner, middle, through), _Star.of(high, fastest, outer, middle, through))
        v, b = _between(*pair, jnp.sign(through))

        # the side of the contact that the face is on; nothing is asked of the other one
        lower = middle >= 0
        pick = lambda x, y: jnp.where(lower, x, y)
        both = lambda x, y: tuple(map(pick, x, y))
        fields, fluxes = (both(getattr(faces.low, n), getattr(faces.high, n)) for n in ("fields", "fluxes"))
        gas, star, outside = low.either(high, lower), pair[0].either(pair[1], lower), pick(slowest, fastest)
        first = _first(roles, fields, gas, star, outside, middle, through)
        second = _second(roles, first, star, middle, v, b, pick(-1.0, 1.0) * jnp.sign(through))
        reach = pick(jnp.minimum(outside, 0), jnp.maximum(outside, 0))
        alfven = jnp.abs(through) / star.root
        # not beyond the outer wave, where rounding may put it
        turning = pick(jnp.clip(middle - alfven, reach, 0), jnp.clip(middle + alfven, 0, reach))
        one = lambda f, q, s, t: f + reach * (s - q) + turning * (t - s)
        return tuple(map(one, fluxes, fields, first, second))


class _Gas(NamedTuple):
    """One side of a face; `across`: velocities and fields of the directions across."""

    density: Any
    velocity: Any
    total: Any
    through: Any
    v: tuple[Any, ...]
    b: tuple[Any, ...]

    @classmethod
    def of(cls, equation: Equation, axis: int, states: Side) -> "_Gas":
        """What is known of a side."""
        one, v, b = _known(equation, axis, states.variables)
        of = lambda expressions: tuple(evaluate(e, states.values) for e in expressions)
        density, velocity, total, through = of(one)
        return cls(density, velocity, total, through, of(v), of(b))

    def either(self, other: "_Gas", mine: Any) -> "_Gas":
        """This one where it says so."""
        return _either(self, other, mine)


class _Star(NamedTuple):
    """Behind an outer wave: the factor of densities and the root of the own, pressure, velocities and fields across."""

    factor: Any
    root: Any
    total: Any
    v: tuple[Any, ...]
    b: tuple[Any, ...]

    @classmethod
    def of(cls, gas: _Gas, speed: Any, mass: Any, middle: Any, through: Any) -> "_Star":
        """Equations 41 to 47, of a wave of this speed through which so much mass goes."""
        apart, before = speed - middle, speed - gas.velocity
        factor = before / jnp.where(apart == 0, 1, apart)
        square = through**2
        gap = mass * apart - square
        # where the wave is as slow as that of Alfven it turns nothing
        none = jnp.abs(gap) <= jnp.finfo(gap.dtype).eps ** 0.5 * gas.total
        gap = jnp.where(none, 1, gap)
        turn = jnp.where(none, 0, through * (middle - gas.velocity) / gap)
        grow = jnp.where(none, 1, (mass * before - square) / gap)
        v = tuple(v - turn * b for v, b in zip(gas.v, gas.b, strict=True))
        total = gas.total + mass * (middle - gas.velocity)
        return cls(factor, jnp.sqrt(factor * gas.density), total, v, tuple(grow * b for b in gas.b))

    def either(self, other: "_Star", mine: Any) -> "_Star":
        """This one where it says so."""
        return _either(self, other, mine)


def _either(one: Any, other: Any, mine: Any) -> Any:
    pick = lambda x, y: tuple(map(pick, x, y)) if isinstance(x, tuple) else jnp.where(mine, x, y)
    return type(one)(*map(pick, one, other))


def _between(low: _Star, high: _Star, sign: Any) -> tuple[list[Any], list[Any]]:
    """Velocities and fields across between both Alfven waves, equations 59 to 62."""
    whole = low.root + high.root
    v = [
        (low.root * x + high.root * y + (c - a) * sign) / whole
        for x, y, a, c in zip(low.v, high.v, low.b, high.b, strict=True)
    ]
    b = [
        (low.root * c + high.root * a + low.root * high.root * (y - x) * sign) / whole
        for x, y, a, c in zip(low.v, high.v, low.b, high.b, strict=True)
    ]
    return v, b


def _first(roles: Plasma, q: Fields, gas: _Gas, star: _Star, speed: Any, middle: Any, through: Any) -> list[Any]:
    """The state behind an outer wave, equation 48 for its energy."""
    out = [star.factor * value for value in q]
    density = star.factor * gas.density
    out[roles.momentum] = density * middle
    for (m, b), velocity, field in zip(roles.across, star.v, star.b, strict=True):
        out[m], out[b] = density * velocity, field
    for kept in roles.kept:
        out[kept] = q[kept]
    apart = speed - middle
    along = lambda u, v, b: u * through + sum(x * y for x, y in zip(v, b, strict=True))
    pull = through * (along(gas.velocity, gas.v, gas.b) - along(middle, star.v, star.b))
    work = star.total * middle - gas.total * gas.velocity + pull
    out[roles.energy] = star.factor * q[roles.energy] + work / jnp.where(apart == 0, 1, apart)
    return out


def _second(roles: Plasma, first: list[Any], star: _Star, middle: Any, v: Any, b: Any, sign: Any) -> list[Any]:
    """The state behind an Alfven wave, equation 63 for its energy; `sign`: of the field seen from the contact."""
    out, density = list(first), star.root**2
    work: Any = 0.0
    for (momentum, field), own, turned, x, y in zip(roles.across, star.v, star.b, v, b, strict=True):
        out[momentum], out[field] = density * x, y
        work = work + own * turned - x * y
    out[roles.energy] = first[roles.energy] + sign * star.root * work
    return out


@functools.lru_cache(maxsize=64)
def _known(equation: Equation, axis: int, variables: Variables) -> tuple[tuple[sympy.Expr, ...], ...]:
    """Density, velocity, pressure, field through; velocities and fields across; in the variables at hand: of primitive
    ones nothing is to be computed."""
    q, roles = conservation_law(equation).conserved.symbols, plasma(equation, axis)
    inserted = dict(zip(q, variables.fields, strict=True))
    there = lambda expressions: tuple(shortest(e.xreplace(inserted)) for e in expressions)
    density = q[roles.density]
    one = there((density, q[roles.momentum] / density, roles.total, roles.through))
    return one, there([q[m] / density for m, _ in roles.across]), there([q[b] for _, b in roles.across])
