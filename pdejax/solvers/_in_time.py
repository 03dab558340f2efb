"""What all simulators of families in time do alike: from what was drawn to frames, and one frame once more."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.core import trajectory
from pdejax.equations import Family


def initial_state(family: Family, fields: Mapping[str, Any], times: np.ndarray) -> Array:
    """The drawn fields as one state.

    **Raises:** `ValueError` for fewer than two frames, with which nothing evolves.
    """
    if len(times) < 2:
        raise ValueError(f"problem {family.name!r} evolves in time: a split holds at least 2 frames, got {len(times)}")
    return jnp.stack([fields[name] for name in family.fields], axis=-1)


def frames_of(stepper: Any, initial: Any, times: np.ndarray, step: float, post: Callable[[Any], Any]) -> Any:
    """`post` of what a Stepper whose call is a frame passes through at equidistant times, from a state at time zero;
    time comes first."""
    burn_in = round(times[0] / step)
    start = burn_in * jnp.asarray(stepper.step_size)
    if burn_in:
        initial = jax.tree.map(lambda x: x[0], trajectory(stepper, initial, 1, inner_steps=burn_in))
    return trajectory(stepper, initial, len(times) - 1, include_initial=True, post=post, start_time=start)


def first_and_last(family: Family, states: Array, step: Array) -> tuple[Array, Array]:
    """The first and the last but one of stored frames `(batch, time, ...)` with their times, both `(2, ...)`: a steep
    front may need time to form.
    """
    assert family.times is not None
    start = family.times.burn_in * step
    chosen = jnp.stack([states[:, 0], states[:, -2]]).astype(step.dtype)
    return chosen, jnp.stack([start, start + (states.shape[1] - 2) * step])


def largest_relative(u: Any, truth: Any) -> Array:
    """Relative difference of the field where it is largest, `(batch,)`."""
    norm = lambda u: jnp.sqrt(jnp.sum(u**2, axis=tuple(range(1, u.ndim - 1))))
    return jnp.max(norm(u - truth) / jnp.maximum(norm(truth), jnp.finfo(truth.dtype).tiny), axis=-1)


def coarser_shape(shape: tuple[int, ...], coarser: int, least: int) -> tuple[int, ...]:
    """So many times fewer points per axis.

    **Raises:** `ValueError` where fewer than `least` would be left.
    """
    if coarser > 1 and min(shape) // coarser < least:
        raise ValueError(f"coarser={coarser} leaves {min(shape) // coarser} of {min(shape)} points on an axis, and the "
                         f"solver needs {least}: coarser is at most {max(min(shape) // least, 1)}")  # fmt: skip
    return tuple(n // coarser for n in shape)


def more_points(shape: list[int]) -> str:
    """What to change where a grid of this shape is too coarse."""
    return f"raise solver.shape of the problem from {shape} to {[2 * n for n in shape]}, or ask for smoother states"
