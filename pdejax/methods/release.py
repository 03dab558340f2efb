"""Models on disk for people: a folder of JSON and safetensors, nothing that must be unpickled."""

import contextlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pdejax._read import FileError, absent, entries
from pdejax._write import check_folder
from pdejax.core import build, is_structure, only_plugins, read_pair, structure, write_pair
from pdejax.methods.cards import card_from_json
from pdejax.methods.former import FORMER, upgraded, with_base
from pdejax.methods.operators.binding import unbound
from pdejax.methods.operators.continuous import ContinuousOperator
from pdejax.methods.operators.coordinate import PhysicsField
from pdejax.methods.operators.steady import SteadyOperator
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.origin import why_unsaved
from pdejax.methods.physics.adaptation import sizes_of
from pdejax.methods.weights import name_of

FORMAT = 2
DESCRIPTION, WEIGHTS = "model.json", "weights.safetensors"
Model = Operator | SteadyOperator | ContinuousOperator | PhysicsField
"""What methods of pdejax build."""


def _named_arrays(model: Any) -> dict[str, Any]:
    # plain numbers, such as tolerances, are what the description says
    is_array = lambda x: eqx.is_array_like(x) and hasattr(x, "shape")
    leaves = jax.tree_util.tree_leaves_with_path(eqx.filter(model, is_array))
    return {name_of(path): leaf for path, leaf in leaves}


def save_model(folder: Path, model: Any, metadata: Mapping[str, Any] | None = None) -> None:
    """Writes `model.json` (what rebuilds it, and metadata) and `weights.safetensors`, both or none.

    **Arguments:** `folder`: a model in it is replaced; `model`: as built by a method, and trained; `metadata`:
    JSON-able facts such as the step and versions.

    **Raises:** `ValueError` for a model that no file can hold, see `why_unsaved`, and metadata that JSON cannot hold.
    """
    facts = _facts("metadata", {} if metadata is None else metadata)
    if reason := why_unsaved(model):
        raise ValueError(reason)
    model = unbound(model)
    plain = {"format": FORMAT, **_described(model), "metadata": facts}
    arrays = {name: np.asarray(leaf) for name, leaf in _named_arrays(model).items()}
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_pair(folder / DESCRIPTION, plain, folder / WEIGHTS, save(arrays), (DESCRIPTION, WEIGHTS))


def _facts(name: str, value: Any) -> Any:
    """Metadata as JSON has them; a number of NumPy is that of Python, which holds as many digits."""
    if isinstance(value, np.integer | np.floating | np.bool_) and type(value) is not np.longdouble:
        value = value.item()
    if name == "metadata" and not isinstance(value, Mapping):
        raise ValueError(f"metadata should be a mapping of names to facts, got {type(value).__name__}")
    if isinstance(value, Mapping):
        return {str(key): _facts(f"{name}.{key}", one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_facts(f"{name}.{i}", one) for i, one in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} should be a finite number, got {value}")
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"{name} should be JSON (text, number, list, mapping), got {type(value).__name__}")


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Description and weights of a model, as they were written.

    **Raises:** `FileError` for what is damaged or was changed, or files of two models.
    """
    description, weights = folder / DESCRIPTION, folder / WEIGHTS
    found, content = read_pair(description, weights, (DESCRIPTION, WEIGHTS), "put back what was saved")
    plain = entries(found, description, format=int, data=dict, method=(dict, str), network=(dict, str))
    try:
        return plain, load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{weights} is no file of safetensors: {error}") from None


def _described(model: Any) -> dict[str, Any]:
    """Method, network and data, with the sizes that the network has by now."""
    plain = json.loads(model.origin)
    if not isinstance(model, PhysicsField):
        return plain
    network = structure(model.field) if is_structure(plain["network"]) else plain["network"] | sizes_of(model.field)
    return {**plain, "network": network}


def load_model(folder: Path, plugins: Collection[str] | None = ()) -> Any:
    """The model that `save_model` wrote.

    **Arguments:** `folder`; `plugins`: packages whose code the model may name, such as that of its network;
    none for any, of a model that this very program has written.

    **Raises:** `FileNotFoundError` if the folder holds no model; `ValueError` if weights and description disagree, or
    it names code of other packages.
    """
    description = folder / DESCRIPTION
    if not description.exists():
        if not folder.exists():
            raise absent(folder)
        raise FileNotFoundError(f"{folder} holds no {DESCRIPTION}: it is not a saved model")
    plain, stored = _read(folder)
    if plain["format"] not in (FORMER, FORMAT):
        raise ValueError(f"{description}: format {plain['format']}, this pdejax reads {FORMER} and {FORMAT}")
    former = plain["format"] == FORMER
    plain = upgraded(plain) if former else plain
    if jnp.result_type(float) != jnp.float64 and any(array.dtype == np.float64 for array in stored.values()):
        raise ValueError(
            f"{folder} holds a model of double precision: load and use it inside `with jax.enable_x64(True):`"
        )
    try:
        with contextlib.nullcontext() if plugins is None else only_plugins(plugins):
            skeleton = _skeleton(plain)
    except ValueError as error:
        raise ValueError(f"{description}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{description}: an entry is missing or of another type ({error})") from error
    return _filled(skeleton, with_base(stored) if former else stored, folder)


def _skeleton(plain: Mapping[str, Any]) -> Any:
    """The model with shapes in place of arrays."""
    card, method = card_from_json(plain["data"]), build("method", plain["method"])
    return eqx.filter_eval_shape(lambda: method.build(plain["network"], card, key=jax.random.key(0)))


def _filled(skeleton: Any, stored: Mapping[str, np.ndarray], folder: Path) -> Any:
    def fill(path: Any, leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        name = name_of(path)
        found = stored[name].shape if name in stored else "nothing"
        if found != leaf.shape:
            raise ValueError(f"{folder}: {name} should have shape {leaf.shape}, {WEIGHTS} holds {found}")
        if stored[name].dtype.kind != np.dtype(leaf.dtype).kind:
            raise ValueError(f"{folder}: {name} should hold {leaf.dtype}, {WEIGHTS} holds {stored[name].dtype}")
        return jnp.asarray(stored[name])

    return jax.tree_util.tree_map_with_path(fill, skeleton)
