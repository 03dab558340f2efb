"""Operators on published benchmarks: data, trainings of several networks, a peer, finer grids, a table."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments._kit.results import Record, Row, over_seeds, row
from experiments._kit.study import picture
from experiments._runs import Job, command, pdejax, run_jobs, systems, training, training_seconds

PEER_SCRIPT = Path(__file__).parents[1] / "fno_benchmarks" / "peer.py"
PEER = "neuraloperator"
METRIC = "relative L2 error"


def splits(train: int, valid: int, test: int, frames: int) -> str:
    """The word that sets how much data there is."""
    size = lambda n: f"{{trajectories: {n}, frames: {frames}}}"
    return f"problem.splits={{train: {size(train)}, valid: {size(valid)}, test: {size(test)}}}"


@dataclasses.dataclass(frozen=True)
class Case:
    """A benchmark.

    **Arguments:** `experiment`: the configuration it starts from; `data`: words that make the data; `arms`: label of
    each network to the words of its training; `finer`: points per axis of finer grids to test on; `seeds`: of the
    trainings.
    """

    experiment: str
    data: tuple[str, ...]
    arms: Mapping[str, tuple[str, ...]]
    finer: tuple[int, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)


@dataclasses.dataclass(frozen=True)
class Benchmarks:
    """The runs of a preset: `data/` and `runs/` below `base`, whose names begin with `preset` and `name`."""

    cases: Mapping[str, Case]
    base: Path
    preset: str
    name: str

    def problem(self, case: str, points: int | None = None) -> str:
        """Name of the data set, of a finer grid if `points` are given; studies of one preset share it."""
        return f"{self.preset}_{case}" + (f"_{points}" if points else "")

    def run(self, case: str, arm: str, seed: int) -> Path:
        """Folder of a training."""
        return self.base / "runs" / f"{self.name}_{case}_{arm.lower().replace(' ', '_')}_{seed}"

    def _dataset(self, case: str, points: int | None = None) -> Path:
        return self.base / "data" / self.problem(case, points)

    def _words(self, case: str) -> tuple[str, ...]:
        where = (f"data_dir={self.base / 'data'}", f"runs_dir={self.base / 'runs'}")
        one = self.cases[case]
        return (f"experiment={one.experiment}", *one.data, f"problem.name={self.problem(case)}", *where)

    def train(self, peer: str | None = None) -> None:
        """Makes the data and all runs."""
        self._generate()
        run_jobs(self._jobs(peer))

    def _generate(self) -> None:
        """Writes the data to train on, and the same test samples on finer grids."""
        for name, case in self.cases.items():
            first = next(iter(case.arms.values()))
            pdejax("generate", *self._words(name), *first)
            recipe = json.loads((self._dataset(name) / "manifest.json").read_text())["recipe"]
            ndim, test = len(recipe["family"]["domain"]["shape"]), recipe["splits"]["test"]
            for points in case.finer:
                # a sample depends on its split and number alone: the test split is that of the coarse set
                size = splits(1, 1, test["trajectories"], test["frames"])
                grid = f"problem.domain.shape=[{','.join([str(points)] * ndim)}]"
                words = (*self._words(name), *first, grid, size, f"problem.name={self.problem(name, points)}")
                pdejax("generate", *words)

    def _jobs(self, peer: str | None) -> list[Job]:
        """Trainings of all cases, networks and seeds, and the peer's of the first network's size."""
        jobs: list[Job] = []
        for name, case in self.cases.items():
            for seed in case.seeds:
                for number, (arm, words) in enumerate(case.arms.items()):
                    run = self.run(name, arm, seed)
                    every = (*self._words(name), *words, f"seed={seed}", f"name={run.name}")
                    jobs.append(training(every, run))
                    if peer and number == 0:
                        jobs.append(self._peer_job(peer, name, seed, every))
        return jobs

    def _peer_job(self, peer: str, case: str, seed: int, words: tuple[str, ...]) -> Job:
        def job(core: int) -> None:
            from pdejax.config import resolve
            from pdejax.data import Dataset

            config, dataset = resolve(words), Dataset.open(self._dataset(case))
            folder = self.run(case, PEER, seed)
            folder.mkdir(parents=True, exist_ok=True)
            parts = {split: dataset.split(split) for split in ("train", "test")}
            arrays = {f"{split}_states": part.states[..., 0] for split, part in parts.items()}
            if dataset.input_names:
                arrays |= {f"{split}_inputs": part.inputs[..., 0] for split, part in parts.items()}
            np.savez(folder / "arrays.npz", **arrays)
            settings = {
                **{k: getattr(config.network, k) for k in ("modes", "width", "depth", "padding")},
                **{k: getattr(config.train, k) for k in ("steps", "batch_size", "learning_rate", "weight_decay")},
                "warmup": config.train.warmup,
                "history": getattr(config.method, "history", 0),
                "unroll": getattr(config.method, "unroll", 1),
                "seed": seed,
            }
            text, path = json.dumps(settings), folder / "settings.json"
            if (folder / "result.json").exists() and path.read_text() == text:
                return
            path.write_text(text)
            files = [str(folder / name) for name in ("arrays.npz", "settings.json", "result.json")]
            command(peer, str(PEER_SCRIPT), *files, core=core)
            (folder / "arrays.npz").unlink()

        return job

    def errors(self, case: str, arm: str) -> list[float]:
        """Relative L2 error of a network on the test split, one per seed."""
        found = [systems(self.run(case, arm, seed)) for seed in self.cases[case].seeds]
        return [s["model"]["metrics"]["relative_l2"]["value"] for s in found]

    def peer_errors(self, case: str) -> tuple[list[float], float] | None:
        """The peer's errors, one per seed, and its mean seconds of training; none if it was not run."""
        paths = [self.run(case, PEER, seed) / "result.json" for seed in self.cases[case].seeds]
        if not all(path.exists() for path in paths):
            return None
        results = [json.loads(path.read_text()) for path in paths]
        return [float(np.mean(r["relative_l2"])) for r in results], float(np.mean([r["seconds"] for r in results]))

    def errors_on(self, case: str, arm: str, points: int) -> list[float]:
        """Errors of trained networks on a finer grid, against the truth there, one per seed."""
        from pdejax import load
        from pdejax.data import Dataset
        from pdejax.evaluation import evaluate

        dataset = Dataset.open(self._dataset(case, points))
        runs = [self.run(case, arm, seed) for seed in self.cases[case].seeds]
        made = [evaluate(load(run), dataset, baselines=False, price=False) for run in runs]
        return [one.metric("relative_l2")["value"] for one in made]

    def rows(self, goals: Mapping[str, float]) -> list[Row]:
        """The table: networks, the peer, finer grids, baselines.

        **Arguments:** `goals`: case to the error that its first network is to reach.
        """
        return [line for case in self.cases for line in self._rows_of(case, goals.get(case))]

    def _rows_of(self, name: str, goal: float | None) -> list[Row]:
        case, out = self.cases[name], []
        mean = lambda values: over_seeds(values, case.seeds)
        for number, arm in enumerate(case.arms):
            spent = float(np.mean([training_seconds(self.run(name, arm, seed)) for seed in case.seeds]))
            own = {"seconds": spent, "reference": None if number else goal, "goal": None if number else goal}
            out.append(row(f"{name}, {arm}", METRIC, better="lower", **mean(self.errors(name, arm)), **own))
            for points in case.finer:
                what = f"{METRIC} on {points} points an axis, untrained"
                out.append(row(f"{name}, {arm}", what, better="lower", **mean(self.errors_on(name, arm, points))))
        if theirs := self.peer_errors(name):
            out.append(row(f"{name}, {PEER}", METRIC, better="lower", **mean(theirs[0]), seconds=theirs[1]))
        first = next(iter(case.arms))
        for key, system in systems(self.run(name, first, case.seeds[0])).items():
            if key != "model":
                entry = system["metrics"]["relative_l2"]
                label = f"{name}, {system['label']}"
                out.append(row(label, METRIC, entry["value"], better="lower", interval=entry["interval"]))
        return out


