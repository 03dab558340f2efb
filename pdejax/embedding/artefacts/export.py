"""A trained model as a folder for others: the model itself, its programs, its card."""

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
from safetensors import SafetensorError, safe_open

from pdejax._read import as_path
from pdejax.core import Count, checked, known, replacing, write_text
from pdejax.data import Trajectories
from pdejax.embedding._load import load, model_folder
from pdejax.embedding.artefacts import onnx, stablehlo
from pdejax.embedding.artefacts.card import card_of
from pdejax.embedding.artefacts.folder import CARD, README, check_free, sums, whole_folder
from pdejax.embedding.artefacts.programs import Program, drives, programs_of
from pdejax.embedding.artefacts.readme import readme
from pdejax.methods import Model, save_model
from pdejax.networks import with_kernel

FORMATS = ("model", "jax", "onnx")


@checked
def export(
    model: Model | str | Path,
    folder: str | Path,
    *,
    formats: Sequence[str] = ("model", "jax"),
    steps: Count | Sequence[Count] | None = None,
    shape: Sequence[Count] | None = None,
    batch: Count | None = None,
    parameters: Mapping[str, float] | None = None,
    platforms: Sequence[str] = stablehlo.PLATFORMS,
    units: Mapping[str, str] | None = None,
    data: Trajectories | None = None,
    plugins: Collection[str] = (),
) -> Path:
    """Writes a trained model to a folder that other people and programs read, with a card of what it is.

    Of an operator it holds the programs `step` and `rollout_N`, and `rate` if it drives a solver (in ONNX that alone),
    of a steady one `solve`, of a field `values`, each on one device and without anything of pdejax. An operator that
    depends on physical parameters takes them as an input `parameters`, a row for each sample, unless it is bound to one
    set; one that draws takes `key`, the data of a key.

    **Arguments:**

    - `model`: as `pdejax.load` gives it, or the path of a run or of a saved model.
    - `folder`: where to; an export that is there is replaced, anything else refused.
    - `formats`: `model` for JSON and safetensors, which `pdejax.load` reads; `jax` for artefacts of `jax.export`, which
        need JAX alone; `onnx` for ONNX, with spectral convolutions by matrix products.
    - `steps`: how many steps a rollout has, one number or several; 16 when omitted.
    - `shape`: points per axis of the programs' grid; those of the data when omitted.
    - `batch`: samples of every call, points of a field; any number when omitted.
    - `parameters`: binds the operator to these values first.
    - `platforms`: that artefacts of `jax.export` are compiled for.
    - `units`: by names of fields, inputs and parameters, and of `length` and `time`.
    - `data`: that it was trained on, to tell the range of the training states.
    - `plugins`: packages whose code a model that is loaded may name, see `load`.

    **Returns:** the folder.

    **Raises:** `ValueError` for unknown names, a folder of something else, and a model that cannot be exported, with
    the reason; nothing is written then.
    """
    for name, unit in (units or {}).items():
        if not isinstance(unit, str):
            raise ValueError(f"units.{name} should be text, got {unit!r}")
    if data is not None and not hasattr(data, "fingerprint"):
        raise ValueError(f"data are a data set, such as what open_data gives, got {type(data).__name__}")
    folder, chosen = as_path(folder), _formats(formats)
    stablehlo.check_platforms(platforms)
    check_free(folder)
    run = _run_of(model)
    with jax.enable_x64(_is_double(model)):
        ready = load(model, plugins) if isinstance(model, str | Path) else model
        ready = ready if parameters is None else _bound(ready, parameters)
        options = {"steps": (steps,) if isinstance(steps, int) else steps, "shape": shape, "batch": batch}
        files, programs = _files(ready, chosen, options, platforms)
        card = card_of(ready, programs, name=folder.name, units=units or {}, run=run, data=data)
        _write(folder, ready, chosen, files, {**card, "programs": _told(files, programs)})
    return folder


def _formats(formats: Sequence[str]) -> tuple[str, ...]:
    given = (formats,) if isinstance(formats, str) else tuple(formats)
    for name in given:
        if name not in FORMATS:
            raise ValueError(known("format", name, FORMATS))
    if not given:
        raise ValueError(f"an export has at least one of the formats {', '.join(FORMATS)}")
    return given


def _run_of(model: Any) -> Path | None:
    """The folder of the run that a path means, if it is one."""
    if not isinstance(model, str | Path):
        return None
    run = model_folder(as_path(model)).parent
    return run if (run / "config.yaml").is_file() else None


def _bound(model: Any, parameters: Mapping[str, float]) -> Any:
    if not hasattr(model, "bind"):
        raise ValueError(f"{type(model).__name__} is bound to no parameters: leave {', '.join(parameters)} out")
    return model.bind(parameters)


def _is_double(model: Any) -> bool:
    """Whether a model, or the one that a path means, has numbers of double precision."""
    if not isinstance(model, str | Path):
        return any(x.dtype == "float64" for x in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
    try:
        with safe_open(model_folder(as_path(model)) / "weights.safetensors", "numpy") as stored:
            return any(stored.get_slice(name).get_dtype() == "F64" for name in stored.keys())  # noqa: SIM118
    except (OSError, SafetensorError):  # loading tells what is wrong
        return False


def _files(
    model: Any, formats: Sequence[str], options: Mapping[str, Any], platforms: Sequence[str]
) -> tuple[dict[str, bytes], tuple[Program, ...]]:
    """The contents of the programs' files by name, and the programs."""
    programs, files = programs_of(model, **options), {}
    if "jax" in formats:
        files |= {one.name + stablehlo.SUFFIX: stablehlo.serialised(one, platforms) for one in programs}
    if "onnx" in formats:
        # a solver's transforms are complex, what drives it is not
        real = programs_of(with_kernel(model, "dft"), **options)
        real = [one for one in real if one.name == "rate"] if drives(model) else real
        files |= {one.name + onnx.SUFFIX: onnx.converted(one) for one in real}
    return files, programs if files else ()


def _told(files: Mapping[str, bytes], programs: Sequence[Program]) -> dict[str, Any]:
    """What the card says of each file."""
    named = {one.name: one for one in programs}

    def entry(name: str) -> dict[str, Any]:
        one = named[name.rpartition(".")[0]]
        signature = {"inputs": [given.to_json() for given in one.inputs], "output": one.output.to_json()}
        further = stablehlo.facts(files[name]) if name.endswith(stablehlo.SUFFIX) else {}
        return {"does": one.does, **signature, **further}

    return {name: entry(name) for name in files}


def _write(
    folder: Path, model: Any, formats: Sequence[str], files: Mapping[str, bytes], card: Mapping[str, Any]
) -> None:
    with whole_folder(folder) as inside:
        if "model" in formats:
            save_model(inside, model)
        for name, content in files.items():
            with replacing(inside / name) as temporary:
                temporary.write_bytes(content)
        whole = {**card, "files": sums(inside)}
        write_text(inside / CARD, json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        write_text(inside / README, readme(whole))
