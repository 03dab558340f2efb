"""Composition of steps in time: repetition, trajectories and scans whose memory is an argument."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from pdejax.core._calling import call
from pdejax.core._check import check_key, checked
from pdejax.core._options import Count
from pdejax.core._slot import Tendency, check_slot
from pdejax.core._state import entering
from pdejax.core._types import Key, Stepper, TimedStepper, hashed_by_identity


def nested_checkpoint_scan(
    body: Callable[[Any, Any], tuple[Any, Any]], init: Any, xs: Any, lengths: Sequence[int]
) -> tuple[Any, Any]:
    """`jax.lax.scan` in nested levels, each rematerialised in the backward pass.

    **Arguments:**

    - `body`, `init`, `xs`: as for `jax.lax.scan`.
    - `lengths`: nesting, outermost first; their product is the number of steps. `(n,)` is a plain scan,
        `(a, b)` stores `a + b` states instead of `a * b` at the price of one more forward pass.

    **Returns:** the last carry and the stacked outputs, as `jax.lax.scan`.

    **Raises:** `ValueError` if `lengths` do not multiply to the length of `xs`.
    """
    total = jax.tree.leaves(xs)[0].shape[0]
    if math.prod(lengths) != total:
        raise ValueError(f"nested lengths {tuple(lengths)} multiply to {math.prod(lengths)}, expected {total} steps")
    if len(lengths) == 1:
        return jax.lax.scan(body, init, xs)
    outer, *inner = lengths
    chunks = jax.tree.map(lambda x: x.reshape(outer, total // outer, *x.shape[1:]), xs)
    level = jax.checkpoint(functools.partial(nested_checkpoint_scan, body, lengths=inner))
    carry, out = jax.lax.scan(lambda c, x: level(c, xs=x), init, chunks)
    return carry, jax.tree.map(lambda y: y.reshape(total, *y.shape[2:]), out)


def _set_time(stepper: Stepper, time: Any) -> Stepper:
    return stepper.at(time) if isinstance(stepper, TimedStepper) else stepper


def _advance(stepper: Stepper, u: Any, first: Any, steps: int, key: Key | None, start: Any, **extras: Any) -> Any:
    def body(u: Any, i: Any) -> tuple[Any, None]:
        subkey = None if key is None else jax.random.fold_in(key, i)
        timed = stepper
        if isinstance(stepper, TimedStepper):
            # from the number of the step, since a sum of step sizes drifts
            timed = _set_time(stepper, start + i.astype(jnp.result_type(float)) * stepper.step_size)
        return call(timed, u, key=subkey, **extras), None

    return jax.lax.scan(body, u, first + jnp.arange(steps))[0]


@hashed_by_identity
class Repeated(eqx.Module):
    """A Stepper that takes several steps of another one, and a `TimedStepper` if that is one."""

    stepper: Any
    steps: int = eqx.field(static=True)

    @property
    def hands_on_to(self) -> Any:
        """What a tendency is handed on to."""
        return self.stepper

    @property
    def time(self) -> Any:
        """Time the next call starts at."""
        return getattr(self.stepper, "time", 0.0)

    @property
    def step_size(self) -> Any:
        """Time one call covers, zero if the stepper does not tell."""
        return self.steps * getattr(self.stepper, "step_size", 0.0)

    def at(self, time: Any) -> "Repeated":
        """The same Stepper set to a time."""
        return Repeated(_set_time(self.stepper, time), self.steps)

    def __call__(self, u: Any, *, key: Key | None = None, tendency: Tendency = None) -> Any:
        """The state after all steps.

        **Raises:** `ValueError` for a tendency, if the steps have no slot for one.
        """
        check_key(key)
        extras = {}
        if tendency is not None:
            check_slot(self.stepper)
            extras = {"tendency": tendency}
        u = entering(lambda u: call(self.stepper, u, key=key, **extras), u)
        return _advance(self.stepper, u, jnp.zeros((), int), self.steps, key, self.time, **extras)


def _zero(time: Any) -> bool:
    return not isinstance(time, Tracer) and not np.any(time)


@checked
def repeated(stepper: Stepper, steps: Count) -> Stepper:
    """The Stepper that takes `steps` steps of `stepper` at a time.

    **Raises:** `ValueError` if `steps` is not positive.
    """
    return Repeated(stepper, steps)


@checked
def unroll(
    stepper: Stepper,
    initial: Any,
    steps: Count,
    *,
    inner_steps: Count = 1,
    include_initial: bool = False,
    post: Callable[[Any], Any] = lambda u: u,
    checkpoint: Sequence[int] | None = None,
    key: Key | None = None,
    start_time: Any = None,
    first_step: Any = 0,
) -> tuple[Any, Any]:
    """The last of the states a Stepper passes through, and those on the way.

    **Arguments:** as of `trajectory`, and `first_step`: number of steps of the stepper that came before, `steps *
    inner_steps` of each earlier part, which may be traced: time and random keys go on from there, so that a rollout in
    parts is that in one piece.

    **Returns:** the state after all steps, and `post` of the stored ones.
    """
    whole = isinstance(first_step, int) or jnp.issubdtype(getattr(first_step, "dtype", float), jnp.integer)
    if not whole or (not isinstance(first_step, Tracer) and first_step < 0):
        raise ValueError(f"first_step is a whole number of steps from 0, got {first_step!r}")
    if isinstance(start_time, str | list | tuple):
        raise ValueError(f"start_time should be a number or an array, got {start_time!r}")
    initial = entering(lambda u: call(stepper, u, key=key), initial)
    if not (start_time is None or isinstance(stepper, TimedStepper) or _zero(start_time)):
        raise ValueError("start_time has no effect on this Stepper, which does not tell by at(time) and step_size that "
                         "it knows of time")  # fmt: skip
    start = getattr(stepper, "time", 0.0) if start_time is None else start_time

    def body(u: Any, i: Any) -> tuple[Any, Any]:
        u = _advance(stepper, u, i * inner_steps + first_step, inner_steps, key, start)
        return u, post(u)

    try:
        last, out = nested_checkpoint_scan(
            body, initial, jnp.arange(steps), (steps,) if checkpoint is None else checkpoint
        )
    except TypeError as error:
        if "carry" not in str(error):
            raise
        after = jax.eval_shape(lambda u: call(stepper, u, key=key), initial)
        shown = lambda tree: jax.tree.map(lambda x: f"{x.dtype}{list(x.shape)}", jax.eval_shape(lambda: tree))
        raise ValueError(f"a step should give back a state of the shape and type that it gets: of {shown(initial)} it "
                         f"makes {shown(after)}") from None  # fmt: skip
    if not include_initial:
        return last, out
    return last, jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), post(initial), out)


@checked
def trajectory(
    stepper: Stepper,
    initial: Any,
    steps: Count,
    *,
    inner_steps: Count = 1,
    include_initial: bool = False,
    post: Callable[[Any], Any] = lambda u: u,
    checkpoint: Sequence[int] | None = None,
    key: Key | None = None,
    start_time: Any = None,
) -> Any:
    """The states a Stepper passes through, stacked along a new first axis.

    **Arguments:**

    - `stepper`: any Stepper, or a function of the state alone; one with a time-dependent right-hand side is set to the
        current time before each step.
    - `initial`: state `(*batch, *space, channel)` of any real type, or any pytree that the stepper takes.
    - `steps`: number of stored states.
    - `inner_steps`: steps between two stored states.
    - `include_initial`: whether the initial state is the first stored one (then `steps + 1` are returned).
    - `post`: applied to each stored state inside the scan, so that only its result takes memory.
    - `checkpoint`: nesting of the rematerialised scan (see `nested_checkpoint_scan`); the product is `steps`.
    - `key`: random key; step `i` uses `fold_in(key, i)`.
    - `start_time`: time of the initial state; that the stepper is set to when omitted.

    **Returns:** `post` of the states, leaves with leading axis `steps` (or `steps + 1`).
    """
    return unroll(
        stepper, initial, steps, inner_steps=inner_steps, include_initial=include_initial, post=post,
        checkpoint=checkpoint, key=key, start_time=start_time,
    )[1]  # fmt: skip
