import equinox as eqx
import numpy as np
import pytest

from pdejax.data import Arrays
from pdejax.evaluation import evaluate, fit_modes
from pdejax.evaluation.baselines.modes import read_for_modes
from pdejax.evaluation.baselines.stepping import Persistence

apply = eqx.filter_jit(lambda propagator, u: propagator(u))


def walls(trajectories, frames, seed, decay=0.02, shape=33, modes=6):
    """u_t = u_xx between walls that hold 1 and 3: sines that decay, around a line; a second channel is smaller."""
    x = np.linspace(0, 1, shape)
    k = np.arange(1, modes + 1)
    amplitudes = np.random.default_rng(seed).normal(size=(trajectories, 2, modes))
    decays = np.exp(-decay * k[None] ** 2 * np.arange(frames)[:, None])
    u = np.einsum("ncm,tm,mx->ntxc", amplitudes, decays, np.sin(np.pi * k[:, None] * x))
    line = np.stack([1 + 2 * x, np.zeros(shape)], -1)
    return ((u + line) * np.array([1, 1e-3])).astype(np.float32)


def test_a_linear_equation_between_walls_is_recovered():
    """Of a state of another draw, to the rounding of float32."""
    propagator = fit_modes(walls(20, 6, 0))
    assert len(propagator.before) == 12  # six patterns of each channel
    fresh = walls(4, 2, 1)
    error = np.abs(np.asarray(apply(propagator, fresh[:, 0])) - fresh[:, 1]).max((0, 1))
    assert np.all(error < 1e-5 * np.abs(fresh).max((0, 1, 2)))


def test_noise_is_not_fitted():
    """White noise has no map: what predicts withheld pairs best keeps few patterns, and errs by little more than 1."""
    noise = np.random.default_rng(0).normal(size=(40, 4, 64, 1)).astype(np.float32)
    fresh = np.random.default_rng(1).normal(size=(40, 2, 64, 1)).astype(np.float32)
    error = np.asarray(apply(fit_modes(noise), fresh[:, 0])) - fresh[:, 1]
    assert np.sqrt((error**2).mean()) < 1.5


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_state_that_never_changes_is_kept(value):
    states = np.full((2, 3, 5, 1), value, np.float32)
    np.testing.assert_allclose(apply(fit_modes(states), states[:, 0]), states[:, 0])


def test_one_frame_is_refused():
    with pytest.raises(ValueError, match=r"pairs of frames, got 1 frame"):
        fit_modes(np.zeros((3, 1, 8, 1), np.float32))


def test_no_more_is_read_than_is_looked_at(monkeypatch):
    split = Arrays(walls(20, 6, 0), step=0.1, periodic=False, splits={"train": 1.0}).split("train")
    monkeypatch.setattr("pdejax.evaluation.baselines.modes.BYTES", 4 * 33 * 2 * 6 * 3)
    assert read_for_modes(split).shape == (3, 6, 33, 2)
    monkeypatch.setattr("pdejax.evaluation.baselines.modes.BYTES", 1)
    assert read_for_modes(split).shape == (1, 2, 33, 2)


def test_skill_is_against_the_best_that_knows_no_equation():
    """Between walls it is dmd, which is right to rounding; persistence alone gains nothing over itself."""
    data = Arrays(walls(20, 6, 0), step=0.1, periodic=False, splits={"train": 0.8, "test": 0.2})
    found = evaluate(Persistence(), data, price=False)
    assert set(found.document["skipped"]) >= {"linear", "solver"}
    assert "dmd is the linear map here" in found.document["skipped"]["linear"]
    systems = found.document["systems"]
    for name, entry in found.document["skill"].items():
        errors = {one: systems[one]["metrics"][name]["value"] for one in ("dmd", "persistence")}
        assert entry["best"] == "dmd"
        assert errors["dmd"] < 1e-5 < errors["persistence"]
        assert entry["value"] == pytest.approx(1 - errors["persistence"] / errors["dmd"], rel=1e-5)
        assert found.metric(f"skill_{name}")["value"] == entry["value"] < 0
        assert entry["interval"][0] <= entry["value"] <= entry["interval"][1]
    assert "skill in relative L2 error: -" in str(found)
    alone = evaluate(Persistence(), data, price=False, baselines=["persistence"])
    assert {entry["value"] for entry in alone.document["skill"].values()} == {0.0}
    assert evaluate(Persistence(), data, price=False, baselines=False).document["skill"] == {}
