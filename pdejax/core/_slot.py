"""The slot for a tendency: what a step adds to the right-hand side that it integrates."""

import inspect
from collections.abc import Callable
from typing import Any

from jaxtyping import Array, Float

from pdejax.core._calling import wants
from pdejax.core._state import as_state

Rate = Callable[[Any, Any], Any]
Tendency = Float[Array, "*batch_and_space channel"] | Rate | None
"""Added to du/dt: an array like the state, held over a call of the Stepper, or a function of time and state."""

SLOT = "tendency"


def as_tendency(given: Any) -> Rate | Array:
    """A tendency as a step reads it: the function of time and state that it is, or an array as `as_state`.

    **Raises:** `ValueError` for a function of other arguments, and what is neither.
    """
    wanted = f"{SLOT} should be an array or a function of time and state, tendency(t, u)"
    if not callable(given):
        if not hasattr(given, "dtype") and not isinstance(given, list | tuple | int | float):
            raise ValueError(f"{wanted}, got {type(given).__name__}")
        return as_state(given, f"a {SLOT}")
    try:
        signature = inspect.signature(given)
    except ValueError:  # of builtins
        return given
    try:
        signature.bind(None, None)
    except TypeError:
        names = ", ".join(signature.parameters)
        raise ValueError(f"{wanted}, got a function of ({names})") from None
    return given


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
