"""From a path to a data set, whoever wrote it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pdejax._read import absent, as_path
from pdejax.core import build, known, registered, spelt
from pdejax.data.store.hdf5 import SUFFIXES, layout_of
from pdejax.data.store.manifest import MANIFEST, RECIPE
from pdejax.data.store.trajectories import Trajectories
from pdejax.data.store.xarray_reader import SUFFIXES as NETCDF

OURS = "pdejax"
BY_CONTENT = ("well", "pdebench", "pdearena", "numpy_folder", "xarray")
# readers of folders by the suffix of files in them
FOLDERS = {".npy": "numpy_folder", **dict.fromkeys(NETCDF, "xarray")}
ZARR_MARKS = ("zarr.json", ".zgroup", ".zmetadata")


@spelt
def open_data(path: str | Path, reader: str | dict[str, Any] | Callable[[Path], Trajectories] | None = None) -> Any:
    """The data set at a path.

    **Arguments:** `path`: a file or folder; `reader`: its registered name, such as `"npz"`, that with options, or a
    function of the path. When omitted, a file is read by the reader that has the name of its suffix, and folders and
    files of HDF5 by the one whose layout they are in.

    **Returns:** `Trajectories`.

    **Raises:** `ValueError` if there is nothing, no reader is known for it, or the reader cannot read it.
    """
    path = as_path(path)
    if not path.exists():
        raise ValueError(f"there is no data set in {path}: {absent(path)}")
    if reader is None:
        reader = reader_of(path)
    found = reader(path) if callable(reader) else build("reader", reader, path=path)
    if not isinstance(found, Trajectories):
        raise ValueError(f"the reader {reader!r} of {path} should give Trajectories, such as Arrays, got {type(found)}")
    return found


def reader_of(path: Path) -> str:
    """The reader of what is at a path: that of its suffix, or where several have it or it is a folder, of its content.

    **Raises:** `ValueError` for what no reader knows.
    """
    suffix = path.suffix.removeprefix(".").lower()
    names = registered("reader")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return layout_of(path)
    if suffix in names:
        return suffix
    if path.is_dir():
        return _reader_of_folder(path)
    endings = sorted({*names, *(s.removeprefix(".") for s in SUFFIXES)} - {OURS, *BY_CONTENT})
    raise ValueError(f"{path}: {known('suffix', suffix, endings)} Say reader=... if another reader shall read it.")


def _reader_of_folder(root: Path) -> str:
    """Ours by its manifest, one of Zarr's by its mark, another by the suffix of the first file that has a known one."""
    if any((root / name).exists() for name in (MANIFEST, RECIPE)):
        return OURS
    if any((root / name).exists() for name in ZARR_MARKS):
        return "zarr"
    for file in sorted(one for one in root.rglob("*") if one.is_file()):
        if file.suffix.lower() in SUFFIXES:
            return layout_of(file)
        if file.suffix.lower() in FOLDERS:
            return FOLDERS[file.suffix.lower()]
    raise ValueError(f"there is no data set in {root}: expected {MANIFEST}, or files "
                     f"{', '.join('*' + suffix for suffix in (*SUFFIXES, *FOLDERS))} in it")  # fmt: skip
