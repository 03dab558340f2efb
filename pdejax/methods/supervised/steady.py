"""Learning the solution operator of a steady problem from pairs of input fields and solutions."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, Keys
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.method import AbstractMethod, fitted_network
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.steady import SteadyOperator
from pdejax.methods.supervised.losses import AbstractLoss, RelativeL2, Sobolev


class Steady(AbstractMethod):
    """Compares the operator's solution with the true one.

    **Arguments:** `error`: distance of fields.
    """

    error: AbstractLoss = RelativeL2()

    @property
    def window(self) -> int:
        return 1

    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> SteadyOperator:
        if not card.input_names:
            raise ValueError("the method steady maps input fields, but these data step in time: take supervised")
        if isinstance(self.error, Sobolev) and not all(card.periodic):
            raise ValueError("a sobolev loss needs periodic axes: choose relative_l2 or mse")
        return SteadyOperator(
            network=fitted_network(network, card, len(card.input_names), key=key),
            normalisation=Normalisation.of(card),
            lengths=card.lengths,
            input_names=card.input_names,
            field_names=card.field_names,
            parameter_names=card.parameter_names,
        )

    def trainable(self, model: SteadyOperator) -> Any:
        nothing = jax.tree.map(lambda _: False, model)
        return eqx.tree_at(lambda m: m.network, nothing, jax.tree.map(eqx.is_inexact_array, model.network))

    def loss(
        self, model: SteadyOperator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        if model.parameter_names:
            model = eqx.tree_at(lambda m: m.parameters, model, batch.parameters, is_leaf=lambda x: x is None)
        row = lambda v: v.reshape((1,) * (batch.inputs.ndim - 1) + (-1,))
        target, n = batch.states[:, 0], model.normalisation
        error = model.scaled(batch.inputs, model.condition(batch.inputs.shape[:1])) - (target - row(n.mean)) / row(
            n.std
        )
        space, physical = tuple(range(1, target.ndim)), row(n.std) * error
        nrmse = jnp.sqrt(jnp.sum(jnp.square(physical), space) / jnp.sum(jnp.square(target), space))
        return self.error(error, target / row(n.std), model.lengths), {"nrmse": nrmse}
