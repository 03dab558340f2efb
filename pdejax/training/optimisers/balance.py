"""Weights of a loss's terms that follow their gradients, around any optimiser of gradients."""

import dataclasses
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from pdejax.core import Count, Fraction, Scalar, check_options
from pdejax.methods import Composite
from pdejax.training.optimisers.batch_objective import BatchObjective
from pdejax.training.optimisers.gradient import GradientDescent
from pdejax.training.optimisers.objective import Metrics, Objective, Optimiser


class BalanceState(NamedTuple):
    """Weights by term, updates done, and the state of the optimiser inside."""

    weights: Any
    count: Int[Array, ""]
    inner: Any


@dataclasses.dataclass(frozen=True)
class _Weighted:
    """The objective whose terms have these weights."""

    objective: BatchObjective
    weights: dict[str, Scalar]

    def value(self, params: Any) -> Scalar:
        return self._loss(params)[0]

    def value_and_grad(self, params: Any) -> tuple[tuple[Scalar, Metrics], Any]:
        return jax.value_and_grad(self._loss, has_aux=True)(params)

    def _loss(self, params: Any) -> tuple[Scalar, Metrics]:
        terms = self.objective.terms(params)
        given = self.objective.term_weights(params)
        return jnp.sum(jnp.stack([given[n] * self.weights[n] * value for n, value in terms.items()])), terms


@dataclasses.dataclass(frozen=True)
class Balance:
    """How the terms of a loss get factors, beside the weights they have, so that none drowns the others.

    **Arguments:**

    - `kind`: `gradient`: mean norm of all terms' gradients over the term's own (Wang et al. 2021, arXiv 2001.04536,
      with the norms of Wang et al. 2023, arXiv 2308.08468, eq. 12); `ntk`: the same of the traces of the tangent
      kernels, the mean squares of the gradients of single residuals (Wang et al. 2022, arXiv 2007.14527, eq. 6.5),
      estimated by `probes` random signs, a gradient each (Hutchinson).
    - `every`: updates between new factors; `decay`: of their moving average.
    """

    kind: Literal["gradient", "ntk"] = "gradient"
    every: Count = 1000
    decay: Fraction = 0.9
    probes: Count = 4

    def __post_init__(self) -> None:
        check_options(self)

    def around(self, inner: Optimiser, method: Any, model: Any) -> "Balanced":
        """The optimiser with balanced terms.

        **Raises:** `ValueError` for a method whose loss has no terms, or an optimiser that needs more than gradients.
        """
        if not isinstance(method, Composite):
            raise ValueError("train.balance needs a loss that is a sum of terms: method=physics_informed")
        if not isinstance(inner, GradientDescent):
            raise ValueError("train.balance needs an optimiser of gradients such as adamw or soap")
        return Balanced(inner, method.term_names(model), self)


@dataclasses.dataclass(frozen=True)
class Balanced:
    """An optimiser of a loss whose terms have factors that follow their gradients.

    **Arguments:** `inner`: the optimiser, which must ask for nothing but values and gradients; `names`: of the terms;
    `rule`: how the factors follow.
    """

    inner: Optimiser
    names: tuple[str, ...]
    rule: Balance

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`."""
        self.inner.check(method, model)

    def init(self, params: Any) -> BalanceState:
        """Equal weights."""
        real = jnp.result_type(*jax.tree.leaves(params))
        weights = {name: jnp.ones((), real) for name in self.names}
        return BalanceState(weights, jnp.zeros((), jnp.int32), self.inner.init(params))

    def step(self, objective: Objective, params: Any, state: BalanceState) -> tuple[Any, BalanceState, Metrics]:
        """See `Optimiser`."""
        batch = cast(BatchObjective, objective)
        due = state.count % self.rule.every == 0
        weights = lax.cond(due, lambda: self._update(batch, params, state), lambda: state.weights)
        weighted: Any = _Weighted(batch, weights)
        params, inner, metrics = self.inner.step(weighted, params, state.inner)
        metrics |= {f"weight_{name}": value for name, value in weights.items()}
        return params, BalanceState(weights, state.count + 1, inner), metrics

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return self.inner.finish(model)

    def _update(self, objective: BatchObjective, params: Any, state: BalanceState) -> dict[str, Scalar]:
        sizes = jnp.stack([self._size(objective, params, state, i) for i in range(len(self.names))])
        target = jnp.mean(sizes) / (sizes + 1e-5 * jnp.mean(sizes))
        old = jnp.stack([state.weights[name] for name in self.names])
        new = jnp.where(state.count == 0, target, self.rule.decay * old + (1 - self.rule.decay) * target)
        return {name: new[i] for i, name in enumerate(self.names)}

    def _size(self, objective: BatchObjective, params: Any, state: BalanceState, number: int) -> Scalar:
        if self.rule.kind == "gradient":
            return jnp.sqrt(_square(jax.grad(lambda p: objective.terms(p)[self.names[number]])(params)))
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), state.count), number)
        probe = lambda key: _square(jax.grad(objective.probe)(params, number, key))
        return jnp.mean(lax.map(probe, jax.random.split(key, self.rule.probes)))


def _square(tree: Any) -> Scalar:
    return jnp.sum(jnp.stack([jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(tree)]))
