"""Any transformation of gradients as an optimiser."""

import dataclasses
from typing import Any

import jax
import optax

from pdejax.training.optimisers.objective import Metrics, SmoothObjective


@dataclasses.dataclass(frozen=True)
class GradientDescent:
    """Any optax transformation as an `Optimiser`; it sees the gradient and nothing else.

    **Arguments:** `transformation`: Adam, SOAP, ... with its learning rate.
    """

    transformation: optax.GradientTransformation

    def init(self, params: Any) -> Any:
        """See `Optimiser`."""
        return self.transformation.init(params)

    def step(self, objective: SmoothObjective, params: Any, state: Any) -> tuple[Any, Any, Metrics]:
        """See `Optimiser`."""
        (value, metrics), grads = objective.value_and_grad(params)
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, state = self.transformation.update(grads, state, params)
        return (
            optax.apply_updates(params, updates),
            state,
            {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics},
        )
