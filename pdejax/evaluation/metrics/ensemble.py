"""How good an ensemble is: whether it is sharp, whether its spread tells its error, and when it stops to agree."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, Int, Shaped

from pdejax.core import Key, as_real
from pdejax.evaluation.metrics.errors import AnyArray, namespace
from pdejax.evaluation.metrics.horizon import first_crossing
from pdejax.evaluation.metrics.spectra import energy_spectrum


def _members(samples: AnyArray) -> tuple[AnyArray, int]:
    """The members as real numbers, and how many there are."""
    real = as_real(samples, "an ensemble")
    if len(real) < 2:
        raise ValueError(f"an ensemble has at least 2 members, got {len(real)}")
    return real, len(real)


def _with_truth(samples: AnyArray, truth: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Members and truth as real numbers; one that broadcasts would be another one's truth."""
    real, true = as_real(samples, "an ensemble"), as_real(truth, "a truth")
    if real.shape[1:] != true.shape:
        raise ValueError(f"members have the shape of their truth, got {real.shape[1:]} and {true.shape}")
    return real, true


def crps(samples: Shaped[AnyArray, " member *rest"], truth: Shaped[AnyArray, " *rest"]) -> Float[AnyArray, " *rest"]:
    """Continuous ranked probability score of every number, estimated without bias ("fair").

    mean |x_i - y| - 1/(2 M (M-1)) sum |x_i - x_j|: its expectation does not depend on the number of members M, and
    a forecast from the true distribution minimises it. In the units of the field; of one deterministic value it would
    be the absolute error. Source: Ferro (2014), doi 10.1002/qj.2270.

    **Raises:** `ValueError` for fewer than two members, or those of another shape than the truth.
    """
    samples, count = _members(samples)
    samples, truth = _with_truth(samples, truth)
    xp = namespace(samples)
    # sum over all pairs of |x_i - x_j| from the sorted members, in M log M instead of M^2
    weights = (2 * np.arange(count) - count + 1).astype(samples.dtype).reshape(-1, *[1] * (samples.ndim - 1))
    pairs = (xp.sort(samples, axis=0) * weights).sum(0) / (count * (count - 1))
    return xp.abs(samples - truth[None]).mean(0) - pairs


def rank_histogram(
    samples: Shaped[AnyArray, " member *rest"], truth: Shaped[AnyArray, " *rest"], *, key: Key
) -> Int[Array, " rank"]:
    """How often the truth is larger than 0, 1, ..., M of the M members; flat where truth and members are alike.

    A U means too little spread, a hump too much, a slope a bias. Where the truth equals some members its rank among
    those is drawn at random.

    **Arguments:** `samples`, `truth`; `key`: of the draws.

    **Returns:** M + 1 counts.

    **Raises:** `ValueError` for numbers that are not finite, unless they are traced.
    """
    samples, count = _members(samples)
    samples, truth = _with_truth(samples, truth)
    for one, what in ((samples, "an ensemble"), (truth, "a truth")):
        if not isinstance(one, Tracer) and not np.all(np.isfinite(one)):
            raise ValueError(f"ranks are of finite numbers, {what} has some that are not: leave its trajectories out")
    below, equal = (jnp.asarray(c.sum(0), jnp.int32) for c in (samples < truth[None], samples == truth[None]))
    drawn = jax.random.uniform(key, truth.shape) * (equal + 1).astype(jnp.result_type(float))
    ranks = below + jnp.minimum(jnp.floor(drawn).astype(jnp.int32), equal)
    return jnp.zeros(count + 1, int).at[ranks.ravel()].add(1)


def _spread_factor(count: int) -> float:
    """The truth lies outside of the mean it is compared with, the members inside: (M+1)/M makes both alike."""
    return (count + 1) / count


def _rms(u: AnyArray) -> AnyArray:
    return (u**2).mean(tuple(range(2, u.ndim))) ** 0.5


def spread(samples: Shaped[AnyArray, "member time trajectory *space channel"]) -> Float[AnyArray, "time trajectory"]:
    """Root mean square over space and channels of the members' standard deviation, made comparable with the error.

    The sample variance times (M+1)/M: of a calibrated ensemble its mean equals that of the squared error of the
    ensemble mean. Source: Fortin et al. (2014), doi 10.1175/JHM-D-14-0008.1.
    """
    samples, count = _members(samples)
    deviation = samples - samples.mean(0, keepdims=True)
    variance = (deviation**2).sum(0) / (count - 1)
    return (variance.mean(tuple(range(2, variance.ndim))) * _spread_factor(count)) ** 0.5


