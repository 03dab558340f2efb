"""A Stepper of another domain."""

from typing import Any

import equinox as eqx

from pdejax.core._calling import call
from pdejax.core._domain import Domain
from pdejax.core._slot import Tendency, as_tendency, check_slot
from pdejax.core._types import Key, State, TimedStepper, hashed_by_identity


@hashed_by_identity
class OnDomain(eqx.Module):
    """A Stepper of another domain, applied to states of this one by a transfer before and after.

    **Arguments:** `stepper`; `inner`, `outer`: its domain and that of the states; `start`: number of steps before the
    first state, for equations that depend on time.
    """

    stepper: Any
    inner: Domain = eqx.field(static=True)
    outer: Domain = eqx.field(static=True)
    start: int = eqx.field(static=True)

    @property
    def hands_on_to(self) -> Any:
        """What a tendency is handed on to."""
        return self.stepper

    def __call__(self, u: State, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state one frame later, `(*batch, *outer, channel)`.

        **Raises:** `ValueError` for a tendency, if the Stepper has no slot for one.
        """
        into, back = self._into, lambda v: self.inner.transfer(v, self.outer)
        extras: dict[str, Any] = {}
        if tendency is not None:
            check_slot(self.stepper)
            given = as_tendency(tendency)
            within = (lambda t, v: into(given(t, back(v)))) if callable(given) else into(given)
            extras = {"tendency": within}
        return back(call(self.stepper, into(u), key=key, **extras))

    def _into(self, u: Any) -> Any:
        return self.outer.transfer(u, self.inner)

    def at(self, time: Any) -> "OnDomain":
        """The same Stepper set to `time` after the first state, a scalar or `(batch,)`."""
        if not isinstance(self.stepper, TimedStepper):
            return self
        return eqx.tree_at(lambda s: s.stepper, self, self.stepper.at(time + self.start * self.stepper.step_size))

    @property
    def step_size(self) -> Any:
        """Time one call covers."""
        return getattr(self.stepper, "step_size", 0.0)
