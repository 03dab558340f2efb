"""A model that begins with what another one learned."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from pdejax.training.optimisers.groups import place_of
from pdejax.training.store.models import load_saved


def warm_start(model: Any, initial: Any, trainable: Any) -> tuple[Any, list[str]]:
    """The model with the trained arrays of another one, wherever both have one of the same path and shape.

    **Arguments:** `model`: untrained; `initial`: a model, or the folder of a run or of a saved model; `trainable`: a
    tree of booleans like `model`, see `AbstractMethod.trainable`: what was measured on other data is not taken over.

    **Returns:** the model, and what kept its untrained values and why, a line for each array.

    **Raises:** `ValueError` if nothing fits.
    """
    where = f"{initial}" if isinstance(initial, str | Path) else "the model"
    other = load_saved(Path(initial)) if isinstance(initial, str | Path) else initial
    found = {place_of(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(other)}
    missed: list[str] = []
    count = 0

    def take(path: Any, leaf: Any, wanted: bool) -> Any:
        nonlocal count
        if not wanted:
            return leaf
        there: Any = found.get(place_of(path))
        if there is not None and jnp.shape(there) == leaf.shape:
            count += 1
            return jnp.asarray(there, leaf.dtype)
        why = "is missing" if there is None else f"has shape {jnp.shape(there)}"
        missed.append(f"{place_of(path).strip('.')} {leaf.shape}: {why} in {where}")
        return leaf

    filled = jax.tree_util.tree_map_with_path(take, model, trainable)
    if count == 0:
        raise ValueError(f"initial: no trained array of {where} fits this model, the first: {'; '.join(missed[:3])}")
    return filled, missed
