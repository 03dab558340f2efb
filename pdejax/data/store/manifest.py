"""Files of a complete data set, and whether they are as they were written."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax._read import FileError, entries, read_json
from pdejax.core import sha256

FORMAT = "pdejax-dataset-3"
MANIFEST, RECIPE, STATISTICS = "manifest.json", "recipe.json", "stats.yaml"
CONVERTED = "converted"  # the entry of a recipe that tells whose data these were, in place of a solver
SECONDS = "seconds.json"  # what solving took; not listed in the manifest, since it differs from time to time


def check_manifest(manifest: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """A manifest whose entries are there and agree: every split of the recipe is in its files, once and whole.

    **Raises:** `FileError` for one that does not.
    """
    kinds = {"name": str, "recipe": dict, "fields": list, "inputs": list, "parameters": list, "shards": list}
    entries(manifest, path, **kinds, statistics=str)
    for kind in ("fields", "inputs", "parameters"):
        for name in manifest[kind]:
            if not isinstance(name, str):
                raise FileError(f"{path}: the entry {kind!r} should hold names, found {name!r}")
    sizes = entries(manifest["recipe"], path, splits=dict)["splits"]
    ends: dict[str, int] = {}
    for entry in manifest["shards"]:
        entries(entry, path, path=str, sha256=str, split=str, first=int, trajectories=int)
        if entry["first"] != ends.get(entry["split"], 0):
            raise FileError(f"{path}: the file {entry['path']} should begin with trajectory "
                            f"{ends.get(entry['split'], 0)}, it says {entry['first']}")  # fmt: skip
        ends[entry["split"]] = entry["first"] + entry["trajectories"]
    for name in ends:
        if name not in sizes:
            raise FileError(f"{path}: there are files of the split {name!r}, which the recipe does not have")
    for name, size in sizes.items():
        if ends.get(name) != entries(size, path, trajectories=int, frames=int)["trajectories"]:
            raise FileError(f"{path}: split {name!r} should have {size['trajectories']} trajectories, its files hold "
                            f"{ends.get(name, 0)}")  # fmt: skip
    return manifest


def command(path: Path) -> str | None:
    """What made, and mends, the data set that a path belongs to, `generate` or `convert`; none where it is not ours."""
    for root in (path, *path.absolute().parents[:3]):
        for name, read in ((MANIFEST, lambda found: found.get("recipe", {})), (RECIPE, dict)):
            if (root / name).is_file():
                with contextlib.suppress(FileError, FileNotFoundError, TypeError):
                    return "convert" if CONVERTED in read(read_json(root / name)) else "generate"
                return "generate"
    return None


def changed(path: Path) -> FileError:
    """The error for a file that is not what was written."""
    return FileError(f"{path} differs from its checksum in {MANIFEST}: it is damaged or was changed; "
                     f"delete it, then {command(path) or 'generate'} again to mend it")  # fmt: skip


def damaged(root: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files of a complete data set that are missing or differ from the manifest, relative to `root`."""
    expected = {entry["path"]: entry["sha256"] for entry in manifest["shards"]} | {STATISTICS: manifest["statistics"]}
    return [path for path, sum_ in expected.items() if not (root / path).is_file() or sha256(root / path) != sum_]


def verify(root: Path, manifest: Mapping[str, Any]) -> None:
    """**Raises:** `ValueError` if a file of a complete data set is missing or differs from the manifest."""
    if bad := damaged(root, manifest):
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise ValueError(
            f"{root / bad[0]}{more} is missing or differs from its checksum in {MANIFEST}: "
            f"delete it, then {command(root) or 'generate'} again to mend it"
        )
