"""Data of others as a data set of ours: the same numbers, in The Well's layout, with checksums."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax._interrupt import Interrupted, signals
from pdejax._read import FileError, read_json
from pdejax.core import check_disk, check_memory, describe, exclusive, remove_partial, sha256, spelt, write_text
from pdejax.data.generation.manifest import versions
from pdejax.data.generation.recipe import difference
from pdejax.data.store.files import to_json
from pdejax.data.store.manifest import CONVERTED, FORMAT, MANIFEST, RECIPE, STATISTICS, check_manifest, verify
from pdejax.data.store.open import open_data
from pdejax.data.store.statistics import to_yaml_dict
from pdejax.data.store.trajectories import Split, Trajectories
from pdejax.data.store.well import Contents, write_shard

SHARD_BYTES = 1 << 26  # about that much is held in memory and written at once
Progress = Callable[[int, int], None]


@spelt
def convert(
    source: str | Path | Trajectories,
    root: str | Path,
    *,
    shard_size: int | None = None,
    progress: Progress | None = None,
) -> Path:
    """Writes what a reader opens as a data set of ours, in The Well's layout.

    After an interruption the same call goes on where it stopped and gives the same bytes; when all is there it only
    verifies the checksums. Nothing is known of an equation or a solver of such data.

    **Arguments:**

    - `source`: a path, see `open_data`, or trajectories.
    - `root`: folder of the new data set; made if it is not there.
    - `shard_size`: trajectories a file; as many as take 64 MiB when omitted.
    - `progress`: called with the number of finished trajectories and of all of them (see `progress_bar`).

    **Returns:** `root` as a path.

    **Raises:** `Interrupted` after SIGTERM or SIGINT; `ValueError` if the source cannot be read or holds what is not
    finite, or if `root` holds other data or is being written by another process.
    """
    root = Path(root)
    data = source if isinstance(source, Trajectories) else open_data(source)
    if shard_size is not None and shard_size < 1:
        raise ValueError(f"shard_size should be a number of trajectories from 1 on, got {shard_size}")
    where = getattr(data, "root", None)
    if where is not None and root.absolute().is_relative_to(Path(where).absolute()):
        raise ValueError(f"{root} is in {where}, which is read: choose a folder beside it")
    recipe = _recipe(data, source, shard_size or _shard_size(data))
    shards = [*_shards(data, recipe["shard_size"])]
    if not all((root / path).exists() for _, _, path in shards):
        _check_room(data, root, recipe["shard_size"])
    with exclusive(root):
        remove_partial(root)
        _agree(root, recipe)
        wrote = _write_missing(data, root, recipe, shards, progress or (lambda done, total: None))
        if wrote or not all((root / name).exists() for name in (MANIFEST, STATISTICS)):
            names = (data.field_names, data.input_names, data.parameter_names)
            write_text(root / STATISTICS, yaml.safe_dump(to_yaml_dict(data.statistics, *names)))
            write_text(root / MANIFEST, to_json(_manifest(data, root, recipe, shards)))
        else:
            verify(root, read_json(root / MANIFEST))
        (root / RECIPE).unlink(missing_ok=True)
    return root


def _shard_size(data: Trajectories) -> int:
    one = max(data.split(name).nbytes / len(data.split(name)) for name in data.split_names)
    return max(1, int(SHARD_BYTES // one))


def _recipe(data: Trajectories, source: Any, shard_size: int) -> dict[str, Any]:
    """What a converted data set depends on, where a generated one has a family, a simulator and a seed."""
    whole = {name: data.split(name) for name in data.split_names}
    times = {"step": data.step, "burn_in": 0} if data.step else None
    named = Path(source).name if isinstance(source, str | Path) else type(data).__name__
    return {
        CONVERTED: {"source": named, "fingerprint": data.fingerprint, "constants": dict(data.constants)},
        "family": {"name": data.name, "domain": describe(data.domain), "times": times},
        "splits": {name: {"trajectories": len(one), "frames": one.frames} for name, one in whole.items()},
        "shard_size": shard_size,
    }


def _shards(data: Trajectories, size: int) -> Iterator[tuple[Split, int, str]]:
    """Every file to write: its split, its first trajectory and its path, which no word of a file leads elsewhere."""
    called = re.sub(r"[^\w.+-]+|^\.+", "_", data.name)[:64] or "data"
    for name in data.split_names:
        if not re.fullmatch(r"\w[\w.+-]*", name):
            raise ValueError(f"{data.name}: split {name!r} should be called by letters, digits, _, ., + and -, as the "
                             "folder of its files is")  # fmt: skip
        for number, first in enumerate(range(0, len(data.split(name)), size)):
            yield data.split(name), first, f"data/{name}/{called}-{number:05d}.hdf5"


def _check_room(data: Trajectories, root: Path, size: int) -> None:
    """Whether a file fits into memory, thrice as it is written, and all of them onto the disk."""
    splits = [data.split(name) for name in data.split_names]
    one = max(split.nbytes / len(split) for split in splits)
    check_memory(3 * one * size, f"a file of {size} trajectories", "take a smaller shard_size")
    present = sum(path.stat().st_size for path in root.glob("data/*/*") if path.is_file())
    check_disk(sum(split.nbytes for split in splits) - present, root, "the data set", "choose another disk")


def _agree(root: Path, recipe: dict[str, Any]) -> None:
    """Notes what is converted at the first run; at a later one refuses what is something else, if there is any."""
    begun = any(root.glob("data/*/*"))  # what was refused before it wrote anything holds no data
    for path, read in (
        (root / MANIFEST, lambda d: check_manifest(d, root / MANIFEST)["recipe"]),
        (root / RECIPE, dict),
    ):
        if path.exists() and (begun or path.name == MANIFEST):
            if text := difference(read(read_json(path)), recipe):
                raise ValueError(f"{root} holds another data set: {text}; choose another folder or delete it")
            return
    if (root / "data").exists() and not (root / RECIPE).exists():
        raise ValueError(f"{root} has a folder 'data' but neither {RECIPE} nor {MANIFEST}: choose another folder")
    write_text(root / RECIPE, to_json(recipe))


def _write_missing(
    data: Trajectories, root: Path, recipe: Mapping[str, Any], shards: list[tuple[Split, int, str]], progress: Progress
) -> bool:
    """Writes the files that are not there; says whether there were any."""
    size, done, wrote = recipe["shard_size"], 0, False
    total = sum(len(data.split(name)) for name in data.split_names)
    with signals() as caught:
        for split, first, path in shards:
            if caught():
                raise Interrupted(f"stopped by {caught()} after {done} of {total} trajectories: the same command goes "
                                  "on from the last whole file")  # fmt: skip
            rows = range(first, min(first + size, len(split)))
            if not (root / path).exists():
                write_shard(root / path, _contents(data, split, rows, recipe))
                wrote = True
            done += len(rows)
            progress(done, total)
    return wrote


def _contents(data: Trajectories, split: Split, rows: range, recipe: Mapping[str, Any]) -> Contents:
    windows = [split.window(row, 0, split.frames) for row in rows]
    states = np.stack([window.states for window in windows])
    if not np.isfinite(states).all():
        row = rows[int(np.argwhere(~np.isfinite(states))[0][0])]
        raise FileError(f"{data.name}, split {split.name!r}: trajectory {row} holds numbers that are not finite, which "
                        "nothing can learn from: take it out of the data")  # fmt: skip
    inputs = np.stack([window.inputs for window in windows])
    if not np.isfinite(inputs).all():
        row = rows[int(np.argwhere(~np.isfinite(inputs))[0][0])]
        raise FileError(f"{data.name}, split {split.name!r}: an input of trajectory {row} holds numbers that are not "
                        "finite, which nothing can learn from: take it out of the data")  # fmt: skip
    whole = [data.split(name).parameters for name in data.split_names]
    ranges = {name: [float(f([f(one[name]) for one in whole])) for f in (np.min, np.max)]
              for name in data.parameter_names}  # fmt: skip
    provenance = {**recipe[CONVERTED], "split": split.name, "first": rows[0], "versions": versions()}
    return Contents(
        name=data.name,
        domain=data.domain,
        field_names=data.field_names,
        states=states,
        input_names=data.input_names,
        inputs=inputs,
        step=data.step,
        start=0,
        constants=data.constants,
        varying={name: values[rows.start : rows.stop] for name, values in split.parameters.items()},
        ranges=ranges,
        provenance=provenance,
    )


def _manifest(
    data: Trajectories, root: Path, recipe: Mapping[str, Any], shards: list[tuple[Split, int, str]]
) -> dict[str, Any]:
    count = lambda split, first: min(recipe["shard_size"], len(split) - first)
    entries = [{"split": split.name, "first": first, "trajectories": count(split, first), "path": path,
                "sha256": sha256(root / path)} for split, first, path in shards]  # fmt: skip
    return {
        "format": FORMAT,
        "name": data.name,
        "recipe": recipe,
        "fields": list(data.field_names),
        "inputs": list(data.input_names),
        "parameters": list(data.parameter_names),
        "shards": entries,
        "statistics": sha256(root / STATISTICS),
        "versions": [versions()],
    }
