"""Errors of a predicted trajectory: per step and trajectory, from a few moments of each frame."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import AnyState, as_real

AnyArray = jax.Array | np.ndarray

VARIANCE_FLOOR = 1e-7  # The Well's VRMSE adds this to the variance, in the units of the data


def _over_space(u: AnyArray) -> tuple[int, ...]:
    return tuple(range(2, u.ndim - 1))


def _weighted(u: AnyArray, weights: AnyArray | None) -> AnyArray:
    """Values times the weights of their points, `(*space,)` of mean one; the values themselves where all are alike."""
    if weights is None:
        return u
    return u * namespace(u).asarray(weights, u.dtype).reshape(1, 1, *weights.shape, 1)


class ErrorMoments(eqx.Module):
    """What every pointwise metric is made of, per step, trajectory and channel, in units of `scale` squared.

    **Arguments:**

    - `error`: mean square over space of prediction minus truth.
    - `truth`: mean square over space of the truth.
    - `prediction`: mean square over space of the prediction.
    - `variance`: variance over space of the truth (sample variance, `n - 1`, as in The Well).
    - `correlation`: Pearson correlation over space and channels, see `correlation`.
    - `scale`: about the largest number of each true frame, a power of two, so that no square vanishes or overflows.
    """

    error: Float[AnyArray, "time trajectory channel"]
    truth: Float[AnyArray, "time trajectory channel"]
    prediction: Float[AnyArray, "time trajectory channel"]
    variance: Float[AnyArray, "time trajectory channel"]
    correlation: Float[AnyArray, "time trajectory"]
    scale: Float[AnyArray, "time trajectory"]

    def whole(self) -> "ErrorMoments":
        """The same in the units of the data, as arrays of NumPy in double precision, which hold such squares."""
        host = jax.tree.map(lambda x: np.asarray(x, np.float64), self)
        square = host.scale[..., None] ** 2
        return ErrorMoments(
            error=host.error * square,
            truth=host.truth * square,
            prediction=host.prediction * square,
            variance=host.variance * square,
            correlation=host.correlation,
            scale=np.ones_like(host.scale),
        )

    def mse(self) -> Float[AnyArray, "time trajectory"]:
        """Mean square error over space and channels."""
        return self.error.mean(-1) * self.scale * self.scale

    def nrmse(self) -> Float[AnyArray, "time trajectory"]:
        """Norm of the error over space and channels, divided by the norm of the truth; see `nrmse`."""
        return _ratio(self.error.sum(-1), self.truth.sum(-1)) ** 0.5

    def vrmse(self) -> Float[AnyArray, "time trajectory"]:
        """Error scaled by the truth's spatial standard deviation, mean over channels; see `vrmse`."""
        scale = self.scale[..., None]
        return ((self.error / (self.variance + VARIANCE_FLOOR / scale / scale)) ** 0.5).mean(-1)


def namespace(x: AnyArray) -> Any:
    """`jnp` for JAX arrays and `numpy` for host arrays, which stay float64 whatever JAX is set to."""
    return jnp if isinstance(x, jax.Array) else np


def _ratio(above: AnyArray, below: AnyArray) -> AnyArray:
    """above / below, where 0 / 0 counts as 0: predicting an identically zero field as zero is no error."""
    xp = namespace(above)
    safe = xp.where(below > 0, below, xp.ones_like(below))
    return xp.where(below > 0, above / safe, xp.where(above > 0, xp.full_like(above, xp.inf), above))


def _pair(prediction: AnyState, truth: AnyState) -> tuple[AnyArray, AnyArray]:
    """Both as real numbers of one shape: one that broadcasts would be compared with something else."""
    pair = as_real(prediction, "a prediction"), as_real(truth, "a truth")
    if pair[0].shape != pair[1].shape or pair[1].ndim < 3:
        raise ValueError(f"a prediction and its truth are both (time, trajectory, *space, channel), got shapes "
                         f"{tuple(pair[0].shape)} and {tuple(pair[1].shape)}")  # fmt: skip
    if isinstance(pair[0], jax.Array) or isinstance(pair[1], jax.Array):  # a truth may wait on the host
        return jnp.asarray(pair[0]), jnp.asarray(pair[1])
    return pair


def scales_of(u: AnyState) -> Float[AnyArray, "time trajectory"]:
    """The power of two just above the largest number of each frame; one where that is not finite.

    **Arguments:** `u`: `(time, trajectory, *space, channel)`.
    """
    xp = namespace(u)
    largest = xp.abs(u).max(tuple(range(2, u.ndim)))
    exponent = xp.frexp(xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest)))[1]
    ends = xp.finfo(largest.dtype)  # a normal number, and one over it too
    return xp.ldexp(xp.ones_like(largest), xp.clip(exponent, ends.minexp, ends.maxexp - 2))


