"""Models beside a training: where a run has its own, and what a network becomes before it is trained."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pdejax.core import Key
from pdejax.methods import DataCard, MadeForGrids, load_model, save_model

MODEL = "model"  # folder below that of a run


def built(method: Any, model: Any, feed: Any, *, key: Key) -> Any:
    """The model that a method builds around a network for the data of a feed; a model that it has built as it is.

    **Raises:** `ValueError` for the description of a network and a feed that does not tell of its data, and for one
    of which the data would not train all.
    """
    described = isinstance(model, Mapping | str)
    source = getattr(feed, "source", None)
    if not described and (source is None or hasattr(model, "origin")):
        return model
    if source is None:
        raise ValueError(f"a network is built for the data of a feed, and {type(feed).__name__} has no source that "
                         "tells of them: give the model that method.build(network, card, key=...) makes")  # fmt: skip
    network, card = {"kind": model} if isinstance(model, str) else model, DataCard.of(source, method)
    made = method.build(network, card, key=key)
    if isinstance(inner := getattr(made, "network", None), MadeForGrids):
        inner.check_grid(card.shape)
    return made


def save(folder: Path, model: Any, metadata: Mapping[str, Any]) -> None:
    """Writes the model of a run."""
    save_model(folder / MODEL, model, metadata)


def has_model(folder: Path) -> bool:
    """Whether the folder of a run holds a model."""
    return (folder / MODEL / "model.json").is_file()


def load_saved(folder: Path, plugins: Collection[str] | None = ()) -> Any:
    """The model of a run's folder, or of a saved model's own.

    **Arguments:** `folder`; `plugins`: packages whose code it may name, none for any, see `load_model`.
    """
    return load_model(folder / MODEL if (folder / MODEL).is_dir() else folder, plugins)
