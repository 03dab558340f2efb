"""What networks beside a solver and classical solvers cost, and for how long each follows the truth."""

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.results import Row, over_seeds, row
from experiments.hybrid.frontier import AT_ONCE, THRESHOLDS, Frontier, Member, followed, rolled, solver
from pdejax import load
from pdejax.config import resolve
from pdejax.core import resample, write_text
from pdejax.data import Dataset
from pdejax.evaluation.metrics.bootstrap import LEVEL
from pdejax.evaluation.price.breakeven import Priced, amdahl, quoted
from pdejax.evaluation.price.envelope import envelope
from pdejax.evaluation.price.timing import Compiled, interleaved
from pdejax.evaluation.price.upfront import spent_on

RESAMPLES = 1000
ALONE = "base alone"
TIME = "time followed at {:g} (between frames, median over trajectories)"


def _fingerprint(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "weights.safetensors").read_bytes()).hexdigest()


class Prices:
    """Every system's times and seconds, measured one after another and kept in a file as soon as they are there.

    **Arguments:** `frontier`: the classical set; `words`: of the data and of all runs; `data`: folder of data sets;
    `runs`: folders by role and seed; `kept`: the file.
    """

    batches = (1, 8)

    def __init__(
        self, frontier: Frontier, words: Sequence[str], data: Path, runs: Mapping[tuple[str, int], Path], kept: Path
    ) -> None:
        self.frontier, self.runs, self.kept = frontier, runs, kept
        self.dataset = Dataset.open(resolve([*words, f"data_dir={data}"]).data_folder)
        self.points = self.dataset.domain.shape[0]
        of = {"frontier": repr(frontier), "data": self.dataset.fingerprint}
        self.known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {"of": of}
        if self.known["of"] != of:
            raise SystemExit(f"{kept} was measured of {self.known['of']}, and this is {of}: delete it")

    @functools.cached_property
    def first(self) -> Any:
        """States that all begin with, on the points of the truth."""
        points, steps = self.frontier.truth
        stored = jnp.asarray(self.dataset.split("test").states[:, 0])
        reference = solver(self.dataset.family, points, steps)
        return jnp.asarray(rolled(reference, stored, self.frontier.settle, points, points)[-1])

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Frames of the solver that all are compared with, on the points of the data."""
        points, steps = self.frontier.truth
        return rolled(solver(self.dataset.family, points, steps), self.first, self.frontier.frames, self.points, points)

    @functools.cached_property
    def models(self) -> dict[str, Any]:
        """Trained operators by name, and their solver alone."""
        made = {f"{role}, seed {seed}": load(folder) for (role, seed), folder in self.runs.items()}
        return {ALONE: next(iter(made.values())).base, **made}

    def _keep(self, name: str, entry: dict[str, Any]) -> None:
        self.known[name] = entry
        write_text(self.kept, json.dumps(self.known, indent=1) + "\n")

    def _followed(self, name: str, found: np.ndarray, truth: np.ndarray) -> None:
        times = followed(found, truth, self.dataset.family.step)
        missed = float(np.sqrt(np.mean((found[0] - truth[0]) ** 2) / np.mean(truth[0] ** 2)))
        rounded = {key: np.round(x, 4).tolist() for key, x in times.items()}
        self._keep(name, {"times": rounded, "missed": missed if np.isfinite(missed) else None})

    def measure(self) -> None:
        """What is not known yet: the error of the truth, every classical solver, every operator, then the seconds."""
        frames, family = self.frontier.frames, self.dataset.family
        if "truth" not in self.known:
            points, steps = self.frontier.exact
            with jax.enable_x64(True):
                first = jnp.asarray(np.asarray(self.first[: self.frontier.exact_of], np.float64))
                exact = rolled(solver(family, points, steps), first, frames, self.points, points)
            self._followed("truth", self.truth[:, : self.frontier.exact_of], exact)
        for member in self.frontier.members():
            if str(member) not in self.known:
                self._solved(member)
        for (role, seed), folder in self.runs.items():
            weights = _fingerprint(folder)
            if self.known.get(f"{role}, seed {seed}", {}).get("weights", weights) != weights:
                raise SystemExit(f"{self.kept} holds other weights of {role}, seed {seed}: delete them there")
        for name, model in self.models.items():
            if name not in self.known:
                self._followed(name, rolled(model, self.first, frames, self.points, self.points), self.truth)
        self._seconds()

    def _solved(self, member: Member) -> None:
        """A classical solver; one that leaves all bounds in the first frame of some trajectories is not run further."""
        one, frames, few = solver(self.dataset.family, *member), self.frontier.frames, self.first[:AT_ONCE]
        begun = rolled(one, few, 1, self.points, member.points)
        if not np.isfinite(begun).any() or np.nanmax(np.abs(begun)) > 1e3 * np.abs(self.truth).max():
            begun = np.full_like(self.truth, np.nan)
        else:
            begun = rolled(one, self.first, frames, self.points, member.points)
        self._followed(str(member), begun, self.truth)

    def missed_in_a_frame(self, name: str) -> float:
        """Relative error after one frame; of a role the mean over seeds."""
        self.measure()
        return float(np.mean([entry["missed"] for key, entry in self.known.items() if key.split(",")[0] == name]))

    def _members(self) -> list[Member]:
        """Classical solvers that follow the truth for a while."""
        of = lambda one: np.median(self.known[str(one)]["times"][f"{THRESHOLDS[0]:g}"])
        return [one for one in self.frontier.members() if of(one) > self.dataset.family.step]

    def _seconds(self) -> None:
        """Of a frame, of all systems in turns: measured anew where one is missing."""
        systems = {**{str(one): (solver(self.dataset.family, *one), one.points) for one in self._members()},
                   **{name: (model, self.points) for name, model in self.models.items()}}  # fmt: skip
        if all("seconds" in self.known[name] for name in systems):
            return
        call = lambda step, u: step(u)
        state = lambda batch, points: resample(jnp.tile(self.first[:1], (batch, 1, 1, 1)), (points, points))
        for batch in self.batches:
            calls = {name: Compiled(call, step, state(batch, points)) for name, (step, points) in systems.items()}
            for name, clocks in interleaved(calls).items():
                self.known[name].setdefault("seconds", {})[str(batch)] = (clocks["cpu"] / batch).tolist()
        write_text(self.kept, json.dumps(self.known, indent=1) + "\n")

    def quote(self, name: str, threshold: float, batch: int) -> dict[str, Any]:
        """Speed-up and breakeven number of an operator; its error is one over the time that it follows the truth."""
        members = [self.known[str(one)] for one in self._members()]
        own, frames = self.known[name], self.frontier.frames
        error = lambda entry: 1 / np.maximum(entry["times"][f"{threshold:g}"], 1e-6)
        seconds = lambda entry: frames * np.array(entry["seconds"][str(batch)])
        errors, costs = (np.stack([of(one) for one in members]) for of in (error, seconds))
        return quoted(Priced(error(own), seconds(own), errors, costs, self._floor(threshold), own["spent"]))

    def _floor(self, threshold: float) -> float:
        """Error of one that follows as long as the truth's own solver is sure, or to the last frame."""
        last = self.frontier.frames * self.dataset.family.step
        return 1 / min(last, float(np.median(self.known["truth"]["times"][f"{threshold:g}"])))

    def _spent(self) -> None:
        for (role, seed), folder in self.runs.items():
            entry = self.known[f"{role}, seed {seed}"]
            if "spent" not in entry:
                weights = _fingerprint(folder)
                spent = spent_on(self.dataset, "test", folder).total("cpu")
                self._keep(f"{role}, seed {seed}", {**entry, "spent": spent, "weights": weights})

    def rows(self) -> list[Row]:
        """Times with bootstrap intervals, prices, and the classical solvers that no other one beats."""
        self.measure()
        self._spent()
        found = [line for key in ("truth", *self.models) for line in (*self._frame(key), *self._times(key))]
        found += [self._gain(key, threshold) for key in self.models if key != ALONE for threshold in THRESHOLDS]
        for (role, seed), _ in self.runs.items():
            found += self._priced(f"{role}, seed {seed}", seed)
        found += [line for role in dict.fromkeys(role for role, _ in self.runs) for line in self._of_all_seeds(role)]
        return found + [line for threshold in THRESHOLDS for line in self._frontier(threshold)]

    def _of_all_seeds(self, role: str) -> list[Row]:
        seeds, found = [seed for one, seed in self.runs if one == role], []
        names = [f"{role}, seed {seed}" for seed in seeds]
        for threshold in THRESHOLDS:
            times = [float(np.median(self.known[name]["times"][f"{threshold:g}"])) for name in names]
            told = over_seeds(times, seeds)
            value = told.pop("value")
            found.append(row(role, TIME.format(threshold), value, better="higher", unit="s", **told))
            for batch in self.batches:
                quotes = [self.quote(name, threshold, batch) for name in names]
                told = over_seeds([one["speed_up"] for one in quotes], seeds)
                value = told.pop("value")
                found.append(row(role, f"speed-up S at {threshold:g}, batch {batch}", value, better="higher", **told))
                bounds = sum(one["speed_up_bound"] is not None for one in quotes)
                what = f"seeds of which S at {threshold:g}, batch {batch}, is a bound alone"
                found.append(row(role, what, bounds, better="lower", seeds=seeds))
        return found

    def _times(self, name: str) -> list[Row]:
        last, found = self.frontier.frames * self.dataset.family.step, []
        for threshold in THRESHOLDS:
            found.append(self._time(name, threshold))
            ended = int(np.sum(np.array(self.known[name]["times"][f"{threshold:g}"]) >= last - 1e-6))
            if ended:  # these count with the last frame's time
                found.append(row(name, f"trajectories followed to the end at {threshold:g}", ended, better="higher"))
        return found

    def _frame(self, name: str) -> list[Row]:
        """Error after one frame, and what a frame takes."""
        entry, found = self.known[name], []
        if entry["missed"] is not None:
            found.append(row(name, "relative error after a frame", entry["missed"], better="lower"))
        for batch, seconds in entry.get("seconds", {}).items():
            value = 1e3 * float(np.median(seconds))
            found.append(row(name, f"CPU time of a frame, batch {batch}", value, better="lower", unit="ms"))
        return found

    def _gain(self, name: str, threshold: float) -> Row:
        """How much longer it follows than its solver alone, with the interval of paired draws."""
        own, alone = (np.array(self.known[one]["times"][f"{threshold:g}"]) for one in (name, ALONE))
        drawn = np.random.default_rng(0).integers(len(own), size=(RESAMPLES, len(own)))
        gains = np.median(own[drawn], axis=1) - np.median(alone[drawn], axis=1)
        ends = np.quantile(gains, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        told = f"time followed beyond its solver alone at {threshold:g}"
        gain = float(np.median(own) - np.median(alone))
        return row(name, told, gain, better="higher", unit="s", interval=ends.tolist())

    def _time(self, name: str, threshold: float) -> Row:
        times = np.array(self.known[name]["times"][f"{threshold:g}"])
        drawn = np.random.default_rng(0).integers(len(times), size=(RESAMPLES, len(times)))
        ends = np.quantile(np.median(times[drawn], axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return row(
            name, TIME.format(threshold), float(np.median(times)), better="higher", unit="s", interval=ends.tolist()
        )

    def _priced(self, name: str, seed: int) -> list[Row]:
        found = []
        for batch in self.batches:
            median = lambda which, batch=batch: float(np.median(self.known[which]["seconds"][str(batch)]))
            share = min(1.0, median(ALONE) / median(name))
            own = {"seeds": [seed], "better": "higher"}
            at = f"batch {batch}"
            found.append(
                row(name, f"price of a frame over its solver's, {at}", 1 / share, better="lower", seeds=[seed])
            )
            for threshold in THRESHOLDS:
                quote = self.quote(name, threshold, batch)
                bound = quote["speed_up_bound"]
                told = f"speed-up S at {threshold:g}, {at}" + (f", a bound ({bound})" if bound else "")
                found.append(row(name, told, quote["speed_up"], interval=quote["speed_up_interval"], **own))
                free = quote["speed_up"] * amdahl(1 - share, float("inf"))
                found.append(row(name, f"S of a network that costs nothing, at {threshold:g}, {at}", free, **own))
                number = quote["breakeven"] if quote["breakeven"] is not None else quote["reason"]
                ends = None if quote["breakeven_interval"] == [number] * 2 else quote["breakeven_interval"]
                found.append(row(name, f"rollouts that repay it, at {threshold:g}, {at}", number, better="lower",
                                 seeds=[seed], interval=ends))  # fmt: skip
            found.append(row(name, f"share f of the solver in a frame, {at}", share, **own))
        return found

    def _front(self, threshold: float, batch: int = 1) -> list[Member]:
        members = self._members()
        cost = np.array([np.median(self.known[str(one)]["seconds"][str(batch)]) for one in members])
        time = np.array([np.median(self.known[str(one)]["times"][f"{threshold:g}"]) for one in members])
        return [members[i] for i in envelope(cost, 1 / time, worth=0.01)]

    def _frontier(self, threshold: float) -> list[Row]:
        found = []
        for one in self._front(threshold):
            seconds = float(np.median(self.known[str(one)]["seconds"]["1"]))
            found += [self._time(str(one), threshold),
                      row(str(one), f"CPU time of a frame, front at {threshold:g}", 1e3 * seconds, better="lower",
                          unit="ms")]  # fmt: skip
        return found

    def draw(self, axes: Any) -> None:
        """Time followed over CPU time of a frame: all classical solvers, their front, and the operators."""
        colours = {"tendency": "#0072b2", "correct": "#d55e00", ALONE: "#010101"}
        ms = lambda name: 1e3 * np.median(self.known[name]["seconds"]["1"])
        for threshold, axis in zip(THRESHOLDS, axes, strict=True):
            time = lambda name, t=threshold: np.median(self.known[name]["times"][f"{t:g}"])
            members = [str(one) for one in self._members()]
            axis.plot([ms(n) for n in members], [time(n) for n in members], ".", color="0.75", label="classical")
            front = [str(one) for one in self._front(threshold)]
            axis.plot(
                [ms(n) for n in front], [time(n) for n in front], "-", color="0.4", drawstyle="steps-post",
                label="front of the classical ones",
            )  # fmt: skip
            for role, colour in colours.items():
                names = [n for n in self.models if n.split(",")[0] == role]
                if not names:
                    continue
                label = "the solver that it helps" if role == ALONE else f"with a network: {role}"
                axis.plot([ms(n) for n in names], [time(n) for n in names], "D", ms=5, color=colour, label=label)
            axis.axhline(time("truth"), color="0.6", lw=0.8, ls=":")
            axis.set(xscale="log", xlabel="CPU time of a frame [ms]", title=f"correlation above {threshold:g}")
            low, high = axis.get_xlim()
            ticks = [tick for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50) if low <= tick <= high]
            axis.set_xticks(ticks, map("{:g}".format, ticks))
            axis.set_xticks([], minor=True)
        axes[0].set_ylabel("time followed")
        axes[0].legend(frameon=False, fontsize=7)
