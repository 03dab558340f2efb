"""Changing the Gaussians of a field where the residual asks for it: fewer, more, smaller, elsewhere."""

from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from pdejax.core import Count, Given, Key, NotNegative, Whole
from pdejax.data import QuasiRandomPoints
from pdejax.methods.operators.coordinate import PhysicsField
from pdejax.networks import GaussianField, GaussianLattice

SHRINK = 1.6  # by which halves of a Gaussian are narrower (Kerbl et al. 2023, arXiv 2308.04079, section 5.2)


def sizes_of(field: Any) -> dict[str, Any]:
    """The options of a field that training may change: how many Gaussians and slabs it has by now."""
    if isinstance(field, GaussianLattice):
        return {"slabs": field.slabs, "wide": field.wide}
    return {"count": field.centres.shape[1]} if isinstance(field, GaussianField) else {}


def adapt_field(
    model: Annotated[PhysicsField, Given()],
    *,
    prune: NotNegative = 0.0,
    split: Whole = 0,
    add: Whole = 0,
    move: Whole = 0,
    candidates: Count = 4096,
    key: Annotated[Key, Given()],
) -> PhysicsField:
    """The model with other Gaussians: first weak ones leave, then strong ones split, then new ones come.

    The field changes where Gaussians leave or split; find its weights anew afterwards.

    **Arguments:** numbers are per set. `prune`: weights over the largest below which Gaussians leave; `move`: the
    weakest others, which leave too and come again elsewhere; `split`: Gaussians with the largest residual under them,
    each replaced by two narrower ones beside each other; `add`: new ones, without weight, at places drawn by the square
    of the residual; `candidates`: points at which it is looked at.

    **Raises:** `ValueError` for a field that is not made of free Gaussians, or if none would be left.
    """
    field = model.field
    if not isinstance(field, GaussianField):
        raise ValueError("only a field of network=gaussians can be adapted")
    keys = jax.random.split(key)
    points, size = _residuals(model, candidates, keys[0])
    field = _without(field, _weak(field, prune) + move)
    field = _split(field, points, size, split) if split else field
    field = _with(field, points, size, add + move, keys[1]) if add + move else field
    return eqx.tree_at(lambda m: m.field, model, field)


def _residuals(model: PhysicsField, count: int, key: Key) -> tuple[Float[Array, "point axis"], Float[Array, " point"]]:
    points: Any = QuasiRandomPoints(count).draw(model.problem.box, key)
    points = points.astype(jax.tree.leaves(model.field)[0].dtype)
    return points, jnp.linalg.norm(eqx.filter_jit(lambda m, x: m.residual(x))(model, points), axis=1)


def _strength(field: GaussianField) -> Float[Array, "set n"]:
    return jnp.linalg.norm(field.weights, axis=-1)


def _weak(field: GaussianField, share: float) -> int:
    """How many Gaussians of every set are weak."""
    strength = _strength(field)
    return int(jnp.min(jnp.sum(strength < share * jnp.max(strength, axis=1, keepdims=True), axis=1)))


def _take(field: GaussianField, index: Int[Array, "set n"]) -> GaussianField:
    """The Gaussians of each set by their numbers."""
    return _changed(field, lambda x: jnp.take_along_axis(x, index[..., None], axis=1))


def _changed(field: GaussianField, change: Any) -> GaussianField:
    where = lambda f: [x for x in (f.centres, f.log_widths, f.weights, f.shears) if x is not None]
    return eqx.tree_at(where, field, [change(x) for x in where(field)])


def _without(field: GaussianField, count: int) -> GaussianField:
    n = field.weights.shape[1]
    if count >= n:
        raise ValueError(f"adapt would take away {count} of {n} Gaussians: prune or move fewer")
    order = jnp.argsort(-_strength(field), axis=1)
    return _take(field, jnp.sort(order[:, : n - count], axis=1)) if count else field


def _split(field: GaussianField, points: Array, size: Array, count: int) -> GaussianField:
    if count > field.weights.shape[1]:
        raise ValueError(f"adapt should split {count} Gaussians, there are {field.weights.shape[1]}")
    scores = jnp.stack([_under(field, i, points, size) for i in range(len(field.centres))])
    order = jnp.argsort(-scores, axis=1)
    kept, parted = _take(field, jnp.sort(order[:, count:], axis=1)), _take(field, order[:, :count])
    widths = jnp.exp(parted.log_widths)
    widest = jax.nn.one_hot(jnp.argmax(widths / _lengths(field), axis=-1), widths.shape[-1], dtype=widths.dtype)
    narrow = parted.log_widths - jnp.log(SHRINK) * widest
    halves = [_moved(parted, parted.centres + sign * 0.5 * widths * widest, narrow) for sign in (-1, 1)]
    return _joined(kept, *halves)


def _lengths(field: GaussianField) -> Float[Array, "1 1 axis"]:
    return jnp.asarray([high - low for low, high in field.box], field.centres.dtype)[None, None]


def _moved(field: GaussianField, centres: Array, log_widths: Array) -> GaussianField:
    where = lambda f: (f.centres, f.log_widths, f.weights)
    return eqx.tree_at(where, field, (centres, log_widths, field.weights / 2))


def _under(field: GaussianField, number: int, points: Array, size: Array) -> Float[Array, " n"]:
    """The residual's mean under each Gaussian of a set, weighted by its strength."""
    inverse = jnp.exp(-field.log_widths[number])
    distance = (points[:, None] - field.centres[number][None]) * inverse[None]
    bump = jnp.exp(-jnp.sum(jnp.square(distance), axis=-1) / 2)
    return jnp.sum(bump * size[:, None], axis=0)


def _with(field: GaussianField, points: Array, size: Array, count: int, key: Key) -> GaussianField:
    sets = len(field.centres)
    logits = 2 * jnp.log(jnp.maximum(size, jnp.finfo(size.dtype).tiny))
    chosen = jax.vmap(lambda k: jax.random.choice(k, len(points), (count,), replace=False, p=jax.nn.softmax(logits)))
    centres = points[chosen(jax.random.split(key, sets))]
    nearest = jax.vmap(lambda new, old: jnp.argmin(jnp.sum(jnp.square(new[:, None] - old[None]), axis=-1), axis=1))
    like = _take(field, nearest(centres, field.centres))
    zero = jnp.zeros_like(like.weights)
    return _joined(field, eqx.tree_at(lambda f: (f.centres, f.weights), like, (centres, zero)))


def _joined(*fields: GaussianField) -> GaussianField:
    names = [n for n in ("centres", "log_widths", "weights", "shears") if getattr(fields[0], n) is not None]
    arrays = [jnp.concatenate([getattr(f, name) for f in fields], axis=1) for name in names]
    return eqx.tree_at(lambda f: [getattr(f, name) for name in names], fields[0], arrays)
