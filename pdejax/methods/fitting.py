"""Networks with the sizes that data ask for, found fit before anything is compiled."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax._read import is_ours
from pdejax.core import Key, Of, build, call, factory_of, flax_library, frozen, is_structure, options_of, wants
from pdejax.methods.cards import DataCard
from pdejax.networks import from_nnx, initialised

Later = Annotated[Any, Of("network", later=True)]
"""A network that is built when its sizes are known: an object, a name or a description."""


def described_later(network: Later) -> Any:
    """A network or its description as a field of a module."""
    return frozen(as_network(network))


def as_network(network: Any) -> Any:
    """A network as a method takes it: an object of NNX, which would change when it is called, as a pure function."""
    return from_nnx(network) if flax_library(network) == "nnx" else network


def fitted_network(
    network: Any,
    card: DataCard,
    in_channels: int,
    *,
    out_channels: int | None = None,
    extra_features: int = 0,
    told: str = "",
    shape: tuple[int, ...] | None = None,
    key: Key,
) -> Any:
    """The network of a description with the sizes that the data ask for, or a given one that has them.

    **Arguments:**

    - `network`: a mapping with a `kind`, a name, or an object; without a `periodic` it is as the data are.
    - `card`.
    - `in_channels`, `out_channels`: of the network, the latter the fields of the data when omitted.
    - `extra_features`: of its condition, after the physical parameters; `told`: what they say, for a message.
    - `shape`: of what it sees, the grid of the data when omitted; empty for vectors.
    - `key`: random key of the weights.

    **Raises:** `ValueError` if its output has another shape, if it takes no condition where there is one, and for data
    that are the same everywhere.
    """
    shape = card.shape if shape is None else shape
    out = len(card.field_names) if out_channels is None else out_channels
    features = len(card.parameter_names) + extra_features
    sizes = {"in_channels": in_channels, "out_channels": out, "ndim": len(shape), "condition_features": features}
    made = build("network", _as_periodic_as(as_network(network), card), **sizes, key=key)
    if flax_library(made) == "linen":
        x, condition = _shown((2, *shape, in_channels), features)
        with _told(made, x.shape):
            made = initialised(made, x, condition=condition, key=key)
    if not card.lengths and getattr(made, "needs_grid", False):
        raise ValueError(f"network {_name(made)} needs a grid, and the data live at {card.shape[0]} scattered points: "
                         "take one that maps the values at a point, such as perceptron")  # fmt: skip
    what = (*card.parameter_names, *([told] if extra_features else []))
    if what and not wants(made, "condition"):
        raise ValueError(
            f"network {_name(made)} takes no condition, so that it would not see {', '.join(what)}: give its call an "
            f"argument `condition`, of {features} numbers for each sample, or leave that out of the data or the method"
        )
    if card.field_names and not any(card.statistics.get("std", [1.0])):
        raise ValueError(f"{', '.join(card.field_names)}: every number of the training data is the same, so that there "
                         "is nothing to learn")  # fmt: skip
    _check_output(made, (2, *shape, in_channels), (2, *shape, out), features)
    return made


def _as_periodic_as(network: Any, card: DataCard) -> Any:
    given = {"kind": network} if isinstance(network, str) else network
    if not isinstance(given, Mapping) or is_structure(given) or "kind" not in given:
        return given
    if given.get("periodic") is None and "periodic" in options_of(factory_of("network", given["kind"])):
        return {**given, "periodic": card.periodic or True}
    return given


def _shown(
    shape: tuple[int, ...], features: int, network: Any = None
) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct | None]:
    """An input and its condition, in the precision of a network that has weights already."""
    kinds = {x.dtype for x in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))}
    real = kinds.pop() if kinds in ({np.dtype(np.float32)}, {np.dtype(np.float64)}) else jnp.result_type(float)
    like = lambda *shape: jax.ShapeDtypeStruct(shape, real)
    return like(*shape), like(shape[0], features) if features else None


def _name(network: Any) -> str:
    return getattr(network, "__name__", type(network).__name__)


def _check_output(network: Any, given: tuple[int, ...], expected: tuple[int, ...], features: int) -> None:
    """Whether a network's output has the shape it should, found by tracing it alone."""
    x, condition = _shown(given, features, network)
    apply = lambda net, x, c, k: call(net, x, condition=c, key=k)
    with _told(network, given):
        out = eqx.filter_eval_shape(apply, network, x, condition, jax.random.key(0))
    found = tuple(out.shape) if hasattr(out, "shape") else type(out).__name__
    if found != expected:
        raise ValueError(f"network {_name(network)} gives {found} for an input {given}: expected {expected}, which is "
                         f"(batch, *space, channel)")  # fmt: skip


@contextlib.contextmanager
def _told(network: Any, given: tuple[int, ...]) -> Iterator[None]:
    """Whatever a network of somebody raises becomes a sentence with its name."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ValueError) and is_ours(error):
            raise
        if isinstance(network, type):
            raise ValueError(f"a network is an object, got the class {network.__name__}: make one of it") from error
        parts = len(error.args) > 1 and all(isinstance(part, str) for part in error.args)  # as Equinox gives a text
        text = "".join(error.args) if parts else str(error)
        said = f"{type(error).__name__}: {text.strip().partition(chr(10))[0]}"
        alone = "; a network of one sample goes into pdejax.per_sample(network)" if _of_equinox(network) else ""
        raise ValueError(f"network {_name(network)} fails on an input {given}: {said}{alone}") from error


def _of_equinox(network: Any) -> bool:
    """Whether it is one of Equinox's layers, which take channels first and no batch."""
    return type(network).__module__.startswith("equinox.nn")


@contextlib.contextmanager
def grid_told(network: Any, made_for: tuple[int, ...], given: tuple[int, ...]) -> Iterator[None]:
    """What a network of somebody raises on another grid than that of its data becomes a sentence."""
    try:
        yield
    except Exception as error:
        if tuple(given) == tuple(made_for) or is_ours(error):
            raise
        points = lambda shape: " x ".join(map(str, shape))
        said = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
        raise ValueError(f"network {_name(network)} was made for data on {points(made_for)} points and fails on "
                         f"{points(given)}: {said}") from error  # fmt: skip
