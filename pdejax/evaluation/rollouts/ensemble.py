"""Ensembles: several predictions of one thing, by drawing again or by several models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from pdejax.core import Key
from pdejax.evaluation.metrics.errors import AnyArray
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.rollouts.rollout import Rollout, chunk_size, rollout

MEMBER_AXIS = 2  # of what `EnsemblePredictor.predict` gives: (time, trajectory, member, *space, channel)


class EqualMembers(ValueError):
    """A predictor that gives the same whatever its key makes no ensemble."""


class EnsemblePredictor(eqx.Module):
    """A Predictor of all members at once, with the member axis behind the trajectory's.

    **Arguments:** `predictors`: one that is drawn from `members` times, or one for each member; `members`: how many.
    """

    predictors: tuple[Any, ...]
    members: int = eqx.field(static=True)

    def bind(self, parameters: Mapping[str, Any]) -> "EnsemblePredictor":
        """The same ensemble for these physical parameters, arrays `(batch,)`."""
        return EnsemblePredictor(tuple(bound(one, parameters) for one in self.predictors), self.members)

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any:
        """States at `times`, `(time, batch, member, *space, channel)`; member m draws with `fold_in(key, m)`."""
        if len(self.predictors) == 1:
            one: Any = self.predictors[0]
            subkey: Any = key
            draw = lambda m: one.predict(initial, times, key=jax.random.fold_in(subkey, m))
            return jax.vmap(draw, out_axes=MEMBER_AXIS)(jnp.arange(self.members))
        keys = [None if key is None else jax.random.fold_in(key, m) for m in range(self.members)]
        each = [one.predict(initial, times, key=k) for one, k in zip(self.predictors, keys, strict=True)]
        return jnp.stack(each, axis=MEMBER_AXIS)


def ensemble_predictor(predictor: Any, members: int | None, key: Key | None) -> EnsemblePredictor:
    """The ensemble of one predictor drawn from repeatedly, or of a sequence of predictors.

    **Raises:** `ValueError` for fewer than two members, or one predictor without a key to draw by.
    """
    several = tuple(predictor) if isinstance(predictor, Sequence) else (predictor,)
    count = len(several) if members is None else members
    if count < 2:
        raise ValueError(f"an ensemble has at least 2 members, got {count}")
    if len(several) > 1 and len(several) != count:
        raise ValueError(f"{len(several)} predictors make {len(several)} members, not {count}")
    if len(several) == 1 and key is None:
        raise ValueError("the members of one predictor differ by their random key, but none was given")
    return EnsemblePredictor(several, count)


def _check_draws(predictor: Any, initial: Any, times: Any, key: Any, parameters: Mapping[str, Any] | None) -> None:
    """Whether what is predicted of the first state depends on the key by more than rounding."""
    known = {name: values[:1] for name, values in (parameters or {}).items()}
    first = np.asarray(initial)[:1]
    one, other = (
        rollout(predictor, first, times, parameters=known, key=jax.random.fold_in(key, i)).values for i in range(2)
    )
    both = np.isfinite(one) & np.isfinite(other)  # where neither is, nothing can be said
    largest = np.abs(one[both]).max(initial=0.0)
    if both.any() and np.all(np.abs(one[both] - other[both]) <= 1e-6 * largest):
        raise EqualMembers("deterministic: its members would be equal")


def ensemble_rollout(
    predictor: Any,
    initial: Float[AnyArray, "trajectory *space state_channel"],
    times: Float[AnyArray, " time"],
    members: int | None = None,
    *,
    key: Key | None = None,
    chunk: int | None = None,
    **options: Any,
) -> Rollout:
    """`rollout` of an ensemble, whose `measure` sees states `(time, trajectory, member, *space, channel)`.

    **Arguments:** as for `ensemble` and `rollout`; chunks of trajectories are such that all members fit into memory.

    **Raises:** `EqualMembers` for a single predictor that does not draw.
    """
    made = ensemble_predictor(predictor, members, key)
    if len(made.predictors) == 1:
        _check_draws(made.predictors[0], initial, times, key, options.get("parameters"))
    shape = np.shape(initial)
    size = chunk or chunk_size((*shape[:-1], shape[-1] * made.members), len(np.asarray(times)))
    return rollout(made, initial, times, key=key, chunk=size, **options)


def ensemble(
    predictor: Any,
    initial: Float[AnyArray, "trajectory *space state_channel"],
    times: Float[AnyArray, " time"],
    members: int | None = None,
    *,
    key: Key | None = None,
    parameters: Mapping[str, AnyArray] | None = None,
    chunk: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Float[np.ndarray, "member time trajectory *space channel"]:
    """Several predictions of every trajectory.

    **Arguments:**

    - `predictor`: a stochastic one, whose members differ by their key; or a sequence of predictors, trained
        independently for instance, each of which is a member.
    - `initial`, `times`, `parameters`, `progress`: as for `rollout`.
    - `members`: how many; of a sequence all.
    - `key`: random key; member m of the chunk that begins with trajectory i uses `fold_in(fold_in(key, i), m)`, so
        that a member is the same in ensembles of any size.
    - `chunk`: trajectories predicted at once, which bounds the memory of the device.

    **Raises:** `ValueError` for fewer than two members, or for a single predictor without a key or that does not draw.
    """
    options = {"parameters": parameters, "progress": progress}
    result = ensemble_rollout(predictor, initial, times, members, key=key, chunk=chunk, **options)
    return np.moveaxis(result.values, MEMBER_AXIS, 0)
