"""Where fields were measured, and what: tables from files."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pdejax._read import as_path, check_file
from pdejax.core import known


def read_observations(path: str | Path, axes: Sequence[str], fields: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Measured points `(observation, axis)` and values `(observation, channel)`, NaN where a field was not measured.

    **Arguments:** `path`: a CSV file with a header, or an NPZ file, with one column (array) per axis and per measured
    field, by their names.

    **Raises:** `ValueError` naming the file for a missing axis, a column that is none, or what is no number.
    """
    path = as_path(path)
    check_file(path)
    columns = _npz(path) if path.suffix == ".npz" else _csv(path)
    for name in columns:
        if name not in (*axes, *fields):
            raise ValueError(f"{path}: {known('column', name, [*axes, *fields])}")
    for axis in axes:
        if axis not in columns:
            raise ValueError(f"{path}: the column {axis!r} is missing, found {', '.join(columns)}")
        if not np.all(np.isfinite(columns[axis])):
            raise ValueError(f"{path}: the column {axis!r} has a cell without a number")
    if not any(field in columns for field in fields):
        raise ValueError(f"{path}: no column is a field, one of {', '.join(fields)}; found {', '.join(columns)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"{path}: columns differ in length: { {k: len(v) for k, v in columns.items()} }")
    if columns[axes[0]].size == 0:
        raise ValueError(f"{path}: there are no rows")
    missing = np.full(len(columns[axes[0]]), np.nan)
    return np.stack([columns[a] for a in axes], -1), np.stack([columns.get(f, missing) for f in fields], -1)


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: np.asarray(file[name], np.float64).ravel() for name in file.files}


def _csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row] or [[]]
    if not head:
        raise ValueError(f"{path}: the file is empty")
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"{path}: every row should have {len(head)} cells as the header has")
    try:
        table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows]).reshape(-1, len(head))
    except ValueError as error:
        raise ValueError(f"{path}: every cell should be a number or empty ({error})") from None
    return {name: table[:, i] for i, name in enumerate(head)}
