"""Trajectories that are arrays in memory."""

import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pdejax.core import Grid, known, refuse_masked, spelt
from pdejax.data.store.statistics import kept_statistics, statistics_of, train_split
from pdejax.data.store.trajectories import Split, Trajectories, Window

TRAIN, STATES = "train", "states"


class ArraySplit(Split):
    """One split of `Arrays`."""

    def __init__(self, source: Trajectories, name: str, part: "_Part") -> None:
        self.source, self.name, self.frames = source, name, part.states.shape[1]
        self.states, self.parameters = part.states, part.parameters
        empty = np.zeros((len(part.states), *part.states.shape[2:-1], 0), np.float32)
        self.inputs = np.stack(list(part.inputs.values()), axis=-1) if part.inputs else empty

    def __len__(self) -> int:
        return len(self.states)

    def read(self, trajectories: int, frames: int) -> np.ndarray:
        """The first states of the first trajectories, a view."""
        self.check_corner(trajectories, frames)
        return self.states[:trajectories, :frames]

    def window(self, trajectory: int, start: int, frames: int) -> Window:
        """Some frames of a trajectory, views."""
        return Window(self.states[trajectory, start : start + frames], self.inputs[trajectory])


@spelt
class Arrays(Trajectories):
    """Trajectories in memory, NumPy's or JAX's, as a data set; kept in single precision.

    **Arguments:**

    - `states`: `(trajectory, time, *space, channel)`, or a mapping of splits to such arrays.
    - `step`: time between two frames; 1 when omitted, or 0, which is steady, where there is one frame.
    - `lengths`: of the axes of space, 1 each when omitted; `periodic`: whether the axes are, one for all or each.
    - `domain`: where the states live, in place of `lengths` and `periodic`.
    - `fields`: names of the channels; `u`, or `u0`, `u1`, ... when omitted, as they may be unless there are as many as
        points on an axis.
    - `inputs`: fields given beside the states, name to `(trajectory, *space)`; if `states` are a mapping, of splits to
        such mappings. `parameters`: what varies from trajectory to trajectory, name to `(trajectory,)`, likewise.
    - `splits`: shares of the trajectories, taken in their order, such as `{"train": 0.8, "valid": 0.1, "test": 0.1}`;
        all are `train` when omitted.
    - `name`: of the problem; `where`: what messages call the data, such as a file; `statistics_file`: where
        statistics are kept once they are computed.

    **Raises:** `ValueError` that names the array for a shape that does not fit, complex numbers, or numbers that are
    not finite.
    """

    family: Any = None
    simulator: Any = None

    def __init__(
        self,
        states: Any,
        *,
        step: float | None = None,
        lengths: Sequence[float] | None = None,
        periodic: bool | Sequence[bool] | None = None,
        domain: Any = None,
        fields: Sequence[str] | None = None,
        inputs: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        splits: Mapping[str, float] | None = None,
        name: str = "arrays",
        where: str = "Arrays",
        statistics_file: Path | None = None,
    ) -> None:
        whole = not isinstance(states, Mapping)
        if not whole and splits is not None:
            raise ValueError(f"{where}: splits divide one array of states, here are {', '.join(states)}")
        given = {STATES: states} if whole else states
        for kind, mapping in (("inputs", inputs), ("parameters", parameters)):
            _check_mapping(where, kind, mapping, () if whole else tuple(given))
        of = lambda mapping, split: (mapping if whole else (mapping or {}).get(split)) or {}
        parts = {s: _part(where, s, u, of(inputs, s), of(parameters, s)) for s, u in given.items()}
        _check_alike(where, parts)
        if whole:
            parts = _divided(where, parts[STATES], splits or {TRAIN: 1.0})
        part = next(iter(parts.values()))
        space, channels = part.states.shape[2:-1], part.states.shape[-1]

        self.name, self._kept = name, statistics_file
        self.step = _step(where, step, {p.states.shape[1] for p in parts.values()})
        self.domain = _domain(where, space, domain, lengths, periodic)
        if fields is None and channels > 1 and channels >= min((n for n in space if n > 1), default=1):
            _suspect(where, space, channels)
        named = ("u",) if channels == 1 else tuple(f"u{i}" for i in range(channels))
        self.field_names = named if fields is None or not len(fields) else tuple(fields)
        if isinstance(fields, str):
            raise ValueError(f"{where}: fields should be a list of names, such as fields=({fields!r},), got {fields!r}")
        if len(self.field_names) != channels:
            raise ValueError(f"{where}: fields={fields!r} should name {channels} channel(s)")
        self.input_names, self.parameter_names = tuple(part.inputs), tuple(sorted(part.parameters))
        _check_ends(where, self.domain, self.field_names)
        check_names(where, (*self.field_names, *self.input_names, *self.parameter_names))
        self.split_names = tuple(parts)
        self._splits = {s: ArraySplit(self, s, p) for s, p in parts.items()}

    @functools.cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """Checksum of the names, sizes and numbers."""
        names = [self.name, self.step, self.field_names, self.input_names, self.parameter_names, repr(self.domain)]
        sum_ = hashlib.sha256(json.dumps([*names, self.split_names]).encode())
        for split in self._splits.values():
            for array in (split.states, split.inputs, split.parameter_array):
                sum_.update(str(array.shape).encode())
                sum_.update(np.ascontiguousarray(array).data)
        return sum_.hexdigest()

    @functools.cached_property
    def statistics(self) -> Mapping[str, np.ndarray]:  # type: ignore[override]
        """Of the train split, or of the first one where there is none."""
        return kept_statistics(self._kept, self) if self._kept else statistics_of(train_split(self))

    def split(self, name: str) -> ArraySplit:
        """One of the splits, see `Trajectories`."""
        if name not in self._splits:
            mend = "" if name == TRAIN or [*self._splits] != [TRAIN] else " Arrays(splits={'train': 0.8, 'test': 0.2})"
            raise ValueError(known("split", name, self._splits) + (mend and f"{mend} would divide them."))
        return self._splits[name]


