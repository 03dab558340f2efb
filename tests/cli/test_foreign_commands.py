"""From data of others to a report in three commands."""

import numpy as np
import pytest

from tests._command import run
from tests.data.store import _foreign as foreign

TRAIN = ("network=fno", "network.width=4", "network.modes=2", "network.depth=1", "train.steps=2", "train.batch_size=2",
         "evaluation.price=false", "evaluation.baselines=false", "name=mine")  # fmt: skip


def _arrays(folder):
    (folder / "waves").mkdir()
    for name, count in {"train": 6, "valid": 2, "test": 2}.items():
        np.save(folder / "waves" / f"{name}.npy", foreign.numbers(count, 6, 16, 1))
    return "waves", "trajectories"


def _pdebench(folder):
    foreign.write_tensor(folder / "1D_Burgers_Sols_Nu0.01.hdf5", (16,), Nu=0.01)
    return "1D_Burgers_Sols_Nu0.01.hdf5", "Nu"


def _well(folder):
    foreign.well_folder(folder / "channel")
    return "channel", "drawn|differs by trajectory"


def _darcy(folder):
    foreign.write_darcy(folder / "darcy.hdf5")
    return "darcy.hdf5", "steady"


def _arena(folder):
    foreign.write_smoke(folder / "smoke.h5")
    return "smoke.h5", "buoy|buo_y"


LONG = [pytest.param(one, marks=pytest.mark.long) for one in (_well, _darcy, _arena)]


@pytest.mark.parametrize("write", [_arrays, _pdebench, *LONG])
def test_inspect_train_evaluate(tmp_path, write):
    name, words = write(tmp_path)
    shown = run(tmp_path, "inspect", name)
    assert any(word in shown for word in words.split("|"))
    assert run(tmp_path, "inspect", name, "--picture", "seen.png") == "seen.png\n"
    assert (tmp_path / "seen.png").read_bytes()[:4] == b"\x89PNG"
    method = "method=steady" if write is _darcy else "method=one_step"
    run(tmp_path, "train", f"data={name}", method, *TRAIN)
    assert "report: runs/mine/report.html" in run(tmp_path, "evaluate", "runs/mine")
    assert (tmp_path / "runs/mine/report.html").stat().st_size > 1000


def test_convert_then_inspect(tmp_path):
    foreign.write_gas(tmp_path / "gas.hdf5")
    assert "data/gas: complete; `pdejax train data=data/gas`" in run(tmp_path, "convert", "gas.hdf5", "data/gas")
    assert "Converted: no equation and no solver are known" in run(tmp_path, "inspect", "data/gas")
    assert "gas.hdf does not exist. Did you mean 'gas.hdf5'?" in run(
        tmp_path, "convert", "gas.hdf", "data/other", code=2
    )
    (tmp_path / "notes.txt").write_text("hello")
    assert "unknown suffix 'txt'" in run(tmp_path, "convert", "notes.txt", "data/other", code=2)
    assert not (tmp_path / "data/other").exists()


@pytest.mark.long
def test_convert_then_train(tmp_path):
    foreign.write_gas(tmp_path / "gas.hdf5")
    run(tmp_path, "convert", "gas.hdf5", "data/gas")
    run(tmp_path, "train", "data=data/gas", "method=one_step", *TRAIN)
    assert "report: runs/mine/report.html" in run(tmp_path, "evaluate", "runs/mine")
