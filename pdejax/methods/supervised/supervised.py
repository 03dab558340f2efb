"""Learning from pairs: one step, or several steps unrolled."""

import dataclasses
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Key, Keys, NotNegative, Of, check_options, check_slot, checked, per_channel, register
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.fitting import fitted_network
from pdejax.methods.method import AbstractMethod, only
from pdejax.methods.operators.bases import base_of, check_reverses
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.residual import RESIDUAL, residual_size, with_source
from pdejax.methods.operators.roles import AbstractRole, Correct, Replace, Tendency
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.origin import origin_of
from pdejax.methods.supervised.losses import AbstractLoss, MeanSquared, check_loss, nrmse


@register("method", "supervised")
class Supervised(AbstractMethod):
    """Compares the operator's own trajectory with the true one, step by step.

    **Arguments:**

    - `unroll`: steps per sample; 1 is one-step (teacher-forced) training.
    - `cut_gradient`: whether gradients stop between steps (the pushforward trick of Brandstetter et al. 2022, eq. 7).
    - `predict`: whether the network gives the next state or the normalised increment.
    - `base`: a Stepper that the network corrects or drives: a coarse solver (`SolverBase`, kind `solver`), a step of
        your own; the present state when omitted.
    - `role`: what the network is to the base, see `Correct`, `Tendency` and `Closure`; `Correct()` when omitted.
    - `through_base`: whether gradients flow through the base, if there is one; without them it is unrolled all the same
        (List et al. 2024, arXiv:2402.12971).
    - `history`: frames the network sees.
    - `error`: distance of fields, such as `RelativeL2()` or one of your own, a subclass of `AbstractLoss`.
    - `input_noise`: standard deviation of noise added to the input, in units of the increment.
    - `conserve_mean`: keep each field's spatial mean exactly, or as the base does (increment only).
    """

    unroll: Count = eqx.field(static=True, default=1)
    cut_gradient: bool = eqx.field(static=True, default=False)
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    base: Annotated[Any, Of("base")] = None
    role: Annotated[AbstractRole | None, Of("role")] = None
    through_base: bool = eqx.field(static=True, default=True)
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
        if self.cut_gradient and self.unroll == 1:
            raise ValueError("cut_gradient=true has no effect with unroll=1: there is no gradient between steps")
        check_loss(self.error)
        self._check_role()
        if self.conserve_mean and self._role.states:
            raise ValueError("conserve_mean needs a network that gives a change, with role.form=sequential it gives "
                             "the state")  # fmt: skip

    def _check_role(self) -> None:
        given: Any = self.role
        if not isinstance(given, AbstractRole | None):
            raise ValueError(f"role is an object, such as pdejax.Correct() or pdejax.Tendency(), got {given!r}")
        role = self._role
        if self.base is None and not isinstance(role, Replace):
            raise ValueError("role needs a base that the network is to correct or drive: base={kind: solver}")
        if self.base is None and not self.through_base:
            raise ValueError("through_base=false has no effect: there is no base")
        if self.base is not None and isinstance(role, Replace):
            raise ValueError("base has no effect: role=replace steps without one; take role=correct or role=tendency")
        alone = isinstance(role, Correct) and role.form != "parallel"
        if self.history > 1 and (alone or (isinstance(role, Tendency) and not role.held)):
            raise ValueError(f"history={self.history} needs role=correct in parallel or a tendency that is held: of "
                             "what the base has made there is one frame")  # fmt: skip
        if isinstance(role, Tendency) and not role.held and not self.through_base:
            raise ValueError("through_base=false needs a tendency that is held: role.held=true")

    @property
    def _role(self) -> AbstractRole:
        return self.role if self.role is not None else (Replace() if self.base is None else Correct())

    @property
    def window(self) -> int:
        return self.history + self.unroll

    @checked
    def build(self, network: Any, card: DataCard, *, key: Key) -> Operator:
        channels = len(card.field_names)
        if card.input_names:
            raise ValueError(f"supervised steps in time, but the data map {', '.join(card.input_names)}: take "
                             "steady, such as method=steady")  # fmt: skip
        self.error.check(card)
        role = self._role
        if role.flux and not all(card.periodic):
            raise ValueError(
                "role=closure takes the divergence of a flux on a periodic grid, but this problem has walls"
            )
        base = base_of(self.predict, self.base, card)
        if isinstance(role, Tendency):
            check_slot(base)
        if self._through(role):
            check_reverses(base)
        out = channels * (len(card.shape) if role.flux else 1)
        return Operator(
            network=fitted_network(network, card, self.history * channels, out_channels=out, key=key),
            normalisation=Normalisation.of(card),
            base=base,
            info=OperatorInfo.of(card, self.history),
            conserve_mean=self.conserve_mean,
            origin=origin_of(self, network, card),
            role=role,
            residual=self._residual(card),
        )

    def _through(self, role: AbstractRole) -> bool:
        """Whether gradients go back through the base."""
        asked = self.base is not None and self.through_base
        return asked and (isinstance(role, Tendency) or (self.unroll > 1 and not self.cut_gradient))

    def _residual(self, card: DataCard) -> Float[Array, " channel"] | None:
        """Size of one unit of the network's output beside a base.

        **Raises:** `ValueError` for a card without it.
        """
        if self.base is None or self._role.states:
            return None
        if RESIDUAL not in card.statistics:
            raise ValueError("this method has a base, whose residual on the data is to be measured: take the card "
                             "DataCard.of(data, method)")  # fmt: skip
        return jnp.asarray(card.statistics[RESIDUAL], jnp.float32)

    def sketched(self, card: DataCard, family: Any, simulator: Any) -> DataCard:
        """The card of data that are not there yet, with a residual of the base of one."""
        return with_source(self.base, card, family, simulator, [1.0] * len(card.field_names))

    def measured(self, card: DataCard, data: Any) -> DataCard:
        """The card with the root mean square of what the base leaves to the network in a step, per field.

        **Raises:** `ValueError` for a base that diverges on the data, or leaves nothing.
        """
        card = self.sketched(card, data.family, data.simulator)
        if self.base is None:
            return card
        size = residual_size(base_of(self.predict, self.base, card), data)
        return dataclasses.replace(card, statistics={**card.statistics, RESIDUAL: size})

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
            base, y = model.role(model, u, condition, None, self.through_base)
            frame = base + scale * y
            loss = self.error(y - (target - base) / scale, target / scale, model.info.lengths)
            u = model.shift(u, frame)
            return (jax.lax.stop_gradient(u) if self.cut_gradient else u), (loss, nrmse(frame - target, target))

        targets = jnp.moveaxis(frames[:, self.history :], 1, 0)
        _, (losses, errors) = jax.lax.scan(body, self._first_state(model, frames, keys), targets)
        return jnp.mean(losses, axis=0), {"nrmse": errors[0], "nrmse_last": errors[-1]}
