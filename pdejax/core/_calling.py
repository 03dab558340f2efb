"""Calls that hand over only what a callable wants: networks of other people know nothing of our keywords."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core._foreign import flax_library
from pdejax.core._spelt import spelt

EXTRAS = ("geometry", "query", "condition", "key")


@functools.lru_cache(maxsize=256)
def _wanted(function: Any) -> frozenset[str] | None:
    """Names a callable takes; none if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # builtins
        return frozenset()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY)


def wants(network: Callable[..., Any], name: str) -> bool:
    """Whether a network's call has an argument of this name."""
    flax: Any = getattr(network, "flax_class", type(network) if flax_library(network) else None)
    if flax is not None:  # any keyword of a Sequential goes to its first layer, which need not have it
        return name in (_wanted(flax.__call__) or ())
    # the class, for modules hold arrays and have no hash
    names = _wanted(type(network).__call__ if isinstance(network, eqx.Module) else network)
    if names is None and type(network).__module__.partition(".")[0] == "equinox":  # filter_jit(...), Partial
        inner = getattr(network, "__wrapped__", getattr(network, "func", None))
        return name not in getattr(network, "keywords", {}) and (inner is None or wants(inner, name))
    return names is None or name in names


def call(network: Callable[..., Any], x: Any, /, **extras: Any) -> Any:
    """`network(x, ...)` with those of `geometry`, `query`, `condition` and `key` that its signature has.

    What is none is handed over too, so that a network may ask for it.
    """
    return network(x, **{name: value for name, value in extras.items() if wants(network, name)})


class PerSample(eqx.Module):
    """A network of one channels-first sample, `(channel, *space)`, as one of batches with the channels last."""

    module: Any

    def __call__(
        self, x: Float[Array, "batch *space channel_in"], *, key: Any = None
    ) -> Float[Array, "batch *space channel_out"]:
        """The module's output for every sample."""
        first = jnp.moveaxis(x, -1, 1)
        if key is not None and wants(self.module, "key"):
            keys = jax.random.split(key, x.shape[0])
            return jnp.moveaxis(jax.vmap(lambda one, k: self.module(one, key=k))(first, keys), 1, -1)
        return jnp.moveaxis(jax.vmap(self.module)(first), 1, -1)


@spelt
def per_sample(module: Callable[..., Any]) -> PerSample:
    """Adapts a network of single, channels-first samples, such as those made of `eqx.nn.Conv1d`.

    **Arguments:** `module`: from `(channel, *space)` to `(channel, *space)`.

    **Returns:** a network from `(batch, *space, channel)` to `(batch, *space, channel)`.
    """
    return PerSample(module)
