"""Arrays with named axes, netCDF and Zarr, and what is said where their packages are missing."""

import importlib
import warnings

import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.data import open_data
from tests.data.store._foreign import numbers
from tests.data.store.test_foreign import check_windows, printed

xarray = pytest.importorskip("xarray")
zarr = pytest.importorskip("zarr")
pytest.importorskip("h5netcdf")
WAVES, WIND, NU, DEPTH = numbers(10, 5, 8), numbers(6, 10, 5, 8, 2, seed=1), numbers(10, seed=2), numbers(8, seed=3)


def labelled():
    """One field in the usual order, one with components and its axes in another, a parameter and a depth."""
    moved = ("y", "member", "time", "x", "component")
    held = {"wind": (moved, WIND), "nu": (("member",), NU), "depth": (("x",), DEPTH),
            "height": (("member", "time", "x", "y"), np.repeat(WAVES[..., None], 6, -1)),
            "energy": (("member", "time"), WAVES.sum(-1))}  # fmt: skip
    coordinates = {"time": np.arange(5) * 0.5, "component": ["east", "north"], "x": np.arange(8) / 4,
                   "y": ("y", np.linspace(1, 2, 6), {"periodic": "false"})}  # fmt: skip
    return xarray.Dataset(held, coordinates, {"gravity": 9.81})


def write_netcdf(path):
    labelled().to_netcdf(path, engine="h5netcdf")


def write_classic(path):
    labelled().to_netcdf(path, engine="scipy", format="NETCDF3_64BIT")


def write_zarr2(path):
    labelled().to_zarr(path, zarr_format=2, consolidated=False)


def write_zarr3(path, group=None, part=slice(None)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # texts have no specification there yet
        labelled().isel(member=part).to_zarr(path, group=group, zarr_format=3, consolidated=False)


@pytest.mark.parametrize(
    ("write", "name"),
    [(write_netcdf, "a.nc"), (write_classic, "a.cdf"), (write_zarr2, "a.zarr"), (write_zarr3, "a.zarr")],
)
def test_axes_by_their_names(tmp_path, write, name):
    write(tmp_path / name)
    data = open_data(tmp_path / name)
    assert (data.step, data.field_names) == (0.5, ("height", "wind_east", "wind_north", "depth"))
    assert (data.input_names, data.parameter_names, data.constants) == ((), ("nu",), {"gravity": 9.81})
    assert data.domain == Grid((8, 6), (2.0, 1.0), ("periodic", "slope"), (0.0, 1.0))
    train = data.split("train")
    np.testing.assert_array_equal(train.states[..., 1:3], WIND.transpose(1, 2, 3, 0, 4)[:8])
    np.testing.assert_array_equal(train.parameters["nu"], NU[:8])
    np.testing.assert_array_equal(train.states[0, 4, :, 2, 3], DEPTH)
    check_windows(data)
    assert "gravity 9.81" in printed(tmp_path / name)


def test_splits_are_files_of_a_folder_or_groups_of_a_store(tmp_path):
    rows = {"train": slice(0, 6), "valid": slice(6, 8), "test": slice(8, 10)}
    (tmp_path / "waves").mkdir()
    for name, part in rows.items():
        labelled().isel(member=part).to_netcdf(tmp_path / "waves" / f"{name}.nc4", engine="h5netcdf")
        write_zarr3(tmp_path / "waves.zarr", name, part)
    for data in (open_data(tmp_path / "waves"), open_data(tmp_path / "waves.zarr")):
        assert {name: len(data.split(name)) for name in data.split_names} == {"train": 6, "valid": 2, "test": 2}
        np.testing.assert_array_equal(data.split("test").parameters["nu"], NU[8:])


def test_a_store_of_arrays_without_names(tmp_path):
    group = zarr.open_group(str(tmp_path / "waves.zarr"), mode="w")
    for name, values in {"states": WAVES[..., None], "nu": NU, "a": WAVES[:, 0]}.items():
        group.create_array(name, data=values)
    group.attrs.update(step=0.25, lengths=[4.0], periodic=False, author="nobody")
    data = open_data(tmp_path / "waves.zarr")
    assert (data.step, data.domain, data.field_names) == (0.25, Grid((8,), (4.0,), "slope"), ("u", "a"))
    np.testing.assert_array_equal(data.split("valid").states[..., 0], WAVES[8:9])
    np.testing.assert_array_equal(data.split("valid").states[0, 3, :, 1], WAVES[8, 0])
    np.testing.assert_array_equal(data.split("valid").parameters["nu"], NU[8:9])
    check_windows(data)
    group.attrs["step"] = "fast"
    with pytest.raises(ValueError, match=r"waves.zarr: step should be a number above 0, got 'fast'"):
        open_data(tmp_path / "waves.zarr")
    zarr.open_group(str(tmp_path / "a.zarr"), mode="w").create_group("train").create_array("states", data=WAVES)
    with pytest.raises(ValueError, match=r"a.zarr: array 'states' of group 'train' has no named axes, which groups"):
        open_data(tmp_path / "a.zarr")


def test_what_has_no_time_or_cannot_be_read(tmp_path):
    labelled()[["depth", "nu"]].to_netcdf(tmp_path / "a.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"a.nc has no field over time or t .*, found .*nu\('member',\)"):
        open_data(tmp_path / "a.nc")
    fields = {"h": (("run", "time", "x"), np.ones((2, 3, 8))), "u": (("run", "time", "xu"), np.ones((2, 3, 8)))}
    importlib.import_module("xarray").Dataset(fields).to_netcdf(tmp_path / "b.nc", engine="h5netcdf")
    with pytest.raises(
        ValueError, match=r"b.nc: no field has all of the axes x, xu, found 'h' on \('x',\), .* one grid"
    ):
        open_data(tmp_path / "b.nc")
    (tmp_path / "a.nc").write_bytes(b"not netCDF")
    with pytest.raises(ValueError, match=r"a.nc cannot be read as netCDF"):
        open_data(tmp_path / "a.nc")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(ValueError, match=r"a.zarr cannot be read as a group of Zarr"):
        open_data(tmp_path / "a.zarr")


@pytest.mark.parametrize(("package", "name"), [("xarray", "a.nc"), ("zarr", "b.zarr")])
def test_a_package_that_is_missing(tmp_path, monkeypatch, package, name):
    write_netcdf(tmp_path / "a.nc")
    write_zarr3(tmp_path / "b.zarr")
    real = importlib.import_module

    def without(module, *rest):
        if module == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return real(module, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(
        ValueError, match=rf'{name} is read by {package}, which is not installed: pip install "pdejax\[data\]"'
    ):
        open_data(tmp_path / name)
