"""A network that tells the truth from noise, and what its output stands for."""

from typing import Any, Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, call
from pdejax.methods.diffusion.levels import log_snr, noise_features

Parametrisation = Literal["x0", "eps", "v"]


def _over(a: Array, like: Array) -> Array:
    """A value per sample, to be combined with fields."""
    return a.reshape(a.shape[0], *(1,) * (like.ndim - 1))


class Denoiser(eqx.Module):
    """Predicts the clean field y of alpha y + sigma noise, given a known field beside it.

    The network's output F stands for the clean field (`x0`), the noise (`eps`) or, with r^2 = alpha^2 + sigma^2, for
    (alpha noise - sigma y) / r (`v`), for which the network also sees the noisy field divided by r. For fields of
    unit variance the last is, up to its sign, the preconditioning of EDM. Where a level shows neither truth nor
    noise, or where noise alone cannot be told from itself, F is the clean field (for `v`: its negative).

    **Arguments:** `network`: sees the known field, the noisy one and features of the log-SNR.

    Source: Ho et al. (arXiv:2006.11239) for `eps`; Salimans and Ho (arXiv:2202.00512), appendix D, for `v`; Karras et
    al. (arXiv:2206.00364), equation (7).
    """

    network: Any
    parametrisation: Parametrisation = eqx.field(static=True)

    def output(
        self,
        noisy: Float[Array, "batch *space noisy_channel"],
        known: Float[Array, "batch *space known_channel"],
        alpha: Float[Array, " batch"],
        sigma: Float[Array, " batch"],
        condition: Float[Array, "batch features"] | None,
        *,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """What the network gives for a noisy field."""
        told = noise_features(log_snr(alpha, sigma))
        told = told if condition is None else jnp.concatenate([condition, told], -1)
        seen = noisy / _over(self._size(alpha, sigma), noisy) if self.parametrisation == "v" else noisy
        return call(self.network, jnp.concatenate([known, seen], -1), condition=told, key=key)

    def _size(self, alpha: Array, sigma: Array) -> Array:
        size = jnp.sqrt(alpha**2 + sigma**2)
        return jnp.where(size > 0, size, 1.0)

    def clean(
        self,
        output: Float[Array, "batch *space channel"],
        noisy: Float[Array, "batch *space channel"],
        alpha: Float[Array, " batch"],
        sigma: Float[Array, " batch"],
    ) -> Float[Array, "batch *space channel"]:
        """The clean field that the network's output stands for."""
        both = (alpha > 0) & (sigma > 0)
        if self.parametrisation == "x0":
            skip, gain = jnp.zeros_like(alpha), jnp.ones_like(alpha)
        elif self.parametrisation == "eps":
            safe = jnp.where(both, alpha, 1.0)
            skip, gain = jnp.where(both, 1 / safe, 0.0), jnp.where(both, -sigma / safe, 1.0)
        else:
            size = self._size(alpha, sigma)
            skip, gain = alpha / size**2, jnp.where(sigma > 0, -sigma / size, 1.0)
        return _over(skip, noisy) * noisy + _over(gain, noisy) * output

    def target(
        self,
        y: Float[Array, "batch *space channel"],
        noise: Float[Array, "batch *space channel"],
        alpha: Float[Array, " batch"],
        sigma: Float[Array, " batch"],
    ) -> Float[Array, "batch *space channel"]:
        """The output that stands for `y`, of which alpha y + sigma noise is shown."""
        if self.parametrisation == "x0":
            return y
        if self.parametrisation == "eps":
            return jnp.where(_over((alpha > 0) & (sigma > 0), y), noise, y)
        v = (_over(alpha, y) * noise - _over(sigma, y) * y) / _over(self._size(alpha, sigma), y)
        return jnp.where(_over(sigma > 0, y), v, y)
