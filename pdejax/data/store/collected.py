"""Files of others as one data set, of which windows are read as they are needed."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import Grid, known
from pdejax.data.store.card import beside, card_path, read_card
from pdejax.data.store.coordinates import common_factor, uniform
from pdejax.data.store.fingerprint import fingerprint_of
from pdejax.data.store.memory import check_names, divided
from pdejax.data.store.opened import OpenFiles
from pdejax.data.store.pieces import Piece
from pdejax.data.store.statistics import kept_statistics
from pdejax.data.store.trajectories import SHARES, Split, Trajectories, Window


@dataclasses.dataclass(frozen=True)
class Part:
    """Trajectories of a piece, from `start` on, which are those of a split from `first` on."""

    piece: Piece
    start: int
    count: int
    first: int


@dataclasses.dataclass(frozen=True, eq=False)
class CollectedSplit(Split):
    """One split of `Collected`."""

    source: Trajectories
    name: str
    frames: int
    parts: tuple[Part, ...]
    columns: Mapping[str, np.ndarray]
    _open: OpenFiles = dataclasses.field(default_factory=OpenFiles, init=False, repr=False)

    def __len__(self) -> int:
        return sum(part.count for part in self.parts)

    def __getstate__(self) -> dict[str, Any]:
        # what was read does not go to another process
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @functools.cached_property
    def _firsts(self) -> np.ndarray:
        return np.array([part.first for part in self.parts])

    def read(self, trajectories: int, frames: int) -> np.ndarray:
        """The first states of the first trajectories, see `Split`."""
        self.check_corner(trajectories, frames)
        if "states" in self.__dict__:
            return self.states[:trajectories, :frames]
        out = np.empty((trajectories, frames, *self.shape[2:]), np.float32)
        for part in self.parts:
            count = min(part.count, trajectories - part.first)
            if count > 0:
                with self._open(part.piece) as file:
                    rows = slice(part.start, part.start + count)
                    out[part.first : part.first + count] = part.piece.states(file, rows, slice(0, frames))
        return out

    def window(self, trajectory: int, start: int, frames: int) -> Window:
        """Some frames of a trajectory, see `Split`."""
        part = self.parts[int(np.searchsorted(self._firsts, trajectory, side="right")) - 1]
        row = part.start + trajectory - part.first
        rows = slice(row, row + 1)
        with self._open(part.piece) as file:
            states = part.piece.states(file, rows, slice(start, min(start + frames, self.frames)))
            return Window(states[0], part.piece.given(file, rows)[0])

    @functools.cached_property
    def inputs(self) -> np.ndarray:
        """Fields given beside the states, see `Split`."""
        out = np.zeros((len(self), *self.source.domain.shape, len(self.source.input_names)), np.float32)
        for part in self.parts if self.source.input_names else ():
            with self._open(part.piece) as file:
                rows = slice(part.start, part.start + part.count)
                out[part.first : part.first + part.count] = part.piece.given(file, rows)
        return out

    @property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """What varies from trajectory to trajectory, see `Split`."""
        return self.columns


class Collected(Trajectories):
    """Files of others as one data set; states stay where they are until they are asked for.

    What a card beside the data says counts before what they say themselves. A scalar that is the same everywhere is a
    constant, one that is not is a parameter; coordinates that differ by a factor give the parameters `length` and
    `step`. Where there is time, fields that do not vary in it are channels that stay; else they are inputs. Of
    trajectories of different lengths in one split each is as long as the shortest.

    **Arguments:** `path`: of the data set; `pieces` of it, at least one; `name`: of the problem, where no card says
    it; `options`: what the data say of the keys of a card.

    **Raises:** `ValueError` for pieces that do not fit each other, and coordinates that are not those of a grid.
    """

    family: Any = None
    simulator: Any = None

    def __init__(
        self, path: Path, pieces: Sequence[Piece], name: str, options: Mapping[str, Any] | None = None
    ) -> None:
        _check_alike(pieces)
        if pieces[0].frames > 1:  # what steps in time is given states alone: fields that stay are of these
            pieces = [dataclasses.replace(one, fields={**one.fields, **one.inputs}, inputs={}) for one in pieces]
        card, first = {**(options or {}), **read_card(path)}, pieces[0]
        self.root, self.name = path, card.get("name", name)
        self.field_names = _named(path, card.get("fields"), tuple(first.fields))
        self.input_names = tuple(first.inputs)
        self.pieces = tuple(pieces)
        scalars = {key: _column(pieces, key) for key in first.scalars}
        for key, values in scalars.items():
            if not np.isfinite(values).all():
                row = int(np.argmin(np.isfinite(values)))
                raise FileError(f"{path}: {key!r} of trajectory {row} is {values[row]}, and a parameter is a finite "
                                "number: take the trajectory out of the data, or leave the entry out")  # fmt: skip
        scalars = self._measured(path, card, scalars)
        varies = [key for key, values in scalars.items() if (values != values[0]).any()]
        self.constants = {key: float(values[0]) for key, values in scalars.items() if key not in varies}
        self.parameter_names = tuple(sorted(varies))
        check_names(str(path), (*self.field_names, *self.input_names, *self.parameter_names))
        self._splits = self._divided(path, card, {key: scalars[key].astype(np.float32) for key in varies})
        self.split_names = tuple(self._splits)

    def _measured(self, path: Path, card: Mapping[str, Any], scalars: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Domain and step; the scalars, and the factors on them that differ between trajectories."""
        first, mend, found = self.pieces[0], f"say what holds on a card {card_path(path)}", dict(scalars)
        known = lambda column: scalars[column] if column in scalars and np.ptp(scalars[column]) else None
        ends, lengths, origin = _ends(path, card, first), card.get("lengths"), ()
        if lengths is None and all(axis is not None for axis in first.axes.values()):
            measured = [_axis(self.pieces, key, f"{mend}: lengths") for key in first.axes]
            origins, steps = zip(*measured, strict=True)
            unit, factor = common_factor(str(path), steps, known("length"))
            spacing = Grid(first.shape, (1.0,) * len(unit), ends).spacing
            lengths = tuple(float(h / s) for h, s in zip(unit, spacing, strict=True))
            origin = tuple(float(one[0] / factor[0]) for one in origins)
            for one, zero, h in zip(origins, origin, unit, strict=True):
                if not np.allclose(one, zero * factor, rtol=1e-3, atol=1e-3 * h):
                    raise ValueError(
                        f"{path}: axes begin at {one.min():g} to {one.max():g}, a box has one corner: {mend}"
                    )
            found |= _varying("length", factor)
        try:
            self.domain: Any = Grid(first.shape, tuple(lengths or (1.0,) * len(first.shape)), ends, origin)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        self.step = 0.0 if first.frames == 1 else float(card.get("step", 1.0))
        if self.step and "step" not in card and first.times is not None:
            _, steps = _axis(self.pieces, None, f"{mend}: step")
            unit, factor = common_factor(str(path), [steps], known("step"))
            self.step = float(unit[0])
            found |= _varying("step", factor)
        return found

    def _divided(
        self, path: Path, card: Mapping[str, Any], columns: Mapping[str, np.ndarray]
    ) -> dict[str, CollectedSplit]:
        counts = np.cumsum([0, *(piece.trajectories for piece in self.pieces)])
        of = [piece.split for piece in self.pieces]
        if any(of) and "splits" in card:
            raise ValueError(f"{card_path(path)}: splits divide what is not divided, {path} has {', '.join({*of})}")
        if any(of):
            rows = {name: [i for i, one in enumerate(of) if one == name] for name in dict.fromkeys(of)}
            whole = {name: [(i, 0, self.pieces[i].trajectories) for i in one] for name, one in rows.items()}
        else:
            cut = divided(str(path), int(counts[-1]), card.get("splits", SHARES))
            whole = {name: list(_overlaps(counts, one)) for name, one in cut.items()}
        made = {}
        for name, parts in whole.items():
            firsts = np.cumsum([0, *(count for *_, count in parts)])
            listed = tuple(
                Part(self.pieces[i], start, n, int(f)) for (i, start, n), f in zip(parts, firsts, strict=False)
            )
            index = np.concatenate([np.arange(counts[i] + start, counts[i] + start + n) for i, start, n in parts])
            frames = min(part.piece.frames for part in listed)
            made[name] = CollectedSplit(self, name, frames, listed, {key: x[index] for key, x in columns.items()})
        return made

    @functools.cached_property
    def fingerprint(self) -> str:  # type: ignore[override]
        """Checksum of the files and of what is known of them."""
        sizes = {name: len(split) for name, split in self._splits.items()}
        facts = {"name": self.name, "step": self.step, "domain": repr(self.domain), "fields": self.field_names,
                 "inputs": self.input_names, "parameters": self.parameter_names, "splits": sizes}  # fmt: skip
        return fingerprint_of(self.root, _files(piece.path for piece in self.pieces), facts)

    @functools.cached_property
    def statistics(self) -> Mapping[str, np.ndarray]:  # type: ignore[override]
        """Of the train split, or of the first one where there is none; kept beside the data."""
        return kept_statistics(beside(self.root, ".stats.yaml"), self)

    def split(self, name: str) -> CollectedSplit:
        """One of the splits, see `Trajectories`."""
        if name not in self._splits:
            raise ValueError(known("split", name, self._splits))
        return self._splits[name]


