"""Data sets whose solution is known in closed form, without a file."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from pdejax.core import Grid, describe
from pdejax.data import read_problem
from pdejax.equations import Family


@dataclasses.dataclass
class FakeSplit:
    states: np.ndarray
    parameters: dict[str, np.ndarray]

    def __len__(self):
        return len(self.states)

    def read(self, trajectories, frames):
        return self.states[:trajectories, :frames]

    @property
    def inputs(self):
        return np.zeros((len(self), *self.states.shape[2:-1], 0), np.float32)

    @property
    def frames(self):
        return self.states.shape[1]


@dataclasses.dataclass
class FakeDataset:
    family: Family
    simulator: Any
    splits: Mapping[str, FakeSplit]
    name: str = "known"
    fingerprint: str = "0" * 64
    manifest: Mapping = dataclasses.field(default_factory=dict)

    @property
    def domain(self) -> Grid:
        return self.family.domain

    @property
    def steady(self) -> bool:
        return self.family.steady

    @property
    def input_names(self):
        return self.family.inputs

    @property
    def step(self) -> float:
        return self.family.step

    @property
    def field_names(self):
        return self.family.fields

    @property
    def parameter_names(self):
        return self.family.parameter_names

    def split(self, name):
        if name not in self.splits:
            raise ValueError(f"unknown split {name!r}")
        return self.splits[name]


def diffusion_problem(shape, vary=False):
    operator = "nu*u_xx" if len(shape) == 1 else "nu*lap(u)"
    return read_problem(
        {
            "name": "known",
            "equation": {"terms": [f"u_t = {operator}"], "parameters": {"nu": 0.05}, "ndim": len(shape)},
            "vary": {"nu": [0.02, 0.08]} if vary else {},
            "domain": {"shape": list(shape), "lengths": [2 * np.pi] * len(shape)},
            "initial": {"kind": "truncated_fourier"},
            "time": {"step": 0.25},
            "solver": {"substeps": 4},
        }
    )


def diffuse(family, trajectories, frames, seed, nu=0.05):
    """Exact solutions from smooth random fields; `nu` may be an array (trajectory,)."""
    shape, ndim = family.domain.shape, family.domain.ndim
    k = [np.fft.fftfreq(n, 1 / n) for n in shape]
    squared = sum(np.square(m) for m in np.meshgrid(*k, indexing="ij"))
    noise = np.random.default_rng(seed).normal(size=(trajectories, *shape))
    axes = tuple(range(1, ndim + 1))
    start = np.fft.fftn(noise, axes=axes) * np.where(squared <= 9, 1.0, 0.0)
    rate = np.reshape(nu, (-1, *([1] * ndim))) * squared
    frames_hat = [start * np.exp(-rate * family.step * i) for i in range(frames)]
    states = np.stack([np.fft.ifftn(f, axes=axes).real for f in frames_hat], axis=1)
    return states[..., None].astype(np.float32)


@pytest.fixture(scope="session")
def diffusion() -> Callable[..., FakeDataset]:
    """`diffusion(shape, trajectories, frames, vary)`: a data set of u_t = nu lap(u)."""

    def make(shape=(16,), trajectories=5, frames=13, vary=False):
        family, simulator = diffusion_problem(shape, vary)
        recipe = {"family": describe(family), "simulator": describe(simulator)}
        manifest = {"recipe": recipe, "check": simulator.checks}
        splits = {}
        for seed, name in enumerate(("train", "test")):
            values = np.random.default_rng(seed + 9).uniform(0.02, 0.08, trajectories).astype(np.float32)
            nu = values if vary else 0.05
            states = diffuse(family, trajectories, frames, seed, nu)
            splits[name] = FakeSplit(states, {"nu": values} if vary else {})
        return FakeDataset(family, simulator, splits, manifest=manifest)

    return make
