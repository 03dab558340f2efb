"""From a folder to an operator, in a process that never saw the training; and from an operator to a folder."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pdejax._read import as_path
from pdejax.core import spelt, suggestion
from pdejax.methods import Model, load_model, save_model

RUN = ("config.yaml", "fit.json", "checkpoints")  # one of which every run has


@spelt
def save(path: str | Path, model: Any, *, metadata: Mapping[str, Any] | None = None) -> None:
    """Writes a trained model to a folder that `load` reads in any process.

    **Arguments:** `path`: a folder; a model in it is replaced; `model`: as built by a method, and trained;
    `metadata`: JSON-able facts to remember.

    **Raises:** `ValueError` for a model that no file can hold, see `why_unsaved`, for a file, and for the folder of a
    run.
    """
    folder = as_path(path)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: a model is saved as a folder")
    if any((folder / one).exists() for one in RUN):
        raise ValueError(f"{folder} is a run, whose own model is in {folder / 'model'}: save to another folder")
    save_model(folder, model, metadata)


@spelt
def load(path: str | Path, plugins: Collection[str] = ()) -> Model:
    """The trained operator of a run or of a released model folder, in physical units.

    **Arguments:** `path`: `runs/NAME`, or a folder with `model.json` and `weights.safetensors`; `plugins`: packages
    that the model may import code from, `("mypackage",)` for a network of yours: none does so by itself.

    **Returns:** a pytree that is a Predictor, `operator.predict(u, times)`, and a Stepper, `operator(u)`, or of a
    steady problem a function from inputs to the solution, or of a problem stated by its conditions a field, a function
    of points; it can be jitted, vmapped, differentiated and scanned. Of a run it is the best model by the monitored
    metric, of a field the last one.

    **Raises:** `FileNotFoundError` if there is no model, with the nearest name beside it; `ValueError` for a model of
    double precision outside of `jax.enable_x64(True)`, or of code that `plugins` does not name.
    """
    return load_model(model_folder(as_path(path)), plugins)


def model_folder(folder: Path) -> Path:
    """Where the model of a run is, or a saved one.

    **Raises:** `FileNotFoundError` if there is none, with the nearest name beside it.
    """
    for candidate in (folder, folder / "model"):
        if (candidate / "model.json").exists():
            return candidate
    if folder.is_file():
        raise FileNotFoundError(f"{folder} is a file: expected the folder of a run or of a saved model")
    if folder.exists():
        raise FileNotFoundError(
            f"{folder} holds no trained model yet: neither model.json nor model/model.json is there"
        )
    beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
    raise FileNotFoundError(f"{folder} does not exist.{suggestion(folder.name, beside)}")
