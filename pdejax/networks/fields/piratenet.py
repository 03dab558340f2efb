"""A residual network of the coordinates that begins as a linear model of its embedding."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Depth, Key, Points, Positive, TensorGrid, checked, register
from pdejax.networks.fields.axis import check_box
from pdejax.networks.fields.mlp import AbstractNetworkField, Dense, Embedding
from pdejax.networks.fields.taylor import SMOOTH, Bundle, Smooth, SmoothName, add, compose, linear, product, scale
from pdejax.networks.layers.random import normal


class PirateBlock(eqx.Module):
    """Three dense layers h, gates after the first two of them; alpha h + (1 - alpha) x with alpha zero at first.

    Source: Wang et al., PirateNets (arXiv:2402.00326), section 4.
    """

    layers: tuple[Dense, Dense, Dense]
    alpha: Float[Array, ""]

    def __init__(self, width: int, *, factorised: bool, key: Key):
        """**Arguments:** as of `PirateNet`."""
        first, second, third = (Dense(width, width, factorised=factorised, key=k) for k in jax.random.split(key, 3))
        self.layers = (first, second, third)
        self.alpha = jnp.zeros((), first.weight.dtype)

    def __call__(self, x: Bundle, gates: tuple[Bundle, Bundle], activation: Smooth) -> Bundle:
        """**Arguments:** `x`: input; `gates`: U and V; `activation`. **Returns:** the output, of the same width."""
        u, v = gates
        difference = add(u, scale(-1.0, v))
        h = x
        for layer in self.layers[:2]:
            h = add(v, product(compose(activation, layer(h)), difference))  # f U + (1 - f) V
        h = compose(activation, self.layers[2](h))
        return add(scale(self.alpha.reshape(1, 1, 1), h), scale(1 - self.alpha.reshape(1, 1, 1), x))


@register("field", "piratenet")
class PirateNet(AbstractNetworkField):
    """Physics-informed residual adaptive network.

    Source: Wang et al., PirateNets, JMLR 2024 (arXiv:2402.00326).
    """

    embedding: Embedding
    gates: tuple[Dense, Dense]
    blocks: tuple[PirateBlock, ...]
    last: Float[Array, "width channel"]
    activation: Smooth = eqx.field(static=True)

    @checked
    def __init__(
        self,
        channels: int,
        box: Sequence[Sequence[float]],
        *,
        width: Count = 64,
        depth: Depth = 3,
        activation: SmoothName = "tanh",
        periodic: bool | Sequence[bool] = False,
        parity: str | Sequence[str] = "none",
        harmonics: Count = 1,
        fourier_scale: Positive = 2.0,
        factorised: bool = False,
        key: Key,
    ):
        """**Arguments:**

        - `channels`: of the field.
        - `box`: (low, high) of each axis.
        - `width`: of all layers, and the number of random Fourier features, which is even.
        - `depth`: number of blocks of three layers.
        - `activation`: one of `SMOOTH`.
        - `periodic`, `parity`, `harmonics`, `factorised`: as of `MLPField`.
        - `fourier_scale`: standard deviation of the features' frequencies.
        - `key`: random key. (Keyword only argument.)

        **Raises:** `ValueError` for unknown names, an odd width or values that do not fit the axes.
        """
        if width % 2:
            raise ValueError(f"width must be even, for half of the Fourier features are cosines, got {width}")
        keys = jax.random.split(key, depth + 4)
        waves = {"fourier_features": width, "fourier_scale": fourier_scale}
        symmetry = {"periodic": periodic, "parity": parity, "harmonics": harmonics}
        self.embedding = Embedding(check_box(box), **symmetry, **waves, key=keys[0])
        gate = lambda key: Dense(width, width, factorised=factorised, key=key)
        self.gates = (gate(keys[1]), gate(keys[2]))
        self.blocks = tuple(PirateBlock(width, factorised=factorised, key=k) for k in keys[4:])
        self.last = normal(keys[3], (width, channels), (2 / (width + channels)) ** 0.5)
        self.activation = SMOOTH[activation]

    @jax.named_scope("pdejax.PirateNet")
    def channels_of(self, x: Bundle) -> Bundle:
        return linear(self._hidden(x), self.last)

    def _hidden(self, x: Bundle) -> Bundle:
        u, v = (compose(self.activation, gate(x)) for gate in self.gates)
        for block in self.blocks:
            x = block(x, (u, v), self.activation)
        return x

    def with_initial_fit(self, points: Points, values: Float[Array, "point channel"]) -> "PirateNet":
        """The network whose last layer fits data, such as an initial condition, by least squares.

        **Arguments:** `points`: scattered or a grid; `values`: the field there.

        **Returns:** the network with another last layer. Source: arXiv:2402.00326, section 4.
        """
        scattered = points.points() if isinstance(points, TensorGrid) else points
        x = scattered.astype(self.last.dtype)
        value = ((0,) * x.shape[1],)
        features = self.embedding.symmetric(x, self._hidden(self.embedding(x, value))).data[0]
        fitted = jnp.linalg.lstsq(features, values.astype(self.last.dtype))[0]
        return eqx.tree_at(lambda net: net.last, self, fitted)
