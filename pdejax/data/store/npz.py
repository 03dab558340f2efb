"""Trajectories of others in NumPy's files; what the numbers do not tell is on a small card beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._suggest import nearest
from pdejax.core import read_arrays, register
from pdejax.data.store.card import KEYS, beside, card_path, read_card
from pdejax.data.store.memory import STATES, Arrays
from pdejax.data.store.trajectories import SHARES, SPLITS


def read_npz(path: str | Path) -> Arrays:
    """Trajectories from a file `.npz` or `.npy`.

    An `.npy` file holds `(trajectory, time, *space, channel)`; an `.npz` file holds such an array `states`, or one for
    each of the splits `train`, `valid` and `test`. Every further array of an `.npz` file is a parameter
    `(trajectory,)` or an input field `(trajectory, *space)` by its name, behind that of its split where there are
    splits: `nu`, or `train_nu`, `valid_nu` and `test_nu`.

    The card has the name of the file and the suffix `.yaml` or `.json`. All its keys may be left out: `name`, `step`,
    `lengths`, `periodic`, `fields` and `splits` mean what they mean for `Arrays`, but that one array is divided into
    80 % `train`, 10 % `valid` and 10 % `test` where the card has no `splits`.

    Statistics are computed once and kept in `<name>.npz.stats.yaml`, if the folder can be written to.

    **Raises:** `ValueError` naming file and key for what is missing, is no number or does not fit.
    """
    path = Path(path)
    arrays = {name or STATES: array for name, array in read_arrays(path).items()}
    return from_named(path, arrays)


def from_named(path: Path, arrays: Mapping[str, np.ndarray]) -> Arrays:
    """Trajectories of the arrays of a file or folder, as `read_npz` tells them apart by their names."""
    card = read_card(path)
    states, inputs, parameters = sorted_arrays(path, arrays)
    if not isinstance(states, Mapping):
        card.setdefault("splits", SHARES)
    card.setdefault("name", path.stem)
    kept = beside(path, ".stats.yaml")
    return Arrays(states, inputs=inputs, parameters=parameters, where=str(path), statistics_file=kept, **card)


register("reader", "npz", read_npz)
register("reader", "npy", read_npz)


def sorted_arrays(path: Path, arrays: Mapping[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """States, inputs and parameters; each by split where the states are."""
    for name in sorted({*KEYS} & {*arrays}):
        raise ValueError(f"{path}: the array {name!r} has the name of a word of the card: write it into "
                         f"{card_path(path).name}, or give a parameter another name")  # fmt: skip
    splits = [name for name in SPLITS if name in arrays]
    if STATES in arrays and not splits:
        return arrays[STATES], *_kinds({name: x for name, x in arrays.items() if name != STATES})
    if STATES in arrays or not splits:
        raise ValueError(f"{path}: expected an array '{STATES}', or one for each of the splits {', '.join(SPLITS)}; "
                         f"found {', '.join(arrays) or 'nothing'}")  # fmt: skip
    rest: dict[str, dict[str, Any]] = {split: {} for split in splits}
    for name, array in arrays.items():
        if name in splits:
            continue
        split, _, rest_of_name = name.partition("_")
        if split not in splits or not rest_of_name:
            if near := nearest(split, SPLITS, 0.75):
                meant = "_".join(filter(None, (near[0], rest_of_name)))
                raise ValueError(f"{path}: the array {name!r} belongs to no split. Did you mean {meant!r}?")
            wanted = ", ".join(f"{s}_{name}" for s in splits)
            raise ValueError(f"{path}: the array {name!r} belongs to no split, expected {wanted}")
        rest[split][rest_of_name] = array
    kinds = {split: _kinds(found) for split, found in rest.items()}
    return {s: arrays[s] for s in splits}, {s: k[0] for s, k in kinds.items()}, {s: k[1] for s, k in kinds.items()}


def _kinds(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs, which have axes of space, and parameters, which have none."""
    inputs = {name: x for name, x in arrays.items() if x.ndim > 1}
    return inputs, {name: x for name, x in arrays.items() if name not in inputs}
