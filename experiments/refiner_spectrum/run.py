"""What does each refinement step of PDE-Refiner do to the error at each wavenumber?

python -m experiments.refiner_spectrum.run --preset small     # minutes on two cores; writes results.json, figures/
python -m experiments.refiner_spectrum.run --preset smoke     # under a minute; asserts the staircase
"""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.refinement import REFINER, train_toys, with_refinements
from experiments._kit.results import Record, Row, row
from experiments._kit.study import Options, Study, picture
from pdejax import load
from pdejax.data import Dataset
from pdejax.evaluation import energy_spectrum, stability

HERE = Path(__file__).parent
QUESTION = "What does each refinement step do to the error at each wavenumber?"
BANDS = {"wavenumbers 2 to 5": (2, 5), "wavenumbers 8 to 10": (8, 10), "wavenumbers 13 to 15": (13, 15)}
FREE = "wavenumbers 13 to 15"  # hardly any signal in the data
ARMS = {"one_step": ("method=one_step",), "refiner": REFINER}
SMOKE = (
    "problem.name=ks_toy_smoke",
    "problem.splits={train: {trajectories: 16, frames: 101}, valid: {trajectories: 4, frames: 41}, "
    "test: {trajectories: 16, frames: 61}}",
    "train.steps=2500",
    "train.warmup=100",
    "train.evaluate_every=2500",
    "train.checkpoint_every=2500",
)
PRESETS = {"small": ((), 2000, "refiner_toy"), "smoke": (SMOKE, 200, "refiner_toy_smoke")}
MEMBERS = 8


