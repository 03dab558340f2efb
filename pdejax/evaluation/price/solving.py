"""Classical solvers as they are priced: on their own grid from frame to frame, told on the grid of the data."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Domain, trajectory
from pdejax.equations import Family
from pdejax.evaluation.metrics.divergence import without_divergence
from pdejax.evaluation.metrics.errors import moments
from pdejax.evaluation.metrics.table import METRICS
from pdejax.evaluation.price.timing import Compiled
from pdejax.evaluation.reference import Reference
from pdejax.solvers import Simulator

Arguments = tuple[Any, Any, Any]
Errors = Mapping[str, Float[np.ndarray, " trajectory"]]
ONE_STEP, WHOLE = "one_step_nrmse", "relative_l2"
"""The metrics that are priced: after one step, and over all steps or of the solution of a steady problem."""


def errors_of(curves: Mapping[str, np.ndarray], rows: int, *, steady: bool) -> Errors:
    """The priced errors of the first trajectories, from the curves of a system."""
    names = (WHOLE,) if steady else (ONE_STEP, WHOLE)
    return {name: np.asarray(METRICS[name].samples(curves)[:rows], np.float64) for name in names}


@functools.lru_cache(maxsize=64)
def _moving(start: Domain, to: Domain) -> Callable[[Any], Any]:
    return jax.jit(lambda u: start.transfer(u, to))


@functools.lru_cache(maxsize=4)
def _measuring(weights: bytes | None, shape: tuple[int, ...]) -> Callable[[Any, Any], Any]:
    points = None if weights is None else np.frombuffer(weights, np.float64).reshape(shape)
    return jax.jit(lambda prediction, frames: moments(prediction, frames, points))


class Solving(eqx.Module):
    """What a simulator makes of the inputs of a steady family, with the parameters as arrays."""

    simulator: Simulator = eqx.field(static=True)
    family: Family = eqx.field(static=True)
    parameters: Mapping[str, Any]

    def __call__(self, inputs: Any) -> Any:
        """The solutions."""
        return self.simulator.stepper(self.family, self.parameters)(inputs)


@dataclasses.dataclass(frozen=True)
class Solver:
    """A simulator that goes on from true frames, or solves for true inputs, as a network does.

    **Arguments:** `simulator`; `family`; `outer`: where the data live; `elapsed`: steps of the family's before the
    first known frame; `frames`: that one call gives; `shared`: see `Variant`; `double`: whether it computes in float64,
    else in float32 whatever JAX is set to.
    """

    simulator: Simulator
    family: Family
    outer: Domain
    elapsed: int = 0
    frames: int = 1
    shared: Callable[..., Any] | None = None
    double: bool = False

    @property
    def inner(self) -> Domain:
        """Where it works."""
        return self.simulator.domain(self.family)

    def arguments(self, truth: Reference, rows: np.ndarray, like: Arguments | None = None) -> Arguments:
        """What a call takes to begin with these trajectories: the stepper, the state and the time.

        **Arguments:** `like`: those of other trajectories, whose stepper does where no parameter varies.
        """
        real = np.float64 if self.double else np.float32
        rows = np.minimum(rows, len(truth.states) - 1)
        with self._precision():
            given = {name: jnp.asarray(values[rows].astype(real)) for name, values in truth.parameters.items()}
            one = self._stepper(given) if like is None or given else like[0]
            first = jnp.asarray(truth.initial(1)[rows].astype(real))
            if self.family.steady:
                return one, first, None
            start = self.elapsed * getattr(one, "step_size", jnp.zeros((), real))
            return one, _moving(self.outer, self.inner)(first), start

    def _stepper(self, parameters: Mapping[str, Any]) -> Any:
        """Made outside of what is compiled, where its coefficients come from float64."""
        if self.shared is not None:
            return self.shared(self.family, parameters)
        if self.family.steady:
            return Solving(self.simulator, self.family, parameters)
        return self.simulator.stepper(self.family, parameters)

    def compiled(self, arguments: Arguments) -> Compiled:
        """A call that gives its next state, and frames on the domain of the data."""
        with self._precision():
            return Compiled(self._call, *arguments, hasty=self.shared is not None)

    def errors(self, truth: Reference, count: int, compiled: Compiled, first: Arguments) -> Errors | None:
        """Errors of the first trajectories; none if one of them leaves the range of the data.

        **Arguments:** `count`: of the trajectories; `compiled`: a call of it; `first`: its arguments for the first
        batch, which has as many trajectories as the others.
        """
        parts, batch, sizes = [], first[1].shape[0], truth.sizes()
        for i in range(0, count, batch):
            rows = np.minimum(np.arange(i, i + batch), len(truth.states) - 1)
            kept, diverged = without_divergence(
                self._measured(truth, rows, compiled, self.arguments(truth, rows, first) if i else first), sizes[rows]
            )
            if diverged.any():
                return None
            parts.append({"nrmse": kept.nrmse(), "mse": kept.mse(), "truth_ms": kept.truth.mean(-1)})
        curves = jax.tree.map(lambda *x: np.concatenate(x, axis=1)[:, :count], *parts)
        return errors_of(curves, count, steady=self.family.steady)

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        return jax.enable_x64(self.double)

    def _call(self, stepper: Any, state: Any, start: Any) -> tuple[Any, Any]:
        if self.family.steady:
            return state, self.inner.transfer(stepper(self.outer.transfer(state, self.inner)), self.outer)[None]
        states = trajectory(stepper, state, self.frames, start_time=start)
        return states[-1], self.inner.transfer(states, self.outer)

    def _measured(self, truth: Reference, rows: np.ndarray, compiled: Compiled, begin: Arguments) -> Any:
        """Moments of all frames of a batch, by calls after each other; none after one that is not finite."""
        weights = None if truth.weights is None else truth.weights.astype(np.float64).tobytes()
        measure, total = _measuring(weights, truth.states.shape[2:-1]), len(truth.times)
        true, parts, (one, state, start) = truth.frames[:, rows], [], begin
        with self._precision():
            for done in range(0, total, self.frames):
                later = None if start is None else start + done * getattr(one, "step_size", 0.0)
                state, out = compiled(one, state, later)
                frames = true[np.minimum(np.arange(done, done + self.frames), total - 1)]
                parts.append(jax.tree.map(np.asarray, measure(out.astype(frames.dtype), jnp.asarray(frames))))
                if not np.isfinite(parts[-1].prediction).all():
                    break
        return jax.tree.map(lambda *x: np.concatenate(x)[:total], *parts)
