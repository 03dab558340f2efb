"""Parameter groups: leaves named by their place in the model learn at their own rates."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import optax

from pdejax.core import known

REST = "rest"


def place_of(path: Any) -> str:
    """`.encoder.weights.` of a leaf: field names, keys and indices between dots."""
    return f".{jax.tree_util.keystr(path, simple=True, separator='.')}."


def _places(params: Any) -> list[str]:
    return [place_of(path) for path, _ in jax.tree_util.tree_leaves_with_path(params)]


def _has(places: Iterable[str], name: str) -> bool:
    return any(f".{name}." in place for place in places)


def group_labels(params: Any, names: Iterable[str], key: str = "train.rates") -> Any:
    """The group of every leaf: the first name that is a part of its path, `rest` if none is.

    **Arguments:** `names`: such as `centres`, or `head.weight` for more than one part of a path; `key`: the setting
    that names them, for a message.

    **Raises:** `ValueError` for a name that no leaf has.
    """
    names = [name for name in names if name != REST]
    places = _places(params)
    for name in names:
        if not _has(places, name):
            parts = {part for place in places for part in place.strip(".").split(".")}
            raise ValueError(f"{key}: {known('parameter group', name, parts)}")
    label = lambda path, _: next((name for name in names if f".{name}." in place_of(path)), REST)
    return jax.tree_util.tree_map_with_path(label, params)


def grouped(
    rates: Mapping[str, float], make: Callable[[], optax.GradientTransformation]
) -> optax.GradientTransformation:
    """An optimiser whose learning rate is multiplied by a factor for each group of leaves.

    **Arguments:** `rates`: factor by group, see `group_labels`; leaves of no group have that of `rest`, 1 when
    omitted; `make`: makes the transformation of one group, learning rate included. What it does with a norm, clipping
    for example, it does within the group.

    **Raises:** `ValueError` at `init` for a group that no leaf belongs to.
    """
    factors = {REST: 1.0, **rates}
    transforms: dict[Hashable, optax.GradientTransformation] = {
        name: optax.chain(make(), optax.scale(factor)) for name, factor in factors.items()
    }
    return optax.partition(transforms, lambda params: group_labels(params, rates))


def chosen_leaves(mask: Any, only: Iterable[str] = (), frozen: Iterable[str] = ()) -> Any:
    """A tree of booleans, true where a leaf of `mask` is trained.

    **Arguments:** `only`: groups outside of which nothing is, see `group_labels`; all are inside when empty;
    `frozen`: groups that are not.

    **Raises:** `ValueError` for a name that no trained leaf has, and where nothing is left.
    """
    only, frozen = tuple(only), tuple(frozen)
    every, trained = _places(mask), eqx.filter(mask, mask)
    for key, groups, what in (("only", only, "training"), ("frozen", frozen, "freezing")):
        for name in groups:
            if _has(every, name) and not _has(_places(trained), name):
                raise ValueError(f"train.{key}: {name!r} is not trained, so {what} it has no effect")
        group_labels(trained, groups, f"train.{key}")  # whose parameters those are
    for key, groups, others in (("train.only", only, False), ("train.frozen", frozen, True)):
        if groups:
            taken = jax.tree.map(
                lambda label, others=others: (label == REST) == others, group_labels(mask, groups, key)
            )
            mask = jax.tree.map(lambda one, other: one and other, taken, mask)
    if (only or frozen) and not any(jax.tree.leaves(mask)):
        words = [f"train.{name}={[*groups]}" for name, groups in (("only", only), ("frozen", frozen)) if groups]
        raise ValueError(f"no parameter is left to be trained by {' and '.join(words)}")
    return mask
