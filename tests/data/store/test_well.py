"""Files follow The Well's specification: what its loader reads and what its format checker asks for."""

import h5py
import numpy as np
import pytest
import yaml


def truth_value(value):
    return isinstance(value, bool | np.bool_)


def list_of_text(values):
    return isinstance(values, np.ndarray) and all(isinstance(v, str) for v in values)


def check_dimensions(file):
    dims = file["dimensions"]
    assert list_of_text(dims.attrs["spatial_dims"])
    assert len(dims.attrs["spatial_dims"]) == file.attrs["n_spatial_dims"] > 0
    for axis in ["time", *dims.attrs["spatial_dims"]]:
        assert truth_value(dims[axis].attrs["sample_varying"])
        assert truth_value(dims[axis].attrs["time_varying"])
        assert dims[axis].attrs["time_varying"] == (axis == "time")
        assert dims[axis].ndim == 1 + dims[axis].attrs["sample_varying"]
        assert dims[axis].dtype == np.float32


def check_fields(file, order):
    group, dims = file[f"t{order}_fields"], file["dimensions"]
    assert list_of_text(group.attrs["field_names"])
    for name in group.attrs["field_names"]:
        attributes = group[name].attrs
        assert all(truth_value(attributes[key]) for key in ("sample_varying", "time_varying"))
        assert isinstance(attributes["dim_varying"], np.ndarray)
        assert all(truth_value(value) for value in attributes["dim_varying"])
        sizes = [file.attrs["n_trajectories"], dims["time"].shape[-1]]
        sizes += [dims[axis].shape[-1] for axis in dims.attrs["spatial_dims"]]
        assert group[name].shape == tuple(sizes)
        assert group[name].dtype == np.float32
        assert group[name].fletcher32
        assert group[name].compression is None


def check_scalars(file):
    assert list_of_text(file["scalars"].attrs["field_names"])
    for name in file["scalars"].attrs["field_names"]:
        scalar = file["scalars"][name]
        varying = [scalar.attrs[key] for key in ("sample_varying", "time_varying")]
        assert all(truth_value(v) for v in varying)
        assert scalar.ndim == sum(varying)
        assert scalar.dtype == np.float32


def check_boundaries(file):
    seen = []
    for condition in file["boundary_conditions"].values():
        attributes = condition.attrs
        assert attributes["bc_type"] in ("WALL", "OPEN", "PERIODIC")
        assert list_of_text(attributes["associated_dims"])
        assert list_of_text(attributes["associated_fields"])
        assert all(truth_value(attributes[key]) for key in ("sample_varying", "time_varying"))
        (axis,) = attributes["associated_dims"]
        mask = condition["mask"][:]
        assert mask.shape == file["dimensions"][axis].shape[-1:]
        assert mask[0]
        assert mask[-1]
        assert not mask[1:-1].any()
        seen.append(axis)
    assert sorted(seen) == sorted(file["dimensions"].attrs["spatial_dims"])


def check_root(file):
    attributes = file.attrs
    assert isinstance(attributes["dataset_name"], str)
    assert attributes["grid_type"] == "cartesian"
    assert isinstance(attributes["n_trajectories"], int | np.integer)
    for name in attributes["simulation_parameters"]:
        assert name in attributes
        assert name in file["scalars"].attrs["field_names"]


