"""What all operators share: how a state and physical parameters come in."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from pdejax.core import as_real, as_state, known
from pdejax.methods.operators.info import ROUNDING, OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation

Condition = Float[Array, "batch parameter"] | None
_Model = TypeVar("_Model", bound=Any)


def bound(operator: _Model, parameters: Mapping[str, Any]) -> _Model:
    """An operator for these physical parameters; those that it was not trained for are told in a warning.

    **Arguments:** `operator`: has `info` and `parameters`; `parameters`: name to a number or an array `(batch,)`, for
    every name in `operator.info.parameters`.

    **Raises:** `ValueError` if a name is unknown or missing.
    """
    table = parameter_table(parameters, operator.info.parameters)
    if table is not None and not isinstance(table, Tracer):
        _warn_beyond(np.asarray(table), operator.info)
    return with_table(operator, table)


def _warn_beyond(table: np.ndarray, info: OperatorInfo) -> None:
    """Tells the value of each parameter that is furthest from what the operator was trained on."""
    for name, column, (low, high) in zip(info.parameters, table.T, info.ranges, strict=False):
        outside = np.maximum(low - column, column - high)
        if outside.max() > ROUNDING * max(abs(low), abs(high)):
            warnings.warn(f"parameter {name!r} is {column[outside.argmax()]:g}, and this operator was trained on "
                          f"{low:g} to {high:g}: nothing is known of what it does beyond", stacklevel=4)  # fmt: skip


def with_table(operator: _Model, table: Float[Array, "sets parameter"] | None) -> _Model:
    """An operator bound to a row of parameters for each sample, or one for all; itself if it depends on none."""
    names = operator.info.parameters
    if not names:
        return operator
    operator = eqx.tree_at(lambda o: o.parameters, operator, table, is_leaf=lambda x: x is None)
    base: Any = getattr(operator, "base", None)
    if table is None or not hasattr(base, "bind"):
        return operator
    # its own arrays take no gradient, what is made of the parameters does
    own = without_gradient(base) if getattr(operator, "frozen", True) else base
    return eqx.tree_at(lambda o: o.base, operator, own.bind({name: table[:, i] for i, name in enumerate(names)}))


def unbound(operator: _Model) -> _Model:
    """An operator as it was before it was bound: what is of the parameters is nothing that a file holds.

    **Raises:** `ValueError` where a base of somebody does not tell what it was (by a method `unbound()`).
    """
    if getattr(operator, "parameters", None) is None or not isinstance(getattr(operator, "info", None), OperatorInfo):
        return operator
    base: Any = getattr(operator, "base", None)
    operator = eqx.tree_at(lambda o: o.parameters, operator, None, is_leaf=lambda x: x is None)
    if not hasattr(base, "bind"):
        return operator
    if not hasattr(base, "unbound"):
        raise ValueError(f"{type(base).__name__}, the base of this operator, is bound to parameters: save the operator "
                         "that bind() was called of")  # fmt: skip
    return eqx.tree_at(lambda o: o.base, operator, base.unbound())


def parameter_table(parameters: Mapping[str, Any], names: Sequence[str]) -> Float[Array, "batch parameter"] | None:
    """Physical parameters as one array, none if a model depends on none.

    **Arguments:** `parameters`: name to a number or an array `(batch,)`; `names`: what the model was trained with.

    **Raises:** `ValueError` if a name is unknown or missing.
    """
    if not isinstance(parameters, Mapping):
        like = ", ".join(f"'{name}': 0.1" for name in names)
        raise ValueError(f"bind takes parameters by name, such as {{{like}}}, got {type(parameters).__name__}")
    for name in parameters:
        if name not in names:
            raise ValueError(known("parameter", name, names) + ("" if names else " This model has no parameters."))
    missing = [n for n in names if n not in parameters]
    if missing:
        raise ValueError(f"this operator was trained with varying {', '.join(missing)}: give it to bind()")
    if not names:
        return None
    columns = [jnp.atleast_1d(jnp.asarray(_number(n, parameters[n]), jnp.float32)) for n in names]
    size = max(c.size for c in columns)
    return jnp.stack([jnp.broadcast_to(c, (size,)) for c in columns], axis=-1)


def _number(name: str, value: Any) -> Any:
    """**Raises:** `ValueError` for what is no finite number and no array of them, unless it is traced."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)):
        return value
    numbers = as_real(value, f"parameter {name!r}")
    if not np.all(np.isfinite(np.asarray(numbers))):
        raise ValueError(f"parameter {name!r} should be a finite number, got {value}")
    return numbers


def condition_of(operator: Any, batch: tuple[Any, ...]) -> Condition:
    """The normalised parameters of every sample; a set belongs to an entry of the last batch axis.

    **Raises:** `ValueError` if none are bound, or another number than there are samples.
    """
    names, table, n = operator.info.parameters, operator.parameters, operator.normalisation
    if not names:
        return None
    if table is None:
        raise ValueError(f"this operator depends on {', '.join(names)}: call bind() with them first")
    sets = table.shape[0]
    if sets not in (1, *batch[-1:]):
        raise ValueError(f"{sets} parameter sets are bound, which do not fit a state with batch axes {batch}")
    return _of_every_sample(table, n, batch)


def _of_every_sample(table: Array, n: Normalisation, batch: tuple[Any, ...]) -> Array:
    n = without_gradient(n)
    table = (table.astype(n.parameter_mean.dtype) - n.parameter_mean[None]) / n.parameter_std[None]
    sets, columns = table.shape
    table = table.reshape((1,) * (len(batch) - 1) + (sets, columns)) if batch else table
    return jnp.broadcast_to(table, (*batch, columns)).reshape(-1, columns) if batch else table


def entered(u: Any, info: OperatorInfo) -> Float[Array, "..."]:
    """A state of any real type whose channels fit, or inputs if an operator maps those.

    **Arguments:** `u`: `(*batch, *space, history*channel)`.

    **Raises:** `ValueError` for a shape that does not fit, or complex values.
    """
    state, names = as_state(u), info.inputs or info.fields
    channels = len(names) * (1 if info.inputs else info.history)
    if state.ndim < info.ndim + 1 or state.shape[-1] != channels:
        what, of = ("inputs" if info.inputs else "a state"), f"{info.history} frames of " if info.history > 1 else ""
        raise ValueError(
            f"expected {what} (*batch, {', '.join('xyz'[: info.ndim])}, {channels}) of {of}{', '.join(names)}, got "
            f"shape {tuple(state.shape)}"
        )
    return state


def flat(u: Float[Array, "*batch_and_space channel"], info: OperatorInfo, dtype: Any) -> tuple[Array, tuple[Any, ...]]:
    """A state with one batch axis in the type that an operator computes in, and its batch axes."""
    batch = u.shape[: -info.ndim - 1]
    return u.reshape(math.prod(batch), *u.shape[-info.ndim - 1 :]).astype(dtype), batch


def at_least(u: Array, dtype: Any) -> Any:
    """The type of a state, or that of an operator where it is the more precise one."""
    return dtype if jnp.finfo(u.dtype).bits < jnp.finfo(dtype).bits else u.dtype


def without_gradient(tree: Any) -> Any:
    """The same tree, to whose arrays no gradient flows: an optimiser that is given a whole operator leaves them."""
    return jax.tree.map(lambda x: jax.lax.stop_gradient(x) if eqx.is_inexact_array(x) else x, tree)
