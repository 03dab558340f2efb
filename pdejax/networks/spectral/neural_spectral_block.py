"""The block of the latent spectral model that solves in a trigonometric series of a few latent tokens."""

from collections.abc import Sequence
from math import prod

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.linear import Linear
from pdejax.networks.layers.patches import from_patches, to_patches


class NeuralSpectralBlock(eqx.Module):
    """Projects each patch of a field onto latent tokens, maps these by a learned series, and projects back.

    With learned tokens L, points x of a patch and heads that do not mix:

    - encode: T = L + softmax(L K(x)^T) V(x),
    - solve: T <- T + sum_m a_m sin(pi m T / M) + b_m cos(pi m T / M), m = 0, .., M-1, channel by channel,
    - decode: x <- x + softmax(Q(x) T^T) T,

    K, V and Q being pointwise affine maps. The products are not divided by the root of their length, and the cost is
    linear in the number of points. The term m = 0 of the sines is zero and that of the cosines a constant.

    Source: Wu et al., Solving High-Dimensional PDEs with Latent Spectral Models, ICML 2023 (arXiv:2301.12664),
    section 3.2; frequencies and initial weights as in the authors' code.
    """

    latent: Array
    keys_values: Linear
    series: Array
    queries: Linear
    heads: int = eqx.field(static=True)

    def __init__(self, width: int, *, tokens: int = 4, bases: int = 12, heads: int = 8, key: Key):
        """**Arguments:**

        - `width`: channels of the field.
        - `tokens`: number of latent tokens of a patch.
        - `bases`: number M of sines and of cosines.
        - `heads`: of the attention, a divisor of `width`.
        - `key`: random key of the weights. (Keyword only argument.)

        **Raises:** `ValueError` for sizes that are not positive, or heads of unequal size.
        """
        if min(width, tokens, bases, heads) < 1 or width % heads:
            sizes = f"width {width}, tokens {tokens}, bases {bases}, heads {heads}"
            raise ValueError(f"a neural spectral block needs positive sizes and a width of equal heads, got {sizes}")
        keys = jax.random.split(key, 4)
        small = lambda key, *shape: jax.random.uniform(key, (prod(shape),)).reshape(shape) / width
        self.latent = small(keys[0], tokens, width)
        self.keys_values = Linear(width, 2 * width, key=keys[1])
        self.series = small(keys[2], 2, bases, width)
        self.queries = Linear(width, width, key=keys[3])
        self.heads = heads

    @jax.named_scope("pdejax.NeuralSpectralBlock")
    def __call__(
        self, x: Float[Array, "batch *space channel"], patch: Sequence[int]
    ) -> Float[Array, "batch *space channel"]:
        """**Arguments:** `x`: field; `patch`: points of a patch per axis, divisors of the grid's.

        **Returns:** the field, to which each patch has added what its tokens say.
        """
        points = to_patches(x, patch)
        tokens = self._solve(self._encode(points))
        return x + from_patches(self._decode(points, tokens), x.shape[1:-1], patch)

    def _encode(self, points: Float[Array, "patch point channel"]) -> Float[Array, "patch token channel"]:
        keys, values = jnp.split(self.keys_values(points), 2, -1)
        latent = jnp.broadcast_to(self.latent[None], (points.shape[0], *self.latent.shape))
        return latent + self._attend(latent, keys, values)

    def _solve(self, tokens: Float[Array, "patch token channel"]) -> Float[Array, "patch token channel"]:
        bases = self.series.shape[1]
        frequencies = jnp.pi / bases * jnp.arange(bases, dtype=tokens.dtype)
        angles = tokens[:, :, None] * frequencies[None, None, :, None]
        sines, cosines = self.series[:, None, None]
        return tokens + jnp.sum(sines * jnp.sin(angles) + cosines * jnp.cos(angles), 2)

    def _decode(
        self, points: Float[Array, "patch point channel"], tokens: Float[Array, "patch token channel"]
    ) -> Float[Array, "patch point channel"]:
        return self._attend(self.queries(points), tokens, tokens)

    def _attend(
        self,
        queries: Float[Array, "patch query channel"],
        keys: Float[Array, "patch item channel"],
        values: Float[Array, "patch item channel"],
    ) -> Float[Array, "patch query channel"]:
        heads = lambda a: a.reshape(*a.shape[:2], self.heads, a.shape[2] // self.heads)
        scores = jnp.einsum("nqhc,nihc->nhqi", heads(queries), heads(keys))
        mixed = jnp.einsum("nhqi,nihc->nqhc", jax.nn.softmax(scores, -1), heads(values))
        return mixed.reshape(queries.shape)
