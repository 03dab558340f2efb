"""Learning another operator's step: several network calls become one."""

import dataclasses
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Count, Given, Key, Keys, Stepper, check_options, checked, per_channel, register
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.method import AbstractMethod
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.origin import with_method
from pdejax.methods.supervised.losses import nrmse
from pdejax.methods.supervised.supervised import Supervised


@register("method", "distilled")
class Distilled(AbstractMethod):
    """Compares one call of the student's network with the mean of a teacher's steps from the same true states.

    The student is a plain `Operator`, which does not need its teacher any more.

    **Arguments:**

    - `teacher`: folder of a trained run or model; it is loaded by whoever trains, see `taught_by`.
    - `samples`: of a stochastic teacher's step that are averaged; one call cannot give more than their mean.
    - `predict`, `history`, `conserve_mean`: of the student, as of `Supervised`; the history is the teacher's.
    - `stepper`: the teacher itself, any Stepper; from Python, instead of a folder.
    """

    teacher: str = eqx.field(static=True, default="")
    samples: Count = eqx.field(static=True, default=1)
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    history: Count = eqx.field(static=True, default=1)
    conserve_mean: bool = eqx.field(static=True, default=False)
    stepper: Annotated[Stepper | None, Given()] = None

    def __check_init__(self) -> None:
        check_options(self)
        self._student  # noqa: B018  (refuses what does not go together)
        seen = getattr(self.stepper, "history", self.history if self.stepper is None else 1)
        if seen != self.history:
            raise ValueError(f"history should be that of the teacher{self._named}, {seen}, got {self.history}")

    @property
    def _named(self) -> str:
        return f" {self.teacher}" if self.teacher else ""

    @property
    def window(self) -> int:
        return self.history + 1

    @property
    def _student(self) -> Supervised:
        return Supervised(predict=self.predict, history=self.history, conserve_mean=self.conserve_mean)

    def taught_by(self, stepper: Stepper) -> "Distilled":
        """The same method with its teacher at hand.

        **Raises:** `ValueError` if the teacher sees another number of frames.
        """
        return dataclasses.replace(self, stepper=stepper)

    def _check_teacher(self, card: DataCard) -> None:
        mine, theirs = OperatorInfo.of(card, self.history), getattr(self.stepper, "info", None)
        for name in ("step", "lengths", "fields", "parameters"):
            if theirs is not None and getattr(theirs, name) != getattr(mine, name):
                raise ValueError(f"the teacher{self._named} has {name} {getattr(theirs, name)}, the data have "
                                 f"{getattr(mine, name)}")  # fmt: skip

    @checked
    def build(self, network: Any, card: DataCard, *, key: Key) -> Operator:
        self._check_teacher(card)
        student = self._student.build(network, card, key=key)
        # who taught it is remembered, but not kept
        return dataclasses.replace(student, origin=with_method(student.origin, dataclasses.replace(self, stepper=None)))

    def trainable(self, model: Operator) -> Any:
        return self._student.trainable(model)

    def _taught(self, u: Array, parameters: Array, keys: Keys) -> Array:
        """The teacher's next frame of every sample, each drawn with its own key."""
        teacher: Any = self.stepper
        if teacher is None:
            raise ValueError(f"the teacher{self._named} was not loaded: use taught_by(pdejax.load(...))")
        channels = u.shape[-1] // self.history

        def one(u: Array, parameters: Array, key: Key) -> Array:
            fits = with_table(teacher, parameters[None]) if hasattr(teacher, "info") else teacher
            steps = jax.lax.map(lambda k: fits(u[None], key=k)[0], jax.random.split(key, self.samples))
            return jnp.mean(steps, 0)[..., -channels:]

        return jax.lax.stop_gradient(jax.vmap(one)(u, parameters, keys))

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        model, frames = with_table(model, batch.parameters), batch.states
        u = jnp.concatenate([frames[:, i] for i in range(self.history)], -1)
        scale, base = per_channel(model.output_scale, u), model.base_frame(u)
        y = model.scaled(u, model.condition(u.shape[:1]))
        space = tuple(range(1, u.ndim))
        loss = jnp.mean(jnp.square(y - (self._taught(u, batch.parameters, keys) - base) / scale), space)
        truth = frames[:, self.history]
        return loss, {"nrmse": nrmse(base + scale * y - truth, truth)}
