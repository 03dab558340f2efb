import io
import shutil

import h5py
import numpy as np
import pytest
from rich.console import Console

from pdejax.data import examples, overview, progress_bar
from pdejax.plot import Drawn, trajectories_figure


def printed(path):
    return " ".join(" ".join([part.title, *part.columns, *map(" ".join, part.rows)]) for part in overview(path))


@pytest.fixture
def foreign(tmp_path):
    """A file as another project writes it: vectors, a field constant in time, byte names, no boundary of one axis."""
    path = tmp_path / "theirs" / "data" / "test" / "flow.hdf5"
    path.parent.mkdir(parents=True)
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs.update({"dataset_name": "flow", "grid_type": "cartesian", "n_spatial_dims": 2, "n_trajectories": 2})
        dims = file.create_group("dimensions")
        dims.attrs["spatial_dims"] = np.array([b"x", b"y"])
        for name, count in (("time", 6), ("x", 8), ("y", 5)):
            dims.create_dataset(name, data=np.linspace(0, 1, count, dtype=np.float32)).attrs["sample_varying"] = False
        walls = file.create_group("boundary_conditions").create_group("wall")
        walls.attrs.update({"bc_type": "WALL", "associated_dims": "x"})
        file.create_group("scalars").attrs["field_names"] = np.array([], dtype=h5py.string_dtype())
        for order, name, shape, moving in [(0, b"density", (2, 8, 5), False), (1, b"velocity", (2, 6, 8, 5, 2), True)]:
            group = file.create_group(f"t{order}_fields")
            group.attrs["field_names"] = np.array([name])
            data = group.create_dataset(name, data=rng.normal(size=shape).astype(np.float32))
            flags = {"sample_varying": True, "time_varying": moving, "dim_varying": np.ones(2, bool)}
            data.attrs.update(flags)
        file.create_group("t2_fields").attrs["field_names"] = np.array([], dtype=h5py.string_dtype())
    return path


def test_description_of_a_data_set(burgers_root):
    text = printed(burgers_root)
    for words in (
        "burgers",
        "train 3 10 8",
        "valid 1 3 6",
        "(8, 32)",
        "drawn from 0.1 to 0.2",
        "periodic",
        "u_t = -u*u_x + nu*u_xx",
        "jax",
        "all files intact",
        "Rejected draws: none",
    ):
        assert words in text


def test_description_tells_damage(burgers_root, tmp_path):
    root = tmp_path / "set"
    shutil.copytree(burgers_root, root)
    shard = root / "data/valid/burgers-00000.hdf5"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert "data/valid/burgers-00000.hdf5 damaged or missing" in printed(root)
    (root / "manifest.json").rename(root / "recipe.json")
    assert "Not complete" in printed(root)
    (root / "recipe.json").unlink()
    assert "manifest.json is missing" in printed(root)


def test_description_of_one_file(burgers_root):
    text = printed(burgers_root / "data/train/burgers-00002.hdf5")
    assert "train 1 2 8" in text
    assert "(8, 32)" in text


@pytest.mark.parametrize("whole", [True, False])
def test_description_of_a_foreign_file(foreign, whole):
    text = printed(foreign.parents[2] if whole else foreign)
    assert "density scalar, constant in time (8, 5) float32" in text
    assert "velocity vector (6, 8, 5, 2) float32" in text
    assert "x 8 0 to 1, step 0.142857 wall" in text
    assert "y 5 0 to 1, step 0.25 open" in text


def test_what_is_no_data_set_is_said_so(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ValueError, match=r"expected manifest.json, or files \*.hdf5|unknown suffix 'txt'"):
            overview(path)
    broken = tmp_path / "broken.hdf5"
    broken.write_bytes(b"not hdf5")
    with pytest.raises(ValueError, match=r"broken\.hdf5 is damaged"):
        overview(broken)


