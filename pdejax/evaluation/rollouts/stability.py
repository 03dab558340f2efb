"""Very long rollouts in constant memory: whether a model stays bounded, and on the attractor."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Key, StepperPredictor, TimedStepper
from pdejax.evaluation.metrics.divergence import FACTOR
from pdejax.evaluation.metrics.errors import AnyArray
from pdejax.evaluation.metrics.spectra import energy_spectrum, spectrum_log_distance
from pdejax.evaluation.predictor import BoundStepper, bound

BLOCKS = 50  # records of a rollout when their distance is not given


@dataclasses.dataclass(frozen=True)
class Stability:
    """What became of a long rollout.

    **Arguments:**

    - `steps`: of the whole rollout; `every`: steps between records.
    - `diverged_step`: `(trajectory,)`, the first step outside of the range of the data, 0 if never.
    - `rms`: `(record, trajectory)`, root mean square over space and channels, NaN once diverged.
    - `spectrum`: `(record, shell)`, mean over the steps of a record and the trajectories still bounded, NaN if none is.
    - `truth_spectrum`: `(shell,)`, mean over the true frames; none of both without a periodic grid.
    - `truth_rms`: of the true frames.
    """

    steps: int
    every: int
    diverged_step: np.ndarray
    rms: np.ndarray
    spectrum: np.ndarray | None
    truth_spectrum: np.ndarray | None
    truth_rms: float

    @property
    def bounded(self) -> float:
        """Share of the trajectories that never diverged."""
        return float((self.diverged_step == 0).mean())

    @property
    def distance(self) -> np.ndarray | None:
        """Distance of each record's spectrum to the truth's in decades, `(record,)`; see `spectrum_log_distance`.

        Without the mean, which conservation may keep at zero in the truth, so that any drift of it would count with
        as many decades as float32 has; `mean_size` tells of that.
        """
        if self.spectrum is None or self.truth_spectrum is None:
            return None
        known = np.asarray(np.isfinite(self.spectrum).all(-1))
        truth = np.broadcast_to(self.truth_spectrum, self.spectrum.shape)[:, 1:]
        values = spectrum_log_distance(np.where(known[:, None], self.spectrum[:, 1:], truth), truth)
        return np.where(known, values, np.nan)

    @property
    def mean_size(self) -> np.ndarray | None:
        """Root mean square of the spatial mean over that of the true frames, `(record,)`: its drift."""
        return None if self.spectrum is None else np.sqrt(2 * self.spectrum[:, 0]) / self.truth_rms

    @property
    def spectrum_distance(self) -> float | None:
        """The last record's distance, in decades; none where no trajectory reached it, or without spectra."""
        return None if self.distance is None or not np.isfinite(self.distance[-1]) else float(self.distance[-1])

    @property
    def _last_mean(self) -> float | None:
        return None if self.spectrum_distance is None or self.mean_size is None else float(self.mean_size[-1])

    @property
    def document(self) -> dict[str, Any]:
        """As plain numbers; an unavailable one is null."""
        steps = self.diverged_step[self.diverged_step > 0]
        first = None if self.distance is None or not np.isfinite(self.distance[0]) else float(self.distance[0])
        return {
            "steps": self.steps,
            "every": self.every,
            "trajectories": len(self.diverged_step),
            "bounded": self.bounded,
            "first_diverged_step": int(steps.min()) if len(steps) else None,
            "spectrum_distance_first": first,
            "spectrum_distance_last": self.spectrum_distance,
            "mean_size_first": None if first is None or self.mean_size is None else float(self.mean_size[0]),
            "mean_size_last": self._last_mean,
            "reason": None
            if self.spectrum_distance is not None
            else "no spectrum: every trajectory diverged, or the grid is not periodic",
        }


def stepper_of(predictor: Any, parameters: Mapping[str, Any]) -> Any:
    """The Stepper of a predictor for these parameters, or a Stepper itself.

    **Raises:** `ValueError` for a predictor that does not step.
    """
    one = bound(predictor, parameters)
    if isinstance(one, StepperPredictor):
        return one.make(one.parameters)
    if isinstance(one, BoundStepper):
        return one.stepper
    if callable(one):
        return one
    raise ValueError(f"a long rollout needs a Stepper to call, {type(predictor).__name__} predicts in another way")


