"""Optimisers that see the gradient: any transformation of optax, and those that have a name here."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import jax
import optax

from pdejax.core import Count, Fraction, Given, NotNegative, Positive, register
from pdejax.training.optimisers.groups import grouped
from pdejax.training.optimisers.objective import Metrics, SmoothObjective
from pdejax.training.optimisers.soap import scale_by_soap

Transformation = optax.GradientTransformation


@dataclasses.dataclass(frozen=True)
class GradientDescent:
    """Any optax transformation as an `Optimiser`; a line search inside it may ask for values of the loss.

    **Arguments:** `transformation`: Adam, SOAP, ... with its learning rate.
    """

    transformation: Transformation

    def check(self, method: Any, model: Any) -> None:
        """See `Optimiser`; every loss has a gradient."""

    def init(self, params: Any) -> Any:
        """See `Optimiser`."""
        return self.transformation.init(params)

    def step(self, objective: SmoothObjective, params: Any, state: Any) -> tuple[Any, Any, Metrics]:
        """See `Optimiser`."""
        (value, metrics), grads = objective.value_and_grad(params)
        further = {"value": value, "grad": grads, "value_fn": objective.value}
        with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integer powers
            updates, state = optax.with_extra_args_support(self.transformation).update(grads, state, params, **further)
        return (
            optax.apply_updates(params, updates),
            state,
            {"loss": value, "grad_norm": optax.tree.norm(grads), **metrics},
        )

    def finish(self, model: Any) -> Any:
        """See `Optimiser`."""
        return model


def matrices(params: Any) -> Any:
    """Weight decay is for matrices and spectral weights; biases, gains and scales are left alone."""
    return jax.tree.map(lambda p: p.ndim >= 2, params)


def descent(
    make: Callable[[], Transformation], clip: float | None = None, rates: Mapping[str, float] | None = None
) -> GradientDescent:
    """Descent by a transformation, of a gradient whose norm is clipped, with a rate for each group of parameters.

    **Arguments:** `make`: makes the transformation, learning rate included; `rates`: see `grouped`.
    """
    core = grouped(rates, make) if rates else make()
    return GradientDescent(core if clip is None else optax.chain(optax.clip_by_global_norm(clip), core))


# what the loop's settings say, whatever the optimiser
Rate = Annotated[Any, Given()]
Decay = Annotated[float, Given()]
Clip = Annotated[float | None, Given()]
Rates = Annotated[Mapping[str, float] | None, Given()]


@register("optimiser", "adamw")
def adamw(
    learning_rate: Rate,
    weight_decay: Decay = 0.0,
    clip: Clip = None,
    rates: Rates = None,
    *,
    b1: Fraction = 0.9,
    b2: Fraction = 0.999,
    eps: Positive = 1e-8,
    eps_root: NotNegative = 0.0,
    nesterov: bool = False,
) -> GradientDescent:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101).

    **Arguments:** `b1`, `b2`: decay of the moments; `eps`, `eps_root`: added to the root and below it; `nesterov`:
    whether the first moment looks ahead.
    """
    further = {"eps": eps, "eps_root": eps_root, "nesterov": nesterov, "mask": matrices}
    return descent(lambda: optax.adamw(learning_rate, b1, b2, weight_decay=weight_decay, **further), clip, rates)


@register("optimiser", "lion")
def lion(
    learning_rate: Rate,
    weight_decay: Decay = 0.0,
    clip: Clip = None,
    rates: Rates = None,
    *,
    b1: Fraction = 0.9,
    b2: Fraction = 0.99,
) -> GradientDescent:
    """Steps by the sign of a moment (Chen et al. 2023, arXiv 2302.06675).

    **Arguments:** `b1`, `b2`: decay of the moment that a step is taken by, and of the one that is kept.
    """
    return descent(lambda: optax.lion(learning_rate, b1, b2, weight_decay=weight_decay, mask=matrices), clip, rates)


@register("optimiser", "soap")
def soap(
    learning_rate: Rate,
    weight_decay: Decay = 0.0,
    clip: Clip = None,
    rates: Rates = None,
    *,
    b1: Fraction = 0.95,
    b2: Fraction = 0.95,
    eps: Positive = 1e-8,
    precondition_frequency: Count = 10,
    max_precondition_dim: Count = 2048,
) -> GradientDescent:
    """Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al. 2024, arXiv 2409.11321).

    **Arguments:** see `scale_by_soap`.
    """
    make = lambda: optax.chain(
        scale_by_soap(b1, b2, eps, precondition_frequency, max_precondition_dim),
        optax.add_decayed_weights(weight_decay, matrices),
        optax.scale_by_learning_rate(learning_rate),
    )
    return descent(make, clip, rates)
