"""What a data set holds, for people: ours, any other in The Well's layout, and whatever a reader opens."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdejax._read import entries, read_json, read_plain_yaml
from pdejax.core import Grid
from pdejax.data.store.hdf5 import SUFFIXES
from pdejax.data.store.manifest import CONVERTED, MANIFEST, RECIPE, STATISTICS, check_manifest, command, damaged
from pdejax.data.store.open import OURS, open_data, reader_of
from pdejax.data.store.trajectories import Trajectories
from pdejax.data.store.well import AXES, names, read_provenance, reading_well, text

MOST_ROWS = 12
SHOWN = ("mean", "std", "rms", "std_delta")


class Section(NamedTuple):
    """A table with a title; a sentence where there are no rows.

    - `columns`: their heads, empty where they need none; `bad`: whether it tells that something is wrong.
    """

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    bad: bool = False


def well_files(path: Path) -> dict[str, list[Path]]:
    """The HDF5 files below `path`, by split; a single file has the split of its folder.

    **Raises:** `ValueError` if there are none.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES)
    if not files or files[0].suffix not in SUFFIXES:
        raise ValueError(f"{path} holds no data set: expected a file *.hdf5 or a folder with some below data/<split>")
    out: dict[str, list[Path]] = {}
    for file in files:
        out.setdefault(file.parent.name, []).append(file)
    return out


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, int | float | np.number) else str(value)


def _span(values: np.ndarray) -> str:
    low, high = np.min(values), np.max(values)
    return f"{_number(low)} to {_number(high)}" if low != high else _number(low)


def _step(values: np.ndarray) -> str:
    steps = np.diff(values.astype(np.float64), axis=-1)
    regular = steps.size and np.allclose(steps, steps.flat[0], rtol=1e-3)
    return f", step {_number(steps.flat[0])}" if regular else ""


def _axes(file: Any) -> Section:
    rows: list[tuple[str, ...]] = []
    boundaries: dict[str, str] = {}
    for condition in file.get("boundary_conditions", {}).values():
        for axis in names(condition, "associated_dims"):
            boundaries[axis] = text(condition.attrs["bc_type"]).lower()
    group = file["dimensions"]
    for axis in ["time", *names(group, "spatial_dims")]:
        values, varying = group[axis][()], bool(group[axis].attrs["sample_varying"])
        extent = f"{_span(values)}{' (differs by trajectory)' if varying else _step(values)}"
        rows.append((axis, str(values.shape[-1]), extent, boundaries.get(axis, "" if axis == "time" else "open")))
    return Section("Axes", ("axis", "points", "range", "boundary"), tuple(rows))


def _statistic(statistics: Mapping[str, Any], key: str, name: str) -> Any:
    return statistics[key].get(name, statistics.get(f"input_{key}", {}).get(name, ""))


def _fields(file: Any, statistics: Mapping[str, Any]) -> Section:
    known, rows = [key for key in SHOWN if key in statistics], []
    kinds = ("scalar", "vector", "tensor")
    for order, kind in enumerate(kinds):
        group = file[f"t{order}_fields"]
        for name in names(group):
            data = group[name]
            fixed = "" if data.attrs["time_varying"] else ", constant in time"
            numbers = [_number(_statistic(statistics, key, name)) for key in known]
            shape = data.shape[1:] if data.attrs["sample_varying"] else data.shape
            rows.append((name, f"{kind}{fixed}", str(shape), str(data.dtype), *numbers))
    return Section("Fields", ("field", "kind", "shape of one", "type", *known), tuple(rows))


def _scalars(file: Any, others: Iterable[Path]) -> Section:
    """Of one file, those that vary with their values in all files."""
    group, rows = file["scalars"], []
    found: dict[str, list[Any]] = {name: [np.ravel(group[name][()])] for name in names(group)}
    varies = [name for name in found if group[name].attrs["sample_varying"]]
    for path in others if varies else ():
        with reading_well(path) as other:
            for name in varies:
                found[name].append(np.ravel(other["scalars"][name][()]))
    for name, parts in found.items():
        values, varying = np.concatenate(parts), name in varies
        drawn = np.asarray(file.attrs.get(name, ()))
        note = f", drawn from {_span(drawn)}" if varying and drawn.size == 2 else ""
        rows.append((name, _span(values), f"differs by trajectory{note}" if varying else ""))
    return _parameters(rows)


