"""What networks are asked for and cannot do, told in one sentence."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Array


def per_axis(name: str, value: Any, ndim: int) -> tuple:
    """One value for each axis: a single one is meant for all.

    **Arguments:** `name`: of the option; `value`: one value, or one per axis; `ndim`: number of axes.

    **Raises:** `ValueError` if there are others than `ndim` values.
    """
    out = (value,) * ndim if isinstance(value, bool | int | float | str) else tuple(value)
    if len(out) != ndim:
        raise ValueError(f"{name} must be one value or {ndim}, one per axis, got {out}")
    return out


def as_flags(periodic: bool | Sequence[bool], ndim: int) -> tuple[bool, ...]:
    """Whether each axis is periodic: one flag is meant for all.

    **Arguments:** `periodic`: flag or flags; `ndim`: number of space axes.

    **Raises:** `ValueError` if there is not one flag per axis, one is none, or there are not one to three axes.
    """
    if not 1 <= ndim <= 3:
        raise ValueError(f"a network has 1 to 3 space axes, got {ndim}")
    flags = per_axis("periodic", periodic, ndim)
    if not all(isinstance(flag, int) for flag in flags):  # as flags are
        raise ValueError(f"periodic must be true or false, got {periodic!r}")
    return tuple(map(bool, flags))


def check_positive(**sizes: int | Sequence[int]) -> None:
    """**Raises:** `ValueError` that names the first of the `sizes` which is not positive, or has no entry."""
    for name, size in sizes.items():
        entries = [size] if isinstance(size, int) else list(size)
        if not entries or min(entries) < 1:
            raise ValueError(f"{name} must be positive, got {size}")


def check_shape(shape: Sequence[int], ndim: int) -> None:
    """**Raises:** `ValueError` unless `shape` is a grid of `ndim` axes."""
    if len(shape) != ndim or min(shape) < 1:
        raise ValueError(f"shape should be {ndim} positive numbers of points, one per axis, got {tuple(shape)}")


def check_call(
    x: Array, periodic: Sequence[bool], channels: int, condition: Array | None, features: int, *, network: str
) -> None:
    """Whether a network's arguments are of the kind it was built for.

    **Arguments:** `x`: its input; `periodic`: a flag per axis; `channels`: of its input; `condition`, `features`,
    `network`: as of `check_condition`.

    **Raises:** `ValueError` for another number of axes or channels, or a condition that is missing, not expected or of
    another shape.
    """
    if x.ndim != len(periodic) + 2:
        found = f"a field (batch, *space, channel) of shape {x.shape}"
        raise ValueError(f"this {network} has {len(periodic)} space axes, got {found}")
    if x.shape[-1] != channels:
        raise ValueError(f"this {network} was made for {channels} channels, got {x.shape[-1]}: a field (batch, *space, "
                         f"channel) of shape {x.shape}")  # fmt: skip
    check_condition(condition, features, x.shape[0], network=network)


def check_condition(condition: Array | None, features: int, batch: Any, *, network: str) -> None:
    """Whether a condition is given exactly when a network was built for one, a vector for each sample.

    **Arguments:** `condition`: given or not; `features`: size of its vectors, zero if the network takes none;
    `batch`: number of samples, which may be an unknown of `jax.export`; `network`: its name.

    **Raises:** `ValueError` for a condition that is missing, not expected or not of shape (batch, features).
    """
    if (condition is not None) != (features > 0):
        found, built = ("no", "with") if condition is None else ("a", "without")
        raise ValueError(f"got {found} condition, but this {network} was built {built} condition_features")
    if condition is not None and condition.shape != (batch, features):
        expected = f"(batch, features) = {(batch, features)}"
        raise ValueError(f"the condition of this {network} should be of shape {expected}, got {condition.shape}")
