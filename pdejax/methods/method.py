"""What a method owes to the training loop."""

import abc
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from pdejax.core import Key, Keys, build, factory_of, options_of
from pdejax.data import Batch
from pdejax.methods.cards import DataCard


class AbstractMethod(eqx.Module):
    """A way to learn: a model built around a network, a loss per sample, and which leaves are trained."""

    @property
    @abc.abstractmethod
    def window(self) -> int:
        """Frames of a trajectory that one training sample holds; 0 for methods that need no trajectories."""

    @abc.abstractmethod
    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> Any:
        """The untrained model, in physical units: a Predictor, and a Stepper if it moves in time."""

    @abc.abstractmethod
    def trainable(self, model: Any) -> Any:
        """A tree of booleans like `model`, true where the loop may change a leaf."""

    @abc.abstractmethod
    def loss(
        self, model: Any, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        """Loss and further metrics of each sample; the loop reduces them.

        **Arguments:** `model`; `batch`; `keys`: one random key per sample, so that randomness belongs to the
        sample and not to the device that happens to compute it.
        """


def fitted_network(
    network: Mapping[str, Any],
    card: DataCard,
    in_channels: int,
    *,
    out_channels: int | None = None,
    extra_features: int = 0,
    key: Key,
) -> Any:
    """The network of a specification with the sizes that the data ask for.

    **Arguments:** `network`: as `build` takes it; a `periodic` that is missing or `None` is that of the data; `card`;
    `in_channels`, `out_channels`: of the network, the latter the fields of the data when omitted;
    `extra_features`: of its condition, after the physical parameters; `key`: random key of the weights.
    """
    spec = {**network}
    if spec.get("periodic") is None and "periodic" in options_of(factory_of("network", spec["kind"])):
        spec["periodic"] = card.periodic or True
    return build(
        "network",
        spec,
        in_channels=in_channels,
        out_channels=len(card.field_names) if out_channels is None else out_channels,
        ndim=len(card.shape),
        condition_features=len(card.parameter_names) + extra_features,
        key=key,
    )
