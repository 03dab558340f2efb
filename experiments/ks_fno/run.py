"""How far does a Fourier neural operator follow the Kuramoto-Sivashinsky equation, and what limits it?

One-step against unrolled training at equal numbers of network calls, three seeds, by the commands a user has.

    python -m experiments.ks_fno.run --preset small     # about half an hour on two cores; writes results.json, figures/
    python -m experiments.ks_fno.run --preset smoke     # seconds; asserts the direction of the claim
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from benchmarks._results import row, study, write_study
from experiments._runs import pdejax, run_jobs, systems, train_and_evaluate, training_seconds

HERE = Path(__file__).parent
QUESTION = "How long does an FNO follow Kuramoto-Sivashinsky, trained on one step or on two, and what limits it?"
METRICS = {  # key of evaluation.json: (name in results.json, better, goal)
    "correlation_time_0.8": ("high-correlation time at 0.8 (batch mean) [s]", "higher", 50.0),
    "correlation_time_0.9": ("high-correlation time at 0.9 (batch mean) [s]", "higher", None),
    "correlation_time_0.8_each": ("high-correlation time at 0.8 (mean over trajectories) [s]", "higher", None),
    "one_step_nrmse": ("one-step nRMSE", "lower", None),
    "nrmse_gmean": ("nRMSE, geometric mean over 100 steps", "lower", None),
    "spectrum_log_distance": ("spectrum log-distance", "lower", None),
}
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
        ),
        {"one step": ("method=one_step",), "two steps unrolled": UNROLLED},
        (0,),
    ),
}


def _name(arm: str, seed: int) -> str:
    return f"ks_fno_{arm.replace(',', '').replace(' ', '_')}_{seed}"


def _run(preset: Preset, base: Path) -> None:
    """Generates the data and trains and evaluates every arm and seed, one process a core."""
    where = (f"data_dir={base / 'data'}", f"runs_dir={base / 'runs'}")
    pdejax("generate", *preset.words, *where)
    jobs = []
    for seed in preset.seeds:
        for arm, words in preset.arms.items():
            all_words = (*preset.words, *where, *words, f"seed={seed}", f"name={_name(arm, seed)}")
            jobs.append(train_and_evaluate(all_words, base / "runs" / _name(arm, seed)))
    run_jobs(jobs)


def _evaluation(runs: Path, arm: str, seed: int) -> dict:
    return systems(runs / _name(arm, seed))


def _rows(runs: Path, preset: Preset) -> list[dict]:
    """Mean over seeds with the range of seeds; the baselines, which have no seed, with bootstrap intervals."""
    rows = []
    for arm in preset.arms:
        found = [_evaluation(runs, arm, seed)["model"]["metrics"] for seed in preset.seeds]
        seconds = float(np.mean([training_seconds(runs / _name(arm, seed)) for seed in preset.seeds]))
        for key, (metric, better, goal) in METRICS.items():
            values = [metrics[key]["value"] for metrics in found]
            further = {"seeds": list(preset.seeds), "reference": PUBLISHED.get(key), "goal": goal, "seconds": seconds}
            if len(values) > 1:
                further["interval"] = [float(np.min(values)), float(np.max(values))]
            rows.append(row(arm, metric, float(np.mean(values)), better=better, **further))
    for name, system in _evaluation(runs, next(iter(preset.arms)), preset.seeds[0]).items():
        if name != "model":
            for key, (metric, better, _) in METRICS.items():
                entry = system["metrics"][key]
                rows.append(row(system["label"], metric, entry["value"], better=better, interval=entry["interval"]))
    return rows


def main() -> None:
    """Runs a preset and writes its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="small")
    parser.add_argument("--collect", action="store_true", help="only gather what finished runs hold")
    options = parser.parse_args()
    preset = PRESETS[options.preset]
    if options.preset == "smoke":
        with tempfile.TemporaryDirectory() as scratch:
            _run(preset, Path(scratch))
            _assert_direction(Path(scratch) / "runs", preset)
        return
    if not options.collect:
        _run(preset, Path())
    command = f"python -m experiments.ks_fno.run --preset {options.preset}"
    write_study(HERE, study("ks_fno", QUESTION, command, options.preset, _rows(Path("runs"), preset)))
    _draw(Path("runs"), preset)


def _assert_direction(runs: Path, preset: Preset) -> None:
    """A trained operator follows the truth longer than persistence and the best linear map do."""
    for arm in preset.arms:
        systems = _evaluation(runs, arm, preset.seeds[0])
        times = {name: s["metrics"]["correlation_time_0.8"]["value"] for name, s in systems.items()}
        if not times["model"] > max(times["persistence"], times["linear"]):
            raise SystemExit(f"{arm}: {times}")
    print("smoke: the operator outlasts persistence and the best linear propagator")


def _draw(runs: Path, preset: Preset) -> None:
    """Correlation over time, error over time and error by wavenumber of all runs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for arm, colour in zip(preset.arms, ("#0072b2", "#56b4e9", "#d55e00"), strict=True):
        for seed in preset.seeds:
            folder = runs / _name(arm, seed)
            curves = np.load(folder / "evaluation.npz")
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
    (HERE / "figures").mkdir(exist_ok=True)
    figure.savefig(HERE / "figures" / "comparison.png", dpi=130)


if __name__ == "__main__":
    main()
