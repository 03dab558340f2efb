"""Isotropic spectra of fields and of errors."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import AnyState, as_state, band_indices, known, transform
from pdejax.evaluation.metrics.errors import AnyArray, namespace

BANDS = {"low": (0, 4), "mid": (5, 12), "high": (13, None)}
"""Shells (both ends included) of the low, middle and high band: those of PDEBench's fRMSE (arXiv 2210.07182)."""

FLOOR = 1e-12  # of the truth's energy: below it float32 fields hold round-off, not signal


def _mode_weights(shape: tuple[int, ...]) -> np.ndarray:
    """How many modes of the full spectrum each mode of the half spectrum stands for."""
    n = shape[-1]
    last = np.full(n // 2 + 1, 2.0)
    last[0] = 1.0
    if n % 2 == 0:
        last[-1] = 1.0
    return np.broadcast_to(last, (*shape[:-1], n // 2 + 1))


def energy_spectrum(u: AnyState, ndim: int) -> Float[jax.Array, "*batch shell"]:
    """Energy of a periodic field in shells of constant mode number, summed over channels.

    E(k) is half the sum of |u_m|^2 over the Fourier modes whose integer mode vector has a length that rounds to k;
    all shells add up to half the mean square of the field (Parseval). On a box with unequal sides a shell is one of
    mode numbers, not of physical wavenumbers.

    **Arguments:** `u`: field `(*batch, *space, channel)`; `ndim`: number of space axes, one to three.

    **Returns:** shape `(*batch, shell)`, shell 0 is the mean.
    """
    u = as_state(u)
    if not 1 <= ndim <= 3 or u.ndim < ndim + 1:
        raise ValueError(f"a field of {ndim} space axes (one to three) is (*batch, *space, channel), got {u.shape}")
    space = u.shape[-ndim - 1 : -1]
    shells = band_indices(space)
    u_hat = transform(u, ndim) / np.prod(space).item()
    power = (jnp.real(u_hat) ** 2 + jnp.imag(u_hat) ** 2).sum(-1)
    weights = jnp.asarray(_mode_weights(space) / 2, power.dtype)
    batch = power.shape[: power.ndim - ndim]
    flat = (power * weights.reshape((1,) * len(batch) + weights.shape)).reshape(*batch, shells.size)
    sums = jax.ops.segment_sum(jnp.moveaxis(flat, -1, 0), jnp.asarray(shells.ravel()), int(shells.max()) + 1)
    return jnp.moveaxis(sums, 0, -1)


def band_error(
    error_spectrum: Float[AnyArray, "*batch shell"], truth_spectrum: Float[AnyArray, "*batch shell"], band: str
) -> Float[AnyArray, "*batch"]:
    """Share of one band in the nRMSE: sqrt(error energy in the band / whole energy of the truth).

    The squares of all bands add up to the square of the nRMSE.

    **Arguments:** spectra of prediction minus truth and of the truth; `band`: a name of `BANDS`.
    """
    if band not in BANDS:
        raise ValueError(known("band", band, BANDS))
    first, last = BANDS[band]
    part = error_spectrum[..., first : None if last is None else last + 1].sum(-1)
    total = truth_spectrum.sum(-1)
    xp = namespace(total)
    return (part / xp.where(total > 0, total, xp.ones_like(total))) ** 0.5


def spectrum_log_distance(
    spectrum: Float[AnyArray, "*batch shell"], truth_spectrum: Float[AnyArray, "*batch shell"]
) -> Float[AnyArray, "*batch"]:
    """Root mean square of the difference of log10 energies, in decades, over the shells where the truth holds signal.

    That is more than 1e-12 of its whole energy, below which a float32 field holds round-off; a prediction with less
    counts as one with so much. Energy where the truth has none is seen by the errors, see `band_error`.

    **Arguments:** spectra of the prediction and of the truth.
    """
    if spectrum.shape != truth_spectrum.shape:
        raise ValueError(f"spectra are of the same shells, got shapes {spectrum.shape} and {truth_spectrum.shape}")
    xp, total = namespace(truth_spectrum), truth_spectrum.sum(-1, keepdims=True)
    floor = xp.where(total > 0, total, xp.ones_like(total)) * FLOOR
    signal = (truth_spectrum > floor) | (total <= 0)
    difference = xp.log10(xp.maximum(spectrum, floor)) - xp.log10(xp.maximum(truth_spectrum, floor))
    squares = xp.where(signal, difference**2, xp.zeros_like(difference))
    return (squares.sum(-1) / signal.sum(-1).astype(squares.dtype)) ** 0.5
