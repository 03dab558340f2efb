"""Which noise level each sample of a batch trains, and the losses of the levels."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

MOST_LOGGED = 8
GOLDEN = 2654435769  # 2^32 over the golden ratio: multiples of it, modulo 2^32, fill an interval evenly


def level_shares(count: int, first: float | None = None) -> np.ndarray:
    """Share of the samples that each level gets.

    **Arguments:** `count`: of levels; `first`: share of the first, as much as the others when omitted.
    """
    if count == 1 or first == 1:
        return np.eye(count)[0]
    if first is None:
        return np.full(count, 1 / count)
    return np.r_[first, np.full(count - 1, (1 - first) / (count - 1))]


def drawn_levels(row: Array, shares: np.ndarray) -> Array:
    """The level of each sample: as evenly spread over a batch as its numbers of draws are."""
    # 24 bits are what float32 holds: more would round up to 1, where there is no level
    place = ((row.astype(jnp.uint32) * jnp.uint32(GOLDEN)) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)
    level = jnp.searchsorted(jnp.asarray(np.cumsum(shares)[:-1], jnp.float32), place, side="right")
    return level.astype(jnp.int32)


def by_level(raw: Array, level: Array, shares: np.ndarray) -> dict[str, Array]:
    """Numbers per sample whose means are the losses of the levels, or of equal groups of many levels."""
    groups = np.minimum(np.arange(len(shares)) * MOST_LOGGED // max(len(shares), MOST_LOGGED), MOST_LOGGED - 1)
    groups = np.arange(len(shares)) if len(shares) <= MOST_LOGGED else groups
    mine, out = jnp.asarray(groups)[level], {}
    for group in np.unique(groups):
        share = float(shares[groups == group].sum())
        if share > 0:
            out[f"loss_level_{group}"] = jnp.where(mine == group, raw, 0.0) / share
    return out
