"""Bootstrap intervals over trajectories."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
LEVEL = 0.95

Statistic = Callable[[np.ndarray], np.ndarray]


def resampled_means(
    samples: Float[np.ndarray, " trajectory *rest"], *, resamples: int = RESAMPLES, seed: int = 0
) -> Float[np.ndarray, " resample *rest"]:
    """Means over trajectories drawn with replacement.

    The draw depends on the number of trajectories and `seed` alone: two calls with equal numbers of trajectories use
    the same draws, which is what makes a comparison of two runs paired.
    """
    samples = np.asarray(samples, np.float64)
    if not (n := len(samples)):
        raise ValueError("a bootstrap needs at least one trajectory, got none")
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    return (counts @ samples.reshape(n, -1) / n).reshape(resamples, *samples.shape[1:])


def bootstrap_interval(
    samples: Float[np.ndarray, " trajectory *rest"],
    statistic: Statistic = lambda means: means,
    *,
    minus: Float[np.ndarray, "..."] | None = None,
    relative: bool = False,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Percentile interval of a statistic of the mean over trajectories.

    **Arguments:**

    - `samples`: one value (or curve) per trajectory.
    - `statistic`: of the mean, vectorised over a leading axis; the mean itself when omitted.
    - `minus`: a second run on the same trajectories; the interval is then that of the difference
        `statistic(samples) - statistic(minus)` over common draws, much narrower than two separate intervals.
    - `relative`: whether the difference is divided by `statistic(minus)`: the interval of the relative gain, NaN
        where that statistic can be zero.
    - `level`: coverage; `resamples`: number of draws; `seed`: of the draws.

    **Returns:** lower and upper end.

    **Raises:** `ValueError` if the two runs differ in shape, there is no trajectory, or a level is none.
    """
    if not 0 < level < 1:
        raise ValueError(f"level should be between 0 and 1, got {level}")
    values = statistic(resampled_means(samples, resamples=resamples, seed=seed))
    if minus is not None:
        if minus.shape != samples.shape:
            raise ValueError(f"a paired bootstrap needs equal shapes, got {samples.shape} and {minus.shape}")
        other = statistic(resampled_means(minus, resamples=resamples, seed=seed))
        values = values - other
        if relative:
            values = np.where(other != 0, values, np.nan) / np.where(other != 0, other, 1.0)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return np.asarray(low), np.asarray(high)