def draw_errors(path: Path, record: Record, cases: Mapping[str, Case], labels: list[str]) -> None:
    """Errors of networks by case, with the range of seeds.

    **Arguments:** `path` of the picture; `record`: of the study; `cases`; `labels`: networks, in the legend's order.
    """
    colours, markers = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"), "osD^v"
    found = {(r["case"], r["metric"]): r for r in record["rows"]}
    with picture(path, figsize=(7.5, 3.4)) as (_, ax):
        for number, label in enumerate(labels):
            shift, shown = 0.12 * (number - (len(labels) - 1) / 2), label
            for place, name in enumerate(cases):
                one = found.get((f"{name}, {label}", METRIC))
                if one is None:
                    continue
                low, high = one["interval"] or (one["value"],) * 2
                ends = [[max(one["value"] - low, 0)], [max(high - one["value"], 0)]]
                style = {"fmt": markers[number], "color": colours[number], "capsize": 3}
                ax.errorbar(place + shift, one["value"], ends, label=shown, **style)
                shown = None
        ax.set_yscale("log")
        ax.set_xticks(range(len(cases)), [name.replace("navier_stokes", "Navier-Stokes") for name in cases])
        ax.set_ylabel("relative L2 error, test")
        ax.grid(axis="y", which="both", color="0.9")
        ax.legend(frameon=False, fontsize=8)
