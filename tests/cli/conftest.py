import pytest

SIZES = {"train": 3, "valid": 2, "test": 2}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder; nothing is written to the user's compilation cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pdejax.cli._runtime.start", lambda *_, **__: None)
    return tmp_path


@pytest.fixture
def small():
    """Words for a data set that takes a second."""
    splits = (f"problem.splits.{name}={{trajectories: {n}, frames: 5}}" for name, n in SIZES.items())
    return ["problem=burgers", "problem.domain.shape=[32]", "problem.parameters.nu=0.05", *splits]