def test_description_of_what_a_reader_opens(tmp_path):
    states = np.arange(2 * 3 * 4.0).reshape(2, 3, 4, 1)
    np.savez(tmp_path / "heat.npz", train=states, train_nu=[0.5, 0.25], train_a=states[:, 0, :, 0])
    text = printed(tmp_path / "heat.npz")
    assert "train 2 3 0.0 MiB" in text
    assert f"u {states.mean():.6g} {states.std():.6g}" in text
    assert "a (input) 7.5 6.10328" in text
    assert "nu 0.25 to 0.5 differs by trajectory" in text


def test_examples_are_the_states(burgers_set, plane_set, tmp_path):
    split = burgers_set.split("train")
    title, found = examples(burgers_set.root, trajectory=1, most=2)
    assert (title, [one.title for one in found]) == ("burgers, train", ["trajectory 1", "trajectory 2"])
    for number, one in zip((1, 2), found, strict=True):
        np.testing.assert_array_equal(one.fields["u"], split.states[number, ..., 0])
        length, step = (split.parameters[name][number] for name in ("length", "step"))
        np.testing.assert_allclose(one.axes["x"], 2 * length * np.arange(32) / 32, rtol=1e-5)
        np.testing.assert_allclose(np.diff(one.times), 0.1 * step, rtol=1e-4)
    _, (one, *_) = examples(plane_set.root)
    assert list(one.axes) == ["x", "y"]
    for channel, values in enumerate(one.fields.values()):
        np.testing.assert_array_equal(values, plane_set.split("train").states[0, ..., channel])
    states = np.arange(2 * 3 * 4.0).reshape(2, 3, 4, 1)
    np.savez(tmp_path / "heat.npz", train=states, train_a=states[:, 0, :, 0])
    title, (first, second) = examples(tmp_path / "heat.npz")
    np.testing.assert_array_equal(second.fields["u"], states[1, ..., 0])
    np.testing.assert_array_equal(first.constant["a"], states[0, 0, :, 0])


@pytest.mark.parametrize("which", ["burgers_set", "plane_set"])
def test_pictures_are_written(which, request, tmp_path):
    title, found = examples(request.getfixturevalue(which).root)
    trajectories_figure([Drawn(*one) for one in found], title).savefig(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes()[:4] == b"\x89PNG"


def test_picture_of_a_foreign_file_shows_vector_components(foreign):
    title, found = examples(foreign)
    assert list(found[0].fields) == ["velocity_x", "velocity_y"]
    figure = trajectories_figure([Drawn(*one) for one in found], title)
    images = [image for axes in figure.axes for image in axes.get_images()]
    np.testing.assert_array_equal(images[0].get_array(), found[0].fields["velocity_x"][0].T)


def test_pictures_of_what_is_not_there_are_refused(burgers_root):
    with pytest.raises(ValueError, match=r"unknown split 'test'\. Known: train, valid"):
        examples(burgers_root, split="test")
    with pytest.raises(ValueError, match="has the trajectories 0 to 3, got 4"):
        examples(burgers_root, trajectory=4)


def test_progress_bar_reaches_the_end():
    out = io.StringIO()
    with progress_bar("generating", Console(width=100, file=out, force_terminal=True)) as progress:
        progress(0, 12)
        progress(12, 12)
    assert "12/12" in out.getvalue()


def test_files_of_others_are_not_called_ours(tmp_path):
    """Nobody can generate them again, and one without The Well's layout is not damaged."""
    path = tmp_path / "theirs.hdf5"
    path.write_text("text")
    with pytest.raises(ValueError, match=r"theirs.hdf5 is damaged, it is no file of HDF5: copy or download it again"):
        overview(path)
    for entry in ("dataset_name", "dimensions"):
        with h5py.File(path, "w") as file:
            file["a"] = [1, 2]
            if entry != "dataset_name":
                file.attrs.update({"dataset_name": "flow", "n_trajectories": 2})
        with pytest.raises(
            ValueError, match=rf"in none of the layouts .*: to be read as well it lacks .*{entry}.*; it holds a"
        ):
            overview(path)
    with pytest.raises(ValueError, match="to be read as well it lacks dimensions"):
        examples(path)


def test_work_that_is_refused_shows_no_bar():
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), progress_bar("generating", Console(file=out, force_terminal=True)):
        raise ValueError("no")
    assert out.getvalue() == ""
