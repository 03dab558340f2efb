"""The latent spectral model on Darcy flow and Navier-Stokes, beside its own U-Net and two Fourier neural operators.

    python -m experiments.lsm_benchmarks.run --preset small    # 40 minutes on two cores; writes results.json, figures
    python -m experiments.lsm_benchmarks.run --preset smoke    # a minute; asserts the direction
    python -m experiments.lsm_benchmarks.run --preset paper    # published sizes: built, one update each

Data, updates, batches, optimiser and schedule are the same for all four networks.
"""

import shutil
from pathlib import Path

from experiments._kit.operators import Benchmarks, Case, draw_errors, splits
from experiments._kit.results import Record, Row
from experiments._kit.study import Options, Study
from experiments._runs import systems

HERE = Path(__file__).parent
QUESTION = "Is the latent spectral model better than the 2020 FNO, than a present one, and than its own U-Net?"
PAPER = ("lsm_darcy", "lsm_navier_stokes")
TRAIN = ("train=small", "train.ema=0", "train.evaluate_every=200", "train.checkpoint_every=1000")
OLD = "network=fno_paper"  # ReLU, no channel MLP


def _arms(
    train: tuple[str, ...], modes: int, width: int, room: float, present: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    sizes = (f"network.modes={modes}", f"network.width={width}", f"network.padding={room}")
    return {
        "LSM": ("network=lsm", *train),
        "LSM without spectral blocks": ("network=lsm", "network.spectral=false", *train),
        "FNO": ("network=fno", *sizes, *present, *train),
        "FNO 2020": (OLD, *sizes, *train),
    }


SMALL = {
    "darcy": Case(
        "lsm_darcy",
        (
            "problem.domain.shape=[43,43]",
            "problem.solver.shape=[211,211]",
            "problem.input.cutoff=128",
            "problem.space_tolerance=0.05",
        ),
        _arms(
            (*TRAIN, "train.steps=500", "train.batch_size=8", "train.learning_rate=1e-3"),
            12,
            32,
            0.1428571,
            (),
        ),
        seeds=(0,),
    ),
    "navier_stokes_1e-5": Case(
        "lsm_navier_stokes",
        (
            "problem.domain.shape=[32,32]",
            "problem.solver.shape=[64,64]",
            "problem.initial.cutoff=32",
            "problem.solver.substeps=120",
            splits(128, 16, 32, 20),
            "method.unroll=2",
            "evaluation.valid_steps=10",
        ),
        _arms(
            (*TRAIN, "train.steps=500", "train.batch_size=8", "train.learning_rate=1e-3"),
            10,
            24,
            0.0,
            ("network.embedding=coordinates",),
        ),
        seeds=(0,),
    ),
}
SHORT = (
    "train=smoke",
    "train.steps=200",
    "train.learning_rate=2e-3",
    "train.warmup=20",
    "train.evaluate_every=200",
    "train.checkpoint_every=200",
    "train.log_every=100",
    "train.batch_size=8",
    "evaluation.price=false",
)
SMOKE = {
    "darcy": Case(
        "lsm_darcy",
        (
            "problem.domain.shape=[15,15]",
            "problem.solver.shape=[29,29]",
            "problem.space_tolerance=1",  # a coarse truth: nothing is claimed of the flow
            "problem.input.cutoff=16",
            splits(128, 8, 16, 1),
        ),
        {"LSM": ("network=lsm", "network.width=8", "network.scales=3", *SHORT)},
        seeds=(0,),
    ),
}


def _made(options: Options, base: Path) -> Benchmarks:
    return Benchmarks(SMOKE if options.preset == "smoke" else SMALL, base, options.preset, "lsm")


def _check(options: Options, base: Path) -> None:
    """The network beats the mean of the training solutions."""
    found = systems(_made(options, base).run("darcy", "LSM", 0))
    error = {k: s["metrics"]["relative_l2"]["value"] for k, s in found.items()}
    if not error["model"] < 0.6 * error["mean"]:
        raise SystemExit(f"darcy: {error}")
    print("smoke: better than the mean solution")


def _rows(options: Options, base: Path) -> list[Row]:
    made = _made(options, base)
    rivals = {case: made.errors(case, "FNO 2020") for case in made.cases}
    return made.rows({case: sum(found) / len(found) for case, found in rivals.items()})


def _draw(options: Options, base: Path, record: Record) -> None:
    made = _made(options, base)
    draw_errors(HERE / "figures" / "errors.png", record, made.cases, list(SMALL["darcy"].arms))
    for case, picture in (("darcy", "solution"), ("navier_stokes_1e-5", "rollout")):
        shutil.copy(made.run(case, "LSM", 0) / "figures" / f"{picture}.png", HERE / "figures" / f"{case}.png")


STUDY = Study(
    HERE,
    QUESTION,
    run=lambda options, base: _made(options, base).train(),
    check=_check,
    rows=_rows,
    draw=_draw,
    published=PAPER,
)

if __name__ == "__main__":
    STUDY.main(__doc__)
