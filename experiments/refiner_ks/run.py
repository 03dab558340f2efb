"""Does PDE-Refiner follow Kuramoto-Sivashinsky longer than one-step training, at equal updates, where data are scarce?

python -m experiments.refiner_ks.run --preset small     # hours on two cores; writes results.json and figures/
python -m experiments.refiner_ks.run --preset smoke     # a minute; asserts the direction of the claims
"""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from experiments._kit.results import Record, Row, row
from experiments._kit.rollouts import measured
from experiments._kit.study import Options, Study, train_arms
from experiments._runs import training_seconds
from pdejax import load
from pdejax.core import Alternating, Average, hashed_by_identity
from pdejax.data import Dataset
from pdejax.evaluation import BASELINES, Result, build_baselines, compare

HERE = Path(__file__).parent
QUESTION = (
    "Does PDE-Refiner follow Kuramoto-Sivashinsky longer than one-step training at equal updates, on scarce data?"
)
ONE_STEP, REFINER = "one step", "refiner as published"
TWICE, FIRST = f"{REFINER}, second level twice", f"{REFINER}, first call alone"
GOAL = 0.0  # of the gain in correlation time: the acceptance is an interval above zero
PUBLISHED_GAIN = 75.3 / 52.8 - 1  # Lippe et al. (2023), a tenth of the data
METRICS = (
    "correlation_time_0.8",
    "correlation_time_0.9",
    "correlation_time_0.8_each",
    "one_step_nrmse",
    "one_step_nrmse_high",
    "spectrum_log_distance",
)
GAINS = {
    "correlation_time_0.8": "gain in high-correlation time at 0.8 (batch mean)",
    "correlation_time_0.8_each": "gain in high-correlation time at 0.8 (mean over trajectories)",
}
PICTURES = {"arms": ("gains", "curves", "mode_errors", "spectra"), "long": ("stability", "spread", "alarm")}


@dataclasses.dataclass(frozen=True)
class Arm:
    """A way to train: its words, the name of its runs, and its seeds."""

    words: tuple[str, ...]
    name: str
    seeds: tuple[int, ...] = (0,)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Words of all runs, the arms, and how much is evaluated; `variants`: whether all parts are compared, or only the
    arms with the first call alone, over long rollouts too.
    """

    words: tuple[str, ...]
    arms: Mapping[str, Arm]
    long_steps: int
    members: int
    prefix: str = "refiner_ks"
    variants: bool = True

    def run(self, base: Path, arm: str, seed: int) -> Path:
        """Folder of a run."""
        return base / "runs" / f"{self.prefix}_{self.arms[arm].name}_{seed}"


HALF = ("method.noise.refinements=1", "method.noise.ratio=1.0", "method.noise.rehearsals=0", "method.pretrain=0.5")
SMOKE = (
    "problem.name=ks_low_data_smoke",
    "problem.splits={train: {trajectories: 32, frames: 24}, valid: {trajectories: 4, frames: 24}, "
    "test: {trajectories: 8, frames: 41}}",
    "network.width=8",
    "network.multipliers=[1,2]",
    "train.steps=1000",
    "train.warmup=50",
    "train.evaluate_every=500",
    "train.checkpoint_every=1000",
    "evaluation.valid_trajectories=4",
    "evaluation.valid_steps=10",
)
PRESETS = {
    "small": Preset(
        (),
        {
            ONE_STEP: Arm(("method=one_step",), "one_step", (0, 1)),
            REFINER: Arm(("method=refiner",), "refiner", (0, 1)),
            "two phases": Arm(("method=refiner_small",), "refiner_small"),
            "two phases, half of the updates each, one level": Arm(("method=refiner_small", *HALF), "half"),
        },
        long_steps=10_000,
        members=16,
    ),
    "smoke": Preset(
        SMOKE,
        {
            ONE_STEP: Arm(("method=one_step",), "one_step"),
            REFINER: Arm(("method=refiner",), "refiner"),
        },
        long_steps=200,
        members=0,
        prefix="refiner_ks_smoke",
        variants=False,
    ),
}


@hashed_by_identity
class Corrected(eqx.Module):
    """A learned step whose wavenumbers from `first` on are those of the true solver's step from the same state."""

    learned: Any
    solver: Any
    first: int = eqx.field(static=True)

    def __call__(self, u: Any, *, key: Any = None) -> Any:
        """One step. **Arguments:** `u`: state of one space axis; `key`: random key of the learned step."""
        steps = self.learned(u, key=key), self.solver(u).astype(u.dtype)
        learned, true = (jnp.fft.rfft(x, axis=-2) for x in steps)
        high = jnp.arange(learned.shape[-2])[:, None] >= self.first
        return jnp.fft.irfft(jnp.where(jnp.broadcast_to(high, learned.shape), true, learned), u.shape[-2], axis=-2)


