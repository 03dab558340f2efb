"""What the pseudo-spectral solver can trade: points, steps and order."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from pdejax.core import Key, State, hashed_by_identity
from pdejax.equations import Family
from pdejax.solvers._arrays import lift
from pdejax.solvers._variants import Variant
from pdejax.solvers.spectral.stepper import SpectralStepper

GRIDS = (1.0, 0.75, 0.5, 0.375, 0.25)  # of the points per axis
STEPS = (1.0, 0.5, 0.25, 0.125)  # of the steps per frame; a single one comes in any case
ORDERS = (2, 4)
SMALLEST = 8  # points per axis
FINER = 1.5  # times as many points per axis, and twice the steps


def etdrk_variants(simulator: Any, family: Family) -> Iterator[Variant]:
    """Shares of the solver's grid and of its steps, of both orders, whose steps are stable; the grid of the stored
    frames too."""
    whole = simulator.domain(family).shape
    shapes = [tuple(_even(n * share) for n in whole) for share in GRIDS] + [whole, tuple(family.domain.shape)]
    counts = [max(1, int(simulator.substeps * share)) for share in STEPS] + [1]
    for shape, order, substeps in itertools.product(dict.fromkeys(shapes), ORDERS, dict.fromkeys(counts)):
        one = dataclasses.replace(simulator, shape=shape, substeps=substeps, order=order)
        try:
            one.check_corners(family)
        except ValueError:
            continue
        setting = {"points": list(shape), "steps": substeps, "order": order}
        # a step of either order transforms as often as its order says
        work = order * substeps * math.prod(shape) * math.log2(math.prod(shape))
        yield Variant(one, setting, work, f"{shape} points, order {order}", _Counting(one))


def finer_etdrk(simulator: Any, family: Family) -> Any:
    """The same of order four with half as many points again per axis, and half the step."""
    shape = tuple(_even(FINER * n) for n in simulator.domain(family).shape)
    return dataclasses.replace(simulator, shape=shape, substeps=2 * simulator.substeps, order=4)


@hashed_by_identity
class Counted(eqx.Module):
    """A `SpectralStepper` whose number of steps is an array."""

    stepper: SpectralStepper
    count: Int[Array, ""]

    @property
    def step_size(self) -> Array:
        """Time one call covers."""
        return self.count.astype(self.stepper.dt.dtype) * self.stepper.dt

    def at(self, time: Any) -> "Counted":
        """The same set to a time."""
        return Counted(self.stepper.at(time), self.count)

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state after one call."""
        form, dt, time = self.stepper.form, self.stepper.dt, self.stepper.time
        v, method = form.to_spectral(u), lift(self.stepper.method, u.ndim - 1)
        body = lambda i, v: method(form.nonlinear, v, time + i.astype(dt.dtype) * dt, dt)
        return form.to_physical(jax.lax.fori_loop(0, self.count, body, v)).astype(u.dtype)


@dataclasses.dataclass(frozen=True)
class _Counting:
    """Makes the `Counted` of a simulator."""

    simulator: Any

    def __call__(self, family: Family, parameters: Mapping[str, Any]) -> Counted:
        stepper = self.simulator.stepper(family, parameters)
        return Counted(stepper, jnp.asarray(stepper.substeps, jnp.int32))


def _even(points: float) -> int:
    return max(2 * round(points / 2), SMALLEST)
