"""What networks beside finite volumes and finer finite volumes cost, and how far each is from the truth."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments._kit.results import Row, over_seeds, row
from experiments.hybrid_fv.rivals import (
    AT_ONCE,
    FRAME,
    WHOLE,
    Member,
    Rivals,
    compiled,
    drawn,
    errors,
    means,
    rolled,
    solver,
)
from pdejax import load
from pdejax.config import resolve
from pdejax.core import write_text
from pdejax.data import Dataset
from pdejax.evaluation.metrics.bootstrap import LEVEL
from pdejax.evaluation.price.breakeven import Priced, amdahl, quoted
from pdejax.evaluation.price.envelope import envelope
from pdejax.evaluation.price.timing import interleaved
from pdejax.evaluation.price.upfront import spent_on

RESAMPLES = 1000
ALONE, TRUTH = "host alone", "truth"
UNSEEN = 20_261_130  # seed of fields that no split of the data holds
GOAL = 5.0


def _fingerprint(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "weights.safetensors").read_bytes()).hexdigest()


class Prices:
    """Every system's errors and seconds, measured one after another and kept in a file as soon as they are there.

    **Arguments:** `rivals`: the classical set; `words`: of the data and of all runs; `data`: folder of data sets;
    `runs`: folders by role and seed; `kept`: the file.
    """

    batches = (1, AT_ONCE)

    def __init__(
        self, rivals: Rivals, words: Sequence[str], data: Path, runs: Mapping[tuple[str, int], Path], kept: Path
    ) -> None:
        self.rivals, self.runs, self.kept = rivals, runs, kept
        self.dataset = Dataset.open(resolve([*words, f"data_dir={data}"]).data_folder)
        self.family, self.cells = self.dataset.family, self.dataset.domain.shape[0]
        of = {"rivals": repr(rivals), "data": self.dataset.fingerprint}
        self.known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {"of": of}
        if self.known["of"] != of:
            raise SystemExit(f"{kept} was measured of {self.known['of']}, and this is {of}: delete it")

    @functools.cached_property
    def first(self) -> Any:
        """Initial states that all begin with, on the cells of the truth."""
        return drawn(self.family, UNSEEN, self.rivals.trajectories, self.rivals.truth[0])

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Frames of the solver that all are compared with, on the cells of the data."""
        step = solver(self.family, self.rivals.truth, self.rivals.riemann)
        return rolled(self.family, step, self.first, self.rivals.frames, self.cells)

    @functools.cached_property
    def models(self) -> dict[str, Any]:
        """Trained operators by name, and their solver alone."""
        made: dict[str, Any] = {f"{role}, seed {seed}": load(folder) for (role, seed), folder in self.runs.items()}
        return {ALONE: next(iter(made.values())).base, **made}

    def _systems(self) -> dict[str, tuple[Any, int]]:
        """Everything that is compared: its Stepper and its cells per axis."""
        members = {
            str(one): (solver(self.family, one, self.rivals.riemann), one.cells) for one in self.rivals.members()
        }
        return {**members, **{name: (model, self.cells) for name, model in self.models.items()}}

    def _keep(self, name: str, entry: dict[str, Any]) -> None:
        self.known[name] = entry
        write_text(self.kept, json.dumps(self.known, indent=1) + "\n")

    def measure(self) -> None:
        """What is not known yet: the error of the truth, of every solver and operator, then the seconds."""
        self._same_weights()
        if TRUTH not in self.known:
            few, exact = self.rivals.exact_of, self.rivals.exact
            first = drawn(self.family, UNSEEN, few, exact[0])
            better = rolled(
                self.family, solver(self.family, exact, self.rivals.riemann), first, self.rivals.frames, self.cells
            )
            self._found(TRUTH, self.truth[:, :few], better)
        systems = self._systems()
        if all(name in self.known and (not self._stable(name) or "seconds" in self.known[name]) for name in systems):
            return
        calls: dict[int, dict[str, Any]] = {batch: {} for batch in self.batches}
        for name, (step, cells) in systems.items():
            self._rolled(name, step, cells, calls)
        for batch, made in calls.items():
            for name, clocks in interleaved(made).items():
                self.known[name].setdefault("seconds", {})[str(batch)] = (clocks["cpu"] / batch).tolist()
        write_text(self.kept, json.dumps(self.known, indent=1) + "\n")

    def _rolled(self, name: str, step: Any, cells: int, calls: dict[int, dict[str, Any]]) -> None:
        """The errors of a system, and its calls, compiled; one that leaves all bounds has none."""
        first = means(self.family, self.first, cells)
        for batch in self.batches:
            calls[batch][name] = compiled(step, first[:batch])
        if name not in self.known:
            whole = calls[AT_ONCE][name]
            self._found(name, rolled(self.family, step, first, self.rivals.frames, self.cells, whole), self.truth)
        if not self._stable(name):
            for made in calls.values():
                del made[name]

    def _found(self, name: str, found: np.ndarray, truth: np.ndarray) -> None:
        """What a system that leaves all bounds misses is no number, and not kept."""
        missed = errors(found, truth)
        bounded = all(np.isfinite(x).all() for x in missed.values())
        self._keep(name, {"errors": {key: np.round(x, 6).tolist() for key, x in missed.items()} if bounded else None})

    def _same_weights(self) -> None:
        for (role, seed), folder in self.runs.items():
            weights = _fingerprint(folder)
            entry = self.known.get(f"{role}, seed {seed}", {})
            if entry.get("weights", weights) != weights:
                raise SystemExit(f"{self.kept} holds other weights of {role}, seed {seed}: delete them there")

    def _stable(self, name: str) -> bool:
        return self.known[name]["errors"] is not None

    def error(self, name: str, what: str = WHOLE) -> float:
        """Median error over trajectories, once measured."""
        return float(np.median(self.known[name]["errors"][what]))

    def members(self, scheme: str | None = None) -> list[Member]:
        """Classical solvers that stay bounded, of one reconstruction or of all."""
        return [one for one in self.rivals.members() if self._stable(str(one)) and scheme in (None, one.scheme)]

    def quote(self, name: str, what: str, batch: int) -> dict[str, Any]:
        """Speed-up and breakeven number of an operator, against the reconstruction that leaves the least of it: between
        its grids lie others that it could take, while nothing lies between solvers of two kinds."""
        quotes = (self.over(name, what, batch, scheme) for scheme, _ in self.rivals.cells)
        return min(quotes, key=lambda one: one["speed_up"])

    def over(self, name: str, what: str, batch: int, scheme: str) -> dict[str, Any]:
        """The same against the solvers of one reconstruction."""
        members, own = [self.known[str(one)] for one in self.members(scheme)], self.known[name]
        frames = 1 if what == FRAME else self.rivals.frames
        error = lambda entry: np.array(entry["errors"][what])
        seconds = lambda entry: frames * np.array(entry["seconds"][str(batch)])
        errors, costs = (np.stack([of(one) for one in members]) for of in (error, seconds))
        floor = float(np.median(self.known[TRUTH]["errors"][what]))
        return quoted(Priced(error(own), seconds(own), errors, costs, floor, own["spent"]))

    def _spent(self) -> None:
        for (role, seed), folder in self.runs.items():
            entry = self.known[f"{role}, seed {seed}"]
            if "spent" not in entry:
                spent = spent_on(self.dataset, "test", folder).total("cpu")
                self._keep(f"{role}, seed {seed}", {**entry, "spent": spent, "weights": _fingerprint(folder)})

    def rows(self) -> list[Row]:
        """Errors with bootstrap intervals, prices, and the classical solvers that no other one beats."""
        self.measure()
        self._spent()
        found = [line for key in (TRUTH, *self.models) for line in self._told(key)]
        for (role, seed), _ in self.runs.items():
            found += self._priced(f"{role}, seed {seed}", seed)
        found += [line for role in dict.fromkeys(role for role, _ in self.runs) for line in self._of_all_seeds(role)]
        return found + [line for one in self.front() for line in self._told(str(one))]

    def _told(self, name: str, batches: Sequence[int] = batches) -> list[Row]:
        """Errors, and what a frame takes."""
        entry = self.known[name]
        found = [self._error(name, what) for what in (FRAME, WHOLE)]
        for batch in batches if "seconds" in entry else ():
            value = 1e3 * float(np.median(entry["seconds"][str(batch)]))
            found.append(row(name, f"CPU time of a frame, batch {batch}", value, better="lower", unit="ms"))
        return found

    def _error(self, name: str, what: str) -> Row:
        each = np.array(self.known[name]["errors"][what])
        picked = np.random.default_rng(0).integers(len(each), size=(RESAMPLES, len(each)))
        ends = np.quantile(np.median(each[picked], axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        value = float(np.median(each))
        return row(name, f"relative error {what}", value, better="lower", interval=ends.tolist())

    def _priced(self, name: str, seed: int) -> list[Row]:
        found, own = [], {"seeds": [seed], "better": "higher"}
        for batch in self.batches:
            median = lambda which, batch=batch: float(np.median(self.known[which]["seconds"][str(batch)]))
            share, at = min(1.0, median(ALONE) / median(name)), f"batch {batch}"
            found.append(row(name, f"share f of the host in a frame, {at}", share, **own))
            for what in (FRAME, WHOLE):
                quote = self.quote(name, what, batch)
                bound = quote["speed_up_bound"]
                told = f"speed-up S {what}, {at}" + (f", a bound ({bound})" if bound else "")
                found.append(row(name, told, quote["speed_up"], interval=quote["speed_up_interval"], **own))
                if what == FRAME:
                    continue
                free = quote["speed_up"] * amdahl(1 - share, float("inf"))
                found.append(row(name, f"S of a network that costs nothing, {what}, {at}", free, **own))
                number = quote["breakeven"] if quote["breakeven"] is not None else quote["reason"]
                ends = None if quote["breakeven_interval"] == [number] * 2 else quote["breakeven_interval"]
                found.append(row(name, f"rollouts that repay it, {at}", number, better="lower", seeds=[seed],
                                 interval=ends))  # fmt: skip
        return found

    def _of_all_seeds(self, role: str) -> list[Row]:
        """Means over seeds; beside the speed-up over all solvers those over the ones of a single reconstruction."""
        seeds = [seed for one, seed in self.runs if one == role]
        names, found = [f"{role}, seed {seed}" for seed in seeds], []

        def add(metric: str, values: Sequence[float], better: str, **further: Any) -> None:
            told = over_seeds(values, seeds)
            found.append(row(role, metric, told.pop("value"), better=better, **told, **further))

        for what in (FRAME, WHOLE):
            add(f"error over its host's, {what}", [self.error(n, what) / self.error(ALONE, what) for n in names],
                "lower")  # fmt: skip
            for batch in self.batches:
                quotes = [self.quote(name, what, batch) for name in names]
                add(f"speed-up S {what}, batch {batch}", [one["speed_up"] for one in quotes], "higher",
                    goal=GOAL if what == WHOLE else None)  # fmt: skip
                bounds = sum(one["speed_up_bound"] is not None for one in quotes)
                told = f"seeds of which S {what}, batch {batch}, is a bound alone"
                found.append(row(role, told, bounds, better="lower", seeds=seeds))
        for scheme, _ in self.rivals.cells:
            speeds = [self.over(name, WHOLE, AT_ONCE, scheme)["speed_up"] for name in names]
            add(f"speed-up over {scheme} alone {WHOLE}, batch {AT_ONCE}", speeds, "higher")
        return found

    def front(self, what: str = WHOLE, batch: int = AT_ONCE) -> list[Member]:
        """Classical solvers that no cheaper one is as accurate as."""
        members = self.members()
        cost = np.array([np.median(self.known[str(one)]["seconds"][str(batch)]) for one in members])
        return [members[i] for i in envelope(cost, np.array([self.error(str(one), what) for one in members]))]