def _check_mapping(where: str, kind: str, given: Any, splits: tuple[str, ...] = ()) -> None:
    """Whether inputs or parameters are named, and by split where the states are."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(f"{where}: {kind} should be a mapping of names to arrays, got {type(given).__name__}")
    for name, value in given.items() if splits else ():
        if name not in splits:
            raise ValueError(f"{where}: {kind} are of splits, as the states are: {known('split', name, splits)}")
        _check_mapping(f"{where}: {name}", kind, value)


def check_names(where: str, names: Sequence[Any]) -> None:
    """Whether fields, inputs and parameters have names that a file can hold, each its own."""
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
            raise ValueError(f"{where}: {name!r} is no name: a letter, digit or _, then these and . + -")
        if names.count(name) > 1:
            raise ValueError(f"{where}: {name!r} is the name of {names.count(name)} things, and names tell them apart")


def _step(where: str, step: Any, frames: set[int]) -> float:
    """The time between two frames; none between one."""
    if step is None:
        return 0.0 if frames == {1} else 1.0
    number = isinstance(step, int | float | np.number) and not isinstance(step, bool)
    if not number or not 0 <= float(step) < float("inf"):
        raise ValueError(f"{where}: step should be a number above 0, or 0 where there is one frame, got {step!r}")
    if not step and frames != {1}:
        raise ValueError(f"{where}: step=0 is steady, one frame a trajectory, got {max(frames)} frames")
    return float(step)


def _suspect(where: str, space: tuple[int, ...], channels: int) -> None:
    """**Raises:** `ValueError`: as many channels as points, and without names, may be points behind the channels."""
    points = " x ".join(map(str, space))
    raise ValueError(f"{where}: states are (trajectory, time, *space, channel), which gives {points} point(s) of space "
                     f"with {channels} fields: if the channels stand before space, take numpy.moveaxis(states, 2, -1), "
                     "if there is no axis of channels, states[..., None], or else name them, fields=[...]")  # fmt: skip


def _check_ends(where: str, domain: Any, fields: Sequence[str]) -> None:
    """Whether ends that tell fields apart are of these fields."""
    for side in (side for axis in getattr(domain, "ends", ()) for side in axis if isinstance(side, tuple)):
        named = [field for field, _ in side]
        if {*named} != {*fields}:
            raise ValueError(f"{where}: an end of the domain names the fields {', '.join(named)}, the states have "
                             f"{', '.join(fields)}")  # fmt: skip


class _Part(NamedTuple):
    states: np.ndarray
    inputs: dict[str, np.ndarray]
    parameters: dict[str, np.ndarray]


def _part(where: str, key: str, states: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any]) -> _Part:
    """The arrays of one split, checked."""
    u = _real(f"{where}: {key}", states)
    if 4 <= u.ndim <= 6 and 0 in u.shape:
        axes = ("trajectories", "frames", *["points"] * (u.ndim - 3), "channels")
        raise ValueError(f"{where}: {key} has no {axes[u.shape.index(0)]}, its shape is {u.shape}")
    if not 4 <= u.ndim <= 6:
        wanted = "(trajectory, time, *space, channel) with one to three axes of space"
        mend = ", so states[..., None] if the channel is missing" if u.ndim == 3 else ""
        raise ValueError(f"{where}: {key} should be {wanted}{mend}, got the shape {u.shape}")
    rows = lambda kind, given, shape: {name: _real(f"{where}: {kind} {name!r}", x, shape) for name, x in given.items()}
    space = (len(u), *u.shape[2:-1])
    return _Part(u, rows("input", inputs, space), rows("parameter", parameters, space[:1]))


def _real(what: str, values: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Finite numbers in single precision, integers promoted."""
    refuse_masked(values, what)
    try:
        array = np.asarray(values)
    except ValueError as error:
        rows = isinstance(values, list | tuple) and "inhomogeneous" in str(error)
        why = "its parts have different lengths" if rows else str(error).partition(". ")[0]
        raise ValueError(f"{what} is no array: {why}") from None
    if np.issubdtype(array.dtype, np.complexfloating):
        raise ValueError(f"{what} is complex: give its real and imaginary part as two fields")
    if array.dtype.kind == "m" or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise ValueError(f"{what} should hold numbers, got the type {array.dtype}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{what} should have the shape {shape}, got {array.shape}")
    with np.errstate(over="ignore"):
        array = np.asarray(array, np.float32)
    if not (good := np.isfinite(array)).all():
        place = [int(i) for i in np.argwhere(~good)[0]]
        raise ValueError(f"{what} has {good.size - good.sum()} of {good.size} numbers that are not finite (in single "
                         f"precision), the first at {place}")  # fmt: skip
    return array