def pairs(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Every test frame but the last of a trajectory, and the one after it."""
    states = dataset.split("test").states
    flat = lambda x: x.reshape(-1, *x.shape[2:])
    return flat(states[:, :-1]), flat(states[:, 1:])


def error_spectrum(operator: Any, given: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean energy spectrum of the error of one step."""
    step = jax.jit(lambda u, v, key: energy_spectrum(operator(u, key=key) - v, 1).mean(0))
    size = max(n for n in range(1, 2049) if len(given) % n == 0)
    parts = [
        step(
            jnp.asarray(given[i : i + size]),
            jnp.asarray(target[i : i + size]),
            jax.random.fold_in(jax.random.key(0), i),
        )
        for i in range(0, len(given), size)
    ]
    return np.mean([np.asarray(p, np.float64) for p in parts], 0)


def spread_spectrum(operator: Any, given: np.ndarray) -> np.ndarray:
    """Mean energy spectrum of the differences between samples and their mean, unbiased."""
    u = jnp.asarray(given[:: max(1, len(given) // 512)])
    keys = jax.random.split(jax.random.key(1), MEMBERS)
    samples = jax.lax.map(lambda k: operator(u, key=k), keys)
    rest = samples - samples.mean(0, keepdims=True)
    return np.asarray(energy_spectrum(rest, 1).mean((0, 1)), np.float64) * MEMBERS / (MEMBERS - 1)


def band(spectrum: np.ndarray, ends: tuple[int, int]) -> float:
    """Root of the energy of some wavenumbers."""
    return float(np.sqrt(spectrum[ends[0] : ends[1] + 1].sum()))


@functools.cache  # rows and picture are of the same measurement
def measure(base: Path, preset: str) -> dict[str, Any]:
    """Error spectra by number of refinements, the spread of samples, and a long rollout."""
    words, long_steps, prefix = PRESETS[preset]
    dataset = Dataset.open(base / "data" / ("ks_toy_smoke" if words else "ks_toy"))
    refiner, one_step = (load(base / "runs" / f"{prefix}_{arm}") for arm in ("refiner", "one_step"))
    given, target = pairs(dataset)
    errors = {f"{k} refinements": error_spectrum(with_refinements(refiner, k), given, target) for k in range(4)}
    truth = np.asarray(energy_spectrum(jnp.asarray(target), 1).mean(0), np.float64)
    split = dataset.split("test")
    long = stability(
        refiner, split.states[:16, 0], np.moveaxis(split.states, 1, 0), steps=long_steps, key=jax.random.key(2)
    )
    return {
        "one step": error_spectrum(one_step, given, target),
        **errors,
        "spread": spread_spectrum(refiner, given),
        "truth": truth,
        "long": long,
    }


def _rows(options: Options, base: Path) -> list[Row]:
    """Errors by band, what refinement changes in them, spread, stability."""
    found, long_steps = measure(base, options.preset), PRESETS[options.preset][1]
    rows = []
    for name in ("one step", *(f"{k} refinements" for k in range(4))):
        for label, ends in BANDS.items():
            size = band(found["truth"], ends)
            rows.append(row(name, f"error at {label}", band(found[name], ends), better="lower", seeds=[0]))
            if label != FREE:
                relative = band(found[name], ends) / size
                rows.append(row(name, f"error relative to the data at {label}", relative, better="lower", seeds=[0]))
    fall = band(found["0 refinements"], BANDS[FREE]) / band(found["3 refinements"], BANDS[FREE])
    rows.append(row("three refinements", f"times less error at {FREE}", fall, better="higher", goal=50.0, seeds=[0]))
    middle = "wavenumbers 8 to 10"
    ratio = band(found["3 refinements"], BANDS[middle]) / band(found["one step"], BANDS[middle])
    rows.append(row("three refinements", f"error over that of one-step training at {middle}", ratio, better="lower",
                    goal=0.5, seeds=[0]))  # fmt: skip
    low = "wavenumbers 2 to 5"
    grown = band(found["3 refinements"], BANDS[low]) / band(found["0 refinements"], BANDS[low])
    rows.append(row("three refinements", f"error over that without refinement at {low}", grown, better="lower",
                    goal=1.3, seeds=[0]))  # fmt: skip
    for label, ends in BANDS.items():
        spread = band(found["spread"], ends) / band(found["3 refinements"], ends)
        rows.append(row("three refinements", f"spread of samples over error at {label}", spread, better="higher",
                        seeds=[0]))  # fmt: skip
    long = found["long"]
    case = f"three refinements, {long_steps} steps"
    rows.append(row(case, "share of trajectories bounded", long.bounded, better="higher", goal=1.0, seeds=[0]))
    energy = float(np.mean(long.rms[-1]) ** 2 / long.truth_rms**2)
    rows.append(row(case, "energy over that of the data", energy, better="higher", seeds=[0]))
    return rows


def _check(options: Options, base: Path) -> None:
    """Every refinement lowers the error of the weakest wavenumbers, and the large waves do not suffer much."""
    found = measure(base, options.preset)
    free = [band(found[f"{k} refinements"], BANDS[FREE]) for k in range(4)]
    if not (free[0] > free[1] > free[2] > free[3] and free[0] > 10 * free[3]):
        raise SystemExit(f"no staircase at {FREE}: {free}")
    low = [band(found[f"{k} refinements"], (2, 5)) for k in (0, 3)]
    if low[1] > 2 * low[0]:
        raise SystemExit(f"refinement spoils the large waves: {low}")
    if found["long"].bounded < 1:
        raise SystemExit("a long rollout diverged")
    print(f"smoke: three refinements lower the error of the weakest wavenumbers {free[0] / free[3]:.0f} times")


def _draw(options: Options, base: Path, record: Record) -> None:
    found = measure(base, options.preset)
    with picture(HERE / "figures" / "staircase.png", figsize=(6.4, 4), dpi=140) as (_, axes):
        axes.semilogy(np.sqrt(found["truth"])[1:], color="0.6", lw=3, label="data")
        axes.semilogy(np.sqrt(found["one step"])[1:], color="black", ls="--", lw=1.4, label="error, one-step training")
        for k, colour in enumerate(("#fdae61", "#f46d43", "#d53e4f", "#5e4fa2")):
            label = "error, first prediction" if k == 0 else f"after {k} refinement{'s' if k > 1 else ''}"
            axes.semilogy(np.sqrt(found[f"{k} refinements"])[1:], color=colour, lw=1.6, label=label)
        axes.semilogy(np.sqrt(found["spread"])[1:], color="#5e4fa2", ls=":", lw=1.6, label="spread of samples")
        axes.set(xlabel="wavenumber index", ylabel="amplitude (root of energy)")
        axes.set_xticks(range(0, 16, 3), [str(k + 1) for k in range(0, 16, 3)])
        axes.legend(frameon=False, fontsize=8)


def _run(options: Options, base: Path) -> None:
    words, _, prefix = PRESETS[options.preset]
    train_toys(words, prefix, ARMS, base)


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
