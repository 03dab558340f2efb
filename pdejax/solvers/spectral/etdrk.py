"""Exponential time differencing Runge-Kutta methods of Cox and Matthews (2002), orders two and four."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import known
from pdejax.solvers._arrays import Imaginary, compose, scale, working
from pdejax.solvers.spectral.phi import phi_functions

Fields = tuple[Any, ...]
Nonlinear = Callable[[Fields, Any], Fields]


def _combine(*terms: tuple[Fields, Fields]) -> Fields:
    """Sum of coefficient times field over the terms, for each field."""
    fields = range(len(terms[0][0]))
    return tuple(sum((scale(c[i], v[i]) for c, v in terms[1:]), scale(terms[0][0][i], terms[0][1][i])) for i in fields)


class ETDRK2(eqx.Module):
    """Cox and Matthews (2002), equation 22; two evaluations of the nonlinear function."""

    exp: Fields
    first: Fields
    second: Fields

    def __call__(self, nonlinear: Nonlinear, v: Fields, time: Any, dt: Any) -> Fields:
        """One step of size `dt` for the fields `v` at `time`."""
        at_start = nonlinear(v, time)
        a = _combine((self.exp, v), (self.first, at_start))
        change = tuple(x - y for x, y in zip(nonlinear(a, time + dt), at_start, strict=True))
        return tuple(x + scale(c, d) for x, c, d in zip(a, self.second, change, strict=True))


class ETDRK4(eqx.Module):
    """Cox and Matthews (2002), equations 26-29; four evaluations of the nonlinear function."""

    exp: Fields
    exp_half: Fields
    half: Fields
    start: Fields
    middle: Fields
    end: Fields

    def __call__(self, nonlinear: Nonlinear, v: Fields, time: Any, dt: Any) -> Fields:
        """One step of size `dt` for the fields `v` at `time`."""
        at_start = nonlinear(v, time)
        a = _combine((self.exp_half, v), (self.half, at_start))
        at_a = nonlinear(a, time + dt / 2)
        b = _combine((self.exp_half, v), (self.half, at_a))
        at_b = nonlinear(b, time + dt / 2)
        c = _combine((self.exp_half, a), (self.half, tuple(2 * x - y for x, y in zip(at_b, at_start, strict=True))))
        at_c = nonlinear(c, time + dt)
        at_middle = tuple(x + y for x, y in zip(at_a, at_b, strict=True))
        return _combine((self.exp, v), (self.start, at_start), (self.middle, at_middle), (self.end, at_c))


def etdrk(linear: Fields, dt: Any, order: int) -> ETDRK2 | ETDRK4:
    """The method of an order for a diagonal linear part.

    **Arguments:** `linear`: symbol of each field; `dt`: step size, broadcastable against it; `order`: 2 or 4.
    NumPy arguments are worked on in float64 and rounded to the working precision in the end.

    **Raises:** `ValueError` for another order.
    """
    if order not in (2, 4):
        raise ValueError(known("order of an exponential integrator", order, [2, 4]))
    columns = [_coefficients(symbol, dt, order) for symbol in linear]
    method = ETDRK2 if order == 2 else ETDRK4
    return method(*(tuple(working(c) for c in column) for column in zip(*columns, strict=True)))


def _coefficients(symbol: Any, dt: Any, order: int) -> tuple[Any, ...]:
    if isinstance(symbol, Imaginary):
        symbol = compose(np.zeros(symbol.value.shape), symbol.value)
    if jnp.iscomplexobj(symbol):
        dt = compose(dt, 0 * dt)
    z = symbol * dt
    exp = jnp.exp if isinstance(z, jax.Array) else np.exp
    if order == 2:
        one, two = phi_functions(z, 2)
        return exp(z), dt * one, dt * two
    one, two, three = phi_functions(z, 3)
    half = phi_functions(z / 2, 1)[0]
    weights = (one - 3 * two + 4 * three, 2 * (two - 2 * three), 4 * three - two)
    return exp(z), exp(z / 2), dt / 2 * half, *(dt * w for w in weights)
