"""What a data set holds, in a terminal: ours or any other in The Well's layout."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pdejax.data.store.manifest import MANIFEST, RECIPE, STATISTICS, damaged
from pdejax.data.store.well import names, open_shard, read_provenance, text

MOST_ROWS = 12


def well_files(path: Path) -> dict[str, list[Path]]:
    """The HDF5 files below `path`, by split; a single file has the split of its folder.

    **Raises:** `ValueError` if there are none.
    """
    suffixes = (".hdf5", ".h5")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in suffixes)
    if not files or files[0].suffix not in suffixes:
        raise ValueError(f"{path} holds no data set: expected a file *.hdf5 or a folder with some below data/<split>")
    out: dict[str, list[Path]] = {}
    for file in files:
        out.setdefault(file.parent.name, []).append(file)
    return out


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False, min_width=len(title)
    )
    for column in columns:
        table.add_column(column)
    return table


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, int | float | np.number) else str(value)


def _span(values: np.ndarray) -> str:
    low, high = np.min(values), np.max(values)
    return f"{_number(low)} to {_number(high)}" if low != high else _number(low)


def _step(values: np.ndarray) -> str:
    steps = np.diff(values.astype(np.float64), axis=-1)
    regular = steps.size and np.allclose(steps, steps.flat[0], rtol=1e-3)
    return f", step {_number(steps.flat[0])}" if regular else ""


def _axes(file: Any) -> Table:
    table = _table("Axes", "axis", "points", "range", "boundary")
    boundaries: dict[str, str] = {}
    for condition in file.get("boundary_conditions", {}).values():
        for axis in names(condition, "associated_dims"):
            boundaries[axis] = text(condition.attrs["bc_type"]).lower()
    group = file["dimensions"]
    for axis in ["time", *names(group, "spatial_dims")]:
        values, varying = group[axis][()], bool(group[axis].attrs["sample_varying"])
        extent = f"{_span(values)}{' (differs by trajectory)' if varying else _step(values)}"
        table.add_row(axis, str(values.shape[-1]), extent, boundaries.get(axis, "" if axis == "time" else "open"))
    return table


def _statistic(statistics: Mapping[str, Any], key: str, name: str) -> Any:
    return statistics[key].get(name, statistics.get(f"input_{key}", {}).get(name, ""))


def _fields(file: Any, statistics: Mapping[str, Any]) -> Table:
    known = [key for key in ("mean", "std", "rms", "std_delta") if key in statistics]
    table = _table("Fields", "field", "kind", "shape", "type", *known)
    kinds = ("scalar", "vector", "tensor")
    for order, kind in enumerate(kinds):
        group = file[f"t{order}_fields"]
        for name in names(group):
            data = group[name]
            fixed = "" if data.attrs["time_varying"] else ", constant in time"
            numbers = [_number(_statistic(statistics, key, name)) for key in known]
            table.add_row(name, f"{kind}{fixed}", str(data.shape), str(data.dtype), *numbers)
    return table


def _scalars(file: Any) -> Table | None:
    group = file["scalars"]
    table = _table("Parameters", "name", "value", "")
    for name in names(group):
        values = np.asarray(group[name][()])
        varying = bool(group[name].attrs["sample_varying"])
        drawn = np.asarray(file.attrs.get(name, ()))
        note = f", drawn from {_span(drawn)}" if varying and drawn.size == 2 else ""
        table.add_row(name, _span(values), f"differs by trajectory{note}" if varying else "")
    return table if table.row_count else None


def _rows(title: str, pairs: Mapping[str, Any]) -> Table:
    table = _table(title, "", "")
    table.show_header = False
    for name, value in pairs.items():
        shown = ", ".join(f"{k} {_number(v)}" for k, v in value.items()) if isinstance(value, dict) else value
        shown = ", ".join(map(str, shown)) if isinstance(shown, list) else _number(shown)
        table.add_row(name, shown)
    return table


def _provenance(file: Any) -> Table | None:
    found = read_provenance(file)
    hidden = ("recipe", "rejects", "self_difference", "attempts", "split", "first")
    if "self_difference" in found:
        found["largest self-difference"] = float(np.max(found["self_difference"]))
    return _rows("Provenance", {k: v for k, v in found.items() if k not in hidden}) if found else None


def _splits(files: Mapping[str, Iterable[Path]]) -> Table:
    table = _table("Splits", "split", "files", "trajectories", "frames", "size")
    for split, paths in files.items():
        count, frames, size, number = 0, set(), 0, 0
        for path in paths:
            with open_shard(path) as file:
                count += int(file.attrs["n_trajectories"])
                frames.add(file["dimensions"]["time"].shape[-1])
            size, number = size + path.stat().st_size, number + 1
        span = str(frames.pop()) if len(frames) == 1 else f"{min(frames)} to {max(frames)}"
        table.add_row(split, str(number), str(count), span, f"{size / 2**20:.1f} MiB")
    return table


def _rejects(rejects: list[Mapping[str, Any]]) -> RenderableType:
    if not rejects:
        return Text("Rejected draws: none", style="bold")
    columns = ("split", "index", "attempt", "reason", "self_difference")
    table = _table(f"Rejected draws: {len(rejects)}", *columns)
    for entry in rejects[:MOST_ROWS]:
        table.add_row(*(_number(entry[name]) for name in columns))
    if len(rejects) > MOST_ROWS:
        table.add_row(f"and {len(rejects) - MOST_ROWS} more", *[""] * 4)
    return table


def _state(root: Path) -> list[RenderableType]:
    """Completeness, checksums and rejects of a data set of ours."""
    if not (root / MANIFEST).exists():
        incomplete = (root / RECIPE).exists()
        return [Text("Not complete: generate again with the same settings to go on", style="red")] if incomplete else []
    manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    bad = damaged(root, manifest)
    line = f"Checksums: {', '.join(bad)} damaged or missing" if bad else "Checksums: all files intact"
    checks = {f"{s}, {k}": v for s, d in manifest["self_difference"].items() for k, v in d.items()}
    return [
        Text(line, style="red" if bad else "green"),
        _rows(manifest["check"].capitalize(), checks),
        _rejects(manifest["rejects"]),
    ]


def _root_of(path: Path) -> Path | None:
    """The folder that holds the statistics and the manifest, for the folder itself or a file below data/<split>."""
    candidates = [path] if path.is_dir() else [path.parent.parent.parent]
    return next((root for root in candidates if (root / "data").is_dir()), None)


def describe(path: str | Path) -> RenderableType:
    """What a data set, or one file of it, holds: splits, axes, fields, parameters, provenance, state.

    **Arguments:** `path`: folder of a data set, or an HDF5 file in The Well's layout, whoever wrote it.

    **Returns:** something for `rich` to print.

    **Raises:** `ValueError` if there is no such file or it is damaged.
    """
    path = Path(path)
    files = well_files(path)
    root = _root_of(path)
    stats = root / STATISTICS if root else None
    statistics = yaml.safe_load(stats.read_text(encoding="utf-8")) if stats and stats.exists() else {}
    state = _state(path) if path.is_dir() else []
    first = next(iter(files.get("train") or next(iter(files.values()))))
    with open_shard(first) as file:
        title = Text(text(file.attrs["dataset_name"]), style="bold underline")
        parts = [title, _splits(files), _axes(file), _fields(file, statistics), _scalars(file), _provenance(file)]
    return Group(*(part for part in [*parts, *state] if part is not None))
