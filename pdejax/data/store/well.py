"""The Well's HDF5 layout: writing a shard of ours, and reading any file that follows it."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pdejax._read import FileError
from pdejax.core import Grid, Outflow, Periodic, open_hdf5, replacing
from pdejax.data.store.manifest import command

# files, groups and data sets are annotated as Any below: h5py types every item as the union of all three

AXES = ("x", "y", "z")
# about 64 KiB a chunk: a short window reads little more than itself, and checksums stay cheap
CHUNK_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a shard holds.

    - `states`: `(trajectory, time, *space, channel)`, float32.
    - `inputs`: fields that do not change in time, `(trajectory, *space, input)`, float32.
    - `constants`: parameters that are the same for all trajectories.
    - `varying`: parameters per trajectory, name to `(trajectory,)`; `length` and `step` are factors on the grid's
        lengths and on the time between frames.
    - `ranges`: interval from which each varying parameter is drawn.
    - `start`: number of steps before the first frame.
    - `provenance`: name to text, number or array.
    """

    name: str
    domain: Any
    field_names: Sequence[str]
    states: np.ndarray
    input_names: Sequence[str]
    inputs: np.ndarray
    step: float
    start: int
    constants: Mapping[str, float]
    varying: Mapping[str, np.ndarray]
    ranges: Mapping[str, Sequence[float]]
    provenance: Mapping[str, Any]


def _flags(target: Any, **flags: bool) -> None:
    for name, value in flags.items():
        target.attrs[name] = value


def _names(names: Sequence[str]) -> np.ndarray:
    # an empty list needs its type spelt out, or HDF5 takes it for float64
    return np.array(list(names), dtype=h5py.string_dtype())


def _dataset(group: Any, name: str, values: Any, **options: Any) -> Any:
    return group.create_dataset(name, data=values, track_times=False, **options)


def _write_dimensions(file: Any, contents: Contents) -> None:
    group = file.create_group("dimensions")
    axes = axes_of(contents.domain)
    group.attrs["spatial_dims"] = _names(list(axes))
    times = (contents.start + np.arange(contents.states.shape[1])) * contents.step
    for name, values, factor in [
        ("time", times, contents.varying.get("step")),
        *((axis, x, contents.varying.get("length")) for axis, x in axes.items()),
    ]:
        values = values if factor is None else factor[:, None] * values
        data = _dataset(group, name, values.astype(np.float32))
        # The Well's checker takes the axis of time for one that varies in time, those of space for ones that do not
        _flags(data, sample_varying=factor is not None, time_varying=name == "time")
    if not isinstance(contents.domain, Grid):  # coordinates of what is no product of axes; ours, not The Well's
        _dataset(group, "coordinates", contents.domain.coordinates())


def axes_of(domain: Any) -> dict[str, np.ndarray]:
    """Names of the axes of arrays on a domain, and coordinates along them; numbers of points that are scattered."""
    if isinstance(domain, Grid):
        return dict(zip(AXES, domain.axes(), strict=False))
    return {"point": np.arange(domain.shape[0])}


def _write_boundaries(file: Any, contents: Contents) -> None:
    group = file.create_group("boundary_conditions")
    for axis, letter in enumerate(axes_of(contents.domain) if isinstance(contents.domain, Grid) else ()):
        held: dict[Any, list[str]] = {}  # both ends of the axis: the fields they hold for
        for field in contents.field_names:
            pair = (contents.domain.end(axis, 0, field), contents.domain.end(axis, 1, field))
            held.setdefault(pair, []).append(field)
        for (low, high), fields in held.items():
            suffix = "" if len(held) == 1 else "_" + "_".join(fields)
            sides = {"": (low, (0, -1))} if low == high else {"_low": (low, (0,)), "_high": (high, (-1,))}
            for side, (end, places) in sides.items():
                kinds = dict.fromkeys((_bc_type(end).lower(), type(end).__name__.lower()))
                condition = group.create_group(f"{letter}{side}_{'_'.join(kinds)}{suffix}")
                _write_boundary(condition, letter, contents.domain.shape[axis], end, places, fields)


def _bc_type(end: Any) -> str:
    return {Periodic: "PERIODIC", Outflow: "OPEN"}.get(type(end), "WALL")


def _write_boundary(
    condition: Any, letter: str, count: int, end: Any, places: Sequence[int], fields: Sequence[str]
) -> None:
    condition.attrs["bc_type"] = _bc_type(end)
    condition.attrs["associated_dims"] = _names([letter])
    condition.attrs["associated_fields"] = _names(fields)
    _flags(condition, sample_varying=False, time_varying=False)
    mask = np.zeros(count, bool)
    mask[list(places)] = True
    _dataset(condition, "mask", mask)


