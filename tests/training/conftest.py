import dataclasses

import equinox as eqx
import jax
import numpy as np
import pytest

from pdejax.core import build
from pdejax.data import Batch
from pdejax.methods import DataCard

NETWORK = {"kind": "fno", "modes": 2, "width": 8, "depth": 1}


@dataclasses.dataclass
class SineFeed:
    """Waves that move by one cell a step: everything about a batch follows from its number."""

    batch_size: int = 8
    window: int = 2
    arrays: tuple = ()
    poison: int = -1  # the step whose batch holds a NaN
    rows: slice | None = None  # of each batch, those of one process

    def init(self):
        return {"step": 0}

    def next(self, state):
        step = state["step"]
        row = np.arange(step * self.batch_size, (step + 1) * self.batch_size, dtype=np.int32)
        phase = np.random.default_rng(step).uniform(0, 2 * np.pi, (self.batch_size, 1, 1))
        x = 2 * np.pi * (np.arange(16)[None, None] + np.arange(self.window)[None, :, None]) / 16
        states = np.sin(x + phase).astype(np.float32)[..., None]
        if step == self.poison:
            states[3] = np.nan
        return {"step": step + 1}, {"states": states[self.rows or slice(None)], "row": row[self.rows or slice(None)]}

    def local_rows(self, rows):
        return dataclasses.replace(self, rows=rows)

    def fetch(self, arrays, item):
        size = item["row"].shape[0]
        return Batch(
            states=item["states"],
            inputs=jax.numpy.zeros((size, 16, 0)),
            parameters=jax.numpy.zeros((size, 0)),
            row=item["row"],
            mask=jax.numpy.ones(size),
        )


@pytest.fixture(scope="session")
def feed():
    return SineFeed


@pytest.fixture(scope="session")
def card():
    statistics = {"mean": [0.0], "std": [0.7], "rms_delta": [0.3], "parameter_mean": [], "parameter_std": []}
    return DataCard((16,), (1.0,), 0.1, ("u",), (), statistics)


@pytest.fixture(scope="session")
def method():
    return build("method", {"kind": "supervised", "input_noise": 0.01})


@pytest.fixture(scope="session")
def model(method, card):
    return eqx.filter_jit(lambda key: method.build(NETWORK, card, key=key))(jax.random.key(1))
