"""The largest Lyapunov exponent: how fast two nearby solutions part, hence what a prediction time means."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Key, Stepper, TimedStepper, hashed_by_identity, known, resample, trajectory
from pdejax.equations import Family
from pdejax.evaluation.metrics.errors import AnyArray
from pdejax.solvers import Simulator

SEPARATION = 1e-7  # of two trajectories, relative to the state: far above float64's rounding, far below curvature


@dataclasses.dataclass(frozen=True)
class LyapunovExponent:
    """The largest Lyapunov exponent, measured from several initial states.

    **Arguments:** `value`: mean over states, per unit of time; `standard_error`: of the mean; `each`: `(state,)`;
    `duration`: time that each was averaged over.
    """

    value: float
    standard_error: float
    each: np.ndarray
    duration: float

    @property
    def chaotic(self) -> bool:
        """Whether it is positive by more than three standard errors and by more than one e-fold of the duration."""
        return self.value > 3 * self.standard_error and self.value * self.duration > 1

    @property
    def time(self) -> float | None:
        """The Lyapunov time, 1 / value, in which errors grow by e; none where errors do not grow."""
        return 1 / self.value if self.chaotic else None


def _norm(v: Any) -> Any:
    """Norm over space and channels, kept as axes of size one, so that it divides a `(batch, *space, channel)`."""
    return jnp.sqrt((v * v).sum(tuple(range(1, v.ndim)), keepdims=True))


@hashed_by_identity
class _Growth(eqx.Module):
    """A Stepper of a state, a perturbation of norm one and the logarithm of its growth in the last step."""

    stepper: Any
    tangent: bool = eqx.field(static=True)

    def at(self, time: Any) -> "_Growth":
        """The same Stepper set to a time."""
        return _Growth(self.stepper.at(time), self.tangent) if isinstance(self.stepper, TimedStepper) else self

    @property
    def time(self) -> Any:
        """Time the next call starts at."""
        return getattr(self.stepper, "time", 0.0)

    @property
    def step_size(self) -> Any:
        """Time one call covers, zero if the stepper does not tell."""
        return getattr(self.stepper, "step_size", 0.0)

    def __call__(self, state: Any, *, key: Key | None = None) -> Any:
        u, v, _ = state
        if self.tangent:
            u, v = jax.jvp(self.stepper, (u,), (v,))
        else:
            distance = SEPARATION * _norm(u)
            after, other = self.stepper(u), self.stepper(u + distance * v)
            u, v = after, (other - after) / distance
        length = _norm(v)
        return u, v / length, jnp.log(length).reshape(len(u))


METHODS = ("tangent", "difference")


def growth_rates(
    stepper: Stepper,
    initial: Float[AnyArray, "state *space channel"],
    *,
    step: float,
    steps: int,
    transient: int = 0,
    method: str = "tangent",
    key: Key,
) -> Float[np.ndarray, " state"]:
    """The mean exponential rate at which a small random perturbation of each initial state grows.

    The perturbation is set back to its size after every step (Benettin et al. 1980), so that it stays small however
    long the run is; after the transient it points in the direction that grows fastest.

    **Arguments:**

    - `stepper`: differentiable; works in the precision of `initial`.
    - `initial`: states on the attractor.
    - `step`: time of one call.
    - `steps`: calls averaged over; `transient`: calls before, in which the perturbation turns.
    - `method`: "tangent", the stepper's own derivative (jvp), or "difference", two trajectories 1e-7 apart, which
        needs float64.
    - `key`: of the perturbations.

    **Returns:** one rate per initial state, per unit of time.

    **Raises:** `ValueError` for an unknown method or no steps.
    """
    if method not in METHODS:
        raise ValueError(known("method", method, METHODS))
    if steps < 1:
        raise ValueError(f"growth is averaged over at least one step, got {steps}")
    u = jnp.asarray(initial)
    v = jax.random.normal(key, u.shape, u.dtype)
    state = (u, v / _norm(v), jnp.zeros(len(u), u.dtype))
    run = eqx.filter_jit(
        lambda one, state: trajectory(one, state, transient + steps, post=lambda s: s[2]),
    )
    growth = np.asarray(run(_Growth(stepper, method == "tangent"), state), np.float64)
    return growth[transient:].mean(0) / step


def largest_lyapunov_exponent(
    family: Family,
    simulator: Simulator,
    initial: Float[AnyArray, "state *space channel"] | None = None,
    *,
    parameters: Mapping[str, AnyArray] | None = None,
    states: int = 8,
    steps: int = 500,
    transient: int = 100,
    method: str = "tangent",
    seed: int = 0,
) -> LyapunovExponent:
    """The largest Lyapunov exponent of a family, measured by its own solver in float64.

    Where parameters vary from state to state the exponent is that of their mean. With a varying `step` a unit of time
    is the nominal one, that of the data set.

    **Arguments:**

    - `family`: that evolves in time; `simulator`: by what.
    - `initial`: states on the attractor, on the family's grid or its solver's; drawn from the family when omitted,
        whose `burn_in` frames then come on top of the transient.
    - `parameters`: of the given states, arrays `(state,)`; drawn with the states when those are.
    - `states`: how many to draw.
    - `steps`: frames averaged over; `transient`: frames before.
    - `method`: see `growth_rates`; `seed`: of the states and perturbations.

    **Raises:** `ValueError` for a steady problem or fewer than two states, which leave no standard error.
    """
    if family.times is None:
        raise ValueError(f"problem {family.name!r} is steady: it has no Lyapunov exponent")
    count = states if initial is None else len(initial)
    if count < 2:
        raise ValueError(f"a standard error needs at least 2 initial states, got {count}")
    with jax.enable_x64(True):
        if initial is None:
            fields, parameters = jax.vmap(lambda i: family.draw(seed, i, simulator.domain(family)))(jnp.arange(states))
            initial = jnp.stack([fields[name] for name in family.fields], axis=-1)
            transient += family.times.burn_in
        given = {name: jnp.asarray(values, jnp.float64) for name, values in (parameters or {}).items()}
        u = resample(jnp.asarray(initial, jnp.float64), simulator.domain(family).shape)
        each = growth_rates(
            simulator.stepper(family, given),
            u,
            step=family.step,
            steps=steps,
            transient=transient,
            method=method,
            key=jax.random.key(seed),
        )
    error = float(each.std(ddof=1) / np.sqrt(len(each)))
    return LyapunovExponent(float(each.mean()), error, each, steps * family.step)


def in_lyapunov_times(value: float, exponent: LyapunovExponent | None) -> float | None:
    """A time in Lyapunov times; none where there is no growth to measure it by."""
    return None if exponent is None or not exponent.chaotic else float(value * exponent.value)