def _parameters(rows: list[tuple[str, ...]]) -> Section:
    return Section("Parameters", ("name", "value", ""), tuple(rows)) if rows else Section("Parameters: none")


def _pairs(title: str, pairs: Mapping[str, Any]) -> Section:
    rows = []
    for name, value in pairs.items():
        shown = ", ".join(f"{k} {_number(v)}" for k, v in value.items()) if isinstance(value, dict) else value
        shown = ", ".join(map(str, shown)) if isinstance(shown, list) else _number(shown)
        rows.append((name, shown))
    return Section(title, ("", ""), tuple(rows))


def _provenance(file: Any) -> Section | None:
    found = read_provenance(file)
    hidden = ("recipe", "rejects", "self_difference", "attempts", "split", "first", "tail", "space_error")
    if "self_difference" in found:
        found["largest self-difference"] = float(np.max(found["self_difference"]))
    return _pairs("Provenance", {k: v for k, v in found.items() if k not in hidden}) if found else None


def _splits(files: Mapping[str, Iterable[Path]]) -> Section:
    rows = []
    for split, paths in files.items():
        count, frames, size, number = 0, set(), 0, 0
        for path in paths:
            with reading_well(path) as file:
                count += int(file.attrs["n_trajectories"])
                frames.add(file["dimensions"]["time"].shape[-1])
            size, number = size + path.stat().st_size, number + 1
        span = str(frames.pop()) if len(frames) == 1 else f"{min(frames)} to {max(frames)}"
        rows.append((split, str(number), str(count), span, f"{size / 2**20:.1f} MiB"))
    return Section("Splits", ("split", "files", "trajectories", "frames", "size"), tuple(rows))


def _rejects(rejects: list[Mapping[str, Any]]) -> Section:
    if not rejects:
        return Section("Rejected draws: none")
    columns = ("split", "index", "attempt", "reason", "self_difference")
    rows = [tuple(_number(entry[name]) for name in columns) for entry in rejects[:MOST_ROWS]]
    if len(rejects) > MOST_ROWS:
        rows.append((f"and {len(rejects) - MOST_ROWS} more", *[""] * 4))
    return Section(f"Rejected draws: {len(rejects)}", columns, tuple(rows))


def _state(root: Path) -> list[Section]:
    """Completeness, checksums and rejects of a data set of ours."""
    if not (root / MANIFEST).exists():
        incomplete = (root / RECIPE).exists()
        return (
            [Section(f"Not complete: {command(root)} again with the same settings to go on", bad=True)]
            if incomplete
            else []
        )
    manifest = check_manifest(read_json(root / MANIFEST), root / MANIFEST)
    bad = damaged(root, manifest)
    line = f"Checksums: {', '.join(bad)} damaged or missing" if bad else "Checksums: all files intact"
    if CONVERTED in manifest["recipe"]:
        told = {k: v for k, v in manifest["recipe"][CONVERTED].items() if k != "constants"}
        return [Section(line, bad=bool(bad)), _pairs("Converted: no equation and no solver are known", told)]
    entries(manifest, root / MANIFEST, self_difference=dict, check=str, rejects=list)
    checks = {f"{s}, {k}": v for s, d in manifest["self_difference"].items() for k, v in d.items()}
    return [
        Section(line, bad=bool(bad)),
        _pairs(manifest["check"].capitalize(), checks),
        *_space(manifest.get("space", {})),
        _rejects(manifest["rejects"]),
    ]


def _space(found: Mapping[str, Any]) -> list[Section]:
    """How far the grid was from another one; nothing where none was compared. By which is told in the provenance."""
    columns = ("split", "compared", "largest difference", "largest share of the highest modes")
    shown = lambda value: "" if value is None else _number(value)
    rows = [(split, f"{one['compared']} of {one['of']}", shown(one["max"]), shown(one["tail"]))
            for split, one in found.items()]  # fmt: skip
    return [Section("What the space_check found", columns, tuple(rows))] if rows else []


