"""The same affine map of the channels at every point."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key
from pdejax.networks.layers.checks import check_positive
from pdejax.networks.layers.random import normal


@jax.custom_jvp
def _as_it_stands(x: Array) -> Array:
    """`x`, the gradient of which is computed in the layout of `x`, and not in one the compiler prefers."""
    return x


@_as_it_stands.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return primals[0], jax.lax.optimization_barrier(tangents[0])


class Linear(eqx.Module):
    """A matrix (and a bias) applied to the last axis; over a field it is a convolution with a kernel of one point."""

    weight: Array
    bias: Array | None

    def __init__(self, in_channels: int, out_channels: int, *, use_bias: bool = True, gain: float = 1.0, key: Key):
        """**Arguments:**

        - `in_channels`, `out_channels`: size of the last axis before and after.
        - `use_bias`: whether a constant is added, zero at first.
        - `gain`: factor between the standard deviations before and after; sqrt(2) if a rectifying activation follows.
        - `key`: random key of the weight. (Keyword only argument.)

        **Raises:** `ValueError` for sizes that are not positive.
        """
        check_positive(in_channels=in_channels, out_channels=out_channels)
        self.weight = normal(key, (in_channels, out_channels), gain * in_channels**-0.5)
        self.bias = jnp.zeros(out_channels) if use_bias else None

    def __call__(self, x: Float[Array, "*batch channel_in"]) -> Float[Array, "*batch channel_out"]:
        """**Arguments:** `x`: any array with channels last. **Returns:** the array with the new channels."""
        points = x.reshape(-1, x.shape[-1])  # one matrix product: twice as fast as one with many axes
        narrowing = self.weight.shape[0] > self.weight.shape[1]
        # on CPU the weight's gradient takes half of the time if its narrower factor stands on the left
        y = points @ (_as_it_stands(self.weight.T).T if narrowing else self.weight)
        y = y if self.bias is None else y + self.bias[None]
        return y.reshape(*x.shape[:-1], y.shape[-1])
