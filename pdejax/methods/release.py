"""Models on disk for people: a folder of JSON and safetensors, nothing that must be unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file, save_file

from pdejax.core import replacing, write_text
from pdejax.methods.building import build_method
from pdejax.methods.cards import DataCard, ProblemCard, card_from_json

FORMAT = 1


def _named_arrays(model: Any) -> dict[str, Any]:
    # plain numbers, such as tolerances, are what the description says
    is_array = lambda x: eqx.is_array_like(x) and hasattr(x, "shape")
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, is_array))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def save_model(
    folder: Path,
    model: Any,
    *,
    method: Mapping[str, Any],
    network: Mapping[str, Any],
    card: DataCard | ProblemCard,
    metadata: Mapping[str, Any],
) -> None:
    """Writes `model.json` (what rebuilds it, and metadata) and `weights.safetensors`, each file whole or not at all.

    **Arguments:** `folder`: a model of the same kind in it is replaced; `model`: as built by
    `build_method(method).build(network, card)`; `metadata`: JSON-able facts such as the step and versions.
    """
    plain = {"format": FORMAT, "method": dict(method), "network": dict(network), "data": card.to_json()}
    with replacing(folder / "weights.safetensors") as temporary:
        save_file({k: np.asarray(v) for k, v in _named_arrays(model).items()}, temporary)
    write_text(folder / "model.json", json.dumps({**plain, "metadata": dict(metadata)}, indent=1) + "\n")


def load_model(folder: Path) -> Any:
    """The model that `save_model` wrote.

    **Raises:** `FileNotFoundError` if the folder holds no model; `ValueError` if weights and description disagree.
    """
    description = folder / "model.json"
    if not description.exists():
        raise FileNotFoundError(f"{folder} holds no model.json: it is not a saved model")
    plain = json.loads(description.read_text())
    if plain["format"] != FORMAT:
        raise ValueError(f"{description}: format {plain['format']}, this pdejax reads {FORMAT}")
    card: Any = card_from_json(plain["data"])
    build = lambda: build_method(plain["method"]).build(plain["network"], card, key=jax.random.key(0))
    skeleton = eqx.filter_eval_shape(build)
    stored, expected = load_file(folder / "weights.safetensors"), _named_shapes(skeleton)
    if jnp.result_type(float) != jnp.float64 and any(array.dtype == np.float64 for array in stored.values()):
        raise ValueError(
            f"{folder} holds a model of double precision: load and use it inside `with jax.enable_x64(True):`"
        )
    for name, shape in expected.items():
        found = stored[name].shape if name in stored else "nothing"
        if found != shape:
            raise ValueError(f"{folder}: {name} should have shape {shape}, weights.safetensors holds {found}")
    is_shape = lambda x: isinstance(x, jax.ShapeDtypeStruct)
    fill = lambda path, leaf: (
        jnp.asarray(stored[jax.tree_util.keystr(path, simple=True, separator=".")]) if is_shape(leaf) else leaf
    )
    return jax.tree_util.tree_map_with_path(fill, skeleton)


def _named_shapes(skeleton: Any) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(skeleton)
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator=".")
    return {name(p): leaf.shape for p, leaf in leaves if isinstance(leaf, jax.ShapeDtypeStruct)}
