"""Pictures of data: space-time diagrams of one axis, frames of two or three, inputs and solutions of what is steady."""

from pathlib import Path
from typing import Any

import numpy as np

from pdejax.data.store.overview import well_files
from pdejax.data.store.well import names, open_shard, text

MOST_FIELDS = 6
COLUMNS = 5


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # takes seconds to import, and most who load data draw nothing

    return Figure(figsize=(width, height), layout="constrained")


def _components(file: Any, trajectory: int, constant: bool = False) -> dict[str, np.ndarray]:
    """Fields that vary in time, `(time, *space)`, or do not, `(*space)`; vectors and tensors by component."""
    axes = names(file["dimensions"], "spatial_dims")
    out: dict[str, np.ndarray] = {}
    for order in range(3):
        group = file[f"t{order}_fields"]
        for name in names(group):
            data = group[name]
            if bool(data.attrs["time_varying"]) is constant or not np.all(data.attrs["dim_varying"]):
                continue
            values = data[trajectory] if data.attrs["sample_varying"] else data[()]
            for index in np.ndindex(*(len(axes),) * order):
                label = name + ("_" + "".join(axes[i] for i in index) if index else "")
                out[label] = values[(..., *index)]
    return dict(list(out.items())[:MOST_FIELDS])


def _axis(file: Any, name: str, trajectory: int) -> np.ndarray:
    values = file["dimensions"][name]
    return values[trajectory] if values.attrs["sample_varying"] else values[()]


def _colours(values: np.ndarray) -> dict[str, Any]:
    """A diverging map about zero for fields of both signs, a sequential one otherwise."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0 < high and min(-low, high) > 0.2 * max(-low, high):
        return {"cmap": "RdBu_r", "vmin": -max(-low, high), "vmax": max(-low, high)}
    return {"cmap": "viridis", "vmin": low, "vmax": high}


def _extent(horizontal: np.ndarray, vertical: np.ndarray) -> tuple[float, float, float, float]:
    """Edges of the outer cells, so that a point lies in the middle of its own."""
    edges = []
    for values in (horizontal, vertical):
        half = (values[-1] - values[0]) / max(len(values) - 1, 1) / 2
        edges += [float(values[0] - half), float(values[-1] + half)]
    return edges[0], edges[1], edges[2], edges[3]


def _space_time(file: Any, trajectories: list[int]) -> Any:
    axis = names(file["dimensions"], "spatial_dims")[0]
    fields = [_components(file, i) for i in trajectories]
    shape = (len(fields[0]), len(trajectories))
    figure = _figure(1.2 + 3.0 * shape[1], 0.6 + 3.2 * shape[0])
    panels = figure.subplots(*shape, squeeze=False)
    for row, name in enumerate(fields[0]):
        scale = _colours(np.stack([f[name] for f in fields]))
        for column, number in enumerate(trajectories):
            panel = panels[row, column]
            extent = _extent(_axis(file, axis, number), _axis(file, "time", number))
            image = panel.imshow(
                fields[column][name], origin="lower", aspect="auto", extent=extent, interpolation="nearest", **scale
            )
            panel.set(title=f"trajectory {number}", xlabel=axis, ylabel="time" if column == 0 else "")
        figure.colorbar(image, ax=list(panels[row]), label=name)
    return figure


def _plane(values: np.ndarray) -> np.ndarray:
    """Two axes of a frame; of three the middle slice along the last."""
    return values if values.ndim == 2 else values[:, :, values.shape[2] // 2]


def _steady(file: Any, trajectories: list[int]) -> Any:
    """Inputs and solutions, a column for each sample."""
    axes = names(file["dimensions"], "spatial_dims")
    last = lambda i: {name: values[-1] for name, values in _components(file, i).items()}
    fields = [{**_components(file, i, constant=True), **last(i)} for i in trajectories]
    figure = _figure(1.2 + 2.4 * len(trajectories), 0.6 + 2.5 * len(fields[0]))
    panels = figure.subplots(len(fields[0]), len(trajectories), squeeze=False)
    for row, name in enumerate(fields[0]):
        scale = _colours(np.stack([f[name] for f in fields]))
        for column, number in enumerate(trajectories):
            panel, places = panels[row, column], [_axis(file, axis, number) for axis in axes]
            if len(axes) == 1:
                panel.plot(places[0], fields[column][name])
            else:
                extent = _extent(places[0], places[1])
                image = panel.imshow(_plane(fields[column][name]).T, origin="lower", extent=extent, **scale)
            panel.set(title=f"sample {number}" if row == 0 else "", ylabel=name if column == 0 else "")
            panel.tick_params(labelleft=column == 0, labelbottom=row == len(fields[0]) - 1)
        if len(axes) > 1:
            figure.colorbar(image, ax=list(panels[row]), label=name)
    return figure


def _frames(file: Any, trajectory: int) -> Any:
    axes = names(file["dimensions"], "spatial_dims")
    fields, times = _components(file, trajectory), _axis(file, "time", trajectory)
    chosen = np.unique(np.linspace(0, len(times) - 1, COLUMNS).round().astype(int))
    extent = _extent(_axis(file, axes[0], trajectory), _axis(file, axes[1], trajectory))
    figure = _figure(1.2 + 2.4 * len(chosen), 0.6 + 2.5 * len(fields))
    panels = figure.subplots(len(fields), len(chosen), squeeze=False)
    for row, (name, values) in enumerate(fields.items()):
        scale = _colours(values[chosen])
        for column, time in enumerate(chosen):
            panel = panels[row, column]
            image = panel.imshow(_plane(values[time]).T, origin="lower", extent=extent, **scale)
            panel.set(title=f"t = {times[time]:.4g}" if row == 0 else "", ylabel=axes[1] if column == 0 else "")
            panel.set_xlabel(axes[0] if row == len(fields) - 1 else "")
            panel.tick_params(labelleft=column == 0, labelbottom=row == len(fields) - 1)
        figure.colorbar(image, ax=list(panels[row]), label=name)
    return figure


def draw(path: str | Path, out: str | Path, *, split: str | None = None, trajectory: int = 0) -> Path:
    """Draws trajectories of a data set into a picture.

    **Arguments:**

    - `path`: folder of a data set, or an HDF5 file in The Well's layout.
    - `out`: picture to write; its ending tells the format.
    - `split`: which split of a folder; `train`, or the first one, when omitted.
    - `trajectory`: the first one to draw, counted within the split's first file; in one dimension three are drawn,
        of steady problems four.

    **Returns:** `out` as a path.

    **Raises:** `ValueError` if there is no such file, split or trajectory.
    """
    files, out = well_files(Path(path)), Path(out)
    name = split or ("train" if "train" in files else next(iter(files)))
    if name not in files:
        raise ValueError(f"{path} has no split {name!r}, it has {', '.join(files)}")
    with open_shard(files[name][0]) as file:
        count = int(file.attrs["n_trajectories"])
        if not 0 <= trajectory < count:
            raise ValueError(f"{files[name][0]} has the trajectories 0 to {count - 1}, got {trajectory}")
        if file["dimensions"]["time"].shape[-1] == 1:
            figure = _steady(file, list(range(trajectory, min(trajectory + 4, count))))
        elif len(names(file["dimensions"], "spatial_dims")) == 1:
            figure = _space_time(file, list(range(trajectory, min(trajectory + 3, count))))
        else:
            figure = _frames(file, trajectory)
        figure.suptitle(f"{text(file.attrs['dataset_name'])}, {name}")
    figure.savefig(out, dpi=120)
    return out
