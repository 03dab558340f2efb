"""Evaluation of expressions on arrays by a walk over their tree."""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy

_FUNCTIONS: Mapping[Any, str] = {
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.tanh: "tanh",
    sympy.Abs: "abs",
    sympy.sign: "sign",
}
_EXTREMES: Mapping[Any, tuple[Any, str]] = {sympy.Min: (min, "minimum"), sympy.Max: (max, "maximum")}


def evaluate(expression: sympy.Basic, values: Mapping[sympy.Symbol, Any]) -> Any:
    """The value of an expression.

    **Arguments:** `expression`; `values`: a number or array for each of its symbols, arrays all of one rank.

    **Returns:** a Python number (which leaves the type of arrays alone), a NumPy array if no value is a JAX array,
    or a JAX array.
    """
    cache: dict[sympy.Basic, Any] = {}

    def walk(e: sympy.Basic) -> Any:
        if e not in cache:
            cache[e] = _apply(e, walk) if e.args else _leaf(e, values)
        return cache[e]

    return walk(expression)


def _leaf(e: sympy.Basic, values: Mapping[sympy.Symbol, Any]) -> Any:
    if isinstance(e, sympy.Symbol):
        return values[e]
    return int(e) if isinstance(e, sympy.Integer) else float(e)  # type: ignore[arg-type]


def _apply(e: sympy.Basic, walk: Any) -> Any:
    if e.func in (sympy.Add, sympy.Mul):
        return functools.reduce(operator.add if e.func is sympy.Add else operator.mul, map(walk, e.args))
    if e.func is sympy.Pow:
        base, exponent = e.args
        return _power(walk(base), exponent)
    if e.func in _EXTREMES:
        return functools.reduce(functools.partial(_extreme, *_EXTREMES[e.func]), map(walk, e.args))
    if e.func is sympy.Heaviside:
        return _call("heaviside", walk(e.args[0]), 0.5)
    if e.func in _FUNCTIONS:
        return _call(_FUNCTIONS[e.func], walk(e.args[0]))
    raise ValueError(f"no numerical form is known for {e.func.__name__} in {e}")


def _power(base: Any, exponent: sympy.Basic) -> Any:
    if not isinstance(exponent, sympy.Rational):
        raise ValueError(f"the exponent {exponent} is not a number")
    n = int(abs(exponent.p))
    if exponent.q == 1:
        whole = base**n
    else:  # only roots of roots remain; the square root itself must be differentiable in the usual way
        whole = _call("sqrt", base) ** n if exponent.q == 2 else base ** (n / int(exponent.q))
    return whole if exponent.p > 0 else 1 / whole


def _call(name: str, x: Any, *more: float) -> Any:
    if isinstance(x, jax.Array):
        return getattr(jnp, name)(x, *more)
    y = getattr(np, name)(x, *more)
    return float(y) if isinstance(x, int | float) else y


def _extreme(python: Any, name: str, a: Any, b: Any) -> Any:
    if isinstance(a, int | float) and isinstance(b, int | float):
        return python(a, b)
    module = jnp if isinstance(a, jax.Array) or isinstance(b, jax.Array) else np
    return getattr(module, name)(a, b)
