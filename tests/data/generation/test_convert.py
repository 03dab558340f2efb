"""Data of others become a data set of ours with the same numbers, whatever happens in between."""

import errno
import os
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from pdejax.core import exclusive
from pdejax.data import Arrays, Dataset, convert, open_data, overview
from tests.data.generation.test_kill import files
from tests.data.store import _foreign as foreign
from tests.data.store.test_well import check_boundaries, check_dimensions, check_fields, check_root, check_scalars

# is killed when it has written some of the files
SCRIPT = """
import os, signal, sys
from pdejax.data import convert

def progress(done, total):
    if done >= 4:
        os.kill(os.getpid(), signal.SIGKILL)

convert(sys.argv[1], sys.argv[2], shard_size=2, progress=progress)
"""


@pytest.fixture
def smoke(tmp_path):
    foreign.write_smoke(tmp_path / "smoke.h5")
    return tmp_path / "smoke.h5"


def same(data, other):
    assert data.domain == other.domain
    for name in ("name", "step", "field_names", "input_names", "parameter_names", "constants"):
        assert getattr(data, name) == getattr(other, name), name
    for name in data.split_names:
        for what in ("states", "inputs", "parameter_array"):
            np.testing.assert_array_equal(getattr(data.split(name), what), getattr(other.split(name), what), what)
    for name, values in data.statistics.items():
        np.testing.assert_array_equal(values, other.statistics[name], name)


def _well(folder):
    foreign.well_folder(folder / "well")
    return folder / "well"


def _chaos(folder):
    foreign.write_chaos(folder / "ks")
    return folder / "ks"


def _darcy(folder):
    foreign.write_darcy(folder / "darcy.hdf5")
    return folder / "darcy.hdf5"


@pytest.mark.parametrize("write", [_well, _chaos, _darcy])
def test_the_numbers_stay_the_same(tmp_path, write):
    """As a data set of ours, and as one of The Well's, which knows no names for the ends of ours."""
    import h5py

    source = write(tmp_path)
    out = convert(source, tmp_path / "out", shard_size=3)
    data, made = open_data(source), open_data(out)
    assert isinstance(made, Dataset)
    assert made.family is None
    assert made.simulator is None
    same(data, made)
    made.verify()
    again = open_data(out, "well")
    for name in made.split_names:
        np.testing.assert_array_equal(again.split(name).states, made.split(name).states)
        np.testing.assert_allclose(again.split(name).parameter_array, made.split(name).parameter_array, rtol=1e-6)
    for path in out.rglob("*.hdf5"):
        with h5py.File(path) as file:
            for check in (check_root, check_dimensions, check_scalars):
                check(file)
            if made.domain.ends[-1][0] == made.domain.ends[-1][1]:
                check_boundaries(file)
            for order in range(3) if not made.input_names else ():
                check_fields(file, order)
    text = " ".join(section.title for section in overview(out))
    assert "Checksums: all files intact" in text
    assert "Converted: no equation and no solver are known" in text


def test_a_conversion_that_was_killed_ends_with_the_same_bytes(smoke, tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(smoke), str(tmp_path / "killed")], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert len([*(tmp_path / "killed").rglob("*.hdf5")]) == 2
    with pytest.raises(ValueError, match="is not complete: convert again with the same settings to go on"):
        open_data(tmp_path / "killed")
    for name in ("killed", "whole"):
        convert(smoke, tmp_path / name, shard_size=2)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "whole").rglob("*.hdf5")}
    convert(smoke, tmp_path / "whole", shard_size=2)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_is_there_already_is_not_changed(smoke, tmp_path):
    out = convert(smoke, tmp_path / "out")
    with exclusive(out), pytest.raises(ValueError, match="is being written by process"):
        convert(smoke, out)
    (tmp_path / "smoke.yaml").write_text("step: 2")
    with pytest.raises(ValueError, match=r"out holds another data set: .*choose another folder or delete it"):
        convert(smoke, out)
    (tmp_path / "smoke.yaml").unlink()
    path = next(out.rglob("*.hdf5"))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"is missing or differs from its checksum in manifest.json: delete it, then convert again"
    ):
        convert(smoke, out)
    (tmp_path / "mine" / "data").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"has a folder 'data' but neither recipe.json nor manifest.json"):
        convert(smoke, tmp_path / "mine")
    with pytest.raises(ValueError, match="shard_size should be a number of trajectories from 1 on, got 0"):
        convert(smoke, tmp_path / "other", shard_size=0)
    assert not (tmp_path / "other").exists()


def test_a_full_disk_leaves_no_half_of_a_file(smoke, tmp_path, monkeypatch):
    real = os.replace

    def full(source, target):
        if str(target).endswith("smoke-00001.hdf5"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            convert(smoke, tmp_path / "out", shard_size=2)
    assert [path.name for path in (tmp_path / "out").rglob("*.hdf5*")] == ["smoke-00000.hdf5"]
    same(open_data(smoke), open_data(convert(smoke, tmp_path / "out", shard_size=2)))


def test_arrays_in_memory_and_numbers_that_are_not_finite(tmp_path):
    states = {"train": foreign.numbers(3, 4, 8, 1), "test": foreign.numbers(2, 4, 8, 1)}
    data = Arrays(states, step=0.5, lengths=(2.0,), name="waves")
    same(data, open_data(convert(data, tmp_path / "out")))
    foreign.write_tensor(tmp_path / "a.hdf5")
    import h5py

    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["tensor"][9, 2, 1] = np.nan
    with pytest.raises(ValueError, match="a, split 'test': trajectory 0 holds numbers that are not finite"):
        convert(tmp_path / "a.hdf5", tmp_path / "bad")


def _replaced(path, seed):
    """By another file, as the first may still be open."""
    foreign.write_well(path.with_name("other.hdf5"), 4, 3, 1.0, seed=seed)
    os.replace(path.with_name("other.hdf5"), path)


def test_a_conversion_that_was_refused_claims_no_folder(tmp_path):
    path, root = tmp_path / "a.hdf5", tmp_path / "out"
    foreign.write_well(path, 4, 3, 1.0)
    with h5py.File(path, "a") as file:
        file["t0_fields/density"][1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"trajectory 1 holds numbers that are not finite"):
        convert(path, root, shard_size=2)
    _replaced(path, seed=5)
    convert(path, root, shard_size=2)
    same(open_data(path), Dataset.open(root))
    _replaced(path, seed=9)
    with pytest.raises(ValueError, match="holds another data set"):
        convert(path, root, shard_size=2)


@pytest.mark.parametrize("name", ["../../../escaped/evil", "../x", "/tmp/x", "..", "shear flow", "\u2207u"])
def test_a_name_in_a_file_leads_nowhere_else(tmp_path, name):
    states = {part: np.full((2, 3, 8, 1), i, np.float32) for i, part in enumerate(("train", "valid", "test"))}
    data = Arrays(states, step=0.1)
    object.__setattr__(data, "name", name)
    root = convert(data, tmp_path / "out/deep")
    assert {path.parent.parent.parent for path in tmp_path.rglob("*.hdf5")} == {root}
    found = Dataset.open(root)
    for i, part in enumerate(states):
        np.testing.assert_array_equal(found.split(part).states, np.float32(i))


def test_parameters_and_inputs_that_are_not_finite_are_told_with_their_place(tmp_path):
    foreign.write_well(tmp_path / "a.hdf5", 3, 4, 1.0)
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file["scalars/amplitude"][1] = np.nan
    with pytest.raises(ValueError, match=r"a.hdf5: 'amplitude' of trajectory 1 is nan, and a parameter is"):
        open_data(tmp_path / "a.hdf5")
