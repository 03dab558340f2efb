"""What the solves of a learned differential equation take, by how they begin."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp

from pdejax.core import Key
from pdejax.evaluation.predictor import bound
from pdejax.evaluation.reference import Reference
from pdejax.solvers import Account, Integrator

AUTOMATIC = "automatic"


@runtime_checkable
class Accounted(Protocol):
    """A predictor that solves a differential equation, and tells what that took."""

    @property
    def integrator(self) -> Integrator:
        """How it is solved."""
        ...

    def solved_by(self, integrator: Integrator) -> Any:
        """The same predictor with another integrator; raises `ValueError` for one that is not for its equation."""
        ...

    def solve(self, initial: Any, times: Any, *, key: Key | None = None) -> tuple[Any, Account]:
        """As `predict`, with the account of the solve beside the states."""
        ...


def _policies(predictor: Accounted) -> Iterator[Any]:
    """The predictor as it is, and with an automatic first step where its steps adapt and it knows one."""
    yield predictor
    own = predictor.integrator
    if own.adaptive and own.first_step != AUTOMATIC:
        with contextlib.suppress(ValueError):
            yield predictor.solved_by(dataclasses.replace(own, first_step=AUTOMATIC))


def solve_counts(
    predictor: Any, truth: Reference, history: int, *, trajectories: int, key: Key | None
) -> list[dict[str, Any]]:
    """What one solve takes, over one step of the data and over all of them, by its first step.

    A batch is solved as one state, so that the counts are those of all `trajectories` together.

    **Arguments:** `predictor`: `Accounted`, anything else gives nothing; `truth`; `history`: frames it starts from;
    `trajectories`: how many are solved at once; `key`: of a stochastic predictor.

    **Returns:** entries `steps` (of the data), `first_step` (as of `Integrator`), `trajectories`, `evaluations` of the
    right-hand side (none where the solver does not tell), `accepted` and `rejected` steps, `finished`.
    """
    if not isinstance(predictor, Accounted):
        return []
    count = min(trajectories, len(truth.states))
    initial = jnp.asarray(truth.initial(history)[:count])
    parameters = {name: jnp.asarray(values[:count]) for name, values in truth.parameters.items()}
    entries = []
    for steps in sorted({1, len(truth.times)}):
        for one in _policies(predictor):
            account = eqx.filter_jit(lambda one, u, n=steps: one.solve(u, truth.times[:n], key=key)[1])
            entry = _entry(account(bound(one, parameters), initial))
            entries.append({"steps": steps, "first_step": one.integrator.first_step, "trajectories": count, **entry})
    return entries


def calls_per_step(entries: list[dict[str, Any]]) -> float | None:
    """Evaluations of the right-hand side per step of the data, as configured, in the longest solve."""
    longest = max(one["steps"] for one in entries)
    own = next(one for one in entries if one["steps"] == longest)
    return None if own["evaluations"] is None else own["evaluations"] / longest


def _entry(account: Account) -> dict[str, Any]:
    taken = jax.device_get(account)
    evaluations = int(taken.evaluations)
    return {
        "evaluations": evaluations if evaluations >= 0 else None,
        "accepted": int(taken.accepted),
        "rejected": int(taken.rejected),
        "finished": bool(taken.finished),
    }


def solve_rows(entries: list[dict[str, Any]]) -> list[list[str]]:
    """Entries for people: a heading, then one row each."""
    if not entries:
        return []
    count = entries[0]["trajectories"]
    rows = [[f"one solve of {count} trajectories", "first step", "evaluations", "accepted", "refused"]]
    for one in entries:
        span = f"{one['steps']} step{'s' if one['steps'] > 1 else ''}" + ("" if one["finished"] else ", not finished")
        first = {None: "Diffrax's"}.get(one["first_step"], str(one["first_step"]))
        known = "" if one["evaluations"] is None else str(one["evaluations"])
        rows.append([span, first, known, str(one["accepted"]), str(one["rejected"])])
    return rows
