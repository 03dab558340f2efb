"""Learning from pairs: one step, or several steps unrolled."""

from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Given, Key, Keys, NotNegative, Of, Stepper, check_options, per_channel, register
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.fitting import fitted_network
from pdejax.methods.method import AbstractMethod, only
from pdejax.methods.operators.bases import base_of
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.origin import origin_of
from pdejax.methods.supervised.losses import AbstractLoss, MeanSquared, nrmse


@register("method", "supervised")
class Supervised(AbstractMethod):
    """Compares the operator's own trajectory with the true one, step by step.

    **Arguments:**

    - `unroll`: steps per sample; 1 is one-step (teacher-forced) training.
    - `cut_gradient`: whether gradients stop between steps (the pushforward trick of Brandstetter et al. 2022, eq. 7).
    - `predict`: whether the network gives the next state or the normalised increment.
    - `base`: a Stepper to whose next state the increment is added, such as a coarse solver, which the network then
        corrects; the present state when omitted.
    - `history`: frames the network sees.
    - `error`: distance of fields.
    - `input_noise`: standard deviation of noise added to the input, in units of the increment.
    - `conserve_mean`: keep each field's spatial mean exactly, or as the base does (increment only).
    """

    unroll: Count = eqx.field(static=True, default=1)
    cut_gradient: bool = eqx.field(static=True, default=False)
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    base: Annotated[Stepper | None, Given()] = None
    history: Count = eqx.field(static=True, default=1)
    error: Annotated[AbstractLoss, Of("loss")] = MeanSquared()
    input_noise: NotNegative = eqx.field(static=True, default=0.0)
    conserve_mean: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_options(self)
        if self.conserve_mean and self.predict != "increment":
            raise ValueError("conserve_mean needs predict=increment: the mean of a predicted state is free")
        if self.base is not None and self.predict != "increment":
            raise ValueError("base needs predict=increment: a predicted state is not added to anything")

    @property
    def window(self) -> int:
        return self.history + self.unroll

    def build(self, network: Any, card: DataCard, *, key: Key) -> Operator:
        channels = len(card.field_names)
        if card.input_names:
            raise ValueError(f"supervised steps in time, but the data map {', '.join(card.input_names)}: take steady")
        self.error.check(card)
        return Operator(
            network=fitted_network(network, card, self.history * channels, key=key),
            normalisation=Normalisation.of(card),
            base=base_of(self.predict, self.base, card),
            info=OperatorInfo.of(card, self.history),
            conserve_mean=self.conserve_mean,
            origin=origin_of(self, network, card),
        )

    def trainable(self, model: Operator) -> Any:
        return only(model, lambda m: m.network)

    def _first_state(self, model: Operator, frames: Float[Array, "batch time *space channel"], keys: Keys) -> Array:
        u = jnp.concatenate([frames[:, i] for i in range(self.history)], axis=-1)
        if self.input_noise == 0:
            return u
        scale = jnp.tile(self.input_noise * model.normalisation.increment, self.history)
        noise = jax.vmap(lambda k: jax.random.normal(k, u.shape[1:], u.dtype))(keys)
        return u + noise * per_channel(scale, u)

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        model = with_table(model, batch.parameters)
        frames, condition = batch.states, model.condition(batch.states.shape[:1])
        scale = per_channel(model.output_scale, frames[:, 0])

        def body(u: Array, target: Array) -> tuple[Array, tuple[Array, Array]]:
            base, y = model.base_frame(u), model.scaled(u, condition)
            frame = base + scale * y
            loss = self.error(y - (target - base) / scale, target / scale, model.info.lengths)
            u = model.shift(u, frame)
            return (jax.lax.stop_gradient(u) if self.cut_gradient else u), (loss, nrmse(frame - target, target))

        targets = jnp.moveaxis(frames[:, self.history :], 1, 0)
        _, (losses, errors) = jax.lax.scan(body, self._first_state(model, frames, keys), targets)
        return jnp.mean(losses, axis=0), {"nrmse": errors[0], "nrmse_last": errors[-1]}
