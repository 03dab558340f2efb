"""The loss of a method on one batch, divided over the devices, as an optimiser asks for it."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from pdejax.core import Key, Keys, Scalar
from pdejax.methods import AbstractMethod, Composite, LeastSquares, RowGroup
from pdejax.training.optimisers import collectives
from pdejax.training.optimisers.objective import Metrics

AXIS = "data"  # of the mesh


def _split(samples: Any, parts: int) -> Any:
    """Every `parts`-th sample makes a part: a device finds its own rows of each, where blocks would have to move."""
    divide = lambda x: x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1)
    return jax.tree.map(divide, samples)


@dataclasses.dataclass(frozen=True)
class BatchObjective:
    """An `Objective` made of a method and this device's part of a batch.

    The mean over the global batch is taken inside the loss (`psum` of sums and counts), whose gradient with respect
    to replicated parameters is the global gradient already: no collective touches gradients.

    **Arguments:** `method`; `assemble`: from parameters to the whole model; `batch`; `keys`: one per sample;
    `accumulate`: micro-batches of the gradient; `axis`: name of the mesh axis that divides the batch, none where
    `batch` is the whole one, whatever devices hold it.
    """

    method: AbstractMethod
    assemble: Callable[[Any], Any]
    batch: Any
    keys: Keys
    accumulate: int = 1
    axis: str | None = AXIS

    @property
    def count(self) -> Scalar:
        """Samples of the global batch that count; one where none does, as where no solution of a batch is certified, so
        that the loss and its gradient vanish."""
        return jnp.maximum(self.total(jnp.sum(self.batch.mask)), 1)

    def _mean(self, x: Float[Array, " sample"], mask: Float[Array, " sample"], count: Scalar) -> Scalar:
        # a select, not a product: rows that only fill up a batch may hold anything
        return self.total(jnp.sum(jnp.where(mask > 0, x, 0))) / count

    def _loss(self, params: Any, batch: Any, keys: Keys, count: Scalar) -> tuple[Scalar, Metrics]:
        losses, metrics = self.method.loss(self.assemble(params), batch, keys)
        mean = lambda x: self._mean(x, batch.mask, count)
        return mean(losses), jax.tree.map(mean, metrics)

    def value(self, params: Any) -> Scalar:
        """The loss of the global batch."""
        return self._loss(params, self.batch, self.keys, self.count)[0]

    def value_and_grad(self, params: Any) -> tuple[tuple[Scalar, Metrics], Any]:
        """The loss with the method's metrics, and its gradient."""
        count, value_and_grad = self.count, jax.value_and_grad(self._loss, has_aux=True)
        if self.accumulate == 1:
            return value_and_grad(params, self.batch, self.keys, count)
        parts = _split((self.batch, self.keys), self.accumulate)
        one = lambda part: value_and_grad(params, *part, count)
        add = lambda total, part: (jax.tree.map(jnp.add, total, one(part)), None)
        first, rest = jax.tree.map(lambda x: x[0], parts), jax.tree.map(lambda x: x[1:], parts)
        return lax.scan(add, one(first), rest)[0]

    def terms(self, params: Any) -> dict[str, Scalar]:
        """The terms of a composite method's loss over the global batch."""
        assert isinstance(self.method, Composite)
        terms, count = self.method.terms(self.assemble(params), self.batch, self.keys), self.count
        return {name: self._mean(x, self.batch.mask, count) for name, x in terms.items()}

    def term_weights(self, params: Any) -> dict[str, float]:
        """The weights a composite method gives its terms."""
        assert isinstance(self.method, Composite)
        return self.method.weights_of(self.assemble(params))

    # ---- least squares

    def _groups(self, params: Any) -> list[RowGroup]:
        assert isinstance(self.method, LeastSquares)
        return self.method.row_groups(self.assemble(params), self.batch)

    def _scale(self) -> Scalar:
        return 1 / jnp.sqrt(self.count)

    def rows(self, params: Any) -> Float[Array, " row"]:
        """This device's weighted residuals."""
        model, scale = self.assemble(params), self._scale()
        return jnp.concatenate([scale * g.function(model, *g.arrays).reshape(-1) for g in self._groups(params)])

    def probe(self, params: Any, number: int, key: Key) -> Scalar:
        """The sum of the rows of one group, without its weight, with random signs, over the devices."""
        model, group = self.assemble(params), self._groups(params)[number]
        rows = group.function(model, *group.arrays) / group.weight**0.5
        own = jax.random.fold_in(key, collectives.index(self.axis))
        return self.total(jnp.sum(rows * jax.random.rademacher(own, rows.shape, rows.dtype)))

    def jacobian(self, params: Any) -> Float[Array, "row parameter"]:
        """The derivative of `rows`, point by point: reverse mode over all rows at once costs their number squared."""
        x, unravel = ravel_pytree(params)
        x, scale = collectives.apart(x, self.axis), self._scale()

        def of_group(group: RowGroup) -> Array:
            at = lambda x, *arrays: group.function(self.assemble(unravel(x)), *(a[None] for a in arrays))[0]
            slopes = jax.vmap(jax.jacrev(at), (None, *(0 for _ in group.arrays)))(x, *group.arrays)
            return scale * slopes.reshape(-1, x.size)

        return jnp.concatenate([of_group(group) for group in self._groups(params)])

    def total(self, x: Any) -> Any:
        """The sum of a pytree over the devices."""
        return collectives.total(x, self.axis)

    def gather(self, x: Float[Array, " row *rest"]) -> Float[Array, " all_rows *rest"]:
        """The rows of all devices, on every device."""
        return collectives.gather(x, self.axis)

    def own(self, x: Array) -> Array:
        """This device's rows of an array of all rows."""
        return collectives.own(x, self.axis)
