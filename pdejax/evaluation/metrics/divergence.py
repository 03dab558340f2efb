"""Rollouts that leave the range of the data."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from pdejax.evaluation.metrics.errors import AnyArray, ErrorMoments

FACTOR = 10.0
"""A prediction whose norm exceeds this many times the largest norm of its true trajectory has diverged."""


def diverged_from(
    moments: ErrorMoments, initial: Float[AnyArray, "trajectory channel"]
) -> Bool[np.ndarray, "time trajectory"]:
    """Frames at or after the first one that is not finite or larger than `FACTOR` times the data.

    **Arguments:** `moments` of the rollout; `initial`: mean square over space of the initial frame.
    """
    moments = moments.whole()
    total = lambda squares: np.asarray(squares, np.float64).sum(-1)
    truth = np.concatenate([total(initial)[None], total(moments.truth)]).max(0)
    size = total(moments.prediction)
    finite = np.isfinite(size) & np.isfinite(total(moments.error)) & np.isfinite(moments.correlation)
    outside = ~finite | (np.where(finite, size, 0) > FACTOR**2 * truth[None])
    return np.logical_or.accumulate(outside, axis=0)


def first_diverged(diverged: Bool[np.ndarray, "time trajectory"]) -> Int[np.ndarray, " trajectory"]:
    """Step number (1 is the first predicted frame) at which each trajectory diverged; 0 if it never did."""
    return np.where(diverged.any(0), diverged.argmax(0) + 1, 0)


def without_divergence(
    moments: ErrorMoments, initial: Float[AnyArray, "trajectory channel"]
) -> tuple[ErrorMoments, Bool[np.ndarray, "time trajectory"]]:
    """Moments in which a diverged frame counts with a finite, bad value instead of a number without meaning.

    From the step of divergence on, the correlation is 0 and the error of every channel is `FACTOR` times the
    largest root mean square of that channel along the true trajectory.

    **Returns:** the moments as numpy arrays, and which frames were replaced.
    """
    host = moments.whole()
    diverged = diverged_from(host, initial)
    largest = np.concatenate([np.asarray(initial, np.float64)[None], host.truth]).max(0)
    limit = np.broadcast_to(FACTOR**2 * largest[None], host.error.shape)
    mask = diverged[..., None]
    replaced = (
        np.where(mask, limit, host.error),
        np.where(mask, limit, host.prediction),
        np.where(diverged, 0.0, host.correlation),
    )
    return eqx.tree_at(lambda m: (m.error, m.prediction, m.correlation), host, replaced), diverged
