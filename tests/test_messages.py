"""Every kind of message is as docs/messages.md shows it."""

import errno
import os
import re
import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax._read import check_file, entries, read_json, read_text
from pdejax._write import check_folder
from pdejax.config import resolve
from pdejax.core import as_state, check_disk, check_memory, exclusive, replacing
from pdejax.core._registry import only_plugins
from pdejax.data import read_observations
from pdejax.data.store.manifest import changed
from pdejax.data.store.memory import Arrays
from pdejax.equations import Equation
from pdejax.evaluation.reference import select
from pdejax.evaluation.rollouts.curves import check_own
from pdejax.methods import OperatorInfo, check_made_for
from pdejax.training import Plan, Run, TrainSettings
from pdejax.training.guards import check_finite

FIELD = ("problem=pig_burgers", "method=physics_informed", "network=gaussians")
SHOWN = (Path(__file__).parents[1] / "docs" / "messages.md").read_text()


def _in_use(folder):
    with exclusive(folder), exclusive(folder):
        pass


def _damaged(folder):
    raise changed(folder / "data/test/burgers_000.hdf5")


def _written(folder, text):
    (folder / "metrics.json").write_bytes(text)
    return folder / "metrics.json"


def _measured(folder, name, content):
    (folder / name).write_bytes(content)
    read_observations(folder / name, {"t": (0.0, 1.0)}, ("u",))


def _continued(folder):
    for sum_ in ("old", "new"):
        (folder / "checkpoints" / "1").mkdir(parents=True, exist_ok=True)
        one = Run(folder, Plan(()), None, {}, "", lambda _: {}, lambda *_: None, files={"measured.csv": sum_})
        one._provenance()


def _empty(path):
    path.write_text("")
    return path


def _full(path):
    with replacing(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


MADE = types.SimpleNamespace(info=OperatorInfo(step=1.0, lengths=(22.0,), fields=("u",)))
KINDS = {
    "an unknown name": lambda _: pdejax.core.build("network", {"kind": "fnoo"}, key=None),
    "no data set": lambda _: pdejax.Dataset.open("data/nothing"),
    "an unknown option of a configuration": lambda _: resolve(["problem=ks", "train.stepss=5"]),
    "a value": lambda _: resolve(["problem=ks", "train.learning_rate=-1"]),
    "an argument": lambda _: pdejax.FNO(1, 1, 1, width=0, key=None),
    "no effect": lambda _: resolve([*FIELD, "evaluation.steps=5"]),
    "no file": lambda folder: check_file(folder / "metrics.json"),
    "another thing": lambda folder: check_file(folder),
    "not UTF-8": lambda folder: read_text(_written(folder, b"\xff")),
    "not JSON": lambda folder: read_json(_written(folder, b'{"a": 1')),
    "an entry": lambda folder: entries({"a": 1}, folder / "metrics.json", rows=list),
    "a place": lambda folder: _measured(folder, "measured.csv", b"t,u\n7,1\n"),
    "a separator": lambda folder: _measured(folder, "measured.csv", b"t;u\n0;1\n"),
    "no archive": lambda folder: _measured(folder, "measured.npz", b"t,u\n0,1\n"),
    "other content": lambda folder: _continued(folder / "run"),
    "no folder": lambda folder: check_folder(_empty(folder / "file")),
    "no room": lambda folder: _full(folder / "report.html"),
    "a checksum": _damaged,
    "in use": _in_use,
    "memory": lambda _: check_memory(1e18, "a grid of [100000, 100000] points", "take fewer points (domain.shape)"),
    "a disk": lambda folder: check_disk(1e18, folder, "the data set", "take fewer trajectories, frames or points"),
    "a complex state": lambda _: as_state(jnp.zeros((4, 1), complex)),
    "no number": lambda _: as_state(np.array([["a"]])),
    "not finite": lambda _: Arrays(np.full((2, 3, 4, 1), np.nan)),
    "ill-posed": lambda _: pdejax.spectral_stepper(Equation(["u_t = -u_xx"]), pdejax.Grid((16,), (1.0,)), 0.1),
    "code": lambda _: _refused_code(),
    "another box": lambda _: check_made_for(MADE, Arrays(np.ones((2, 3, 4, 1)))),
    "a metric": lambda _: check_own({"m": lambda u, v: 1.0}, select(Arrays(np.ones((2, 3, 4, 1))), "train", 2, 2, 1)),
    "a loss": lambda _: check_finite(7, {"loss": np.array([1.0, np.nan])}, TrainSettings(steps=10), 5),
}


def _refused_code():
    with only_plugins(()):
        pdejax.core.build("network", {"kind": "mynets.wave:Net"}, key=None)


def plain(message, folder):
    """A message with what differs between machines named: the folder, sizes of memory and disk, processes."""
    text = str(message).replace(str(folder), "FOLDER").replace(str(folder.parent), "ABOVE")
    text = re.sub(
        r"[\d.e+]+ (are free(?: in \S+(?=:))?)", lambda m: f"N are free{' in PLACE' if 'in' in m[1] else ''}", text
    )
    return text.replace(f"process {os.getpid()}", "process N")


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_as_it_is_shown(kind, tmp_path):
    with pytest.raises((ValueError, OSError, RuntimeError)) as caught:
        KINDS[kind](tmp_path)
    said = plain(caught.value, tmp_path)
    assert f"```text\n{said}\n```" in SHOWN, said


def test_no_message_is_shown_that_nobody_says():
    assert len(re.findall(r"```text\n", SHOWN)) == len(KINDS)