def _write_scalars(file: Any, contents: Contents) -> None:
    group = file.create_group("scalars")
    group.attrs["field_names"] = _names([*contents.constants, *contents.varying])
    for name, value in {**contents.constants, **contents.varying}.items():
        data = _dataset(group, name, np.asarray(value, np.float32))
        _flags(data, sample_varying=name in contents.varying, time_varying=False)


def _write_fields(file: Any, contents: Contents) -> None:
    for order in range(3):
        group = file.create_group(f"t{order}_fields")
        group.attrs["field_names"] = _names((*contents.input_names, *contents.field_names) if order == 0 else ())
    _, frames, *space, _ = contents.states.shape
    depth = int(np.clip(CHUNK_BYTES // (4 * np.prod(space)), 1, frames))
    for channel, name in enumerate(contents.field_names):
        values = np.ascontiguousarray(contents.states[..., channel])
        data = _dataset(file["t0_fields"], name, values, chunks=(1, depth, *space), fletcher32=True)
        _flags(data, sample_varying=True, time_varying=True)
        data.attrs["dim_varying"] = np.ones(contents.domain.ndim, bool)
    for channel, name in enumerate(contents.input_names):
        values = np.ascontiguousarray(contents.inputs[..., channel])
        data = _dataset(file["t0_fields"], name, values, chunks=(1, *space), fletcher32=True)
        _flags(data, sample_varying=True, time_varying=False)
        data.attrs["dim_varying"] = np.ones(contents.domain.ndim, bool)


def _write_provenance(file: Any, provenance: Mapping[str, Any]) -> None:
    group = file.create_group("provenance")
    for name, value in provenance.items():
        if isinstance(value, np.ndarray):
            _dataset(group, name, value)
        else:
            group.attrs[name] = value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)


@contextlib.contextmanager
def writing_hdf5(path: Path) -> Iterator[Any]:
    """A new file of HDF5, made in memory and written whole or not at all.

    HDF5 ends the process where it cannot write what it holds; Python's own writing says that there is no room.
    """
    with h5py.File(path.name, "w", driver="core", backing_store=False) as file:
        yield file
        file.flush()
        content = file.id.get_file_image()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_shard(path: Path, contents: Contents) -> None:
    """Writes one file in The Well's layout, whole or not at all; equal contents give equal bytes."""
    with writing_hdf5(path) as file:
        file.attrs["dataset_name"] = contents.name
        file.attrs["grid_type"] = "cartesian" if isinstance(contents.domain, Grid) else "unstructured"
        file.attrs["n_spatial_dims"] = contents.domain.ndim
        file.attrs["n_trajectories"] = len(contents.states)
        file.attrs["simulation_parameters"] = _names([*contents.constants, *contents.ranges])
        for name, value in {**contents.constants, **contents.ranges}.items():
            file.attrs[name] = np.asarray(value, np.float64)
        _write_dimensions(file, contents)
        _write_boundaries(file, contents)
        _write_scalars(file, contents)
        _write_fields(file, contents)
        _write_provenance(file, contents.provenance)


def open_shard(path: Path) -> Any:
    """A shard for reading, ours or another's.

    **Raises:** `FileError` as `open_hdf5`, and if it is missing.
    """

    def again() -> str:  # only of what cannot be opened: a manifest may be long
        made = command(path)
        return f"delete it, then {made} again to mend it" if made else "copy or download it again"

    try:
        return open_hdf5(path, again)
    except FileNotFoundError:
        raise FileError(f"{path} is missing: {again().removeprefix('delete it, then ')}") from None


@contextlib.contextmanager
def reading_well(path: Path) -> Iterator[Any]:
    """A file that may be in The Well's layout, whoever wrote it.

    **Raises:** `FileError` as `open_shard`, and where an entry of the layout is missing.
    """
    with open_shard(path) as file:
        try:
            yield file
        except KeyError as error:
            lacking = re.search(r"(?:attribute: |object )'([^']+)'", str(error))
            what = f"it has no {lacking[1]!r}" if lacking else str(error)
            raise FileError(f"{path} is not in The Well's layout: {what}") from None


def read_provenance(file: Any) -> dict[str, Any]:
    """The `/provenance` group, JSON texts decoded; empty for files that have none."""
    if "provenance" not in file:
        return {}
    out: dict[str, Any] = {}
    for name, value in file["provenance"].attrs.items():
        text = isinstance(value, str) and value[:1] in "[{"
        out[name] = json.loads(value) if text else value.item() if isinstance(value, np.generic) else value
    return out | {name: data[()] for name, data in file["provenance"].items()}


def text(value: Any) -> str:
    """A name that may have been stored as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def names(group: Any, attribute: str = "field_names") -> list[str]:
    """A list of names stored in an attribute; a single name may stand for a list of one."""
    found = group.attrs.get(attribute, ())
    return [text(found)] if isinstance(found, str | bytes) else [text(name) for name in found]
