"""Training in double precision from data of single precision, as most data sets are."""

import jax
import numpy as np

import pdejax


def test_an_operator_trains_in_double_precision(tmp_path):
    phase, x, t = np.arange(4).reshape(4, 1, 1) / 4, np.arange(16) / 16, np.arange(4) / 20
    waves = np.sin(2 * np.pi * (x[None, None] - t[None, :, None] + phase))[..., None].astype(np.float32)
    data = pdejax.Arrays({"train": waves, "test": waves}, step=0.05, lengths=(1.0,))
    feed = pdejax.ArrayFeed(data, batch_size=4)
    network = {"kind": "fno", "width": 4, "modes": 4, "depth": 1}
    options = {
        "steps": 2,
        "valid": feed,
        "precision": "float64",
        "devices": 1,
        "show": False,
        "folder": tmp_path / "run",
    }
    operator = pdejax.fit(pdejax.Supervised(), network, feed, **options)
    assert {leaf.dtype for leaf in jax.tree.leaves(operator.network)} == {np.dtype(np.float64)}
    with jax.enable_x64(True):
        states = waves[:, 0].astype(np.float64)
        np.testing.assert_allclose(pdejax.load(tmp_path / "run" / "model")(states), operator(states), rtol=1e-12)