def _varying(column: str, factor: np.ndarray) -> dict[str, np.ndarray]:
    """The factors of all trajectories as a scalar, where they differ by more than their rounding."""
    return {column: factor} if np.ptp(factor) > 1e-5 * factor.max() else {}


def _files(paths: Iterable[Path]) -> set[Path]:
    """The files themselves, of those that are folders all in them."""
    found: set[Path] = set()
    for path in {*paths}:
        found |= {one for one in path.rglob("*") if one.is_file()} if path.is_dir() else {path}
    return found


def _check_alike(pieces: Sequence[Piece]) -> None:
    """Whether all pieces have the same fields on the same grid."""
    facts = lambda one: {"fields": [*one.fields], "constant fields": [*one.inputs], "points": [*one.shape],
                         "axes": [*one.axes], "scalars": sorted(one.scalars), "ends": one.ends}  # fmt: skip
    first = facts(pieces[0])
    for piece in pieces:
        if not piece.trajectories or not piece.frames or 0 in piece.shape:
            raise ValueError(f"{piece.path} holds no trajectory, no frame or no point")
        for what, value in facts(piece).items():
            if value != first[what]:
                raise ValueError(f"{piece.path}: its {what} are {value}, those of {pieces[0].path} {first[what]}")
    short = next((one for one in pieces if one.frames == 1), pieces[0])
    if short.frames == 1 and max(piece.frames for piece in pieces) > 1:
        raise ValueError(f"{short.path} holds one frame, which is a steady solution, and other files hold more")


