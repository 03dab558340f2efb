"""Exponential time differencing Runge-Kutta methods of Cox and Matthews (2002), orders two and four."""

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax.core import known
from pdejax.solvers._arrays import as_complex, plain, working
from pdejax.solvers.spectral.linear import Entry, Linear, as_matrix, reached
from pdejax.solvers.spectral.phi import phi_functions
from pdejax.solvers.spectral.phi_blocks import phi_blocks

Fields = tuple[Any, ...]
Nonlinear = Callable[[Fields, Any], Fields]


def _sum(*terms: Fields) -> Fields:
    """The terms added up, field by field."""
    return tuple(functools.reduce(operator.add, parts) for parts in zip(*terms, strict=True))


class ETDRK2(eqx.Module):
    """Cox and Matthews (2002), equation 22; two evaluations of the nonlinear function."""

    exp: Linear
    first: Linear
    second: Linear

    def __call__(self, nonlinear: Nonlinear, v: Fields, time: Any, dt: Any) -> Fields:
        """One step of size `dt` for the fields `v` at `time`."""
        at_start = nonlinear(v, time)
        a = _sum(self.exp(v), self.first(at_start))
        change = tuple(x - y for x, y in zip(nonlinear(a, time + dt), at_start, strict=True))
        return _sum(a, self.second(change))


class ETDRK4(eqx.Module):
    """Cox and Matthews (2002), equations 26-29; four evaluations of the nonlinear function."""

    exp: Linear
    exp_half: Linear
    half: Linear
    start: Linear
    middle: Linear
    end: Linear

    def __call__(self, nonlinear: Nonlinear, v: Fields, time: Any, dt: Any) -> Fields:
        """One step of size `dt` for the fields `v` at `time`."""
        at_start = nonlinear(v, time)
        a = _sum(self.exp_half(v), self.half(at_start))
        at_a = nonlinear(a, time + dt / 2)
        b = _sum(self.exp_half(v), self.half(at_a))
        at_b = nonlinear(b, time + dt / 2)
        c = _sum(self.exp_half(a), self.half(tuple(2 * x - y for x, y in zip(at_b, at_start, strict=True))))
        at_c = nonlinear(c, time + dt)
        return _sum(self.exp(v), self.start(at_start), self.middle(_sum(at_a, at_b)), self.end(at_c))


def etdrk(linear: Linear, dt: Any, order: int) -> ETDRK2 | ETDRK4:
    """The method of an order for a linear part; fields that it couples share the functions of a matrix for each mode.

    **Arguments:** `linear`; `dt`: step size, broadcastable against its symbols; `order`: 2 or 4. NumPy arguments are
    worked on in float64 and rounded to the working precision in the end.

    **Raises:** `ValueError` for another order.
    """
    if order not in (2, 4):
        raise ValueError(known("order of an exponential integrator", order, [2, 4]))
    method, found = (ETDRK2, 3) if order == 2 else (ETDRK4, 6), {}
    for block in linear.blocks:
        if len(block) == 1:
            entry = (block[0], block[0])
            found[entry] = _weights(_functions(linear.by_entry[entry], dt, order), dt, order)
        else:
            found |= _of_block(linear, block, dt, order)
    columns = [{entry: working(weights[i]) for entry, weights in found.items()} for i in range(method[1])]
    return method[0](*map(Linear.of, columns))


def _weights(of: Sequence[Any], dt: Any, order: int) -> tuple[Any, ...]:
    """What a step multiplies by, see the methods.

    **Arguments:** `of`: exp and phi_1, phi_2, phi_3 of a step, and exp and phi_1 of half of one; order two needs three.
    """
    dt = as_complex(dt) if jnp.iscomplexobj(of[0]) else dt
    if order == 2:
        return of[0], dt * of[1], dt * of[2]
    exp, one, two, three, exp_half, one_half = of
    weights = (one - 3 * two + 4 * three, 2 * (two - 2 * three), 4 * three - two)
    return exp, exp_half, dt / 2 * one_half, *(dt * w for w in weights)


def _functions(symbol: Any, dt: Any, order: int) -> Sequence[Any]:
    """Of the symbol of a field that is apart, see `_weights`."""
    symbol = plain(symbol)
    z = symbol * (as_complex(dt) if jnp.iscomplexobj(symbol) else dt)
    exp = jnp.exp if isinstance(z, jax.Array) else np.exp
    if order == 2:
        return exp(z), *phi_functions(z, 2)
    return exp(z), *phi_functions(z, 3), exp(z / 2), *phi_functions(z / 2, 1)


def _of_block(linear: Linear, block: tuple[int, ...], dt: Any, order: int) -> dict[Entry, tuple[Any, ...]]:
    """The weights of every entry of a matrix that fields share."""
    matrix = as_matrix(linear, block)
    step = dt[..., None, None] if np.ndim(dt) else dt
    z = matrix * (as_complex(step) if jnp.iscomplexobj(matrix) else step)
    whole, half = phi_blocks(z)
    functions = whole if order == 2 else (*whole, *half[:2])
    entry = lambda x, pair: x[..., block.index(pair[0]), block.index(pair[1])]
    of = lambda pair: [entry(function, pair) for function in functions]
    return {pair: _weights(of(pair), dt, order) for pair in reached(block, linear.entries)}
