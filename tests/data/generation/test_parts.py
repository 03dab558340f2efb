"""Several processes write one data set, a part each, with the bytes of one process."""

import json
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from pdejax._interrupt import Interrupted
from pdejax.core import exclusive
from pdejax.data import Dataset, Part, SplitSize, generate
from tests.data.conftest import BURGERS

SPLITS = {"train": SplitSize(5, 3), "valid": SplitSize(3, 3)}
CLOCKED = (".lock", "seconds.json")  # not of the data


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in CLOCKED}


def make(problem, root, part=None, **further):
    part = None if part is None else Part.of(part)
    settings = {"seed": 1, "shard_size": 2, "batch_size": 2, "tolerance": 5e-7, **further}
    return generate(*problem, root, SPLITS, part=part, **settings)


@pytest.fixture(scope="module")
def whole(burgers, tmp_path_factory):
    return make(burgers, tmp_path_factory.mktemp("whole") / "set")


def of_part(root, part):
    index, count = map(int, part.split("/"))
    paths = [f"data/train/burgers-{i:05d}.hdf5" for i in range(3)] + [
        f"data/valid/burgers-{i:05d}.hdf5" for i in (0, 1)
    ]
    return {path for number, path in enumerate(paths) if number % count == index}


def test_parts_and_one_command_give_the_bytes_of_one_process(burgers, whole, tmp_path, monkeypatch):
    """In any order, one of them stopped and gone on with; rejected draws and checks are told as by one process."""
    root, shards = tmp_path / "set", lambda: {str(p.relative_to(root)) for p in root.rglob("*.hdf5")}
    told = []

    def stop(done, total):
        told.append((done, total))
        if done == 2:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted, match="after 2 of 4 trajectories"):
        make(burgers, root, "0/2", progress=stop)
    assert told == [(0, 4), (2, 4)]  # of files of 2, 1 and 1
    assert shards() == {"data/train/burgers-00000.hdf5"}
    make(burgers, root, "1/2")
    assert shards() == {"data/train/burgers-00000.hdf5"} | of_part(root, "1/2")
    make(burgers, root, "0/2")
    assert shards() == of_part(root, "0/2") | of_part(root, "1/2")
    with pytest.raises(ValueError, match="is not complete: generate again with the same settings"):
        Dataset.open(root)

    monkeypatch.setattr("pdejax.data.generation.generate.solve_batch", None)  # nothing is left to be solved
    make(burgers, root)
    assert files(root) == files(whole)
    assert {one["index"] for one in Dataset.open(root).manifest["rejects"]} >= {1, 2}
    counted = lambda root: {name: one["trajectories"] for name, one in Dataset.open(root).solve_seconds.items()}
    assert counted(root) == counted(whole) == {"train": 5, "valid": 3}
    make(burgers, root, "1/2")  # a part of a complete set is there
    assert files(root) == files(whole) | {".lock-part-1-of-2": files(root)[".lock-part-1-of-2"]}


def test_what_no_part_wrote_is_solved_by_the_command_that_completes(burgers, whole, tmp_path):
    root = tmp_path / "set"
    make(burgers, root, "2/4")
    make(burgers, root)
    assert files(root) == files(whole)


def test_a_part_has_one_writer_and_the_whole_none_beside(burgers, whole, tmp_path):
    root = tmp_path / "set"
    with exclusive(root, "part-0-of-2"):
        said = rf"part 0 of 2 of {re.escape(str(root))} is being written by process \d+: wait until"
        with pytest.raises(ValueError, match=said):
            make(burgers, root, "0/2")
        with pytest.raises(ValueError, match="is being written by processes that write a part each"):
            make(burgers, root)
        partial = root / "data/train/burgers-00000.hdf5.0123456789abcdef.pdejax-partial"  # of the other process
        partial.parent.mkdir(parents=True)
        partial.touch()
        (root / "recipe.json").write_text(json.dumps(Dataset.open(whole).manifest["recipe"]))
        make(burgers, root, "1/2")
        assert partial.exists()
    with exclusive(root), pytest.raises(ValueError, match=r"set is being written by process \d+"):
        make(burgers, root, "0/2")
    make(burgers, root)
    assert files(root) == files(whole)


def test_parts_agree_on_their_settings(burgers, tmp_path):
    """Before the first file of any is there, and of files that were put together from two folders."""
    root = tmp_path / "set"
    make(burgers, root, "0/2")
    shutil.copytree(root, tmp_path / "early")
    shutil.rmtree(tmp_path / "early/data")
    for place in (root, tmp_path / "early"):
        with pytest.raises(ValueError, match="holds a data set of other settings: seed is 1 there and 2 here"):
            make(burgers, place, "1/2", seed=2)
    make(burgers, tmp_path / "other", "1/2", seed=2)
    shutil.copytree(tmp_path / "other/data", root / "data", dirs_exist_ok=True)
    with pytest.raises(ValueError, match=r"was made with other settings: seed is 2 there and 1 here; delete it"):
        make(burgers, root)


@pytest.mark.parametrize("text", ["", "1", "2/2", "0/0", "-1/2", "1/2/3", "a/b", "1.0/2", "9999999/99999999"])
def test_what_is_no_part_is_told(text):
    with pytest.raises(ValueError, match=r"0/N to \(N-1\)/N|should be one of 0/2 to 1/2"):
        Part.of(text)


def test_more_parts_than_files_are_refused(burgers, tmp_path):
    said = "a part holds a file at least, and all of 'burgers' is 5: take at most 5 parts, or a shard_size below 2"
    with pytest.raises(ValueError, match=said):
        make(burgers, tmp_path / "set", "0/6")
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_file_is_of_one_part(count, burgers):
    from pdejax.data import Recipe

    recipe = Recipe(*burgers, SPLITS, shard_size=2)
    found = [shard.path for i in range(count) for shard in Part(i, count).shards(recipe)]
    assert sorted(found) == sorted(shard.path for shard in recipe.shards())
    sizes = np.bincount([i for i in range(count) for _ in Part(i, count).shards(recipe)], minlength=count)
    assert sizes.max() - sizes.min() <= 1


SCRIPT = """
import json, os, signal, sys
import jax
from pdejax.data import Part, SplitSize, generate, read_problem

root, cache, spec, part, last = sys.argv[1:]
jax.config.update("jax_compilation_cache_dir", cache)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)

def progress(done, total):
    if done == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

splits = {"train": SplitSize(5, 3), "valid": SplitSize(3, 3)}
settings = {"seed": 1, "shard_size": 2, "batch_size": 2, "tolerance": 5e-7}
generate(*read_problem(json.loads(spec)), root, splits, part=Part.of(part), progress=progress, **settings)
"""


@pytest.mark.long
def test_processes_at_once_one_of_them_killed(burgers, whole, tmp_path):
    def start(part, last):
        words = (tmp_path / "set", tmp_path / "cache", json.dumps(BURGERS), part, last)
        return subprocess.Popen([sys.executable, "-c", SCRIPT, *map(str, words)], stderr=subprocess.PIPE)

    at_once = [start("0/2", 3), start("1/2", -1)]
    texts = [one.communicate(timeout=300)[1].decode() for one in at_once]
    assert [one.returncode for one in at_once] == [-signal.SIGKILL, 0], texts
    again = start("0/2", -1)
    assert again.communicate(timeout=300)[1] is not None
    assert again.returncode == 0
    make(burgers, tmp_path / "set")
    assert files(tmp_path / "set") == files(whole)