def _network(operator: Any, **changes: Any) -> Any:
    """The operator with other static options of its stochastic network."""
    return eqx.tree_at(lambda o: o.network, operator, dataclasses.replace(operator.network, **changes))


def _systems(part: str, preset: Preset, base: Path, seed: int, dataset: Any) -> dict[str, Any]:
    """The models of a seed, or what can be made of them without training; one-step training is always there.

    Ensembles and very long rollouts are those of the part "long".
    """
    get = lambda arm, seed=seed: load(preset.run(base, arm, seed))
    one_step, refiner = get(ONE_STEP), get(REFINER)
    if part == "long":
        return {ONE_STEP: one_step, REFINER: refiner}
    first, twice = _network(refiner, refine=False), _network(refiner, passes=(1, 2, 1))
    if part == "arms":
        trained = {arm: get(arm) for arm, one in preset.arms.items() if seed in one.seeds}
        return {**trained, **({TWICE: twice} if preset.variants else {FIRST: first})}
    if part == "oracles":
        solver = build_baselines(BASELINES, dataset, ["solver"])[0]["solver"].predictor.bind({}).stepper
        exact = {f"{ONE_STEP}, exact from wavenumber {k}": Corrected(one_step, solver, k) for k in (16, 8)}
        return {ONE_STEP: one_step, **exact}
    seeds = preset.arms[ONE_STEP].seeds
    mean = Average(tuple(get(ONE_STEP, s) for s in seeds))
    return {
        ONE_STEP: one_step,
        FIRST: first,
        f"{REFINER}, one refinement": _network(refiner, levels=refiner.network.levels[:2]),
        f"{REFINER}, two refinements": _network(refiner, levels=refiner.network.levels[:3]),
        f"{REFINER}, every fourth step": Alternating(first, refiner, 4, dataset.step),
        f"{REFINER}, mean of 4 samples": _network(refiner, samples=4),
        f"{ONE_STEP}, mean of {len(seeds)} models": mean,
    }


def _run(options: Options, base: Path) -> None:
    preset = PRESETS[options.preset]
    arms = {
        preset.run(base, arm, seed).name: (*one.words, f"seed={seed}")
        for arm, one in preset.arms.items()
        for seed in one.seeds
    }
    train_arms(("experiment=refiner_ks_small", *preset.words), arms, base, evaluated=False)


def _comparisons(preset: Preset, base: Path, seed: int, *, again: bool = True) -> dict[str, Result]:
    """The comparison of each part; `again`: also if an earlier one of the same names is there."""
    dataset, made = Dataset.open(base / "data" / ("ks_low_data_smoke" if preset.words else "ks_low_data")), {}
    more = ("variants", "oracles", *(("long",) if seed == 0 else ()))
    for part in ("arms", *(more if preset.variants else ())):
        systems = _systems(part, preset, base, seed, dataset)
        folder = base / "runs" / f"{preset.prefix}_comparison_{part}_{seed}"
        if not again and (folder / "comparison.json").exists():
            made[part] = Result.load(folder)
            if set(made[part].models()) == set(systems):
                continue
        made[part] = compare(
            systems,
            dataset,
            reference=ONE_STEP,
            members=preset.members if part == "long" else 0,
            long_steps=preset.long_steps if part == "long" or not preset.variants else 0,
            price=False,
            key=jax.random.key(seed),
            progress=lambda text: print(f"seed {seed}: {text}", flush=True),
        )
        made[part].save(folder)
    return made


def _seconds(folder: Path) -> float:
    first = folder / "first_phase"
    return training_seconds(folder) + (training_seconds(first) if first.exists() else 0.0)


