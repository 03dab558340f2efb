"""Files of HDF5 by what is in them: a suffix does not tell whose they are."""

from pathlib import Path
from typing import Any

from pdejax._read import FileError
from pdejax.core import open_hdf5, reading_hdf5

SUFFIXES = (".hdf5", ".h5")
AGAIN = "copy or download it again"


def open_foreign(path: Path) -> Any:
    """A file of HDF5 of others.

    **Raises:** `FileError` as `open_hdf5`, and if it is missing.
    """
    try:
        return open_hdf5(path, AGAIN)
    except FileNotFoundError:
        raise FileError(f"{path} is missing: {AGAIN}") from None


def is_group(file: Any, name: str) -> bool:
    """Whether something is in a file or group and holds others."""
    return name in file and hasattr(file[name], "keys")


def is_array(file: Any, name: str) -> bool:
    """Whether something is in a file or group and holds numbers."""
    return name in file and hasattr(file[name], "shape")


def layout_of(path: Path) -> str:
    """The reader whose layout a file of HDF5 is in.

    **Raises:** `FileError` for a file that is in none, with the nearest one and what it lacks.
    """
    from pdejax.data.store import pdearena, pdebench, well_reader  # which read such files, and use what is above

    layouts = {"well": well_reader.lacking, "pdebench": pdebench.lacking, "pdearena": pdearena.lacking}
    with open_foreign(path) as file, reading_hdf5(path):
        found = {name: lacking(file) for name, lacking in layouts.items()}
        there = ", ".join(list(file)[:8])
    missing = {name: one for name, (one, _) in found.items()}
    near = min(missing, key=lambda name: len(missing[name]) / found[name][1])
    if missing[near]:
        raise FileError(f"{path} is in none of the layouts {', '.join(layouts)}: to be read as {near} it lacks "
                        f"{', '.join(missing[near])}; it holds {there or 'nothing'}")  # fmt: skip
    return near