def over_scale(u: AnyArray, scale: Float[AnyArray, "time trajectory"]) -> AnyArray:
    """A field over the scale of each frame: exact for normal numbers, and squares neither vanish nor overflow."""
    return u / scale.reshape(*scale.shape, *[1] * (u.ndim - 2))


def moments(
    prediction: AnyState,
    truth: AnyState,
    weights: Float[AnyArray, "*space"] | None = None,
) -> ErrorMoments:
    """The moments of a predicted trajectory against the true one, in units of a scale of each frame, see `whole`.

    **Arguments:** `prediction`, `truth`: `(time, trajectory, *space, channel)`, same shape and type, physical units;
    `weights`: of the points in means over space, of mean one, such as those of a quadrature; all alike when omitted.

    **Raises:** `ValueError` for different shapes, or values that are not real.
    """
    prediction, truth = _pair(prediction, truth)
    # the squares of both are to be held, also where a truth has decayed and a prediction has not
    scale = scales_of(truth)
    scale = namespace(truth).clip(scales_of(prediction) * 2.0**-54, scale, scale * 2.0**60)
    agreement = correlation(prediction, truth, weights)
    prediction, truth = over_scale(prediction, scale), over_scale(truth, scale)
    space = _over_space(truth)
    points = np.prod([truth.shape[a] for a in space]).item()
    mean = lambda u: _weighted(u, weights).mean(space)
    centred = truth - _weighted(truth, weights).mean(space, keepdims=True)
    return ErrorMoments(
        error=mean((prediction - truth) ** 2),
        truth=mean(truth**2),
        prediction=mean(prediction**2),
        variance=_weighted(centred**2, weights).sum(space) / max(points - 1, 1),
        correlation=agreement,
        scale=scale,
    )


def mse(prediction: AnyState, truth: AnyState) -> Float[AnyArray, "time trajectory"]:
    """Mean square error over space and channels, per step and trajectory; arguments as of `moments`."""
    return moments(prediction, truth).mse()


def nrmse(prediction: AnyState, truth: AnyState) -> Float[AnyArray, "time trajectory"]:
    """Normalised root mean square error ||prediction - truth|| / ||truth||, per step and trajectory.

    Both norms run over space and all channels together. With one channel this is APEBench's nRMSE; with several,
    APEBench sums the ratios of the channels instead, which gives larger numbers.
    """
    return moments(prediction, truth).nrmse()


def vrmse(prediction: AnyState, truth: AnyState) -> Float[AnyArray, "time trajectory"]:
    """Variance-scaled root mean square error, per step and trajectory, mean over channels.

    sqrt(mse / (variance + 1e-7)) of each channel, with the sample variance over space: 1 is what predicting the
    spatial mean gives. Source: The Well (arXiv 2412.00568), `the_well.benchmark.metrics.VRMSE`.
    """
    return moments(prediction, truth).vrmse()


def correlation(
    prediction: AnyState,
    truth: AnyState,
    weights: Float[AnyArray, "*space"] | None = None,
) -> Float[AnyArray, "time trajectory"]:
    """Pearson correlation over space and channels, per step and trajectory.

    The spatial mean of every channel is removed first, so that neither an offset nor channels of different level
    look like agreement; it is 0 where a field has no spatial variation.

    **Arguments:** `prediction`, `truth`; `weights`: of the points, as of `moments`.
    """
    prediction, truth = _pair(prediction, truth)
    space = _over_space(truth)
    fields = (over_scale(u, scales_of(u)) for u in (prediction, truth))
    a, b = (u - _weighted(u, weights).mean(space, keepdims=True) for u in fields)
    total = lambda u: _weighted(u, weights).sum((*space, truth.ndim - 1))
    xp = namespace(truth)
    norms = xp.sqrt(total(a * a)) * xp.sqrt(total(b * b))
    safe = xp.where(norms > 0, norms, xp.ones_like(norms))
    return xp.where(norms > 0, xp.clip(total(a * b) / safe, -1, 1), xp.zeros_like(norms))


def geometric_mean(
    curves: Float[AnyArray, "time trajectory"] | Float[AnyArray, " time"], up_to: int = 100
) -> Float[np.ndarray, ""]:
    """Geometric mean over the first `up_to` steps of the mean over trajectories.

    The order is: per step, the arithmetic mean over trajectories; then exp(mean(log)) over steps 1 to `up_to` (all
    steps when there are fewer). Source: APEBench (arXiv 2411.00180), `aggregate_gmean(up_to=100)` of `mean_nRMSE`.

    **Arguments:** `curves`: positive values per step (and trajectory); `up_to`: number of steps.
    """
    curve = np.asarray(curves, np.float64)
    mean = curve.mean(1) if curve.ndim == 2 else curve
    with np.errstate(divide="ignore"):  # an exact prediction has log 0 = -inf and the mean 0
        return np.asarray(np.exp(np.log(mean[:up_to]).mean()))
