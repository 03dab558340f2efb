"""Dynamic mode decomposition: the linear map of the fields' most energetic patterns, on any domain."""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, State, hashed_by_identity

PAIRS = 512  # of frames, at most, so that a fit does not grow with the data
BYTES = 1 << 28  # of the states that are read for it
WITHHELD = 4  # every so manieth pair judges the rank
LEFT_OUT = tuple(10.0 ** -(2 * n) for n in range(1, 7))  # shares of the energy


@hashed_by_identity
class ReducedPropagator(eqx.Module):
    """The Stepper u -> to + after (before (u - from)), through a few numbers that tell the state.

    **Arguments:**

    - `before`: orthonormal patterns over the channels' scales, `(rank, point)`, points counting channels too.
    - `after`: what each becomes a step later, `(point, rank)`.
    - `mean_from`, `mean_to`: mean fields before and after a step.
    """

    before: Float[Array, "rank point"]
    after: Float[Array, "point rank"]
    mean_from: Float[Array, "*space channel"]
    mean_to: Float[Array, "*space channel"]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state one step later, `(*batch, *space, channel)`."""
        shape, ndim = self.mean_from.shape, self.mean_from.ndim
        batch = u.shape[: u.ndim - ndim]
        flat = jnp.reshape(u, (-1, *shape)) - self.mean_from.astype(u.dtype)[None]
        flat = flat.reshape(len(flat), -1)
        exact = jax.lax.Precision.HIGHEST
        told = jnp.matmul(flat, self.before.astype(u.dtype).T, precision=exact)
        out = jnp.matmul(told, self.after.astype(u.dtype).T, precision=exact)
        return (out.reshape(-1, *shape) + self.mean_to.astype(u.dtype)[None]).reshape(*batch, *shape)


def read_for_modes(split: Any) -> Float[np.ndarray, "trajectory time *space channel"]:
    """The first trajectories of a split, as many as a fit looks at."""
    frame = 4 * int(np.prod(split.read(1, 1).shape[2:]))
    frames = min(split.frames, max(2, BYTES // frame))
    return split.read(max(1, min(len(split), BYTES // (frame * frames))), frames)


def _pairs(states: np.ndarray) -> np.ndarray:
    """Numbers of the pairs to fit, spread evenly over all: trajectory and first frame of each."""
    trajectories, starts = len(states), states.shape[1] - 1
    chosen = np.unique(np.linspace(0, trajectories * starts - 1, min(PAIRS, trajectories * starts)).astype(int))
    return np.stack(np.divmod(chosen, starts))


def fit_modes(states: Float[np.ndarray, "trajectory time *space channel"]) -> ReducedPropagator:
    """Exact dynamic mode decomposition (Tu et al. 2014) of pairs of successive frames without their mean fields.

    The rank is that of the patterns which leave some share of the energy out, from a hundredth to 1e-12; the share is
    the one whose map predicts withheld pairs best. It is exact for linear equations whose states the patterns span,
    and needs neither a grid nor translations. The method of snapshots keeps the cost to `PAIRS`^2 products of fields.

    **Arguments:** `states`: training trajectories.

    **Returns:** the Stepper of one frame.

    **Raises:** `ValueError` if there are fewer than two frames.

    **Source:** arXiv 1312.0041, algorithm 2.
    """
    if states.shape[1] < 2:
        raise ValueError(f"modes are fitted to pairs of frames, got {states.shape[1]} frame a trajectory")
    shape, (rows, starts) = states.shape[2:], _pairs(states)
    scale = states.std(tuple(range(states.ndim - 1)), dtype=np.float64)
    scale = np.broadcast_to(np.where(scale > 0, scale, 1.0), shape).reshape(-1, 1)
    columns = lambda shift: states[rows, starts + shift].reshape(len(rows), -1).T.astype(np.float64)
    x, y = columns(0), columns(1)
    mean_x, mean_y = x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    x, y = (x - mean_x) / scale, (y - mean_y) / scale
    withheld = np.arange(x.shape[1]) % WITHHELD == WITHHELD - 1
    if withheld.any():
        judge = lambda map_: float(((map_[1] @ (map_[0] @ x[:, withheld]) - y[:, withheld]) ** 2).sum())
        found = [judge(one) for one in _maps(x[:, ~withheld], y[:, ~withheld], LEFT_OUT)]
        share = LEFT_OUT[int(np.argmin(found))]
    else:
        share = LEFT_OUT[-1]
    before, after = next(_maps(x, y, (share,)))
    precision = jax.dtypes.canonicalize_dtype(np.float64)
    give = lambda a: jnp.asarray(a, precision)
    return ReducedPropagator(
        give(before / scale.T), give(after * scale), give(mean_x.reshape(shape)), give(mean_y.reshape(shape))
    )


def _maps(x: np.ndarray, y: np.ndarray, shares: tuple[float, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """By each share of energy left out the transposed patterns of `x`, and what they become in `y`."""
    squares, v = np.linalg.eigh(x.T @ x)
    squares, v = np.maximum(squares[::-1], 0), v[:, ::-1]
    left = squares.sum() - np.cumsum(squares)
    for share in shares:
        rank = min(int((left > share * squares.sum()).sum()) + 1, int((squares > 1e-14 * squares[0]).sum()))
        sizes, part = np.sqrt(squares[:rank]), v[:, :rank]
        yield (part.T @ x.T) / sizes[:, None], (y @ part) / sizes
