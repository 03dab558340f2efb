"""The best linear propagator: what a model must beat to have learned anything nonlinear."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from pdejax.core import Key, State, hashed_by_identity, inverse_transform, transform

RELATIVE_CUTOFF = 1e-10  # of a mode's covariance: a direction between channels below it is not resolved
NOISE = 1e-12  # power of a mode, relative to white noise of the data's variance, at which float32 holds round-off


@hashed_by_identity
class LinearPropagator(eqx.Module):
    """The Stepper u -> to + A (u - from), with a matrix A(k) between channels for each Fourier mode.

    **Arguments:**

    - `matrix`: A in the layout of `core.transform`, `(*modes, channel, channel)`.
    - `mean_from`, `mean_to`: channel means before and after a step.
    """

    matrix: Complex[Array, "*modes channel channel2"]
    mean_from: Float[Array, " channel"]
    mean_to: Float[Array, " channel"]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one step later, `(*batch, *space, channel)`."""
        ndim = self.matrix.ndim - 2
        row = lambda mean: mean.astype(u.dtype).reshape((1,) * (u.ndim - 1) + (-1,))
        u_hat = transform(u - row(self.mean_from), ndim)
        matrix = self.matrix.astype(u_hat.dtype)
        out = jnp.einsum("...ij,...j->...i", matrix.reshape((1,) * (u.ndim - 1 - ndim) + matrix.shape), u_hat)
        return inverse_transform(out, u.shape[-ndim - 1 : -1]) + row(self.mean_to)


def _modes(frames: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Fourier modes of normalised (time, *space, channel) frames as (mode, channel, time), complex128."""
    hat = np.fft.rfftn((frames.astype(np.float64) - mean) / scale, axes=tuple(range(1, frames.ndim - 1)))
    return np.moveaxis(hat.reshape(len(hat), -1, hat.shape[-1]), 0, -1)


def _inverse(square: np.ndarray, floor: float) -> np.ndarray:
    """Pseudo-inverse of each mode's covariance; round-off is mapped to zero, or the map would amplify it."""
    largest = np.linalg.eigvalsh(square)[:, -1]
    cutoff = np.maximum(RELATIVE_CUTOFF, floor / np.maximum(largest, np.finfo(float).tiny))
    return np.linalg.pinv(square, rcond=cutoff, hermitian=True)


def fit_linear_propagator(states: Float[np.ndarray, "trajectory time *space channel"]) -> LinearPropagator:
    """Least squares over all pairs of successive frames, among all translation-equivariant affine maps.

    A linear map that commutes with translations of a periodic grid is a matrix between channels for each Fourier
    mode, so the fit falls apart into one small regression per mode, A = (sum v u^H) (sum u u^H)^+ with u, v the
    modes of successive frames. The best offset is a constant per channel. Physical parameters are not used: with
    varying ones this is the best single map for all of them. The map has 2 C^2 numbers a mode and is exact for
    linear equations with constant coefficients (advection, diffusion, dispersion). Modes in which the data hold
    round-off only are mapped to zero.

    **Arguments:** `states`: training trajectories, in the order of the data set.

    **Raises:** `ValueError` if there are fewer than two frames.
    """
    if states.shape[1] < 2:
        raise ValueError(f"a linear propagator is fitted to pairs of frames, got {states.shape[1]} frame a trajectory")
    space = states.shape[2:-1]
    everything = tuple(range(states.ndim - 1))
    before = states[:, :-1].mean(everything, dtype=np.float64)
    after = states[:, 1:].mean(everything, dtype=np.float64)
    deviation = states.std(everything, dtype=np.float64)
    scale = np.where(deviation > 0, deviation, 1.0)  # channels of different units must not lose against the cutoff
    cross = square = np.zeros(())
    for one in states:  # one trajectory at a time: the transformed data set need not fit into memory
        u, v = _modes(one[:-1], before, scale), _modes(one[1:], after, scale)
        adjoint = np.conj(np.swapaxes(u, -1, -2))
        cross, square = cross + v @ adjoint, square + u @ adjoint
    matrix = cross @ _inverse(square, NOISE * np.prod(space) * states.shape[0] * (states.shape[1] - 1))
    matrix = matrix * (scale[:, None] / scale[None, :])
    shape = (*space[:-1], space[-1] // 2 + 1, states.shape[-1], states.shape[-1])
    precision = jax.dtypes.canonicalize_dtype(np.float64)
    return LinearPropagator(
        jnp.asarray(matrix.reshape(shape), np.result_type(precision, np.complex64)),
        jnp.asarray(before, precision),
        jnp.asarray(after, precision),
    )
