"""Data of other projects: what is read is what their formats say of the numbers that were written by hand."""

import os
import pickle
import resource

import h5py
import numpy as np
import pytest

from pdejax.core import Grid, Outflow, Periodic, Slope, Value, Wall
from pdejax.data import DiskFeed, batches_of, examples, open_data, overview
from pdejax.data.store import opened
from tests.data.store import _foreign as foreign


def printed(path):
    return " ".join(" ".join([part.title, *part.columns, *map(" ".join, part.rows)]) for part in overview(path))


def check_windows(data):
    """Windows, corners and everything at once are the same numbers, and a feed from the disk gives them."""
    for name in data.split_names:
        split = data.split(name)
        frames = min(2, split.frames)
        windows = [split.window(i, split.frames - frames, frames) for i in range(len(split))]
        first = pickle.loads(pickle.dumps(split)).read(1, frames)  # as a process that reads ahead has it
        np.testing.assert_array_equal(first[0], split.states[0, :frames])
        np.testing.assert_array_equal([one.states for one in windows], split.states[:, -frames:])
        np.testing.assert_array_equal([one.inputs for one in windows], split.inputs)
        assert split.states.dtype == split.inputs.dtype == np.float32
        assert split.shape == split.states.shape


def test_a_folder_of_the_well(tmp_path):
    held = foreign.well_folder(tmp_path / "channel")
    data = open_data(tmp_path / "channel")
    assert data.field_names == ("density", "velocity_x", "velocity_y", "D_xx", "D_xy", "D_yx", "D_yy", "height")
    assert (data.name, data.step, data.input_names) == ("channel", 0.25, ())
    assert data.parameter_names == ("Rayleigh", "amplitude")
    assert data.constants == pytest.approx({"Prandtl": 0.7})
    assert data.domain == Grid((8, 6), (4.0, 1.0), ("periodic", ("wall", "outflow")))
    assert {name: data.split(name).shape[:2] for name in data.split_names} == {
        "train": (8, 5),
        "valid": (2, 4),
        "test": (2, 5),
    }
    train, (first, second) = data.split("train"), held["train"]
    np.testing.assert_array_equal(train.states[:5, ..., 0], first["density"])
    np.testing.assert_array_equal(train.states[5:, ..., 1:3], second["velocity"][:, :5])
    np.testing.assert_array_equal(train.states[5:, ..., 4], second["D"][:, :5, ..., 0, 1])
    np.testing.assert_array_equal(train.states[6, 3, ..., 7], np.tile(second["height"], (8, 1)))
    np.testing.assert_array_equal(train.parameters["Rayleigh"], [1e4] * 5 + [1e5] * 3)
    np.testing.assert_array_equal(train.parameters["amplitude"][5:], second["amplitude"])
    check_windows(data)
    batch = next(batches_of(DiskFeed(train, 2, 4), 1))
    assert batch.states.shape == (4, 2, 8, 6, 8)
    assert data.statistics["mean"][0] == pytest.approx(train.states[..., 0].mean(dtype=float), abs=1e-6)
    assert (tmp_path / "channel.stats.yaml").exists()
    assert "velocity vector (5, 8, 6, 2) float32" in printed(tmp_path / "channel")


def test_a_file_of_the_well_is_divided_and_its_axes_may_be_stretched(tmp_path):
    stretch = np.array([1.0, 1.5, 0.5, 2.0, 1.0])
    held = foreign.write_well(tmp_path / "channel.h5", 5, 4, 1e4, stretch=stretch)
    data = open_data(tmp_path / "channel.h5")
    assert data.domain.lengths == (4.0, 1.0)
    assert data.parameter_names == ("amplitude", "length")
    assert {name: len(data.split(name)) for name in data.split_names} == {"train": 3, "valid": 1, "test": 1}
    np.testing.assert_allclose(data.split("train").parameters["length"], stretch[:3], rtol=1e-6)
    np.testing.assert_array_equal(data.split("test").states[0, ..., 0], held["density"][4])
    (tmp_path / "channel.yaml").write_text("{splits: {train: 0.6, test: 0.4}, name: pipe, step: 2, lengths: [8, 1]}")
    carded = open_data(tmp_path / "channel.h5")
    assert (carded.name, carded.step, carded.domain.lengths, len(carded.split("test"))) == ("pipe", 2.0, (8.0, 1.0), 2)


def test_boundary_conditions_of_fields(tmp_path):
    foreign.write_well(tmp_path / "channel.h5", 5, 4, 1e4)
    with h5py.File(tmp_path / "channel.h5", "r+") as file:
        file["boundary_conditions/y_wall"].attrs["associated_fields"] = np.array(["velocity"], dtype=foreign.TEXT)
    domain = open_data(tmp_path / "channel.h5").domain
    assert domain.periodic_axes == (True, False)
    assert domain.end(1, 0, "height") == Outflow()
    assert [domain.end(1, 0, name) for name in ("velocity_x", "velocity_y", "density", "D_xx")] == [Wall()] * 2 + [
        Outflow()
    ] * 2
    assert domain.end(1, 1, "density") == Outflow()
    assert domain.end(0, 0, "density") == Periodic()


