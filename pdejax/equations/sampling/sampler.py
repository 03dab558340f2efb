"""What all distributions of fields have in common."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float

from pdejax.core import Grid, Key, build


@runtime_checkable
class Sampler(Protocol):
    """A distribution of fields, initial states or inputs; `channels` is the number of fields."""

    @property
    def channels(self) -> int: ...

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]: ...


def read_sampler(where: str, given: Any, channels: int) -> Any:
    """A sampler that another one draws from.

    **Arguments:** `where`: the option's name; `given`: a sampler, or what `describe` makes of one; `channels`: of it.

    **Raises:** `ValueError` for what is none, or one of other channels.
    """
    try:
        found = build("sampler", given, channels=channels)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    if not callable(found):
        raise ValueError(f"{where} should be a sampler, sampler(key, grid) -> (*space, channel), "
                         f"got {type(found).__name__}")  # fmt: skip
    if (own := getattr(found, "channels", 1)) != channels:
        raise ValueError(f"{where} should have {channels} channels as the sampler around it, got {own}")
    return found