def load_window(file, sample, start, steps):
    """One sample as The Well's loader builds it: fields tiled and stacked, scalars, grids, boundary codes."""
    dims = file["dimensions"]
    axes = list(dims.attrs["spatial_dims"])
    fields = []
    for order in range(3):
        for name in file[f"t{order}_fields"].attrs["field_names"]:
            data = file[f"t{order}_fields"][name]
            index = (sample,) * bool(data.attrs["sample_varying"])
            fields.append(data[(*index, slice(start, start + steps))][..., None])
    scalars = []
    for name in file["scalars"].attrs["field_names"]:
        data = file["scalars"][name]
        scalars.append(data[sample] if data.attrs["sample_varying"] else data[()])
    pick = lambda name: dims[name][sample] if dims[name].attrs["sample_varying"] else dims[name][:]
    space = np.stack(np.meshgrid(*(pick(axis) for axis in axes), indexing="ij"), -1)
    codes = {"WALL": 0, "OPEN": 1, "PERIODIC": 2}
    bounds = np.ones((len(axes), 2))
    for condition in file["boundary_conditions"].values():
        for axis in condition.attrs["associated_dims"]:
            bounds[axes.index(axis)] = codes[condition.attrs["bc_type"].upper()]
    return np.concatenate(fields, -1), np.array(scalars), space, pick("time")[start : start + steps], bounds


@pytest.mark.parametrize("which", ["burgers_set", "plane_set"])
def test_files_pass_the_format_check(which, request):
    dataset = request.getfixturevalue(which)
    names = set()
    for entry in dataset.manifest["shards"]:
        with h5py.File(dataset.root / entry["path"]) as file:
            check_root(file)
            check_dimensions(file)
            check_scalars(file)
            check_boundaries(file)
            for order in range(3):
                check_fields(file, order)
            assert file.attrs["n_trajectories"] == entry["trajectories"]
            names.add(file.attrs["dataset_name"])
    assert len(names) == 1


@pytest.mark.parametrize("which", ["burgers_set", "plane_set"])
def test_statistics_have_the_keys_normalisers_need(which, request):
    dataset = request.getfixturevalue(which)
    stats = yaml.safe_load((dataset.root / "stats.yaml").read_text())
    for key in ("mean", "std", "rms", "mean_delta", "std_delta", "rms_delta"):
        assert list(stats[key]) == sorted(dataset.field_names)
        assert all(isinstance(v, float) for v in stats[key].values())


def test_a_window_of_one_axis_with_varying_parameters(burgers_set):
    split = burgers_set.split("train")
    with h5py.File(split.shards[1].path) as file:
        fields, scalars, space, time, bounds = load_window(file, 2, 3, 4)
        names = list(file["scalars"].attrs["field_names"])
    row = split.shards[1].first + 2
    parameters = {name: split.parameters[name][row] for name in split.source.parameter_names}
    np.testing.assert_array_equal(fields, split.states[row, 3:7])
    assert dict(zip(names, scalars, strict=True)) == parameters
    x = np.arange(32) * 2.0 / 32 * parameters["length"]
    np.testing.assert_allclose(space[:, 0], x, rtol=1e-6)
    np.testing.assert_allclose(time, (2 + np.arange(3, 7)) * 0.1 * parameters["step"], rtol=1e-6)
    assert bounds.tolist() == [[2, 2]]


def test_a_window_of_two_axes_and_two_fields(plane_set):
    split = plane_set.split("train")
    with h5py.File(split.shards[1].path) as file:
        fields, scalars, space, time, bounds = load_window(file, 0, 1, 3)
    np.testing.assert_array_equal(fields, split.states[2, 1:4])
    np.testing.assert_allclose(scalars, [0.05], rtol=1e-6)
    np.testing.assert_allclose(space, plane_set.domain.coordinates(), rtol=1e-6)
    np.testing.assert_allclose(time, [0.1, 0.2, 0.3], rtol=1e-6)
    assert bounds.tolist() == [[2, 2], [2, 2]]


def test_provenance_tells_how_numbers_were_made(burgers_set):
    with h5py.File(burgers_set.split("valid").shards[0].path) as file:
        provenance = dict(file["provenance"].attrs)
        differences = file["provenance/self_difference"][:]
    assert provenance["substeps"] == 4
    assert provenance["dt"] == pytest.approx(0.025)
    assert provenance["order"] == 4
    assert "u_t = -u*u_x + nu*u_xx" in provenance["equation"]
    assert "float64" in provenance["precision"]
    assert '"jax"' in provenance["versions"]
    assert differences.shape == (3,)
    assert 0 < differences.max() <= provenance["tolerance"]
