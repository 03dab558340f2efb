"""What an optimiser may ask of the loss of one update, and what it does with the answers."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from pdejax.core import Scalar
from pdejax.methods import LeastSquares
from pdejax.training.optimisers import collectives

Metrics = dict[str, Array]

# accelerators multiply in bfloat16 unless told otherwise, which curvature does not survive
product = partial(jnp.matmul, precision=lax.Precision.HIGHEST)


@runtime_checkable
class SmoothObjective(Protocol):
    """The loss of one update as functions of the parameters, a pytree of floating arrays; equal on all devices."""

    def value(self, params: Any) -> Scalar:
        """The loss over all devices, differentiable."""
        ...

    def value_and_grad(self, params: Any) -> tuple[tuple[Scalar, Metrics], Any]:
        """The loss with the method's metrics, and its gradient: the global one on every device."""
        ...


@runtime_checkable
class Objective(SmoothObjective, Protocol):
    """A loss that is a sum of squares, `loss = total(sum(rows(params) ** 2))`.

    Weights and means are inside the rows, which are divided over the devices of a mesh; every device holds equally
    many.
    """

    def rows(self, params: Any) -> Float[Array, " row"]:
        """This device's part of the weighted residual vector."""
        ...

    def jacobian(self, params: Any) -> Float[Array, "row parameter"]:
        """The derivative of this device's rows by the parameters in the order of `ravel_pytree`."""
        ...

    def total(self, x: Any) -> Any:
        """The sum of a pytree over the devices."""
        ...

    def gather(self, x: Float[Array, " row *rest"]) -> Float[Array, " all_rows *rest"]:
        """The rows of all devices in the order of the devices, on every device."""
        ...

    def own(self, x: Array) -> Array:
        """This device's rows of an array of all rows: the inverse of `gather`."""
        ...


@runtime_checkable
class Optimiser(Protocol):
    """A strategy that takes steps; all of it can be traced, in a scan and inside `shard_map` too.

    Decisions are made of totals only, so that all devices make the same ones.
    """

    def check(self, method: Any, model: Any) -> None:
        """**Raises:** `ValueError` for a method or model it cannot work on, in one sentence that says why."""
        ...

    def init(self, params: Any) -> Any:
        """The state before the first step, a pytree of arrays."""
        ...

    def step(self, objective: Objective, params: Any, state: Any) -> tuple[Any, Any, Metrics]:
        """The next parameters and state, and scalars to record: the `loss` before the step among them."""
        ...

    def finish(self, model: Any) -> Any:
        """The model after the last step, without what served the steps alone.

        **Raises:** `RuntimeError` if the steps did not come to their end.
        """
        ...


def check_squares(name: str, method: Any) -> None:
    """**Raises:** `ValueError` for a method whose loss is no sum of squares."""
    if not isinstance(method, LeastSquares):
        raise ValueError(
            f"optimiser {name!r} needs a loss that is a sum of squares, which {type(method).__name__} does not give: "
            "take method=physics_informed, or an optimiser of gradients such as adamw"
        )


@dataclasses.dataclass(frozen=True)
class SumOfSquares:
    """The objective of a residual vector whose rows may be divided over the devices of a mesh axis.

    **Arguments:** `residuals`: this device's weighted rows of the parameters, free of collectives; `axis`: name of
    the mesh axis, none if there is one device.
    """

    residuals: Callable[[Any], Float[Array, " row"]]
    axis: str | None = None

    def rows(self, params: Any) -> Float[Array, " row"]:
        """See `Objective`."""
        return self.residuals(params)

    def value(self, params: Any) -> Scalar:
        """See `Objective`."""
        return self.total(jnp.sum(jnp.square(self.residuals(params))))

    def value_and_grad(self, params: Any) -> tuple[tuple[Scalar, Metrics], Any]:
        """See `Objective`; there are no metrics."""
        value, grads = jax.value_and_grad(self.value)(params)
        return (value, {}), grads

    def jacobian(self, params: Any) -> Float[Array, "row parameter"]:
        """See `Objective`; by columns or by rows, whichever are fewer."""
        x, unravel = ravel_pytree(params)
        x = collectives.apart(x, self.axis)
        rows = lambda x: self.residuals(unravel(x))
        derivative = jax.jacfwd if x.size <= jax.eval_shape(rows, x).size else jax.jacrev
        return derivative(rows)(x)

    def total(self, x: Any) -> Any:
        """See `Objective`."""
        return collectives.total(x, self.axis)

    def gather(self, x: Float[Array, " row *rest"]) -> Float[Array, " all_rows *rest"]:
        """See `Objective`."""
        return collectives.gather(x, self.axis)

    def own(self, x: Array) -> Array:
        """See `Objective`."""
        return collectives.own(x, self.axis)
