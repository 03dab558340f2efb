"""Training in double precision from data of single precision, as most data sets are."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax


class Own(eqx.Module):
    """A network that was made in single precision, before anybody spoke of another one."""

    conv: eqx.nn.Conv1d

    def __init__(self, key):
        self.conv = eqx.nn.Conv1d(2, 1, 5, padding="SAME", padding_mode="CIRCULAR", key=key)

    def __call__(self, u, *, condition):
        told = jnp.broadcast_to(condition[:, None, :], (*u.shape[:-1], 1))
        return pdejax.per_sample(self.conv)(jnp.concatenate([u, told], -1))


def travelling():
    """Sines that travel, at a speed told with each of them."""
    phase, x, t = np.arange(4).reshape(4, 1, 1) / 4, np.arange(16) / 16, np.arange(4) / 20
    waves = np.sin(2 * np.pi * (x[None, None] - t[None, :, None] + phase))[..., None].astype(np.float32)
    speeds = {split: {"c": np.linspace(0.5, 1.0, 4, dtype=np.float32)} for split in ("train", "test")}
    return pdejax.Arrays({"train": waves, "test": waves}, step=0.05, lengths=(1.0,), parameters=speeds)


@pytest.mark.parametrize("own", [pytest.param(False, marks=pytest.mark.long), True])
def test_an_operator_trains_in_double_precision(own, tmp_path, key):
    data, folder = travelling(), None if own else tmp_path / "run"
    network = Own(key) if own else {"kind": "fno", "width": 4, "modes": 4, "depth": 1}
    feed = pdejax.ArrayFeed(data, batch_size=4)
    options = {"steps": 2, "valid": feed, "precision": "float64", "devices": 1, "show": False}
    operator = pdejax.fit(pdejax.Supervised(), network, feed, folder=folder, **options)
    assert {leaf.dtype for leaf in jax.tree.leaves(operator.network)} == {np.dtype(np.float64)}
    with jax.enable_x64(True):
        found = pdejax.evaluate(operator, data, steps=2, baselines=False, price=False)
        assert np.isfinite(found.metric("one_step_nrmse")["value"])
        if folder is not None:
            loaded, states = pdejax.load(folder / "model"), data.split("test").states[:, 0].astype(np.float64)
            given, kept = (one.bind({"c": 0.75})(states) for one in (operator, loaded))
            np.testing.assert_allclose(kept, given, rtol=1e-12)
