"""What is read is what was written: changed, damaged and unreadable files are told apart, each in a sentence."""

import json
import os
import shutil

import h5py
import pytest

from pdejax.data import Dataset, open_data
from pdejax.data.store.well import open_shard

SHARD = "data/train/burgers-00000.hdf5"


@pytest.fixture
def root(burgers_root, tmp_path):
    return shutil.copytree(burgers_root, tmp_path / "set")


def _shard(root):
    return sorted((root / "data/train").iterdir())[0]


def test_a_field_that_was_multiplied_is_not_read(root):
    with h5py.File(_shard(root), "r+") as file:
        field = next(iter(file["t0_fields"].values()))
        field[...] = 3 * field[...]
    split = open_data(root).split("train")
    for read in (lambda: split.read(1, 2), lambda: split.window(0, 0, 2), lambda: split.parameters):
        with pytest.raises(ValueError, match=r"hdf5 differs from its checksum in manifest.json: it is damaged"):
            read()


def test_statistics_that_were_edited_are_not_read(root):
    path = root / "stats.yaml"
    path.write_text(path.read_text() + "# mine\n")
    with pytest.raises(ValueError, match=r"stats.yaml differs from its checksum"):
        _ = Dataset.open(root).statistics


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda m: m["shards"][0].update(trajectories=999),
            "should begin with|should have .* trajectories",
        ),
        (lambda m: m["recipe"]["splits"]["train"].update(trajectories=7), "should have 7 trajectories, its files hold"),
        (lambda m: m["shards"][0].pop("sha256"), "lacks the entry 'sha256'"),
        (lambda m: m.update(shards={}), "the entry 'shards' is of the type dict"),
        (lambda m: m.update(fields=None), "the entry 'fields' is of the type NoneType"),
        (lambda m: m["recipe"]["splits"].pop("valid"), "files of the split 'valid', which the recipe does not have"),
        (lambda m: m["recipe"].pop("splits"), "lacks the entry 'splits'"),
        (lambda m: m["recipe"]["family"].update(domain=True), "the entry 'domain' is of the type bool"),
    ],
)
def test_a_manifest_that_does_not_agree_is_refused(change, sentence, root):
    manifest = json.loads((root / "manifest.json").read_text())
    change(manifest)
    (root / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=rf"manifest.json.*({sentence})"):
        Dataset.open(root)


def test_names_that_the_files_do_not_have_are_told(root):
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps({**manifest, "fields": ["x"]}))
    with pytest.raises(ValueError, match=r"hdf5 has no 'x', which manifest.json names: one of them was changed"):
        open_data(root).split("train").window(0, 0, 2)


def test_what_cannot_be_opened_is_told_apart(root, tmp_path):
    """A file that is missing, one that is no file, one that is locked and one that is damaged need different things."""
    path = _shard(root)
    with h5py.File(path, "r+"), pytest.raises(ValueError, match=r"is locked by another process"):
        _elsewhere(path)
    with pytest.raises(ValueError, match="is missing: generate again to mend it"):
        open_shard(root / "data/train/gone.hdf5")
    (tmp_path / "folder.hdf5").mkdir()
    with pytest.raises(ValueError, match="is a folder, expected a file"):
        open_shard(tmp_path / "folder.hdf5")
    os.mkfifo(tmp_path / "pipe.hdf5")
    with pytest.raises(ValueError, match="is a device, a pipe or a socket"):
        open_shard(tmp_path / "pipe.hdf5")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged, it is no file of HDF5: delete it"):
        open_shard(path)


def _elsewhere(path):
    """Opens a file in another process: within one, HDF5 shares it."""
    import subprocess
    import sys

    script = f"from pathlib import Path\nfrom pdejax.data.store.well import open_shard\nopen_shard(Path({str(path)!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    raise ValueError(done.stderr.strip().splitlines()[-1])


def test_too_many_open_files_are_not_called_damage(root, monkeypatch):
    def full(*_, **__):
        raise OSError(24, "unable to open file")

    monkeypatch.setattr(h5py, "File", full)
    with pytest.raises(ValueError, match="cannot be read: too many open files") as refused:
        open_shard(_shard(root))
    assert "damaged" not in str(refused.value)


def test_a_file_that_was_checked_is_not_read_again_for_it(root, monkeypatch):
    data, sums = Dataset.open(root), []
    monkeypatch.setattr("pdejax.data.store.shards.sha256", lambda path: sums.append(path) or _true(data, path))
    split = data.split("train")
    for _ in range(3):
        split.window(0, 0, 2)
        split.read(1, 2)
    assert len(sums) == 1


def _true(data, path):
    return next(entry["sha256"] for entry in data.manifest["shards"] if data.root / entry["path"] == path)
