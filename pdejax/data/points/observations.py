"""Where fields were measured, and what: tables from files."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pdejax._read import FileError, as_path, check_file, read_text
from pdejax.core import as_real, known, read_arrays

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_BINARY = (b"PK", b"\x93NUMPY", b"\x89HDF")  # how spreadsheets, NumPy's files and HDF5 begin
ROUNDING = 1e-6  # of the size of an axis, by which a coordinate may lie outside: float32 has rounded it


class _Table(NamedTuple):
    """Columns by name, and what a row is called in messages."""

    columns: dict[str, np.ndarray]
    row: Callable[[int], str]


def read_observations(
    path: str | Path, domain: Mapping[str, tuple[float, float]], fields: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Measured points `(observation, axis)` and values `(observation, channel)`, NaN where a field was not measured.

    **Arguments:** `path`: a CSV file with a header, or an NPZ file, with one column (array) per axis and per measured
    field, by their names; `domain`: both ends of each axis, which hold every point; `fields`: that may be measured.

    **Raises:** `ValueError` naming the file and the row for what is no number, no column or outside of the domain.
    """
    path = as_path(path)
    check_file(path)
    table = _npz(path) if path.suffix.lower() == ".npz" else _csv(path)
    columns = table.columns
    _check_columns(path, list(columns), domain, fields)
    for axis, ends in domain.items():
        _check_axis(axis, columns[axis], ends, table)
    missing = np.full(len(columns[next(iter(domain))]), np.nan)
    if not missing.size:
        raise FileError(f"{path}: there are no rows")
    values = np.stack([columns.get(field, missing) for field in fields], -1)
    for name in columns:
        _refuse(np.isinf(columns[name]), name, columns[name], table, "a finite number, or nothing where there is none")
    if np.isnan(values).all():
        raise FileError(f"{path}: no value of {', '.join(fields)} was measured, every one is left open")
    return np.stack([columns[axis] for axis in domain], -1), values


def _check_columns(path: Path, found: Sequence[str], axes: Mapping[str, object], fields: Sequence[str]) -> None:
    for name in found:
        if name not in (*axes, *fields):
            raise FileError(f"{path}: {known('column', name, [*axes, *fields])}")
    for axis in axes:
        if axis not in found:
            raise FileError(f"{path}: the column {axis!r} is missing, found {', '.join(found)}")
    if not any(field in found for field in fields):
        raise FileError(f"{path}: no column is a field, one of {', '.join(fields)}; found {', '.join(found)}")


def _check_axis(axis: str, values: np.ndarray, ends: tuple[float, float], table: _Table) -> None:
    low, high = ends
    spare = ROUNDING * max(abs(low), abs(high), high - low)
    _refuse(~np.isfinite(values), axis, values, table, "a number in every row")
    outside = (values < low - spare) | (values > high + spare)
    _refuse(outside, axis, values, table, f"what the domain of the problem holds, {low:g} to {high:g}")


def _refuse(bad: np.ndarray, name: str, values: np.ndarray, table: _Table, wanted: str) -> None:
    """**Raises:** `FileError` that names the first bad row of a column."""
    if bad.any():
        first = int(np.argmax(bad))
        found = "nothing" if np.isnan(values[first]) else f"{values[first]:g}"
        raise FileError(f"{table.row(first)}: {name} should be {wanted}, found {found}")


# ---- arrays


def _npz(path: Path) -> _Table:
    arrays = read_arrays(path)
    columns = {name: np.asarray(as_real(x, f"{path}: {name}"), np.float64).squeeze() for name, x in arrays.items()}
    if len({column.shape for column in columns.values()}) > 1:
        raise FileError(f"{path}: columns differ in shape: { {name: x.shape for name, x in arrays.items()} }")
    return _Table({name: column.ravel() for name, column in columns.items()}, lambda row: f"{path}, entry {row}")


# ---- text


def _csv(path: Path) -> _Table:
    with path.open("rb") as file:
        if file.read(6).startswith(_BINARY):
            raise FileError(f"{path} is no text: measured values are a table in CSV, or arrays in a file .npz")
    lines: list[int] = []
    rows: list[list[str]] = []
    reader = csv.reader(read_text(path, None).splitlines(keepends=True), strict=True)
    try:
        for row in reader:
            if row:
                lines.append(reader.line_num)
                rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise FileError(f"{path}:{reader.line_num}: not valid CSV: {error}") from None
    if not rows:
        raise FileError(f"{path}: the file is empty")
    head = _head(f"{path}:{lines[0]}", rows[0])
    places = [f"{path}:{line}" for line in lines[1:]]
    table = [_numbers(place, row, head) for place, row in zip(places, rows[1:], strict=True)]
    numbers = np.array(table, np.float64).reshape(-1, len(head))
    return _Table({name: numbers[:, i] for i, name in enumerate(head)}, places.__getitem__)


def _head(place: str, cells: list[str]) -> list[str]:
    """The names of the columns."""
    if cells[0].startswith("#"):
        raise FileError(f"{place}: the first line names the columns, found the comment {cells[0][:40]!r}")
    if len(cells) == 1 and (other := re.search(r"[;\t|: ]", cells[0])):
        raise FileError(f"{place}: columns are separated by commas and numbers have a decimal point, found "
                        f"{other[0]!r} between {cells[0][:40]!r}")  # fmt: skip
    for name in cells:
        if cells.count(name) > 1:
            raise FileError(f"{place}: the column {name!r} is there {cells.count(name)} times")
    return cells


def _numbers(place: str, cells: list[str], head: list[str]) -> list[float]:
    if len(cells) != len(head):
        raise FileError(f"{place}: every row should have {len(head)} cells as the header has, found {len(cells)} "
                        "(columns are separated by commas, numbers have a decimal point)")  # fmt: skip
    return [_number(place, name, cell) for name, cell in zip(head, cells, strict=True)]


def _number(place: str, name: str, cell: str) -> float:
    if not cell or cell.lower() == "nan":
        return np.nan
    if not _NUMBER.fullmatch(cell):
        raise FileError(f"{place}: {name} should be a number or nothing, found {cell[:40]!r}")
    return float(cell)
