"""Files that are not what they should be: one sentence that names the file, what was found and what was expected."""

import h5py
import numpy as np
import pytest

from pdejax.data import open_data
from tests.data.store import _foreign as foreign


def edited(write, change):
    def make(folder):
        path = folder / "data.h5"
        write(path)
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return make


def well(path):
    foreign.write_well(path, 3, 4, 1e4)


def _uneven(file):
    file["dimensions/y"][...] = np.linspace(0, 1, 6) ** 2


def _replaced(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (edited(well, lambda f: f.pop("scalars")), "to be read as well it lacks scalars; it holds boundary_conditions"),
        (
            edited(well, _uneven),
            "axis 'y' has unequal steps, from 0.04 to 0.36: say what holds on a card .*data.yaml: lengths",
        ),
        (
            edited(well, lambda f: f["t1_fields/velocity"].attrs.update(sample_varying=False)),
            r"field 'velocity' should have the shape \(4, 8, 6, 2\) by its attributes, found \(3, 4, 8, 6, 2\)",
        ),
        (
            edited(well, lambda f: f["boundary_conditions/y_wall"].attrs.update(bc_type="SLIP")),
            "'/boundary_conditions/y_wall' should have a bc_type of WALL, OPEN, PERIODIC, found 'SLIP'",
        ),
        (
            edited(
                well,
                lambda f: f["t0_fields/density"].attrs.pop("dim_varying"),
            ),
            "is not in The Well's layout: it has no 'dim_varying'",
        ),
        (
            edited(foreign.write_tensor, _replaced("x-coordinate", np.arange(7))),
            r"'x-coordinate' should have 8 entries, one for each point, found \(7,\)",
        ),
        (edited(foreign.write_tensor, _replaced("tensor", np.ones((10, 5, 8), complex))), "'tensor' is complex"),
        (edited(foreign.write_tensor, lambda f: f.pop("x-coordinate")), "to be read as pdebench it lacks x-coordinate"),
        (
            edited(foreign.write_darcy, _replaced("nu", np.ones((10, 8)))),
            r"'nu' should have the shape \(10, 8, 8\), found \(10, 8\)",
        ),
        (
            edited(foreign.write_gas, _replaced("Vx", np.ones((10, 4, 8)))),
            r"'Vx' has the shape \(10, 4, 8\), 'density' has",
        ),
        (edited(foreign.write_seeds, lambda f: f["0003"].pop("data")), "the group '0003' has no 'data'"),
        (
            edited(foreign.write_seeds, lambda f: f["0003"].attrs.update(config="a: [")),
            "'config' of '/0003' is not valid YAML",
        ),
        (edited(foreign.write_smoke, _replaced("valid/vx", np.ones((2, 5, 8)))), "/valid/vx should have the axes"),
        (
            edited(foreign.write_smoke, _replaced("valid/t", np.ones(4))),
            r"/valid/t should have 5 entries, found the shape \(4,\)",
        ),
        (
            edited(foreign.write_smoke, lambda f: [f["train"].pop(n) for n in ("u", "vx", "vy")]),
            r"to be read as pdearena it lacks train/u or train/pde_\*",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, make, words):
    path = make(tmp_path)
    with pytest.raises(ValueError, match=rf"{path.name}.*{words}"):
        open_data(path)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data.h5"]


def test_pieces_that_do_not_fit_each_other(tmp_path):
    foreign.write_tensor(tmp_path / "a.hdf5", beta=1.0)
    foreign.write_tensor(tmp_path / "b.hdf5", (8, 8), beta=1.0)
    with pytest.raises(ValueError, match=r"b.hdf5: its points are \[8, 8\], those of .*a.hdf5 \[8\]"):
        open_data(tmp_path)
    foreign.write_tensor(tmp_path / "b.hdf5")
    with pytest.raises(ValueError, match=r"b.hdf5: its scalars are \[\], those of .*a.hdf5 \['beta'\]"):
        open_data(tmp_path)


def test_a_folder_that_is_no_split_beside_those_that_are(tmp_path):
    """It would be learned from, or left out, unseen."""
    foreign.well_folder(tmp_path)
    (tmp_path / "data/valid").rename(tmp_path / "data/val")
    with pytest.raises(
        ValueError, match=r"channel_0.hdf5 is of no split, .*: unknown split 'val'. Did you mean 'valid'"
    ):
        open_data(tmp_path)


def test_a_split_that_is_not_there_and_shares_of_what_is_divided(tmp_path):
    foreign.well_folder(tmp_path / "channel")
    with pytest.raises(ValueError, match=r"unknown split 'tset'. Did you mean 'test'"):
        open_data(tmp_path / "channel").split("tset")
    (tmp_path / "channel.yaml").write_text("splits: {train: 0.5, test: 0.5}")
    with pytest.raises(ValueError, match=r"channel.yaml: splits divide what is not divided"):
        open_data(tmp_path / "channel")
    (tmp_path / "channel.yaml").write_text("fields: [a, b]")
    with pytest.raises(
        ValueError, match=r"channel.yaml: fields=\['a', 'b'\] should name the 8 of .*: density, velocity_x"
    ):
        open_data(tmp_path / "channel")


def test_numbers_that_are_not_finite_are_told_where_they_are_used(tmp_path):
    foreign.write_tensor(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        file["tensor"][3, 2, 1] = np.nan
    data = open_data(tmp_path / "a.hdf5")
    with pytest.raises(ValueError, match="trajectory 3 of the data to learn from holds numbers that are not finite"):
        _ = data.statistics
