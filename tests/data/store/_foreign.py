"""Files as other projects describe theirs, written by hand with h5py: never by a writer of ours."""

import h5py
import numpy as np

TEXT = h5py.string_dtype()


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _names(*names):
    return np.array(names, dtype=TEXT)


def write_well(path, trajectories, frames, rayleigh, seed=0, stretch=None):
    """A flow in a channel as The Well's page on its format tells: periodic in x, a wall below and open above.

    A scalar of the file, one of each trajectory and one of each time; a scalar, a vector, a tensor, and a height that
    is the same for all trajectories, times and places of x. `stretch`: factors of each trajectory on both axes.
    """
    n, t, x, y = trajectories, frames, 8, 6
    held = {"density": numbers(n, t, x, y, seed=seed), "velocity": numbers(n, t, x, y, 2, seed=seed + 1),
            "D": numbers(n, t, x, y, 2, 2, seed=seed + 2), "height": numbers(y, seed=seed + 3),
            "amplitude": numbers(n, seed=seed + 4)}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(dataset_name="channel", grid_type="cartesian", n_spatial_dims=2, n_trajectories=n,
                          simulation_parameters=_names("Rayleigh"), Rayleigh=rayleigh)  # fmt: skip
        group = file.create_group("dimensions")
        group.attrs["spatial_dims"] = _names("x", "y")
        for name, values in (("time", 1 + 0.25 * np.arange(t)), ("x", np.arange(x) / 2), ("y", np.linspace(0, 1, y))):
            stretched = stretch is not None and name != "time"
            group[name] = (np.asarray(stretch)[:, None] * values if stretched else values).astype(np.float32)
            group[name].attrs.update(sample_varying=stretched, time_varying=name == "time")
        group = file.create_group("boundary_conditions")
        for name, kind, axis, count, places in (
            ("x_periodic", "PERIODIC", "x", x, (0, -1)),
            ("y_wall", "WALL", "y", y, (0,)),
            ("y_open", "OPEN", "y", y, (-1,)),
        ):
            one = group.create_group(name)
            one.attrs.update(bc_type=kind, associated_dims=_names(axis), associated_fields=_names())
            one.attrs.update(sample_varying=False, time_varying=False)
            one["mask"] = np.isin(np.arange(count), np.arange(count)[list(places)])
        group = file.create_group("scalars")
        scalars = {"Rayleigh": (rayleigh, False, False), "Prandtl": (0.7, False, False),
                   "amplitude": (held["amplitude"], True, False), "forcing": (np.ones(t), False, True)}  # fmt: skip
        group.attrs["field_names"] = _names(*scalars)
        for name, (values, rows, moving) in scalars.items():
            group[name] = np.asarray(values, np.float32)
            group[name].attrs.update(sample_varying=rows, time_varying=moving)
        for order, names in enumerate((("density", "height"), ("velocity",), ("D",))):
            group = file.create_group(f"t{order}_fields")
            group.attrs["field_names"] = _names(*names)
            for name in names:
                moving = name != "height"
                group[name] = held[name]
                group[name].attrs.update(
                    sample_varying=moving, time_varying=moving, dim_varying=np.array([moving, True])
                )
    return held


def well_folder(root):
    """Splits in folders, files of other sizes, one parameter that differs from file to file."""
    sizes = {"train": ((5, 5, 1e4), (3, 6, 1e5)), "valid": ((2, 4, 1e4),), "test": ((2, 5, 1e5),)}
    return {
        split: [write_well(root / "data" / split / f"channel_{i}.hdf5", *one, seed=10 * i) for i, one in enumerate(of)]
        for split, of in sizes.items()
    }


def write_tensor(path, space=(8,), **attributes):
    """PDEBench in one file: `tensor`, and one more time than there are frames."""
    states = numbers(10, 5, *space)
    with h5py.File(path, "w") as file:
        file["tensor"] = states
        for axis, n in zip("xy", space, strict=False):
            file[f"{axis}-coordinate"] = ((np.arange(n) + 0.5) / n).astype(np.float32)
        file["t-coordinate"] = np.arange(6) / 20
        file.attrs.update(attributes)
    return states


def write_darcy(path):
    """PDEBench, Darcy flow: a coefficient and the solution, without time."""
    coefficient, solution = numbers(10, 8, 8), numbers(10, 1, 8, 8, seed=1)
    with h5py.File(path, "w") as file:
        file["nu"], file["tensor"] = coefficient, solution
        for axis in "xy":
            file[f"{axis}-coordinate"] = (np.arange(8) + 0.5) / 8
        file.attrs["beta"] = 1.0
    return coefficient, solution


def write_gas(path):
    """PDEBench, a compressible gas: an array for each field."""
    held = {name: numbers(10, 4, 8, 6, seed=i) for i, name in enumerate(("density", "pressure", "Vx", "Vy"))}
    with h5py.File(path, "w") as file:
        for name, values in held.items():
            file[name] = values
        file["x-coordinate"], file["y-coordinate"] = np.arange(8) / 8, np.arange(6) / 6
        file["t-coordinate"] = np.arange(5) / 10
        file.attrs.update(eta=0.1, zeta=0.01, M=1.0)
    return held


def write_seeds(path):
    """PDEBench, a group for each seed."""
    states = numbers(10, 4, 8, 6, 2)
    with h5py.File(path, "w") as file:
        for seed, one in enumerate(states):
            group = file.create_group(f"{seed:04d}")
            group["data"] = one
            group.attrs["config"] = f"name: reaction\nsim:\n  Du: 0.001\n  t: 5.0\n  seed: {seed}\n"
            for axis, values in {
                "x": np.linspace(-1, 1, 8),
                "y": np.linspace(-1, 1, 6),
                "t": np.arange(4) * 0.5,
            }.items():
                group[f"grid/{axis}"] = values
    return states


def write_smoke(path):
    """PDEArena, smoke with buoyancy: a group for each split, in double precision."""
    held = {}
    with h5py.File(path, "w") as file:
        for i, (split, count) in enumerate({"train": 6, "valid": 2, "test": 2}.items()):
            group = file.create_group(split)
            held[split] = {name: numbers(count, 5, 8, 6, seed=10 * i + j) for j, name in enumerate(("u", "vx", "vy"))}
            held[split]["buo_y"] = np.linspace(0.2, 0.5, count)
            for name, values in held[split].items():
                group[name] = values.astype(np.float64)
            for axis, values in {
                "t": np.linspace(18, 102, 5),
                "x": np.linspace(0, 32, 8),
                "y": np.linspace(0, 32, 6),
            }.items():
                group[axis] = np.tile(values, (count, 1))
                group[f"d{axis}"] = np.full(count, values[1] - values[0])
    return held


def write_chaos(root):
    """PDEArena, Kuramoto-Sivashinsky: a file for each split, of which each trajectory has its own length and step."""
    held = {}
    root.mkdir()
    for i, (split, count) in enumerate({"train": 4, "valid": 2, "test": 2}.items()):
        states, rng = numbers(count, 5, 8, seed=i), np.random.default_rng(i)
        lengths, steps = 64 * rng.uniform(0.9, 1.1, count), 0.2 * rng.uniform(0.9, 1.1, count)
        held[split] = states, lengths, steps
        with h5py.File(root / f"KS_{split}.h5", "w") as file:
            group = file.create_group(split)
            group["pde_5-8"], group["dx"], group["dt"] = states, lengths / 8, steps
            group["x"] = lengths[:, None] * np.arange(8) / 8
            group["t"] = steps[:, None] * np.arange(5)
    return held
