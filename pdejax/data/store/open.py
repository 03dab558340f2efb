"""From a path to a data set, whoever wrote it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pdejax._read import absent, as_path
from pdejax.core import build, known, registered
from pdejax.data.store.trajectories import Trajectories

OURS = "pdejax"


def open_data(path: str | Path, reader: str | dict[str, Any] | Callable[[Path], Trajectories] | None = None) -> Any:
    """The data set at a path.

    **Arguments:** `path`: a file or folder; `reader`: its registered name, such as `"npz"`, that with options, or a
    function of the path. When omitted, a folder is one of ours, and a file is read by the reader that has the name of
    its suffix.

    **Returns:** `Trajectories`.

    **Raises:** `ValueError` if there is nothing, no reader is known for it, or the reader cannot read it.
    """
    path = as_path(path)
    if not path.exists():
        raise ValueError(f"there is no data set in {path}: {absent(path)}")
    if reader is None:
        reader = _reader_of(path)
    found = reader(path) if callable(reader) else build("reader", reader, path=path)
    if not isinstance(found, Trajectories):
        raise ValueError(f"the reader {reader!r} of {path} should give Trajectories, such as Arrays, got {type(found)}")
    return found


def _reader_of(path: Path) -> str:
    suffix = path.suffix.removeprefix(".").lower()
    names = registered("reader")
    if suffix in names:
        return suffix
    if path.is_dir():
        return OURS
    raise ValueError(f"{path}: {known('suffix', suffix, [name for name in names if name != OURS])} "
                     f"Say reader=... if another reader shall read it.")  # fmt: skip