def test_pdebench_in_one_array(tmp_path):
    states = foreign.write_tensor(tmp_path / "1D_Advection_Sols_beta1.0.hdf5", beta=1.0)
    data = open_data(tmp_path / "1D_Advection_Sols_beta1.0.hdf5")
    assert (data.step, data.field_names, data.constants) == (pytest.approx(0.05), ("u",), {"beta": 1.0})
    assert data.domain.lengths == pytest.approx((1.0,))
    assert (data.domain.periodic, data.domain.origin) == (True, (0.0625,))
    np.testing.assert_array_equal(data.split("train").states[..., 0], states[:8])
    np.testing.assert_array_equal(data.split("test").states[..., 0], states[9:])
    check_windows(data)
    assert "beta 1" in printed(tmp_path / "1D_Advection_Sols_beta1.0.hdf5")


def test_what_differs_between_files_of_pdebench_is_a_parameter(tmp_path):
    for beta in (0.1, 0.4):
        foreign.write_tensor(tmp_path / f"beta{beta}.hdf5", beta=beta, Nu=0.01)
    data = open_data(tmp_path)
    (tmp_path.parent / f"{tmp_path.name}.stats.yaml").unlink(missing_ok=True)
    assert (data.parameter_names, data.constants) == (("beta",), {"Nu": 0.01})
    assert sorted({*data.split("train").parameters["beta"].tolist()}) == pytest.approx([0.1, 0.4])


def test_darcy_flow_of_pdebench_is_steady(tmp_path):
    coefficient, solution = foreign.write_darcy(tmp_path / "2D_DarcyFlow_beta1.0_Train.hdf5")
    data = open_data(tmp_path / "2D_DarcyFlow_beta1.0_Train.hdf5")
    assert data.steady
    assert data.input_names == ("nu",)
    assert data.domain.end(0, 0, "u") == Value("0")
    np.testing.assert_array_equal(data.split("train").inputs[..., 0], coefficient[:8])
    np.testing.assert_array_equal(data.split("train").states[..., 0], solution[:8])
    check_windows(data)


def test_a_gas_of_pdebench(tmp_path):
    held = foreign.write_gas(tmp_path / "2D_CFD_Rand_M1.0_periodic_Train.hdf5")
    data = open_data(tmp_path / "2D_CFD_Rand_M1.0_periodic_Train.hdf5")
    assert (data.field_names, data.step) == (("density", "pressure", "Vx", "Vy"), pytest.approx(0.1))
    assert data.constants == {"M": 1.0, "eta": 0.1, "zeta": 0.01}
    assert data.domain.periodic
    np.testing.assert_array_equal(data.split("valid").states[0], np.stack([x[8] for x in held.values()], -1))
    check_windows(data)


def test_a_group_for_each_seed_of_pdebench(tmp_path):
    states = foreign.write_seeds(tmp_path / "2D_diff-react_NA_NA.h5")
    data = open_data(tmp_path / "2D_diff-react_NA_NA.h5")
    assert (data.field_names, data.step) == (("u0", "u1"), 0.5)
    assert data.constants == {"Du": 0.001, "t": 5.0}
    assert data.domain == Grid((8, 6), (2.0, 2.0), "slope", (-1.0, -1.0))
    assert data.domain.end(0, 0, "u0") == Slope("0")
    np.testing.assert_array_equal(data.split("train").states, states[:8])
    check_windows(data)


def test_smoke_of_pdearena(tmp_path):
    held = foreign.write_smoke(tmp_path / "NavierStokes2D.h5")
    data = open_data(tmp_path / "NavierStokes2D.h5")
    assert (data.step, data.field_names, data.parameter_names) == (21.0, ("u", "vx", "vy"), ("buo_y",))
    assert data.domain == Grid((8, 6), (32.0, 32.0), "wall")
    for split, fields in held.items():
        np.testing.assert_array_equal(data.split(split).states[..., 2], fields["vy"])
        np.testing.assert_array_equal(data.split(split).parameters["buo_y"], np.float32(fields["buo_y"]))
    check_windows(data)


def test_lengths_and_steps_of_pdearena_differ_by_trajectory(tmp_path):
    held = foreign.write_chaos(tmp_path / "ks")
    data = open_data(tmp_path / "ks")
    assert data.parameter_names == ("length", "step")
    assert data.domain.periodic
    for split, (states, lengths, steps) in held.items():
        part = data.split(split)
        np.testing.assert_array_equal(part.states[..., 0], states)
        np.testing.assert_allclose(part.parameters["length"] * data.domain.lengths[0], lengths, rtol=1e-6)
        np.testing.assert_allclose(part.parameters["step"] * data.step, steps, rtol=1e-6)
    _, found = examples(tmp_path / "ks", trajectory=1, most=1)
    np.testing.assert_allclose(np.diff(found[0].times), held["train"][2][1], rtol=1e-6)
    np.testing.assert_allclose(np.diff(found[0].axes["x"]), held["train"][1][1] / 8, rtol=1e-6)


