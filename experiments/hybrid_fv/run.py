"""A network beside finite volumes on 32 x 32 cells, against finer and better ones, on fields with sharp edges.

python -m experiments.hybrid_fv.run --preset small            # all arms, which go on where they stopped
python -m experiments.hybrid_fv.run --preset small --collect  # from what is measured already
python -m experiments.hybrid_fv.run --preset smoke            # a minute
"""

import dataclasses
from pathlib import Path

from experiments._kit.results import Record, Row
from experiments._kit.study import Options, Study, picture, train_arms
from experiments.hybrid_fv.picture import draw
from experiments.hybrid_fv.prices import ALONE, Prices
from experiments.hybrid_fv.rivals import FRAME, Rivals

HERE = Path(__file__).parent
QUESTION = "Are finite volumes on coarse cells with a learned part cheaper than the best ones as accurate as it?"
SMALL = ("problem=dye", "problem.name=hybrid_fv_small", "problem.shard_size=8", "problem.batch_size=4")
HOST = "kind: finite_volume, riemann: hllc"
TRAIN = (
    f"method.base={{kind: solver, simulator: {{{HOST}, reconstruction: van_leer, substeps: 7}}}}",
    "method.conserve_mean=true",
    "network=dilated_resnet",
    "network.width=32",
    "network.depth=1",
    "network.dilations=[1,2,1]",
    "train=small",
    "train.batch_size=4",
    "train.steps=450",
    "train.learning_rate=2e-3",
    "train.evaluate_every=450",
    "train.checkpoint_every=450",
    "train.ema=0",
    "evaluation.valid_trajectories=4",
    "evaluation.valid_steps=12",
)
# what the network is to its host; a correction sees what the host has made, and needs no gradient of it
ROLES = {
    "tendency": ("method.role=tendency", "method.unroll=2"),
    "correct": (
        "method.role={kind: correct, form: sequential_with_bypass}",
        "method.unroll=3",
        "method.cut_gradient=true",
        "train.batch_size=8",
    ),
}


@dataclasses.dataclass(frozen=True)
class Preset:
    """Words of the data and of all runs, seeds, and the classical set."""

    words: tuple[str, ...]
    train: tuple[str, ...]
    seeds: tuple[int, ...]
    rivals: Rivals
    roles: tuple[str, ...] = tuple(ROLES)
    more: tuple[str, ...] = ()


PRESETS = {
    "small": Preset(SMALL, TRAIN, (0, 1, 2), Rivals()),
    "smoke": Preset(
        (
            # one field, of which programs are made in seconds; nothing is claimed of its coarse truth
            "problem=inviscid_burgers",
            "problem.name=hybrid_fv_smoke",
            "problem.equation={terms: 'u_t = -dx(u**2)/2 - dy(u**2)/2'}",
            "problem.domain.shape=[16,16]",
            "problem.domain.lengths=[1.0,1.0]",
            "problem.initial.cutoff=2",
            "problem.time.step=0.05",
            "problem.solver={kind: finite_volume, reconstruction: minmod, riemann: llf, cfl: 0.9, shape: [32,32]}",
            "problem.tolerance=1",
            "problem.space_tolerance=1",
            "problem.splits={train: {trajectories: 16, frames: 9}, valid: {trajectories: 2, frames: 5}, "
            "test: {trajectories: 2, frames: 2}}",
        ),
        (
            *TRAIN,
            "method.base={kind: solver, simulator: {kind: finite_volume, reconstruction: minmod, riemann: llf, "
            "substeps: 4}}",
            "network.width=8",
            "network.dilations=[1,1]",
            "train.learning_rate=5e-3",
            "train.steps=200",
            "train.warmup=20",
            "train.evaluate_every=200",
            "train.checkpoint_every=200",
            "evaluation.valid_trajectories=2",
            "evaluation.valid_steps=4",
        ),
        (0,),
        Rivals(
            cells=(("minmod", (16, 24)),),
            pace=(8 / 32,),
            riemann="llf",
            truth=(32, "minmod", 8),
            exact=(48, "minmod", 12),
            trajectories=8,
            frames=4,
        ),
        roles=("tendency",),
        more=("method.unroll=1",),
    ),
}


def _name(preset: str, role: str, seed: int) -> str:
    return f"hybrid_fv_{preset}_{role}_{seed}"


def _run(options: Options, base: Path) -> None:
    preset = PRESETS[options.preset]
    arms = {
        _name(options.preset, role, seed): (*preset.train, *ROLES[role], *preset.more, f"seed={seed}")
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
    return Prices(preset.rivals, [*preset.words, *preset.train], base / "data", runs, kept)


def _rows(options: Options, base: Path) -> list[Row]:
    return _prices(options, base).rows()


def _check(options: Options, base: Path) -> None:
    """The learned part helps its host on unseen fields, at a price that is told."""
    prices = _prices(options, base)
    told, alone = prices.rows(), prices.error(ALONE, FRAME)
    for role in PRESETS[options.preset].roles:
        if not (found := prices.error(f"{role}, seed 0", FRAME)) < 0.9 * alone:
            raise SystemExit(f"{role}: error after one frame {found:.3g}, of the host alone {alone:.3g}")
        speeds = [row for row in told if row["case"] == role and row["metric"].startswith("speed-up S")]
        if len(speeds) != 2 * len(prices.batches):
            raise SystemExit(f"there are {len(speeds)} speed-ups")
    print("smoke: a learned tendency lowers the error of its finite volumes on unseen fields, and has a price")


def _draw(options: Options, base: Path, record: Record) -> None:
    prices = _prices(options, base)
    with picture(HERE / "figures" / "prices.png", 1, 2, figsize=(9, 3.8)) as (_, axes):
        draw(prices, axes)


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
