import equinox as eqx
import jax
import pytest

from pdejax.cli import main
from pdejax.config import resolve
from pdejax.config._assemble import dataset_of, method_of
from pdejax.methods import DataCard, save_model

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


@pytest.fixture
def untrained(here, small):
    """A run whose model was never trained; its folder."""
    words = [*small, "network.width=4", "network.modes=4", "network.depth=1", "name=mine"]
    assert main(["generate", *words]) == 0
    config = resolve(words)
    card, method = DataCard.of(dataset_of(config)), method_of(config)
    config.run_folder.mkdir(parents=True)
    (config.run_folder / "config.yaml").write_text(config.to_yaml())
    save_model(
        config.run_folder / "model",
        eqx.filter_jit(lambda key: method.build(config.network.spec(), card, key=key))(jax.random.key(0)),
        {"step": 0},
    )
    return config.run_folder
