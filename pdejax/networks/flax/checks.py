"""What makes a module of Flax a network: parameters, and nothing else that it keeps."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

_INSTEAD = {
    "batch_stats": "take a norm without statistics, such as LayerNorm or GroupNorm",
    "BatchStat": "take a norm without statistics, such as LayerNorm or GroupNorm",
    "RngKey": "build its layer without rngs, and Dropout with deterministic=True: no method draws for a network",
    "RngCount": "build its layer without rngs, and Dropout with deterministic=True: no method draws for a network",
}


def check_pure(module: str, others: Mapping[str, str]) -> None:
    """Whether a module keeps nothing but parameters.

    **Arguments:** `module`: its class; `others`: kinds of variables that are none, by name.

    **Raises:** `ValueError` naming one of them.
    """
    for name, kind in others.items():
        what = _INSTEAD.get(kind, "compute it in the call, or make it a parameter")
        raise ValueError(f"{module} keeps {name} ({kind}) beside its parameters, and networks are pure: {what}")


def check_real(module: str, params: Any) -> None:
    """Whether all parameters are real.

    **Raises:** `ValueError` naming one that is not.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            name = jax.tree_util.keystr(path, simple=True, separator=".")
            raise ValueError(f"complex parameters and optax do not mix, and {name} of {module} is {leaf.dtype}: keep "
                             "its real and its imaginary part as two arrays")  # fmt: skip