def mean_error(
    samples: Shaped[AnyArray, "member time trajectory *space channel"],
    truth: Shaped[AnyArray, "time trajectory *space channel"],
) -> Float[AnyArray, "time trajectory"]:
    """Root mean square over space and channels of the ensemble mean minus the truth."""
    samples, truth = _with_truth(samples, truth)
    return _rms(samples.mean(0) - truth)


def spread_spectrum(
    samples: Shaped[AnyArray, "member time trajectory *space channel"], ndim: int
) -> Float[Array, "time trajectory shell"]:
    """Energy of the members' deviations from their mean by shell, with the factors of `spread`."""
    samples, count = _members(samples)
    energy = energy_spectrum(samples - samples.mean(0, keepdims=True), ndim)
    return energy.sum(0) * (_spread_factor(count) / (count - 1))


def mean_error_spectrum(
    samples: Shaped[AnyArray, "member time trajectory *space channel"],
    truth: Shaped[AnyArray, "time trajectory *space channel"],
    ndim: int,
) -> Float[Array, "time trajectory shell"]:
    """Energy of the ensemble mean minus the truth by shell; `spread_spectrum` equals it where calibrated."""
    samples, truth = _with_truth(samples, truth)
    return energy_spectrum(samples.mean(0) - truth, ndim)


def cross_correlation(
    samples: Shaped[AnyArray, "member time trajectory *space channel"],
) -> Float[AnyArray, "time trajectory"]:
    """Mean over all pairs of members of their Pearson correlation (over space and channels, see `correlation`)."""
    samples, count = _members(samples)
    xp = namespace(samples)
    centred = samples - samples.mean(tuple(range(3, samples.ndim - 1)), keepdims=True)
    everything = tuple(range(3, samples.ndim))
    norm = (centred**2).sum(everything, keepdims=True) ** 0.5
    unit = centred / xp.where(norm > 0, norm, xp.ones_like(norm))
    # the square of the sum of unit vectors holds every pair twice, and every vector with itself
    whole = (unit.sum(0) ** 2).sum(tuple(range(2, samples.ndim - 1)))
    alone = (unit**2).sum((0, *everything))
    return (whole - alone) / (count * (count - 1))


def cross_correlation_time(
    samples: Shaped[AnyArray, "member time trajectory *space channel"],
    times: Float[AnyArray, " time"],
    threshold: float = 0.8,
) -> tuple[Float[np.ndarray, " trajectory"], np.ndarray]:
    """Time at which members stop to agree: first frame with `cross_correlation` below the threshold.

    It needs no truth and predicts when the rollout loses it. Source: PDE-Refiner (arXiv 2308.05732), section 4.1.

    **Returns:** a time per trajectory, the last frame's where it never happens, and whether that is the case.
    """
    return first_crossing(cross_correlation(samples), times, threshold)


def coefficient_of_determination(
    predicted: Float[np.ndarray, " trajectory"], actual: Float[np.ndarray, " trajectory"]
) -> tuple[float, float]:
    """How well one time tells another over trajectories.

    **Returns:** R^2 of the best straight line (the squared correlation), and R^2 of `predicted` itself, 1 minus
    squared residuals over variance, which a bias lowers and which may be negative.

    **Raises:** `ValueError` for fewer than three trajectories, or where either does not vary.
    """
    x, y = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    if x.shape != y.shape or not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise ValueError(f"both times are finite numbers of the same trajectories, got shapes {x.shape} and {y.shape}")
    if len(x) < 3:
        raise ValueError(f"a coefficient of determination needs at least 3 trajectories, got {len(x)}")
    if not (np.ptp(x) > 0 and np.ptp(y) > 0):
        raise ValueError("a coefficient of determination needs times that differ between trajectories")
    line = float(np.corrcoef(x, y)[0, 1] ** 2)
    return line, float(1 - ((y - x) ** 2).sum() / ((y - y.mean()) ** 2).sum())