def _named(path: Path, given: Sequence[str] | None, found: tuple[str, ...]) -> tuple[str, ...]:
    if given is None:
        return found
    if len(given) != len(found):
        raise ValueError(f"{card_path(path)}: fields={[*given]} should name the {len(found)} of {path}: "
                         f"{', '.join(found)}")  # fmt: skip
    return tuple(given)


def _column(pieces: Sequence[Piece], name: str) -> np.ndarray:
    """A scalar of all trajectories."""
    return np.concatenate([np.broadcast_to(one.scalars[name], (one.trajectories,)) for one in pieces])


def _axis(pieces: Sequence[Piece], name: str | None, mend: str) -> tuple[np.ndarray, np.ndarray]:
    """First coordinate and spacing of an axis, or of time, of all trajectories."""
    found = []
    for piece in pieces:
        values: Any = piece.times if name is None else piece.axes[name]
        one = uniform(f"{piece.path}: the axis {name or 'time'!r}", values, mend)
        found.append([np.broadcast_to(x, (piece.trajectories,)) for x in one])
    firsts, steps = zip(*found, strict=True)
    return np.concatenate(firsts), np.concatenate(steps)


def _ends(path: Path, card: Mapping[str, Any], first: Piece) -> Any:
    """What holds at the ends: what the card says, or the file, or else all is periodic."""
    if "periodic" not in card:
        return "periodic" if first.ends is None else first.ends
    given = card["periodic"]
    each = given if isinstance(given, list) else [given] * len(first.shape)
    if len(each) != len(first.shape):
        raise ValueError(
            f"{card_path(path)}: periodic={given} should have one entry for each of {len(first.shape)} axes"
        )
    return tuple("periodic" if one else "slope" for one in each)


def _overlaps(counts: np.ndarray, rows: slice) -> Iterable[tuple[int, int, int]]:
    """Number of the piece, first trajectory in it and how many, for consecutive trajectories of all pieces."""
    for i, (begin, end) in enumerate(zip(counts[:-1].tolist(), counts[1:].tolist(), strict=True)):
        low, high = max(begin, rows.start), min(end, rows.stop)
        if low < high:
            yield i, low - begin, high - low
