"""The table of PDE-Refiner's paper, one-step training and its rivals, on any network, by one command.

python -m experiments.refiner_table.run --preset small --network fno     # minutes an arm, on ks_toy
python -m experiments.refiner_table.run --preset paper --network unet_paper   # the published size
python -m experiments.refiner_table.run --preset smoke                   # a few arms, a minute
"""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import jax

from experiments._kit.results import Row, row
from experiments._kit.rollouts import measured
from experiments._kit.study import Options, Study, train_arms
from pdejax import load
from pdejax.config import resolve
from pdejax.core import Average
from pdejax.data import Dataset
from pdejax.evaluation import Result, compare

HERE = Path(__file__).parent
QUESTION = "How do PDE-Refiner and its rivals compare at equal updates, on one network?"
ONE_STEP, MEMBERS = "one step", 3
ARMS: dict[str, tuple[str, ...]] = {
    ONE_STEP: ("method=one_step",),
    "history 2": ("method=history_2",),
    "unrolled 2": ("method=unrolled", "method.unroll=2"),
    "unrolled 4": ("method=unrolled",),
    "pushforward": ("method=pushforward",),
    "Sobolev, order 0": ("method=sobolev", "method.error.order=0.0"),
    "Sobolev, order 1": ("method=sobolev",),
    "input noise": ("method=input_noise",),
    "error prediction": ("method=error_prediction",),
    "error correction": ("method=error_correction",),
    "diffusion, cosine": ("method=diffusion_cosine",),
    "diffusion, exponential": ("method=diffusion_exponential",),
    **{f"refiner, K = {k}": ("method=refiner", f"method.noise.refinements={k}") for k in (1, 2, 3, 4, 8)},
}
ENSEMBLE = f"ensemble of {MEMBERS} one-step models"
# figure 3 of Lippe et al. (2023), arXiv:2308.05732, threshold 0.8, U-Net, read off the bars
PUBLISHED = {
    ONE_STEP: 75.4, "history 2": 61.7, ENSEMBLE: 79.7, "pushforward": 75.4, "Sobolev, order 0": 71.4,
    "Sobolev, order 1": 66.9, "error correction": 74.8, "error prediction": 75.7, "diffusion, cosine": 75.2,
    "diffusion, exponential": 88.9, "refiner, K = 1": 89.8, "refiner, K = 2": 94.2, "refiner, K = 3": 97.5,
    "refiner, K = 4": 98.3, "refiner, K = 8": 98.3,
}  # fmt: skip
SMOKE = (
    "problem.name=ks_table_smoke",
    "problem.splits={train: {trajectories: 8, frames: 41}, valid: {trajectories: 4, frames: 21}, "
    "test: {trajectories: 4, frames: 41}}",
    "train.steps=100",
    "train.warmup=10",
    "train.evaluate_every=100",
    "train.checkpoint_every=100",
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """The experiment and words of all runs, and which arms there are."""

    words: tuple[str, ...]
    arms: tuple[str, ...]
    seeds: int = MEMBERS


PRESETS = {
    "small": Preset(("experiment=refiner_toy",), tuple(ARMS)),
    "paper": Preset(("experiment=refiner_ks",), tuple(ARMS)),
    "smoke": Preset(("experiment=refiner_toy", *SMOKE), (ONE_STEP, "history 2", "refiner, K = 1"), 2),
}


def _slug(arm: str) -> str:
    return arm.lower().replace(",", "").replace(" = ", "").replace(" ", "_")


@dataclasses.dataclass(frozen=True)
class Table:
    """The runs of a preset on one network."""

    preset: str
    network: str | None
    base: Path

    @property
    def words(self) -> tuple[str, ...]:
        """Words of all runs; a network other than the experiment's own has its default size."""
        network = () if self.network is None else (f"network={self.network}",)
        experiment, *others = PRESETS[self.preset].words
        return (experiment, *network, *others)

    def run(self, arm: str, seed: int) -> Path:
        """Folder of a run."""
        network = self.network or "own"
        return self.base / "runs" / f"refiner_table_{self.preset}_{network}_{_slug(arm)}_{seed}"

    def train(self) -> None:
        """Makes the data and all runs, one process a core; one-step training several times, for its ensemble."""
        preset = PRESETS[self.preset]
        arms = {
            self.run(arm, seed).name: (*ARMS[arm], f"seed={seed}")
            for arm in preset.arms
            for seed in range(preset.seeds if arm == ONE_STEP else 1)
        }
        train_arms(self.words, arms, self.base, evaluated=False)

    def compare(self) -> Result:
        """All arms on the same truth."""
        preset = PRESETS[self.preset]
        models: dict[str, Any] = {arm: load(self.run(arm, 0)) for arm in preset.arms}
        models[ENSEMBLE] = Average(tuple(load(self.run(ONE_STEP, seed)) for seed in range(preset.seeds)))
        dataset = Dataset.open(resolve([*self.words, f"data_dir={self.base / 'data'}"]).data_folder)
        return compare(models, dataset, reference=ONE_STEP, price=False, key=jax.random.key(0))


def _rows(options: Options, base: Path) -> list[Row]:
    comparison, rows = Table(options.preset, options.network, base).compare(), []
    for name in comparison.models():
        one = comparison.system(name)
        for key in ("correlation_time_0.8", "correlation_time_0.9", "one_step_nrmse"):
            reference = PUBLISHED.get(name) if key == "correlation_time_0.8" else None
            rows.append(measured(name, key, one["metrics"], seeds=[0], reference=reference))
        if (gain := one["against_reference"]) is not None:
            gain = gain["correlation_time_0.8"]
            own = {"better": "higher", "interval": gain["gain_interval"], "seeds": [0]}
            rows.append(row(name, "gain in high-correlation time at 0.8 (batch mean)", gain["gain"], **own))
    return rows


def _check(options: Options, base: Path) -> None:
    found = {one["case"] for one in _rows(options, base)}
    if found != {*PRESETS["smoke"].arms, ENSEMBLE}:
        raise SystemExit(f"arms are missing: {found}")
    print(f"smoke: {len(found)} arms trained and compared")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--network", help="of configs/network; the experiment's own when omitted")


STUDY = Study(
    HERE,
    QUESTION,
    run=lambda options, base: Table(options.preset, options.network, base).train(),
    check=_check,
    rows=_rows,
    presets=tuple(PRESETS),
    arguments=_arguments,
    words=lambda options: f" --network {options.network}" if options.network else "",
)

if __name__ == "__main__":
    STUDY.main(__doc__)