def test_a_folder_of_arrays(tmp_path):
    states, root = foreign.numbers(10, 4, 8, 1), tmp_path / "waves"
    root.mkdir()
    np.save(root / "states.npy", states)
    np.save(root / "nu.npy", np.arange(10))
    (tmp_path / "waves.yaml").write_text("step: 0.5")
    data = open_data(root)
    assert (data.name, data.step, data.parameter_names) == ("waves", 0.5, ("nu",))
    np.testing.assert_array_equal(data.split("train").states, states[:8])
    assert "trajectories" in printed(root)
    for name, rows in {"train": states[:7], "valid": states[7:8], "test": states[8:]}.items():
        (tmp_path / "runs" / name).mkdir(parents=True)
        for i, one in enumerate(rows):
            np.save(tmp_path / "runs" / name / f"run{i}.npy", one)
    data = open_data(tmp_path / "runs")
    np.testing.assert_array_equal(data.split("test").states, states[8:])
    np.save(tmp_path / "runs" / "test" / "run9.npy", states[0, :2])
    with pytest.raises(
        ValueError, match=r"run9.npy has the shape \(2, 8, 1\), run0.npy has \(4, 8, 1\): files of a folder"
    ):
        open_data(tmp_path / "runs")


def test_files_of_others_are_read_lazily(tmp_path, monkeypatch):
    """Opening reads no state, a window no more than its frames."""
    foreign.well_folder(tmp_path / "channel")
    real, read = h5py.Dataset.__getitem__, []
    count = lambda self, index, **options: (
        read.append((self.name, np.size(found := real(self, index, **options)))),
        found,
    )[1]
    monkeypatch.setattr(h5py.Dataset, "__getitem__", count)
    data = open_data(tmp_path / "channel")
    assert not [name for name, _ in read if "fields" in name]
    data.split("train").window(6, 1, 2)
    sizes = {name: size for name, size in read if "fields" in name}
    assert sizes == {"/t0_fields/density": 96, "/t1_fields/velocity": 192, "/t2_fields/D": 384, "/t0_fields/height": 6}


def test_more_files_than_a_process_may_open(tmp_path):
    """Files that were used before are closed for the next one."""
    for i in range(50):
        foreign.write_tensor(tmp_path / f"{i:02d}.hdf5", beta=float(i))
    split = open_data(tmp_path).split("train")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    taken = []
    try:
        while True:
            taken.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        for one in taken[-6:]:
            os.close(one)
    try:
        for i in range(0, len(split), 5):
            np.testing.assert_array_equal(split.window(i, 0, 5).states[..., 0], foreign.numbers(10, 5, 8)[i % 10])
    finally:
        for one in taken[:-6]:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert 1 < len(split._open._files) < 40


def test_files_that_cannot_be_read_are_told_apart(tmp_path, monkeypatch):
    """Missing, forbidden, and damaged in the middle: only the last is called damaged."""
    root = tmp_path / "channel"
    foreign.well_folder(root)
    path = root / "data/train/channel_1.hdf5"
    with h5py.File(path, "r+") as file:
        values = file["t0_fields/density"][:]
        attributes = dict(file["t0_fields/density"].attrs)
        del file["t0_fields/density"]
        data = file["t0_fields"].create_dataset("density", data=values, fletcher32=True, chunks=(1, *values.shape[1:]))
        data.attrs.update(attributes)
        where = data.id.get_chunk_info(2).byte_offset
    content = bytearray(path.read_bytes())
    content[where + 8] ^= 1
    path.write_bytes(content)
    split = open_data(root).split("train")
    split.window(6, 0, 2)
    with pytest.raises(ValueError, match=r"channel_1.hdf5 is damaged, its numbers cannot be read: copy or download"):
        split.window(7, 0, 2)
    path.unlink()
    with pytest.raises(ValueError, match=r"channel_1.hdf5 is missing: copy or download it again"):
        open_data(root).split("valid") and split.__class__(split.source, "x", 1, split.parts, {}).window(7, 0, 1)
    monkeypatch.setattr(h5py, "File", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(ValueError, match=r"cannot be read: its permissions do not allow it"):
        open_data(root)


def test_files_are_closed_before_too_many_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(opened, "MOST_OPEN", 2)
    for i in range(4):
        foreign.write_tensor(tmp_path / f"{i}.hdf5", beta=float(i))
    split = open_data(tmp_path).split("train")
    for i in range(0, len(split), 8):
        split.window(i, 0, 1)
    assert len(split._open._files) == 2
