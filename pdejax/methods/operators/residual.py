"""How much a base leaves to the network, measured on the data before a model is built."""

import contextlib
import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from pdejax.core import call, describe
from pdejax.methods.cards import DataCard
from pdejax.methods.operators.bases import name_of

RESIDUAL = "rms_residual"  # among the statistics of a card
PAIRS, AT_ONCE = 256, 32  # of consecutive frames, drawn evenly over trajectories and times


def with_source(base: Any, card: DataCard, family: Any, simulator: Any, size: list[float]) -> DataCard:
    """The card with what was solved and by what, where words can say it, and a size of the residual; as it is without
    a base."""
    if base is None:
        return card
    source = {}
    for name, one in (("family", family), ("simulator", simulator)):
        with contextlib.suppress(ValueError):  # a function of a user's own: a base that needs to know it says so
            source |= {} if one is None else {name: describe(one)}
    return dataclasses.replace(card, source=source, statistics={**card.statistics, RESIDUAL: size})


def residual_size(base: Any, data: Any) -> list[float]:
    """Root mean square over space and samples of what a base misses in a step, per field.

    **Arguments:** `base`: a Stepper, bound to the parameters of each sample where it takes some; `data`: whose split
    `train` is looked at.

    **Raises:** `ValueError` for a base that diverges or leaves nothing.
    """
    split = data.split("train")
    count = min(PAIRS, len(split) * (split.frames - 1))
    places = np.linspace(0, len(split) * (split.frames - 1) - 1, count).astype(int)
    which, first = np.divmod(places, split.frames - 1)
    run, squares = eqx.filter_jit(_misses), []
    for begin in range(0, count, AT_ONCE):
        rows = np.take(which, range(begin, begin + AT_ONCE), mode="wrap")
        starts = np.take(first, range(begin, begin + AT_ONCE), mode="wrap")
        windows = [split.window(int(i), int(t), 2).states for i, t in zip(rows, starts, strict=True)]
        pair = jnp.asarray(np.stack(windows, 1))
        own = {name: jnp.asarray(values[rows]) for name, values in split.parameters.items()}
        squares.append(np.asarray(run(base, pair[0], pair[1], own), np.float64))
    size = np.sqrt(np.mean(np.concatenate(squares)[:count], axis=0))
    return _checked(size, data, base)


def _misses(base: Any, u: Any, target: Any, parameters: Any) -> Any:
    """Mean square over space of each sample, `(batch, channel)`."""
    bound = base.bind(parameters) if parameters and hasattr(base, "bind") else base
    return jnp.mean(jnp.square(target - call(bound, u, key=None)), axis=tuple(range(1, u.ndim - 1)))


def _checked(size: np.ndarray, data: Any, base: Any) -> list[float]:
    name = name_of(base)
    if not np.isfinite(size).all():
        raise ValueError(f"base {name} diverges within one step on the training data: let it take smaller steps")
    smallest = 1e-6 * np.asarray(data.statistics["rms"], np.float64)
    for field, left, least in zip(data.field_names, size, smallest, strict=True):
        if left <= least:
            raise ValueError(
                f"base {name} leaves a residual of {left:.2g} in {field}, which is the rounding of the data: there is "
                "nothing to learn; let it take larger steps or fewer points (base.coarser, base.simulator.substeps)"
            )
    return [float(x) for x in size]
