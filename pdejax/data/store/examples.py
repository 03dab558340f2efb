"""A few trajectories of a data set as they lie in its files, to be looked at."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdejax.core import Scaling, known
from pdejax.data.store.open import OURS, open_data, reader_of
from pdejax.data.store.overview import well_files
from pdejax.data.store.well import names, reading_well, text

MOST_FIELDS = 6


class Example(NamedTuple):
    """A trajectory, or a sample without time.

    - `title`: which one; `times`: `(time,)`, of a sample one; `axes`: coordinates `(point,)` by name.
    - `fields`: by name `(time, *space)`, vectors and tensors by component; `constant`: those that do not vary in time,
        `(*space,)`.
    """

    title: str
    times: np.ndarray
    axes: dict[str, np.ndarray]
    fields: dict[str, np.ndarray]
    constant: dict[str, np.ndarray]


def examples(
    path: str | Path, *, split: str | None = None, trajectory: int = 0, most: int = 4
) -> tuple[str, list[Example]]:
    """Trajectories of a data set with all their fields, and what they are called.

    **Arguments:**

    - `path`: folder of a data set, an HDF5 file in The Well's layout, or what a reader opens.
    - `split`: which split; `train`, or the first one, when omitted.
    - `trajectory`: the first one, counted within the split's first file; `most`: how many at most.

    **Raises:** `ValueError` if there is no such file, split or trajectory.
    """
    path = Path(path)
    if (reader := reader_of(path)) not in (OURS, "well"):
        return _opened(path, reader, split, trajectory, most)
    files = well_files(path)
    name = _split(path, split, files)
    with reading_well(files[name][0]) as file:
        rows = _rows(files[name][0], int(file.attrs["n_trajectories"]), trajectory, most)
        return f"{text(file.attrs['dataset_name'])}, {name}", [_stored(file, row) for row in rows]


def _split(path: Path, split: str | None, there: Any) -> str:
    name = split or ("train" if "train" in there else next(iter(there)))
    if name not in there:
        raise ValueError(f"{path}: {known('split', name, there)}")
    return name


def _rows(path: Path, count: int, first: int, most: int) -> range:
    if not 0 <= first < count:
        raise ValueError(f"{path} has the trajectories 0 to {count - 1}, got {first}")
    return range(first, min(first + most, count))


def _stored(file: Any, row: int) -> Example:
    """A trajectory of a file in The Well's layout."""
    axis = lambda name: _values(file["dimensions"][name], row)
    axes = {name: axis(name) for name in names(file["dimensions"], "spatial_dims")}
    times = axis("time")
    title = f"{'sample' if len(times) == 1 else 'trajectory'} {row}"
    return Example(title, times, axes, _components(file, row), _components(file, row, constant=True))


def _values(data: Any, row: int) -> np.ndarray:
    return data[row] if data.attrs["sample_varying"] else data[()]


def _components(file: Any, row: int, constant: bool = False) -> dict[str, np.ndarray]:
    """Fields that vary in time, `(time, *space)`, or do not, `(*space)`; vectors and tensors by component."""
    axes = names(file["dimensions"], "spatial_dims")
    out: dict[str, np.ndarray] = {}
    for order in range(3):
        group = file[f"t{order}_fields"]
        for name in names(group):
            data = group[name]
            if bool(data.attrs["time_varying"]) is constant or not np.all(data.attrs["dim_varying"]):
                continue
            values = _values(data, row)
            for index in np.ndindex(*(len(axes),) * order):
                label = name + ("_" + "".join(axes[i] for i in index) if index else "")
                out[label] = values[(..., *index)]
    return dict(list(out.items())[:MOST_FIELDS])


def _opened(path: Path, reader: str, split: str | None, trajectory: int, most: int) -> tuple[str, list[Example]]:
    """Trajectories of what a reader opens."""
    data = open_data(path, reader)
    name = _split(path, split, data.split_names)
    part, domain = data.split(name), data.domain
    places = domain.axes() if hasattr(domain, "axes") else [np.arange(n) for n in domain.shape]
    made = []
    for row in _rows(path, len(part), trajectory, most):
        states, inputs = part.window(row, 0, part.frames)
        length, step = (part.parameters.get(column, {row: 1.0})[row] for column in Scaling.columns)
        axes = {axis: length * one for axis, one in zip("xyz", places, strict=False)}
        fields = {field: states[..., i] for i, field in enumerate(data.field_names[:MOST_FIELDS])}
        constant = {field: inputs[..., i] for i, field in enumerate(data.input_names[:MOST_FIELDS])}
        times = step * (data.step or 1.0) * np.arange(part.frames)
        title = f"{'trajectory' if data.step else 'sample'} {row}"
        made.append(Example(title, times, axes, fields, constant))
    return f"{data.name}, {name}", made
