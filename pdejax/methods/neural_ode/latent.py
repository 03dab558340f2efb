"""Spaces to solve in that are not the field itself, before they are built."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax

from pdejax.core import Count, Key, check_options, is_structure
from pdejax.methods.cards import DataCard
from pdejax.methods.fitting import described_later, fitted_network
from pdejax.methods.neural_ode.spaces import AbstractSpace, LatentField, LatentVector


class Latent(eqx.Module):
    """A space to solve in, to which one network leads and from which another leads back.

    **Arguments:** `kind`: `"field"` keeps the grid, `"vector"` has one vector for a field; `channels`: of the state;
    `encoder`, `decoder`: networks or descriptions of them, the encoder's taken for both when the decoder's is omitted.
    """

    kind: Literal["field", "vector"] = eqx.field(static=True)
    channels: Count = eqx.field(static=True)
    encoder: Any = eqx.field(converter=described_later)
    decoder: Any = eqx.field(converter=described_later, default=None)

    def __check_init__(self) -> None:
        check_options(self)

    def build(self, card: DataCard, *, key: Key) -> AbstractSpace:
        """The untrained space for fields like those of the data."""
        key_in, key_out = jax.random.split(key)
        fields, decoder = len(card.field_names), self.decoder or self.encoder
        if self.kind == "field":
            return LatentField(
                fitted_network(self.encoder, card, fields, out_channels=self.channels, key=key_in),
                fitted_network(decoder, card, self.channels, out_channels=fields, key=key_out),
            )
        points = fields * math.prod(card.shape)
        return LatentVector(
            vector_network(self.encoder, card, points, self.channels, key=key_in),
            vector_network(decoder, card, self.channels, points, key=key_out),
            card.shape,
        )


def vector_network(network: Any, card: DataCard, in_channels: int, out_channels: int, *, key: Key, **more: Any) -> Any:
    """A network of vectors, told the physical parameters and further features, see `fitted_network`.

    **Raises:** `ValueError` for a kind that needs space axes.
    """
    kind = network.get("kind", "perceptron") if isinstance(network, Mapping) and not is_structure(network) else network
    if isinstance(kind, str) and kind != "perceptron" and ":" not in kind:
        raise ValueError(
            f"a latent vector has no space axes: its network, encoder and decoder are of kind perceptron, got {kind!r}"
        )
    return fitted_network(network, card, in_channels, out_channels=out_channels, shape=(), key=key, **more)
