"""The slot for a tendency: what a step adds to the right-hand side that it integrates."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from pdejax.core._calling import wants

Rate = Callable[[Any, Any], Any]
Tendency = Float[Array, "*batch_and_space channel"] | Rate | None
"""Added to du/dt: an array like the state, held over a call of the Stepper, or a function of time and state."""

SLOT = "tendency"


def has_slot(stepper: Any) -> bool:
    """Whether a Stepper takes a `Tendency`, `stepper(u, tendency=...)`."""
    inner = getattr(stepper, "hands_on_to", None)  # of one that only passes it to another
    return wants(stepper, SLOT) and (inner is None or has_slot(inner))


def check_slot(stepper: Any) -> None:
    """**Raises:** `ValueError` for a Stepper without a slot."""
    if not has_slot(stepper):
        raise ValueError(
            f"{getattr(stepper, '__name__', type(stepper).__name__)} has no slot for a tendency: give its call an "
            "argument `tendency`, an array that it adds to the right-hand side, or correct its steps (role=correct)"
        )
