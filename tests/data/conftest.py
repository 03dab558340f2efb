import pytest

from pdejax.data import Dataset, SplitSize, generate, read_problem

BURGERS = {
    "name": "burgers",
    "equation": {"terms": ["u_t = -u*u_x + nu*u_xx"], "parameters": {"nu": 0.05}, "ndim": 1},
    "parameters": {},
    "vary": {"length": [0.8, 1.2], "nu": [0.1, 0.2], "step": [0.5, 1.5]},
    "domain": {"shape": [32], "lengths": [2.0], "ends": "periodic"},
    "initial": {"kind": "sum_of_sines", "count": 3, "wavenumbers": [1, 2], "amplitude": 0.5},
    "time": {"step": 0.1, "burn_in": 2},
    "solver": {"kind": "etdrk", "order": 4, "substeps": 4, "shape": None},
}
PLANE = {
    "name": "plane",
    "equation": {
        "terms": ["u_t = -u*u_x + nu*(u_xx + u_yy)", "v_t = -u*v_x + nu*(v_xx + v_yy)"],
        "parameters": {"nu": 0.05},
        "ndim": 2,
    },
    "parameters": {},
    "vary": {},
    "domain": {"shape": [16, 12], "lengths": [2.0, 1.5]},
    "initial": {"kind": "sum_of_sines", "count": 3, "wavenumbers": [1, 2], "amplitude": 0.5},
    "time": {"step": 0.1},
    "solver": {"substeps": 2, "shape": [24, 18]},
}
SPLITS = {"train": SplitSize(10, 8), "valid": SplitSize(3, 6)}


@pytest.fixture(scope="session")
def burgers():
    """A family and its simulator."""
    return read_problem(BURGERS)


@pytest.fixture(scope="session")
def burgers_root(burgers, tmp_path_factory):
    root = tmp_path_factory.mktemp("burgers") / "set"
    return generate(*burgers, root, SPLITS, seed=3, shard_size=4, batch_size=4)


@pytest.fixture(scope="session")
def burgers_set(burgers_root):
    return Dataset.open(burgers_root)


@pytest.fixture(scope="session")
def plane_set(tmp_path_factory):
    root = tmp_path_factory.mktemp("plane") / "set"
    return Dataset.open(generate(*read_problem(PLANE), root, {"train": SplitSize(3, 5)}, shard_size=2, batch_size=2))
