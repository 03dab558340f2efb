"""A network beside a spectral solver of 64 x 64 points, against the best classical solvers, on Kolmogorov flow.

python -m experiments.hybrid.run --preset small            # about two hours on two cores
python -m experiments.hybrid.run --preset small --collect  # from what is measured already
python -m experiments.hybrid.run --preset smoke            # a minute
"""

import dataclasses
from pathlib import Path

from experiments._kit.results import Record, Row
from experiments._kit.study import Options, Study, picture, train_arms
from experiments.hybrid.frontier import Frontier
from experiments.hybrid.prices import Prices

HERE = Path(__file__).parent
QUESTION = "Is a coarse spectral solver with a learned part cheaper than the best classical solver as accurate as it?"
SMALL = (
    "problem=kolmogorov_flow",
    "problem.name=hybrid_small",
    "problem.parameters={nu: 1e-3, k: 4.0, drag: 0.1}",
    "problem.initial.zero_mean=false",  # as the data of its results were drawn
    "problem.time={step: 0.3, burn_in: 60}",
    "problem.solver={substeps: 64, shape: [192,192]}",
    "problem.splits={train: {trajectories: 32, frames: 41}, valid: {trajectories: 4, frames: 21}, "
    "test: {trajectories: 32, frames: 2}}",
    "problem.shard_size=8",
    "problem.batch_size=4",
)
TRAIN = (
    "method.base={kind: solver, simulator: {kind: etdrk, order: 4, substeps: 16}}",
    "method.unroll=3",
    "network=dilated_resnet",
    "network.width=16",
    "network.depth=1",
    "network.dilations=[1,2,4,1]",
    "train=small",
    "train.batch_size=4",
    "train.steps=1200",
    "train.learning_rate=2e-3",
    "train.evaluate_every=300",
    "train.checkpoint_every=300",
    "train.ema=0",
    "evaluation.valid_trajectories=4",
    "evaluation.valid_steps=8",
)


@dataclasses.dataclass(frozen=True)
class Preset:
    """Words of the data and of all runs, seeds, and the classical set."""

    words: tuple[str, ...]
    train: tuple[str, ...]
    seeds: tuple[int, ...]
    frontier: Frontier
    roles: tuple[str, ...] = ("tendency", "correct")


PRESETS = {
    "small": Preset(SMALL, TRAIN, (0, 1, 2), Frontier()),
    "smoke": Preset(
        (
            *SMALL,
            "problem.name=hybrid_smoke",
            "problem.parameters.nu=1e-2",
            "problem.domain.shape=[16,16]",
            "problem.solver={substeps: 16, shape: [32,32]}",
            "problem.space_tolerance=1",  # a coarse truth: nothing is claimed of the flow
            "problem.time={step: 0.2, burn_in: 30}",
            "problem.splits={train: {trajectories: 32, frames: 21}, valid: {trajectories: 2, frames: 9}, "
            "test: {trajectories: 4, frames: 2}}",
        ),
        (
            *TRAIN,
            "method.base.simulator.substeps=4",
            "method.unroll=1",
            "train.learning_rate=5e-3",
            "train.batch_size=16",
            "train.steps=400",
            "train.warmup=20",
            "train.evaluate_every=400",
            "train.checkpoint_every=400",
            "train.log_every=100",
            "evaluation.valid_trajectories=2",
        ),
        (0,),
        Frontier(
            points=(16, 24),
            steps=(4,),
            orders=(4,),
            damping=(0.0, 2.0),
            truth=(32, 16),
            exact=(40, 32),
            frames=10,
            exact_of=2,
            settle=3,
        ),
        roles=("tendency",),
    ),
}


def _name(preset: str, role: str, seed: int) -> str:
    return f"hybrid_{preset}_{role}_{seed}"


def _run(options: Options, base: Path) -> None:
    preset = PRESETS[options.preset]
    arms = {
        _name(options.preset, role, seed): (f"method.role={role}", *preset.train, f"seed={seed}")
        for seed in preset.seeds
        for role in preset.roles
    }
    train_arms(preset.words, arms, base, evaluated=False)


def _prices(options: Options, base: Path) -> Prices:
    preset = PRESETS[options.preset]
    runs = {
        (role, seed): base / "runs" / _name(options.preset, role, seed)
        for role in preset.roles
        for seed in preset.seeds
    }
    kept = HERE / "measured.json" if options.preset == "small" else base / "measured.json"
    return Prices(preset.frontier, [*preset.words, *preset.train], base / "data", runs, kept)


def _rows(options: Options, base: Path) -> list[Row]:
    return _prices(options, base).rows()


def _check(options: Options, base: Path) -> None:
    """The learned part helps its solver, at a price that is told."""
    prices = _prices(options, base)
    told = prices.rows()
    alone = prices.missed_in_a_frame("base alone")
    roles = PRESETS[options.preset].roles
    for role in roles:
        if not (found := prices.missed_in_a_frame(role)) < 0.8 * alone:
            raise SystemExit(f"{role}: error after one frame {found:.3g}, of the solver alone {alone:.3g}")
    speeds = [row for row in told if row["case"] in roles and row["metric"].startswith("speed-up")]
    if len(speeds) != 2 * len(roles) * len(prices.batches):
        raise SystemExit(f"there are {len(speeds)} speed-ups")
    print("smoke: a learned tendency lowers the error of its solver, and has a price")


def _draw(options: Options, base: Path, record: Record) -> None:
    prices = _prices(options, base)
    with picture(HERE / "figures" / "frontier.png", 1, 2, figsize=(9, 3.8), sharey=True) as (_, axes):
        prices.draw(axes)


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
