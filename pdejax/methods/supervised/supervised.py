"""Learning from pairs: one step, or several steps unrolled."""

from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, Keys, Scaling
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.method import AbstractMethod, fitted_network
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.supervised.losses import AbstractLoss, MeanSquared, Sobolev


class Supervised(AbstractMethod):
    """Compares the operator's own trajectory with the true one, step by step.

    **Arguments:**

    - `unroll`: steps per sample; 1 is one-step (teacher-forced) training.
    - `cut_gradient`: whether gradients stop between steps (the pushforward trick of Brandstetter et al. 2022, eq. 7).
    - `predict`: whether the network gives the next state or the normalised increment.
    - `history`: frames the network sees.
    - `loss`: distance of fields.
    - `input_noise`: standard deviation of noise added to the input, in units of the increment.
    - `conserve_mean`: keep each field's spatial mean exactly (increment only).
    """

    unroll: int = eqx.field(static=True, default=1)
    cut_gradient: bool = eqx.field(static=True, default=False)
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    history: int = eqx.field(static=True, default=1)
    error: AbstractLoss = MeanSquared()
    input_noise: float = eqx.field(static=True, default=0.0)
    conserve_mean: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if self.unroll < 1 or self.history < 1:
            raise ValueError(f"unroll and history are at least 1, got {self.unroll} and {self.history}")
        if self.conserve_mean and self.predict != "increment":
            raise ValueError("conserve_mean needs predict=increment: the mean of a predicted state is free")

    @property
    def window(self) -> int:
        return self.history + self.unroll

    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> Operator:
        channels = len(card.field_names)
        if card.input_names:
            raise ValueError(f"supervised steps in time, but the data map {', '.join(card.input_names)}: take steady")
        if isinstance(self.error, Sobolev) and Scaling.columns[0] in card.parameter_names:
            raise ValueError("a sobolev loss needs one domain, but the length of this problem's varies: choose mse")
        return Operator(
            network=fitted_network(network, card, self.history * channels, key=key),
            normalisation=Normalisation.of(card),
            increment=self.predict == "increment",
            conserve_mean=self.conserve_mean,
            history=self.history,
            step_size=card.step,
            lengths=card.lengths,
            field_names=card.field_names,
            parameter_names=card.parameter_names,
        )

    def trainable(self, model: Operator) -> Any:
        nothing = jax.tree.map(lambda _: False, model)
        return eqx.tree_at(lambda m: m.network, nothing, jax.tree.map(eqx.is_inexact_array, model.network))

    def _first_state(self, model: Operator, frames: Float[Array, "batch time *space channel"], keys: Keys) -> Array:
        u = jnp.concatenate([frames[:, i] for i in range(self.history)], axis=-1)
        if self.input_noise == 0:
            return u
        scale = jnp.tile(self.input_noise * model.normalisation.increment, self.history)
        noise = jax.vmap(lambda k: jax.random.normal(k, u.shape[1:], u.dtype))(keys)
        return u + noise * scale.reshape((1,) * (u.ndim - 1) + (-1,))

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        if model.parameter_names:
            model = eqx.tree_at(lambda m: m.parameters, model, batch.parameters, is_leaf=lambda x: x is None)
        frames, condition = batch.states, model.condition(batch.states.shape[:1])
        scale = model.output_scale.reshape((1,) * (frames.ndim - 2) + (-1,))

        def body(u: Array, target: Array) -> tuple[Array, tuple[Array, Array]]:
            base, y = model.base(u), model.scaled(u, condition)
            frame = base + scale * y
            loss = self.error(y - (target - base) / scale, target / scale, model.lengths)
            space = tuple(range(1, frame.ndim))
            error = jnp.sqrt(jnp.sum(jnp.square(frame - target), space) / jnp.sum(jnp.square(target), space))
            u = model.shift(u, frame)
            return (jax.lax.stop_gradient(u) if self.cut_gradient else u), (loss, error)

        targets = jnp.moveaxis(frames[:, self.history :], 1, 0)
        _, (losses, errors) = jax.lax.scan(body, self._first_state(model, frames, keys), targets)
        return jnp.mean(losses, axis=0), {"nrmse": errors[0], "nrmse_last": errors[-1]}
