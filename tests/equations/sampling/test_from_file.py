import json
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from pdejax.core import Grid, PointCloud, build, describe, sha256
from pdejax.data import SplitSize, generate
from pdejax.equations import Equation, Family, FromFile, Times

GRID = Grid((16,), (2.0,))
X = np.arange(16) * 2 / 16
STATES = np.stack([np.sin(np.pi * (i + 1) * X) + i for i in range(4)]).astype(np.float32)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "states.npy", STATES)
    return str(tmp_path / "states.npy")


def draws(sampler, key, count=400, grid=GRID):
    return np.asarray(jax.jit(jax.vmap(lambda k: sampler(k, grid)))(jax.random.split(key, count)))


def test_states_of_a_file_are_drawn_alike(path, key):
    u = draws(FromFile(path), key)
    assert u.shape == (400, 16, 1)
    number = np.array([np.argmin(np.abs(one[:, 0] - STATES).max(1)) for one in u])
    np.testing.assert_array_equal(u[..., 0], STATES[number])
    assert scipy.stats.chisquare(np.bincount(number, minlength=4)).pvalue > 0.05


def test_the_recipe_knows_the_file(path):
    sampler = FromFile(path)
    assert describe(sampler) == {"kind": "from_file", "path": path, "array": None, "digest": sha256(Path(path))}
    assert build("sampler", json.loads(json.dumps(describe(sampler))), channels=1) == sampler
    np.save(path, STATES + 1)
    assert FromFile(path) != sampler


def test_finer_grids_see_the_same_field(path, key, x64):
    coarse, fine = (np.asarray(FromFile(path)(key, GRID.with_shape((n,)))) for n in (32, 64))
    np.testing.assert_allclose(fine[::2], coarse, atol=1e-12)
    np.testing.assert_allclose(coarse[::2], FromFile(path)(key, GRID), atol=1e-6)
    assert coarse.dtype == np.float64
    bounded = Grid((31,), (2.0,), "value")
    linear = np.asarray(FromFile(path)(key, bounded))
    np.testing.assert_allclose(linear[::2], FromFile(path)(key, bounded.with_shape((16,))), atol=1e-6)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_files_of_several_arrays_and_channels(suffix, tmp_path, key):
    path, pair = tmp_path / f"states.{suffix}", np.stack([STATES, -STATES], -1)
    if suffix == "npz":
        np.savez(path, pair=pair, other=STATES)
    else:
        with h5py.File(path, "w") as file:
            file["group/pair"], file["other"] = pair, STATES
    name = "pair" if suffix == "npz" else "group/pair"
    u = FromFile(str(path), name, channels=2)(key, GRID)
    np.testing.assert_array_equal(u[..., 0], -u[..., 1])
    assert FromFile(str(path), "other")(key, GRID).shape == (16, 1)
    with pytest.raises(ValueError, match=r"array should name one of the 2 arrays of .*: .*pair"):
        FromFile(str(path))
    with pytest.raises(ValueError, match=r"array is none of .*: unknown array 'othr'. Did you mean 'other'"):
        FromFile(str(path), "othr")
    with pytest.raises(ValueError, match=r"holds an array \[4, 16\], expected \(sample, x, 2\)"):
        FromFile(str(path), "other", channels=2)(key, GRID)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (STATES[None, None], r"holds an array \[1, 1, 4, 16\], expected \(sample, x\[, 1\]\) for domain.shape \[16\]"),
        (STATES[0], r"holds an array \[16\], expected \(sample, \*space\[, channel\]\)"),
        (STATES[:0], r"holds an array \[0, 16\], expected"),
        (STATES * 1j, "is real, got complex64"),
        (np.where(STATES > 3, np.inf, STATES), "holds numbers that are not finite"),
        (np.array([["a"]]), "holds real numbers"),
    ],
)
def test_arrays_that_are_no_states_are_told(values, sentence, tmp_path, key):
    np.save(tmp_path / "bad.npy", values)
    with pytest.raises(ValueError, match=sentence):
        FromFile(str(tmp_path / "bad.npy"))(key, GRID)


def test_files_that_are_none_are_told(tmp_path, path):
    with pytest.raises(ValueError, match=r"path: .*none.npy does not exist"):
        FromFile(str(tmp_path / "none.npy"))
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match=r"path: .*folder.npy is a folder, expected a file"):
        FromFile(str(tmp_path / "folder.npy"))
    (tmp_path / "text.h5").write_text("no file of HDF5")
    with pytest.raises(ValueError, match=r"path: .*text.h5 is damaged"):
        FromFile(str(tmp_path / "text.h5"))
    with pytest.raises(ValueError, match=r"path should be a file .npy, .npz, .h5, .hdf5, got 'states.mat'"):
        FromFile("states.mat")
    with pytest.raises(ValueError, match=r"array='u' has no effect: a file .npy has one array"):
        FromFile(path, "u")


def test_a_description_is_read_without_its_file_and_refuses_another(path, tmp_path, key):
    told = describe(FromFile(path))
    away = build("sampler", {**told, "path": str(tmp_path / "away.npy")}, channels=1)
    with pytest.raises(ValueError, match=r"away.npy does not exist"):
        away(key, GRID)
    np.save(tmp_path / "away.npy", STATES + 1)
    with pytest.raises(ValueError, match=r"path: .*away.npy has changed: its digest is [0-9a-f]{12}..., expected"):
        away(key, GRID)
    np.save(tmp_path / "away.npy", STATES)
    np.testing.assert_array_equal(away(key, GRID), FromFile(path)(key, GRID))


def test_scattered_points_take_fields_of_their_own_shape(tmp_path, key):
    np.save(tmp_path / "points.npy", np.arange(12.0).reshape(2, 6))
    cloud = PointCloud(np.random.default_rng(0).uniform(size=(6, 2)))
    np.save(tmp_path / "more.npy", np.zeros((2, 7)))
    assert FromFile(str(tmp_path / "points.npy"))(key, cloud).shape == (6, 1)
    with pytest.raises(ValueError, match=r"fields of the shape \[7\], expected \[6\] of the domain, which is no grid"):
        FromFile(str(tmp_path / "more.npy"))(key, cloud)


def test_a_data_set_begins_with_states_of_the_file_and_notices_another(path, tmp_path):
    family = lambda: Family(
        "kept", Equation("u_t = -0*u"), GRID, {"u": {"kind": "from_file", "path": path}}, times=Times(0.1)
    )
    still = lambda family, fields, parameters, times: jnp.repeat(fields["u"][:, None, :, None], len(times), 1)
    root = generate(family(), still, tmp_path / "set", {"train": SplitSize(3, 2)})
    with h5py.File(next(root.glob("data/train/*"))) as file:
        first = file["t0_fields/u"][:, 0]
    assert all(any(np.allclose(one, state, atol=1e-6) for state in STATES) for one in first)
    np.save(path, STATES + 1)
    with pytest.raises(ValueError, match=r"holds a data set of other settings: family.draws.u.digest is '[0-9a-f]+'"):
        generate(family(), still, tmp_path / "set", {"train": SplitSize(3, 2)})
