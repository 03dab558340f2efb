"""What networks are asked for and cannot do, told in one sentence."""

from collections.abc import Sequence

from jaxtyping import Array


def as_flags(periodic: bool | Sequence[bool], ndim: int) -> tuple[bool, ...]:
    """Whether each axis is periodic: one flag is meant for all.

    **Arguments:** `periodic`: flag or flags; `ndim`: number of space axes.

    **Raises:** `ValueError` if there is not one flag per axis, or not one to three axes.
    """
    if not 1 <= ndim <= 3:
        raise ValueError(f"a network has 1 to 3 space axes, got {ndim}")
    out = (periodic,) * ndim if isinstance(periodic, bool) else tuple(periodic)
    if len(out) != ndim:
        raise ValueError(f"periodic must be one value or {ndim}, one per axis, got {out}")
    return out


def check_positive(**sizes: int | Sequence[int]) -> None:
    """**Raises:** `ValueError` that names the first of the `sizes` which is not positive, or has no entry."""
    for name, size in sizes.items():
        entries = [size] if isinstance(size, int) else list(size)
        if not entries or min(entries) < 1:
            raise ValueError(f"{name} must be positive, got {size}")


def check_call(x: Array, periodic: Sequence[bool], condition: Array | None, conditioned: bool, *, network: str) -> None:
    """Whether a network's arguments are of the kind it was built for.

    **Arguments:** `x`: its input; `periodic`: a flag per axis; `condition`: given or not; `conditioned`: whether the
    network takes one; `network`: its name.

    **Raises:** `ValueError` for another number of axes, or a condition that is missing or not expected.
    """
    if x.ndim != len(periodic) + 2:
        raise ValueError(f"this {network} has {len(periodic)} space axes, got a field of shape {x.shape[1:-1]}")
    check_condition(condition, conditioned, network=network)


def check_condition(condition: Array | None, conditioned: bool, *, network: str) -> None:
    """Whether a condition is given exactly when a network was built for one.

    **Arguments:** as of `check_call`.

    **Raises:** `ValueError` for a condition that is missing or not expected.
    """
    if (condition is not None) != conditioned:
        found, built = ("no", "with") if condition is None else ("a", "without")
        raise ValueError(f"got {found} condition, but this {network} was built {built} condition_features")
