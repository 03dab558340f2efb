"""How far does a Fourier neural operator follow the Kuramoto-Sivashinsky equation, and what limits it?

One-step against unrolled training at equal numbers of network calls, three seeds, by the commands a user has.

    python -m experiments.ks_fno.run --preset small     # about half an hour on two cores; writes results.json, figures/
    python -m experiments.ks_fno.run --preset smoke     # seconds; asserts the direction of the claim
"""

import dataclasses
from pathlib import Path

import numpy as np

from experiments._kit.results import Record, Row
from experiments._kit.rollouts import measured, measured_over_seeds
from experiments._kit.study import Options, Study, picture, train_arms
from experiments._runs import systems, training_seconds

HERE = Path(__file__).parent
QUESTION = "How long does an FNO follow Kuramoto-Sivashinsky, trained on one step or on two, and what limits it?"
METRICS = (
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "one_step_nrmse",
    "nrmse_gmean",
    "spectrum_log_distance",
)
GOALS = {"correlation_time_0.8": 50.0}
PUBLISHED = {"correlation_time_0.8": 73.6}  # FNO, one-step, 2048 trajectories: Lippe et al. 2023, figure 3


@dataclasses.dataclass(frozen=True)
class Preset:
    """Words for the commands: of all runs, and of each arm."""

    words: tuple[str, ...]
    arms: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]


UNROLLED = ("method=unrolled", "method.unroll=2", "train.batch_size=8")  # as many network calls as 16 single steps

PRESETS = {
    "small": Preset(
        ("experiment=ks_fno",),
        {
            "one step": ("method=one_step",),
            "one step, a quarter of the updates": ("method=one_step", "train.steps=6000"),
            "two steps unrolled": UNROLLED,
        },
        (0, 1, 2),
    ),
    "smoke": Preset(
        (
            "experiment=ks_fno",
            "problem.name=ks_smoke",
            "problem.domain={shape: [64], lengths: [32.0]}",
            "problem.splits={train: {trajectories: 16, frames: 40}, valid: {trajectories: 4, frames: 24}, "
            "test: {trajectories: 4, frames: 40}}",
            "problem.shard_size=16",
            "network.modes=[16]",
            "network.width=16",
            "network.depth=2",
            "train.steps=400",
            "train.warmup=20",
            "train.evaluate_every=200",
            "train.checkpoint_every=400",
            "evaluation.price=false",
        ),
        {"one step": ("method=one_step",), "two steps unrolled": UNROLLED},
        (0,),
    ),
}


def _name(arm: str, seed: int) -> str:
    return f"ks_fno_{arm.replace(',', '').replace(' ', '_')}_{seed}"


def _run(options: Options, base: Path) -> None:
    preset = PRESETS[options.preset]
    arms = {_name(arm, seed): (*words, f"seed={seed}") for seed in preset.seeds for arm, words in preset.arms.items()}
    train_arms(preset.words, arms, base)


def _rows(options: Options, base: Path) -> list[Row]:
    """Mean over seeds with the range of seeds; the baselines, which have no seed, with bootstrap intervals."""
    preset, rows = PRESETS[options.preset], []
    for arm in preset.arms:
        folders = [base / "runs" / _name(arm, seed) for seed in preset.seeds]
        found = [systems(folder)["model"]["metrics"] for folder in folders]
        seconds = float(np.mean([training_seconds(folder) for folder in folders]))
        for key in METRICS:
            own = {"reference": PUBLISHED.get(key), "goal": GOALS.get(key), "seconds": seconds}
            rows.append(measured_over_seeds(arm, key, found, preset.seeds, **own))
    first = base / "runs" / _name(next(iter(preset.arms)), preset.seeds[0])
    for name, system in systems(first).items():
        if name != "model":
            rows += [measured(system["label"], key, system["metrics"]) for key in METRICS]
    return rows


def _check(options: Options, base: Path) -> None:
    """A trained operator follows the truth longer than persistence and the best linear map do."""
    preset = PRESETS[options.preset]
    for arm in preset.arms:
        found = systems(base / "runs" / _name(arm, preset.seeds[0]))
        times = {name: s["metrics"]["correlation_time_0.8"]["value"] for name, s in found.items()}
        if not times["model"] > max(times["persistence"], times["linear"]):
            raise SystemExit(f"{arm}: {times}")
    print("smoke: the operator outlasts persistence and the best linear propagator")


def _draw(options: Options, base: Path, record: Record) -> None:
    """Correlation over time, error over time and error by wavenumber of all runs."""
    preset = PRESETS[options.preset]
    with picture(HERE / "figures" / "comparison.png", 1, 3, figsize=(13, 3.6)) as (_, (left, middle, right)):
        for arm, colour in zip(preset.arms, ("#0072b2", "#56b4e9", "#d55e00"), strict=True):
            for seed in preset.seeds:
                curves = np.load(base / "runs" / _name(arm, seed) / "evaluation.npz")
                label = arm if seed == preset.seeds[0] else None
                left.plot(curves["times"], curves["model/correlation"].mean(1), color=colour, lw=1.2, label=label)
                middle.semilogy(curves["times"], curves["model/nrmse"].mean(1), color=colour, lw=1.2, label=label)
                error, truth = curves["model/error_spectrum"][0], curves["truth/spectrum"][0]
                right.loglog(np.sqrt(error[1:] / truth[1:].clip(1e-30)), color=colour, lw=1.2, label=label)
        left.axhline(0.8, color="0.6", lw=0.8, ls="--")
        left.set(xlabel="time [s]", ylabel="correlation with the truth", ylim=(-0.1, 1.02))
        middle.set(xlabel="time [s]", ylabel="nRMSE")
        right.set(xlabel="wavenumber index", ylabel="relative error after one step")
        middle.legend(frameon=False, loc="lower right")


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
