"""Learning another operator's step: several network calls become one."""

from collections.abc import Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, Keys
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.method import AbstractMethod
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.supervised.supervised import Supervised


class Distilled(AbstractMethod):
    """Compares one call of the student's network with the mean of a teacher's steps from the same true states.

    The student is a plain `Operator`, which does not need its teacher any more.

    **Arguments:**

    - `teacher`: folder of a trained run or model; it is loaded by whoever trains, see `taught_by`.
    - `samples`: of a stochastic teacher's step that are averaged; one call cannot give more than their mean.
    - `predict`, `history`, `conserve_mean`: of the student, as of `Supervised`; the history is the teacher's.
    """

    teacher: str = eqx.field(static=True)
    samples: int = eqx.field(static=True, default=1)
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    history: int = eqx.field(static=True, default=1)
    conserve_mean: bool = eqx.field(static=True, default=False)
    stepper: Any = None

    def __check_init__(self) -> None:
        if self.samples < 1:
            raise ValueError(f"samples is at least 1, got {self.samples}")

    @property
    def window(self) -> int:
        return self.history + 1

    @property
    def _student(self) -> Supervised:
        return Supervised(predict=self.predict, history=self.history, conserve_mean=self.conserve_mean)

    def taught_by(self, stepper: Any) -> "Distilled":
        """The same method with its teacher at hand.

        **Raises:** `ValueError` if the teacher sees another number of frames.
        """
        if stepper.history != self.history:
            raise ValueError(f"the teacher {self.teacher} sees {stepper.history} frames, the student {self.history}")
        return eqx.tree_at(lambda m: m.stepper, self, stepper, is_leaf=lambda x: x is None)

    def _check_teacher(self, card: DataCard) -> None:
        for name, mine in (
            ("step_size", card.step),
            ("lengths", card.lengths),
            ("field_names", card.field_names),
            ("parameter_names", card.parameter_names),
        ):
            theirs = getattr(self.stepper, name, mine)
            if theirs != mine:
                raise ValueError(f"the teacher {self.teacher} has {name} {theirs}, the data have {mine}")

    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> Operator:
        self._check_teacher(card)
        return self._student.build(network, card, key=key)

    def trainable(self, model: Operator) -> Any:
        return self._student.trainable(model)

    def _taught(self, u: Array, parameters: Array, keys: Keys) -> Array:
        """The teacher's next frame of every sample, each drawn with its own key."""
        teacher = self.stepper
        if teacher is None:
            raise ValueError(f"the teacher {self.teacher} was not loaded: use taught_by(pdejax.load(...))")

        def one(u: Array, parameters: Array, key: Key) -> Array:
            fits = teacher
            if teacher.parameter_names:
                fits = eqx.tree_at(lambda m: m.parameters, teacher, parameters[None], is_leaf=lambda x: x is None)
            steps = jax.lax.map(lambda k: fits(u[None], key=k)[0], jax.random.split(key, self.samples))
            return jnp.mean(steps, 0)[..., -len(teacher.field_names) :]

        return jax.lax.stop_gradient(jax.vmap(one)(u, parameters, keys))

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        if model.parameter_names:
            model = eqx.tree_at(lambda m: m.parameters, model, batch.parameters, is_leaf=lambda x: x is None)
        frames = batch.states
        u = jnp.concatenate([frames[:, i] for i in range(self.history)], -1)
        row = lambda v: v.reshape((1,) * (u.ndim - 1) + (-1,))
        scale, base = row(model.output_scale), model.base(u)
        y = model.scaled(u, model.condition(u.shape[:1]))
        space = tuple(range(1, u.ndim))
        loss = jnp.mean(jnp.square(y - (self._taught(u, batch.parameters, keys) - base) / scale), space)
        truth = frames[:, self.history]
        error = jnp.sum(jnp.square(base + scale * y - truth), space) / jnp.sum(jnp.square(truth), space)
        return loss, {"nrmse": jnp.sqrt(error)}
