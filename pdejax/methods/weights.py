"""What of a model is trained: told by the method that built it, so that every trainer means the same weights."""

import json
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import build, known, spelt


@spelt
def trainable(model: Any) -> Any:
    """A tree of booleans like a model, true at the arrays that its method trains: those of its network, and neither
    its normalisation nor what its output is added to.

    **Arguments:** `model`: as built by a method, and trained.

    **Raises:** `ValueError` for what no method has built, and for a method that cannot be told in a file.
    """
    origin = getattr(model, "origin", None)
    if origin is None:
        raise ValueError(f"{type(model).__name__} does not know which method trains it: let a method build it")
    plain = json.loads(origin)
    if "method" not in plain:
        raise ValueError(f"which weights are trained is not known, as the method cannot be told: {plain['unsaved']}")
    return build("method", plain["method"]).trainable(model)


def name_of(path: Any) -> str:
    """What a leaf at a path of JAX is called in files: `network.lifting.weight`."""
    return jax.tree_util.keystr(path, simple=True, separator=".")


def weights_of(model: Any) -> dict[str, Float[Array, "..."]]:
    """The arrays of a model that are trained, by their names in a saved model.

    **Arguments:** `model`: see `trainable`.
    """
    trained = eqx.filter(model, trainable(model))
    return {name_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(trained)}


def with_weights(model: Any, weights: Mapping[str, Float[Array, "..."]]) -> Any:
    """A model with other weights, everything else as it is.

    **Arguments:** `model`: see `trainable`; `weights`: of every name in `weights_of(model)`.

    **Raises:** `ValueError` for a name that is missing or unknown, or another shape.
    """
    paths, tree = jax.tree_util.tree_flatten_with_path(model)
    here = weights_of(model)
    for name in (*weights, *here):
        if name not in here or name not in weights:
            raise ValueError(known("weight", name, here) if name not in here else f"the weight {name!r} is missing")
        if jnp.shape(weights[name]) != here[name].shape:
            raise ValueError(f"{name} should have the shape {here[name].shape}, got {jnp.shape(weights[name])}")
    own = lambda name, leaf: jnp.asarray(weights[name], leaf.dtype) if name in weights else leaf
    leaves = [own(name_of(path), leaf) for path, leaf in paths]
    return jax.tree.unflatten(tree, leaves)
