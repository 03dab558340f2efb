"""Problems, networks and feeds of the study of solutions that are made as training goes on."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

import pdejax
from pdejax.core import register
from pdejax.data import Dataset, PoolFeed, Simulated, StreamFeed
from pdejax.equations import read_equation

WEAKEST, STRONGEST = 0.5, 1.5  # factors of initial fields whose size varies


@register("problem", "sized")
@dataclasses.dataclass(frozen=True)
class Sized(pdejax.Family):
    """A family whose initial fields have different sizes: of numbers below `ordered` the larger, the later they come.

    **Arguments:** as of `Family`; `ordered`: solutions that come in the order of their size, none if 0.
    """

    ordered: int = 0

    def draw(self, seed: Any, index: Any, domain: Any = None, *, parameters: Any = None) -> Any:
        """See `Family`."""
        fields, parameters = super().draw(seed, index, domain, parameters=parameters)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), index), 1 << 20)
        share = jax.random.uniform(key, (), jnp.float32)
        if self.ordered:
            share = jnp.asarray(index).astype(jnp.float32) / self.ordered
        size = WEAKEST + (STRONGEST - WEAKEST) * share
        return {name: field * size.astype(field.dtype) for name, field in fields.items()}, parameters


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem with the network that learns its map from the first to the last frame.

    **Arguments:** `family`, `simulator`; `network`; `steps`, `batch_size`, `rate`: of training; `stored`: sizes of
    stored sets; `test`: trajectories; `capacity`, `reuse`: of the pool.
    """

    family: Mapping[str, Any]
    simulator: Any
    network: Mapping[str, Any]
    steps: int = 1200
    batch_size: int = 32
    rate: float = 3e-3
    stored: tuple[int, ...] = (64, 256, 1024, 4800)
    test: int = 512
    capacity: int = 2048
    reuse: int = 8

    def problem(self, ordered: int | None = None) -> pdejax.Family:
        """The family; with fields of different sizes where `ordered` is a number, see `Sized`."""
        return pdejax.Family(**self.family) if ordered is None else Sized(**self.family, ordered=ordered)

    def source(self, seed: int, ordered: int | None = None) -> Simulated:
        """What feeds solve."""
        return Simulated(self.problem(ordered), self.simulator, seed=seed)

    def feed(self, arm: str, seed: int, data: Dataset) -> Any:
        """The feed of an arm: `stored 64`, `stream`, `pool`, or of solutions that come in the order of their size
        `first in, first out, once`, `mixed, 8 times` and so on.
        """
        size, total = self.batch_size, self.steps * self.batch_size
        if arm.startswith("stored"):
            states = data.split("train").read(int(arm.split()[1]), 2)
            about = {"step": data.step, "lengths": data.domain.lengths, "name": data.name}
            return pdejax.ArrayFeed(states, size, seed=seed, **about)
        if arm == "stream":
            return StreamFeed(self.source(seed), size, seed=seed)
        if arm == "pool":
            return PoolFeed(self.source(seed), size, capacity=self.capacity, reuse=self.reuse, seed=seed)
        reuse = 1 if arm.endswith("once") else self.reuse
        capacity = self.capacity if arm.startswith("mixed") else 2 * size
        # the last solution that is seen is the largest
        source = self.source(seed, ordered=total // reuse)
        return PoolFeed(source, size, capacity=capacity, reuse=reuse, seed=seed)


ORDERED = ("first in, first out, once", "mixed, once", "first in, first out, 8 times", "mixed, 8 times")
BURGERS = Case(
    family={
        "name": "online_burgers",
        "equation": pdejax.Equation("u_t = -u*u_x + nu*u_xx", {"nu": 1e-2}),
        "domain": pdejax.Grid((64,), (1.0,)),
        "draws": {"u": {"kind": "truncated_fourier", "cutoff": 4}},
        "times": pdejax.Times(0.3),
    },
    simulator=pdejax.ETDRK(substeps=24),
    network={"kind": "fno", "modes": 16, "width": 24, "depth": 3},
)
FLOW = Case(
    family={
        "name": "online_flow",
        "equation": read_equation("navier_stokes", {"nu": 1e-3}, 2),
        "domain": pdejax.Grid((32, 32), (1.0, 1.0)),
        "draws": {"w": {"kind": "gaussian_random_field", "alpha": 2.5, "tau": 7.0, "cutoff": 8}},
        "times": pdejax.Times(1.0),
    },
    simulator=pdejax.ETDRK(substeps=24),
    network={"kind": "fno", "modes": 8, "width": 20, "depth": 3},
    batch_size=16,
    test=128,
    capacity=1024,
)
TINY = dataclasses.replace(
    BURGERS,
    family={
        **BURGERS.family,
        "name": "online_tiny",
        "equation": pdejax.Equation("u_t = -u*u_x + nu*u_xx", {"nu": 2e-2}),
        "domain": pdejax.Grid((32,), (1.0,)),
        "draws": {"u": {"kind": "truncated_fourier", "cutoff": 3}},
    },
    simulator=pdejax.ETDRK(substeps=16),
    network={"kind": "fno", "modes": 8, "width": 16, "depth": 1},
    steps=200,
    batch_size=16,
    rate=5e-3,
    stored=(16,),
    test=32,
)
