"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int

from pdejax.training.optimisers.objective import product

# one symmetric matrix an axis of a leaf, or none where the axis keeps its own basis
Matrices = tuple[Array | None, ...]


class SoapState(NamedTuple):
    """Steps taken, Adam's moments, the second one in the rotated basis, and by leaf and axis factors and bases."""

    count: Int[Array, ""]
    first: list[Array]
    second: list[Array]
    factors: list[Matrices]
    bases: list[Matrices]


def _sides(leaf: Array, max_precondition_dim: int) -> tuple[int | None, ...]:
    """Which axes get a basis: none of a vector, where Adam's own is as good, nor axes that are too long."""
    if sum(side > 1 for side in leaf.shape) < 2:
        return (None,) * leaf.ndim
    return tuple(side if 1 < side <= max_precondition_dim else None for side in leaf.shape)


def _factor(grad: Array, axis: int) -> Array:
    """GGᵀ, of the gradient unfolded along an axis."""
    unfolded = jnp.moveaxis(grad, axis, 0).reshape(grad.shape[axis], -1)
    return product(unfolded, unfolded.T)


def _rotate(x: Array, bases: Matrices, *, back: bool = False) -> Array:
    """To the bases of the axes, or back from them."""
    for axis, basis in enumerate(bases):
        if basis is not None:
            x = jnp.moveaxis(product(jnp.moveaxis(x, axis, -1), basis.T if back else basis), -1, axis)
    return x


def _eigenbasis(factor: Array) -> Array:
    return jnp.linalg.eigh(factor)[1][:, ::-1]


def _refined(factor: Array, basis: Array, order: Array) -> Array:
    """One step of orthogonal iteration from the last basis (paper, algorithm 4), largest eigenvalues first."""
    return jnp.linalg.qr(product(factor, basis[:, order]))[0]


def _order(factor: Array, basis: Array) -> Array:
    return jnp.argsort(-jnp.sum(basis * product(factor, basis), axis=0))


def _begin(grad: Array, second: Array, factors: Matrices, bases: Matrices, decay: Array) -> tuple[Array, Matrices]:
    """Bases of the first gradient; the second moment starts anew in them."""
    bases = tuple(None if f is None else _eigenbasis(f) for f in factors)
    return (1 - decay) * jnp.square(_rotate(grad, bases)), bases


def _refine(grad: Array, second: Array, factors: Matrices, bases: Matrices, decay: Array) -> tuple[Array, Matrices]:
    """Bases one iteration better; the second moment follows the reordered axes."""
    renewed = []
    for axis, (factor, basis) in enumerate(zip(factors, bases, strict=True)):
        if factor is None or basis is None:
            renewed.append(None)
            continue
        order = _order(factor, basis)
        second = jnp.take(second, order, axis)
        renewed.append(_refined(factor, basis, order))
    return second, tuple(renewed)


def _keep(grad: Array, second: Array, factors: Matrices, bases: Matrices, decay: Array) -> tuple[Array, Matrices]:
    return second, bases


def scale_by_soap(
    b1: float = 0.95,
    b2: float = 0.95,
    eps: float = 1e-8,
    precondition_frequency: int = 10,
    max_precondition_dim: int = 2048,
) -> optax.GradientTransformation:
    """Directions of SOAP (arXiv 2409.11321, algorithm 3), for leaves of any number of axes.

    The first step is Adam's, where the released code takes none: only then there is a gradient to begin the bases
    with. Bases are computed in the leaves' own precision, which single precision is enough for. While a factor is
    singular, in the first steps of a flat matrix, the basis of its null space is a matter of rounding.

    **Arguments:** `b1`, `b2`: decay of the moments, and of Shampoo's factors by `b2`; `eps`: added to the root;
    `precondition_frequency`: steps between two refinements of the bases; `max_precondition_dim`: longer axes keep
    their own basis.

    **Raises:** `ValueError` if the frequency is not positive.
    """
    if precondition_frequency < 1:
        raise ValueError(f"precondition_frequency is at least 1, got {precondition_frequency}")

    def matrices(leaf: Array, make: Any) -> Matrices:
        sides = _sides(leaf, max_precondition_dim)
        return tuple(None if side is None else make(side, dtype=leaf.dtype) for side in sides)

    def init(params: Any) -> Any:
        leaves = jax.tree.leaves(params)
        zeros = lambda side, dtype: jnp.zeros((side, side), dtype)
        moments = lambda: [jnp.zeros_like(leaf) for leaf in leaves]
        factors = [matrices(leaf, zeros) for leaf in leaves]
        bases = [matrices(leaf, jnp.eye) for leaf in leaves]
        return SoapState(jnp.zeros((), jnp.int32), moments(), moments(), factors, bases)

    def one(count: Array, grad: Array, first: Array, second: Array, factors: Matrices, bases: Matrices) -> tuple:
        step = (count + 1).astype(grad.dtype)
        first = b1 * first + (1 - b1) * grad
        second = b2 * second + (1 - b2) * jnp.square(_rotate(grad, bases))
        root = jnp.sqrt(second / (1 - b2**step)) + eps
        direction = _rotate(_rotate(first, bases) / (1 - b1**step) / root, bases, back=True)
        factors = tuple(
            None if factor is None else b2 * factor + (1 - b2) * _factor(grad, axis)
            for axis, factor in enumerate(factors)
        )
        # 0 begins, 1 refines, 2 keeps the bases
        case = jnp.where(count == 0, 0, jnp.where(count % precondition_frequency == 0, 1, 2))
        decay = jnp.asarray(b2, grad.dtype)
        second, bases = lax.switch(case, (_begin, _refine, _keep), grad, second, factors, bases, decay)
        return direction, first, second, factors, bases

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        grads, structure = jax.tree.flatten(updates)
        parts = zip(grads, state.first, state.second, state.factors, state.bases, strict=True)
        directions, *rest = zip(*(one(state.count, *part) for part in parts), strict=True)
        state = SoapState(state.count + 1, *(list(part) for part in rest))
        return jax.tree.unflatten(structure, directions), state

    return optax.GradientTransformation(init, update)
