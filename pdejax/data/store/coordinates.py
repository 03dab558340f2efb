"""Where and when the trajectories of files are, from the coordinates that the files hold."""

from collections.abc import Sequence

import numpy as np

TOLERANCE = 1e-3  # of a step: coordinates are stored in single precision


def uniform(what: str, values: np.ndarray, mend: str) -> tuple[np.ndarray, np.ndarray]:
    """First coordinate and distance of two, each of one row for all trajectories or of a row for each.

    **Arguments:** `what`: file and axis, for messages; `values`: `(point,)` or `(trajectory, point)`; `mend`: what a
    user can do about coordinates that are not equidistant.

    **Raises:** `ValueError` for coordinates that do not increase, or not by equal steps.
    """
    rows = np.atleast_2d(np.asarray(values, np.float64))
    if not rows.size or not np.isfinite(rows).all():
        raise ValueError(f"{what} has coordinates that are not finite, or none: {mend}")
    first, count = rows[:, 0], rows.shape[1]
    if count == 1:
        return first, np.ones(len(rows))
    steps = (rows[:, -1] - first) / (count - 1)
    if steps.min() <= 0:
        raise ValueError(f"{what} does not increase from its first to its last coordinate: {mend}")
    found = np.diff(rows, axis=1)
    allowed = TOLERANCE * steps + 4 * np.spacing(np.float32(np.abs(rows).max()))
    if (np.abs(found - steps[:, None]) > allowed[:, None]).any():
        raise ValueError(f"{what} has unequal steps, from {found.min():.6g} to {found.max():.6g}: {mend}")
    return first, steps


def common_factor(what: str, steps: Sequence[np.ndarray], known: np.ndarray | None) -> tuple[list[float], np.ndarray]:
    """What all trajectories share, and the one factor on it that each has.

    **Arguments:** `what`: for messages; `steps`: of every axis, `(trajectory,)`; `known`: the factors, where the files
    name them.

    **Returns:** the steps of a trajectory whose factor is 1, and the factors; the first trajectory is such a one where
    they are not known.

    **Raises:** `ValueError` for axes that have no factor in common, or another one than is known.
    """
    unit = [axis[0] / (1.0 if known is None else known[0]) for axis in steps]
    factors = np.stack([axis / one for axis, one in zip(steps, unit, strict=True)])
    for found in factors[1:]:
        if not np.allclose(found, factors[0], rtol=TOLERANCE):
            row = int(np.argmax(np.abs(found - factors[0])))
            raise ValueError(f"{what}: the axes of trajectory {row} are no multiple of those of the first one, and one "
                             "factor on all lengths is all that may differ")  # fmt: skip
    if known is not None and not np.allclose(factors[0], known, rtol=TOLERANCE):
        raise ValueError(f"{what}: what is named as the factor of each trajectory is not that of its coordinates")
    return unit, factors[0] if known is None else known