def _check_alike(where: str, parts: Mapping[str, _Part]) -> None:
    if not parts:
        raise ValueError(f"{where}: there are no states")
    facts = lambda part: {"space and channels": part.states.shape[2:], "inputs": tuple(part.inputs),
                          "parameters": tuple(sorted(part.parameters))}  # fmt: skip
    (first, one), *others = parts.items()
    for name, part in others:
        for what, value in facts(part).items():
            if value != facts(one)[what]:
                raise ValueError(f"{where}: {what} of {name} are {value}, those of {first} {facts(one)[what]}")


def _divided(where: str, part: _Part, shares: Mapping[str, float]) -> dict[str, _Part]:
    """Consecutive trajectories by their shares."""
    take = lambda arrays, rows: {name: x[rows] for name, x in arrays.items()}
    rows = divided(where, len(part.states), shares)
    return {s: _Part(part.states[r], take(part.inputs, r), take(part.parameters, r)) for s, r in rows.items()}


def divided(where: str, count: int, shares: Mapping[str, float]) -> dict[str, slice]:
    """Consecutive trajectories by their shares, one at least for each split.

    **Raises:** `ValueError` for what are no shares, and for fewer trajectories than splits.
    """
    plain = isinstance(shares, Mapping) and all(isinstance(x, int | float | np.number) for x in shares.values())
    if not plain or not all(isinstance(name, str) for name in shares):
        wanted = "a mapping of names to shares, such as {'train': 0.8, 'test': 0.2}"
        raise ValueError(f"{where}: splits should be {wanted}, got {shares!r}")
    total = sum(shares.values())
    if not shares or min(shares.values()) <= 0 or total > 1 + 1e-9:
        raise ValueError(f"{where}: splits={dict(shares)} should be shares above 0 whose sum is 1 at most")
    sizes = {name: max(1, int(share * count + 1e-9)) for name, share in shares.items()}
    largest = max(sizes, key=sizes.__getitem__)
    sizes[largest] += round(min(total, 1.0) * count) - sum(sizes.values())
    if sizes[largest] < 1:
        raise ValueError(f"{where}: {count} trajectories cannot be divided into {', '.join(shares)}")
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(end - sizes[name], end) for name, end in zip(sizes, ends, strict=True)}


def _domain(where: str, shape: tuple[int, ...], domain: Any, lengths: Any, periodic: Any) -> Any:
    if domain is not None:
        if lengths is not None or periodic is not None:
            raise ValueError(f"{where}: lengths and periodic belong to the domain where one is given")
        if tuple(domain.shape) != shape:
            raise ValueError(f"{where}: the domain has the shape {tuple(domain.shape)}, the states {shape}")
        return domain
    every = {"lengths": 1.0 if lengths is None else lengths, "periodic": True if periodic is None else periodic}
    for name, value in every.items():
        every[name] = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * len(shape)
        if len(every[name]) != len(shape):
            raise ValueError(f"{where}: {name}={value} should have one entry for each of {len(shape)} axes of space")
    if not all(isinstance(one, bool | np.bool_) for one in every["periodic"]):
        raise ValueError(f"{where}: periodic={periodic!r} should be true or false, or one of these for each axis")
    ends = tuple("periodic" if one else "slope" for one in every["periodic"])
    try:
        return Grid(shape, tuple(every["lengths"]), ends)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