def _rows_of(preset: Preset, base: Path, seed: int, part: str, comparison: Result) -> list[Row]:
    """A row for every metric of every system, each of one seed."""
    rows: list[Row] = []
    for name in comparison.models():
        one = comparison.system(name)
        case = f"{name}, seed {seed}"
        if part == "long":
            metric = f"share of trajectories bounded after {preset.long_steps} steps"
            rows.append(row(case, metric, one["stability"]["bounded"], better="higher", seeds=[seed]))
            rows += _ensemble_rows(case, comparison.document["ensembles"][name], {"seeds": [seed]})
        elif name != ONE_STEP or part == "arms":
            seconds = _seconds(preset.run(base, name, seed)) if name in preset.arms else None
            rows += _system_rows(case, one, name in (REFINER, TWICE), {"seeds": [seed], "seconds": seconds})
    return rows


def _system_rows(case: str, one: Mapping[str, Any], claimed: bool, further: Mapping[str, Any]) -> list[Row]:
    """Metrics, cost, and gains over one-step training; `claimed`: whether the gains have a goal."""
    there = [key for key in METRICS if one["metrics"].get(key) and one["metrics"][key]["value"] is not None]
    rows = [measured(case, key, one["metrics"], **further) for key in there]
    rows.append(row(case, "network calls per step", one["calls"], better="lower", **further))
    goal = {"goal": GOAL, "reference": PUBLISHED_GAIN} if claimed else {}
    for key, metric in GAINS.items() if one["against_reference"] is not None else ():
        gain = one["against_reference"][key]
        own = {"interval": gain["gain_interval"], **goal, **further}
        rows.append(row(case, metric, gain["gain"], better="higher", **own))
    return rows


def _ensemble_rows(case: str, ensemble: Mapping[str, Any], further: Mapping[str, Any]) -> list[Row]:
    if ensemble.get("reason") or ensemble["spread_over_error"]["one_step"] is None:
        return []
    alarm = ensemble["alarm"]["0.8"]
    rows = [
        row(case, "spread over error of the ensemble, one step", ensemble["spread_over_error"]["one_step"],
            better="higher", **further),
        row(case, "relative CRPS, mean over steps", ensemble["crps_relative"]["mean"], better="lower", **further),
    ]  # fmt: skip
    if alarm["r_squared"] is not None:
        metric = "R^2 of cross-correlation time and correlation time"
        rows.append(row(case, metric, alarm["r_squared"], better="higher", reference=0.86, **further))
    return rows


def _check(options: Options, base: Path) -> None:
    """Refinement stays on the attractor, costs what it says, and removes error where there is little signal."""
    found = _comparisons(PRESETS[options.preset], base, 0)
    calls = [found["arms"].system(name)["calls"] for name in (REFINER, FIRST)]
    calls.append(_network(load(PRESETS[options.preset].run(base, REFINER, 0)), passes=(1, 2, 1)).calls)
    if calls != [4, 1, 5]:
        raise SystemExit(f"network calls {calls}, not 4, 1 and 5")
    bounded = found["arms"].system(REFINER)["stability"]["bounded"]
    if bounded < 1:
        raise SystemExit(f"a long rollout diverged: {bounded}")
    tail = lambda name: float(found["arms"].arrays[f"{name}/error_spectrum"][0][24:].sum())
    errors = tail(REFINER), tail(FIRST)
    if not errors[0] < errors[1]:
        raise SystemExit(f"refinement does not lower the error of high wavenumbers: {errors}")
    print("smoke: refinement lowers the error of high wavenumbers and stays bounded")


def _rows(options: Options, base: Path) -> list[Row]:
    """All seeds and parts; the pictures are drawn from the same comparisons."""
    preset, rows = PRESETS[options.preset], []
    for seed in preset.arms[REFINER].seeds:
        for part, comparison in _comparisons(preset, base, seed, again=not options.collect).items():
            rows += _rows_of(preset, base, seed, part, comparison)
    return rows


def _draw(options: Options, base: Path, record: Record) -> None:
    for part, comparison in _comparisons(PRESETS[options.preset], base, 0, again=False).items():
        if part in PICTURES:
            _keep_pictures(comparison, PICTURES[part])


def _keep_pictures(comparison: Result, names: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        comparison.write_page(scratch)
        (HERE / "figures").mkdir(exist_ok=True)
        for name in names:
            shutil.copy(Path(scratch) / "figures" / f"{name}.png", HERE / "figures" / f"{name}.png")


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