def _block(ndim: int, channels: int, steps: int, periodic: bool) -> Callable[..., Any]:
    """The traced advance by one record: state, first diverged step and sums of spectra, nothing that grows."""

    def advance(stepper: Any, u: Any, diverged: Any, first: Any, limit: Any, key: Any) -> Any:
        def body(carry: Any, i: Any) -> tuple[Any, None]:
            u, diverged, total, count = carry
            timed = stepper
            if isinstance(stepper, TimedStepper):
                start = getattr(stepper, "time", 0.0)
                timed = stepper.at(start + i.astype(jnp.result_type(float)) * stepper.step_size)
            u = timed(u, key=None if key is None else jax.random.fold_in(key, i))
            newest = u[..., -channels:]
            square = (newest**2).mean(tuple(range(1, newest.ndim)))
            bad = ~jnp.isfinite(square) | (square > limit**2)
            diverged = jnp.where((diverged == 0) & bad, i + 1, diverged)
            if periodic:
                alive = (diverged == 0)[:, None]
                total = total + jnp.where(alive, energy_spectrum(newest, ndim), jnp.zeros((), total.dtype)).sum(0)
                count = count + alive.sum().astype(count.dtype)
            return (u, diverged, total, count), None

        shells = energy_spectrum(u[:1, ..., -channels:], ndim).shape[-1] if periodic else 0
        start = (u, diverged, jnp.zeros(shells, u.dtype), jnp.zeros((), u.dtype))
        (u, diverged, total, count), _ = jax.lax.scan(body, start, first + jnp.arange(steps))
        newest = u[..., -channels:]
        rms = jnp.sqrt((newest**2).mean(tuple(range(1, newest.ndim))))
        return u, diverged, rms, total, count

    return advance


def stability(
    predictor: Any,
    initial: Float[AnyArray, "trajectory *space state_channel"],
    truth: Float[AnyArray, "time trajectory *space channel"],
    *,
    steps: int = 10_000,
    every: int | None = None,
    parameters: Mapping[str, AnyArray] | None = None,
    periodic: bool = True,
    key: Key | None = None,
    double: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Stability:
    """Steps a model far beyond any truth and watches its size and its time-averaged spectrum.

    A chaotic truth cannot be followed for so long, but its statistics are known: a model that stays on the attractor
    keeps the spectrum of the true frames. A trajectory has diverged when it is not finite or its root mean square
    exceeds 10 times the largest one of the true frames.

    **Arguments:**

    - `predictor`: a Stepper, or a predictor made of one; takes step `i` with `fold_in(key, i)` as `trajectory` does.
    - `initial`: first states, with all frames of the history.
    - `truth`: frames that tell size and spectrum.
    - `steps`: rounded up to a multiple of `every`; `every`: steps between records, a fiftieth of all when omitted.
    - `parameters`: physical parameters, arrays `(trajectory,)`; `periodic`: whether spectra make sense.
    - `key`: of a stochastic model; `double`: whether to compute in float64.
    - `progress`: called with the number of steps done and their total.

    **Raises:** `ValueError` for a predictor that does not step, or no steps.
    """
    if steps < 1:
        raise ValueError(f"a long rollout has at least one step, got {steps}")
    every = max(1, steps // BLOCKS) if every is None else every
    blocks, channels, ndim = -(-steps // every), truth.shape[-1], truth.ndim - 3
    squares = np.square(truth, dtype=np.float64).mean(tuple(range(2, truth.ndim)))
    kept, spectra = [], []
    with jax.enable_x64(True) if double else contextlib.nullcontext():
        cast = lambda x: jnp.asarray(np.asarray(x, np.float64) if double else x)
        stepper = stepper_of(predictor, {name: cast(values) for name, values in (parameters or {}).items()})
        u, diverged = cast(initial), jnp.zeros(len(initial), int)
        limit = jnp.asarray(FACTOR * np.sqrt(squares.max()), u.dtype)
        advance = eqx.filter_jit(_block(ndim, channels, every, periodic))
        for block in range(blocks):
            u, diverged, rms, total, count = advance(stepper, u, diverged, jnp.asarray(block * every), limit, key)
            kept.append(np.where(np.asarray(diverged) == 0, np.asarray(rms), np.nan))
            spectra.append(np.asarray(total, np.float64) / count if count else np.full(total.shape, np.nan))
            if progress is not None:
                progress((block + 1) * every, blocks * every)
    mean = np.asarray(energy_spectrum(truth, ndim), np.float64).mean((0, 1)) if periodic else None
    return Stability(
        steps=blocks * every,
        every=every,
        diverged_step=np.asarray(diverged),
        rms=np.stack(kept),
        spectrum=np.stack(spectra) if periodic else None,
        truth_spectrum=mean,
        truth_rms=float(np.sqrt(squares.mean())),
    )