def _root_of(path: Path) -> Path | None:
    """The folder that holds the statistics and the manifest, for the folder itself or a file below data/<split>."""
    candidates = [path] if path.is_dir() else [path.parent.parent.parent]
    return next((root for root in candidates if (root / "data").is_dir()), None)


def overview(path: str | Path) -> list[Section]:
    """What a data set, or one file of it, holds: splits, axes, fields, parameters, provenance, state.

    **Arguments:** `path`: folder of a data set, an HDF5 file in The Well's layout, whoever wrote it, or what a reader
    opens (see `open_data`).

    **Returns:** tables, of which the first is the name.

    **Raises:** `ValueError` if there is no such file or it is damaged.
    """
    path = Path(path)
    if (reader := reader_of(path)) not in (OURS, "well"):
        return _read(open_data(path, reader))
    files = well_files(path)
    root = _root_of(path)
    stats = root / STATISTICS if root else None
    statistics = read_plain_yaml(stats) if stats and stats.exists() else {}
    state = _state(path) if path.is_dir() else []
    first = next(iter(files.get("train") or next(iter(files.values()))))
    with reading_well(first) as file:
        title = Section(text(file.attrs["dataset_name"]))
        others = [path for paths in files.values() for path in paths if path != first]
        parts = [title, _splits(files), _axes(file), _fields(file, statistics)]
        parts += [_scalars(file, others), _provenance(file)]
        if path.is_dir() and not state and "recipe" in read_provenance(file):  # ours, which end with a manifest
            state = [Section(f"Not complete: {path / MANIFEST} is missing: generate again with the same settings to "
                             "mend it", bad=True)]  # fmt: skip
    return [part for part in [*parts, *state] if part is not None]


def _space_and_time(data: Trajectories) -> Section:
    """The axes of a grid, or what another domain says of itself, and the time between frames."""
    domain, time = data.domain, ("time", "", f"step {_number(data.step)}" if data.step else "steady", "")
    if not isinstance(domain, Grid):
        return _pairs("Space and time", {"domain": domain, "step": data.step})
    rows = []
    for axis, (places, (low, high)) in enumerate(zip(domain.axes(), domain.ends, strict=True)):
        ends = _end(low) if low == high else f"{_end(low)} to {_end(high)}"
        rows.append((AXES[axis], str(len(places)), f"{_span(places)}, length {_number(domain.lengths[axis])}", ends))
    return Section("Space and time", ("axis", "points", "range", "boundary"), (time, *rows))


def _end(side: Any) -> str:
    """What holds at a side, in a word, or one for each field."""
    if isinstance(side, tuple):
        return ", ".join(f"{field} {_end(one)}" for field, one in side)
    return type(side).__name__.lower()


def _read(data: Trajectories) -> list[Section]:
    """The same of what a reader opened."""
    splits = [data.split(name) for name in data.split_names]
    rows = tuple((s.name, str(len(s)), str(s.frames), f"{s.nbytes / 2**20:.1f} MiB") for s in splits)
    inputs = [(f"{name} (input)", *(_number(data.statistics[f"input_{k}"][i]) for k in SHOWN[:2]), "", "")
              for i, name in enumerate(data.input_names)]  # fmt: skip
    fields = [(name, *(_number(data.statistics[k][i]) for k in SHOWN)) for i, name in enumerate(data.field_names)]
    spans = [(name, _span(np.concatenate([s.parameters[name] for s in splits])), "differs by trajectory")
             for name in data.parameter_names]  # fmt: skip
    spans += [(name, _number(value), "") for name, value in data.constants.items()]
    return [
        Section(data.name),
        Section("Splits", ("split", "trajectories", "frames", "size"), rows),
        _space_and_time(data),
        Section("Fields", ("field", *SHOWN), tuple(fields + inputs)),
        _parameters(spans),
    ]
