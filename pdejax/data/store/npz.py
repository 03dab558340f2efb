"""Trajectories of others in NumPy's files; what the numbers do not tell is on a small card beside them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import read_json, read_plain_yaml
from pdejax.core import known, read_arrays, register
from pdejax.data.store.memory import STATES, Arrays

SPLITS = ("train", "valid", "test")
SHARES: Mapping[str, float] = {"train": 0.8, "valid": 0.1, "test": 0.1}
CARDS = (".yaml", ".yml", ".json")


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
    card = _card(path)
    states, inputs, parameters = _sorted(path, arrays)
    if not isinstance(states, Mapping):
        card.setdefault("splits", SHARES)
    kept = path.with_name(path.name + ".stats.yaml")
    card.setdefault("name", path.stem)
    return Arrays(states, inputs=inputs, parameters=parameters, where=str(path), statistics_file=kept, **card)


register("reader", "npz", read_npz)
register("reader", "npy", read_npz)


def _sorted(path: Path, arrays: Mapping[str, np.ndarray]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """States, inputs and parameters; each by split where the states are."""
    for name in sorted({*_KEYS} & {*arrays}):
        raise ValueError(f"{path}: the array {name!r} has the name of a word of the card: write it into "
                         f"{path.with_suffix('.yaml').name}, or give a parameter another name")  # fmt: skip
    splits = [name for name in SPLITS if name in arrays]
    if STATES in arrays and not splits:
        return arrays[STATES], *_kinds({name: x for name, x in arrays.items() if name != STATES})
    if STATES in arrays or not splits:
        raise ValueError(f"{path}: expected an array '{STATES}', or one for each of the splits {', '.join(SPLITS)}; "
                         f"found {', '.join(arrays) or 'nothing'}")  # fmt: skip
    rest: dict[str, dict[str, np.ndarray]] = {split: {} for split in splits}
    for name, array in arrays.items():
        if name in splits:
            continue
        split, _, rest_of_name = name.partition("_")
        if split not in splits or not rest_of_name:
            wanted = ", ".join(f"{s}_{name}" for s in splits)
            raise ValueError(f"{path}: the array {name!r} belongs to no split, expected {wanted}")
        rest[split][rest_of_name] = array
    kinds = {split: _kinds(found) for split, found in rest.items()}
    return {s: arrays[s] for s in splits}, {s: k[0] for s, k in kinds.items()}, {s: k[1] for s, k in kinds.items()}


def _kinds(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs, which have axes of space, and parameters, which have none."""
    inputs = {name: x for name, x in arrays.items() if x.ndim > 1}
    return inputs, {name: x for name, x in arrays.items() if name not in inputs}


def _card(path: Path) -> dict[str, Any]:
    """The options of `Arrays` on the card beside a file; none if there is no card."""
    found = [card for suffix in CARDS if (card := path.with_suffix(suffix)).exists()]
    if not found:
        return {}
    if len(found) > 1:
        raise ValueError(f"{path} has {len(found)} cards, {' and '.join(map(str, found))}: keep one of them")
    (card,) = found
    content = read_json(card) if card.suffix == ".json" else read_plain_yaml(card)
    return {key: _value(card, key, value) for key, value in content.items()}


def _value(card: Path, key: Any, value: Any) -> Any:
    if key not in _KEYS:
        raise ValueError(f"{card}: {known('key', str(key), _KEYS)}")
    read, wanted = _KEYS[key]
    try:
        return read(value)
    except (TypeError, ValueError, AttributeError):
        raise ValueError(f"{card}: {key} should be {wanted}, got {value!r}") from None


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not 0 < float(value) < float("inf"):
        raise ValueError(value)
    return float(value)


def _listed(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda value: [read(one) for one in _of_type(list, value)]


def _of_type(type_: type, value: Any) -> Any:
    if not isinstance(value, type_):
        raise ValueError(value)
    return value


def _word(value: Any) -> str:
    return _of_type(str, value)


_KEYS: Mapping[str, tuple[Callable[[Any], Any], str]] = {
    "name": (_word, "a word"),
    "step": (_positive, "a number above 0"),
    "lengths": (_listed(_positive), "a list of numbers above 0"),
    "periodic": (
        lambda value: value if isinstance(value, bool) else _listed(lambda one: _of_type(bool, one))(value),
        "true, false, or a list of these",
    ),
    "fields": (_listed(_word), "a list of words"),
    "splits": (
        lambda value: {_word(name): _positive(share) for name, share in value.items()},
        "a mapping of splits to shares, such as {train: 0.8, test: 0.2}",
    ),
}
