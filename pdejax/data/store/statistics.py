"""Moments of the fields, gathered shard by shard in float64, and the file The Well's normalisers read."""

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax._read import FileError, read_plain_yaml
from pdejax._write import WriteError
from pdejax.core import digest, write_text
from pdejax.data.store.trajectories import Split, Trajectories

FIELD_STATISTICS = ("mean", "std", "rms", "mean_delta", "std_delta", "rms_delta")
INPUT_STATISTICS = ("input_mean", "input_std")
PARAMETER_STATISTICS = ("parameter_mean", "parameter_std")


@dataclasses.dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations per channel, mergeable without cancellation.

    **Source:** Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances
    (1979), equation 2.1.
    """

    count: int = 0
    mean: Any = 0.0
    squares: Any = 0.0

    @staticmethod
    def of(values: np.ndarray) -> "Moments":
        """The moments of `(*any, channel)`."""
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        mean = flat.mean(0)
        return Moments(len(flat), mean, np.square(flat - mean).sum(0))

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both samples together."""
        count, shift = self.count + other.count, other.mean - self.mean
        mean = self.mean + shift * (other.count / count)
        squares = self.squares + other.squares + np.square(shift) * (self.count * other.count / count)
        return Moments(count, mean, squares)

    def summary(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean, standard deviation (of the population) and root mean square."""
        variance = self.squares / self.count
        return self.mean, np.sqrt(variance), np.sqrt(variance + np.square(self.mean))


def field_statistics(trajectories: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Statistics of states and of their differences in time.

    **Arguments:** `trajectories`: arrays `(time, *space, channel)`, one after the other.

    **Returns:** `mean`, `std`, `rms` of the states and `mean_delta`, `std_delta`, `rms_delta` of the change from one
    frame to the next, arrays `(channel,)`; the latter are zero where there is a single frame.

    **Raises:** `ValueError` for a trajectory that is not finite.
    """
    states, deltas = Moments(), Moments()
    for number, trajectory in enumerate(trajectories):
        exact = trajectory.astype(np.float64)
        if not np.isfinite(exact).all():
            raise ValueError(f"trajectory {number} of the data to learn from holds numbers that are not finite")
        states = states.merge(Moments.of(exact))
        if len(exact) > 1:
            deltas = deltas.merge(Moments.of(np.diff(exact, axis=0)))
    zero = (np.zeros(np.shape(states.mean)),) * 3
    return dict(zip(FIELD_STATISTICS, (*states.summary(), *(deltas.summary() if deltas.count else zero)), strict=True))


def input_statistics(inputs: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """`input_mean` and `input_std` of fields `(*space, input)`, one after the other; empty arrays for none."""
    moments = Moments()
    for one in inputs:
        moments = moments.merge(Moments.of(one))
    values = moments.summary()[:2] if moments.count else (np.zeros(0),) * 2
    return dict(zip(INPUT_STATISTICS, values, strict=True))


def parameter_statistics(parameters: Mapping[str, np.ndarray], names: Sequence[str]) -> dict[str, np.ndarray]:
    """`parameter_mean` and `parameter_std`, arrays `(parameter,)` in the order of `names`."""
    columns = [parameters[name].astype(np.float64) for name in names]
    values = [np.array([f(column) for column in columns]) for f in (np.mean, np.std)]
    return dict(zip(PARAMETER_STATISTICS, values, strict=True))


def _columns(key: str, fields: Sequence[str], inputs: Sequence[str], parameters: Sequence[str]) -> Sequence[str]:
    return parameters if key in PARAMETER_STATISTICS else inputs if key in INPUT_STATISTICS else fields


def to_yaml_dict(
    statistics: Mapping[str, np.ndarray], fields: Sequence[str], inputs: Sequence[str], parameters: Sequence[str]
) -> dict:
    """The form of The Well's `stats.yaml`: statistic, then name, then number."""
    columns = lambda key: _columns(key, fields, inputs, parameters)
    return {key: dict(zip(columns(key), map(float, values), strict=True)) for key, values in statistics.items()}


def from_yaml_dict(
    stored: Mapping[str, Any], fields: Sequence[str], inputs: Sequence[str], parameters: Sequence[str]
) -> dict[str, np.ndarray]:
    """The inverse of `to_yaml_dict`, float32."""
    keys = (*FIELD_STATISTICS, *INPUT_STATISTICS, *PARAMETER_STATISTICS)
    columns = {key: _columns(key, fields, inputs, parameters) for key in keys}
    return {key: np.array([stored[key][name] for name in columns[key]], np.float32) for key in keys}


def statistics_of(split: Split) -> dict[str, np.ndarray]:
    """All statistics of a split, one trajectory in memory at a time.

    **Returns:** name to float32 array, see `Trajectories`.
    """
    names = split.source.parameter_names
    windows = lambda frames: (split.window(i, 0, frames) for i in range(len(split)))
    found = field_statistics(window.states for window in windows(split.frames))
    found |= input_statistics(window.inputs for window in windows(1) if split.source.input_names)
    found |= parameter_statistics(split.parameters, names)
    return {name: np.asarray(values, np.float32) for name, values in found.items()}


def kept_statistics(path: Path, data: Trajectories) -> Mapping[str, np.ndarray]:
    """The statistics of a data set from a file beside it; computed, and written where that is possible, if it holds
    none of this content, or was changed."""
    names = (data.field_names, data.input_names, data.parameter_names)
    with contextlib.suppress(FileNotFoundError, FileError, KeyError, TypeError, ValueError):  # absent, or no such file
        stored = read_plain_yaml(path)
        sum_ = stored.pop("sha256")  # former files have none, and are made again
        if stored["fingerprint"] == data.fingerprint and sum_ == digest(stored):
            return from_yaml_dict(stored, *names)
    found = statistics_of(train_split(data))
    plain = {"fingerprint": data.fingerprint, **to_yaml_dict(found, *names)}
    text = yaml.safe_dump({**plain, "sha256": digest(plain)})
    with contextlib.suppress(OSError, FileError, WriteError):  # a folder that others only lend
        write_text(path, text)
    return found


def train_split(data: Trajectories) -> Split:
    """The split named `train`, or the only one.

    **Raises:** `ValueError` for several that do not say which one is to be learned from.
    """
    names = data.split_names
    if "train" not in names and len(names) > 1:
        raise ValueError(f"{data.name}: there is no split 'train' to learn from, found {', '.join(names)}: name one so")
    return data.split("train" if "train" in names else next(iter(names)))
