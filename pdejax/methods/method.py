"""What a method owes to the training loop."""

import abc
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float

from pdejax.core import Key, Keys
from pdejax.data import Batch


class AbstractMethod(eqx.Module):
    """A way to learn: a model built around a network, a loss per sample, and which leaves are trained.

    What it may offer beyond that is in `pdejax.methods.capabilities`.
    """

    @property
    @abc.abstractmethod
    def window(self) -> int:
        """Frames of a trajectory that one training sample holds; 0 for methods that need no trajectories."""

    @abc.abstractmethod
    def build(self, network: Any, card: Any, *, key: Key) -> Any:
        """The untrained model, in physical units: a Predictor, and a Stepper if it moves in time.

        **Arguments:** `network`: a description with a `kind`, the name of a kind, or any callable pytree;
        `card`: what is known of the data, a `DataCard`, or of the problem, a `ProblemCard`; `key`: of the weights.

        **Raises:** `ValueError` if the network or the data are not for this method.
        """

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


def only(model: Any, *parts: Any) -> Any:
    """A tree of booleans like `model`, true at the arrays of some of its parts.

    **Arguments:** `parts`: functions from the model to one of its subtrees.
    """
    mask = jax.tree.map(lambda _: False, model)
    for part in parts:
        trained = jax.tree.map(eqx.is_inexact_array, part(model))
        mask = eqx.tree_at(part, mask, trained, is_leaf=lambda x: x is None)
    return mask
