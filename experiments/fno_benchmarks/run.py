"""The Fourier neural operator's published benchmarks, side by side with `neuraloperator` on the same arrays.

    python -m experiments.fno_benchmarks.run --preset small --peer PYTHON  # 40 minutes on two cores; results, figures
    python -m experiments.fno_benchmarks.run --preset smoke                # a minute; asserts the direction
    python -m experiments.fno_benchmarks.run --preset paper                # published sizes: built, one update each

PYTHON is an interpreter with torch and neuraloperator (`pip install torch==2.13.0 neuraloperator==2.0.0`).
"""

import argparse
import shutil
from pathlib import Path

from experiments._kit.operators import PEER, Benchmarks, Case, draw_errors, splits
from experiments._kit.results import Record, Row
from experiments._kit.study import Options, Study
from experiments._runs import systems

HERE = Path(__file__).parent
QUESTION = "Does the FNO reach the peer's accuracy on the same arrays and updates, and keep it on finer grids?"
PAPER = ("fno_burgers", "fno_darcy", "fno_navier_stokes")
TRAIN = ("network=fno", "train=small", "train.ema=0", "train.evaluate_every=200", "train.checkpoint_every=1000")
SHORT = (
    "network=fno",
    "train=smoke",
    "train.steps=300",
    "train.learning_rate=3e-3",
    "train.warmup=20",
    "train.evaluate_every=300",
    "train.checkpoint_every=300",
    "train.log_every=100",
    "evaluation.price=false",
)


def _navier_stokes(viscosity: str, substeps: int) -> Case:
    data = (
        f"problem.parameters.nu={viscosity}",
        "problem.domain.shape=[32,32]",
        "problem.solver.shape=[64,64]",
        "problem.initial.cutoff=32",
        f"problem.solver.substeps={substeps}",
        splits(128, 16, 32, 20),
        "method.unroll=4",
        "evaluation.valid_steps=10",
    )
    network = ("network.modes=10", "network.width=24", "network.embedding=coordinates")
    arm = (*TRAIN, *network, "train.steps=800", "train.batch_size=8")
    return Case("fno_navier_stokes", data, {"FNO": arm}, (64,), seeds=(0,))


SMALL = {
    "burgers": Case(
        "fno_burgers",
        ("problem.domain.shape=[256]", "problem.solver.shape=[1024]", "problem.initial.cutoff=256"),
        {"FNO": (*TRAIN, "network.modes=16", "network.width=64", "train.steps=2000", "train.batch_size=16")},
        (512, 1024),
    ),
    "darcy": Case(
        "fno_darcy",
        (
            "problem.domain.shape=[43,43]",
            "problem.solver.shape=[211,211]",
            "problem.input.cutoff=128",
            "problem.space_tolerance=0.05",
        ),
        {
            "FNO": (
                *TRAIN,
                "network.modes=12",
                "network.width=32",
                "network.padding=0.1428571",
                "train.steps=1000",
                "train.batch_size=16",
            )
        },
        (71, 211),
        seeds=(0,),
    ),
    "navier_stokes_1e-3": _navier_stokes("1e-3", 20),
    "navier_stokes_1e-4": _navier_stokes("1e-4", 40),
    "navier_stokes_1e-5": _navier_stokes("1e-5", 120),
}
SMOKE = {
    "burgers": Case(
        "fno_burgers",
        (
            "problem.domain.shape=[64]",
            "problem.solver.shape=[128]",
            "problem.initial.cutoff=32",
            "problem.solver.substeps=32",
            splits(64, 8, 16, 2),
        ),
        {"FNO": (*SHORT, "network.modes=8", "network.width=16", "network.depth=2")},
        (128,),
        seeds=(0,),
    ),
    "darcy": Case(
        "fno_darcy",
        (
            "problem.domain.shape=[15,15]",
            "problem.solver.shape=[29,29]",
            "problem.space_tolerance=1",  # a coarse truth: nothing is claimed of the flow
            "problem.input.cutoff=16",
            splits(128, 8, 16, 1),
        ),
        {"FNO": (*SHORT, "network.modes=4", "network.width=16", "network.depth=2")},
        (29,),
        seeds=(0,),
    ),
}


def _made(options: Options, base: Path) -> Benchmarks:
    return Benchmarks(SMOKE if options.preset == "smoke" else SMALL, base, options.preset, "fno")


def _check(options: Options, base: Path) -> None:
    """The operator beats what learns nothing of the input, and keeps most of its accuracy on a finer grid."""
    made = _made(options, base)
    for name, case in made.cases.items():
        found = systems(made.run(name, "FNO", 0))
        error = {key: s["metrics"]["relative_l2"]["value"] for key, s in found.items()}
        trivial = min(error[key] for key in ("mean", "persistence") if key in error)
        fine = made.errors_on(name, "FNO", case.finer[0])[0]
        if not (error["model"] < 0.5 * trivial and fine < 0.7 * trivial):
            raise SystemExit(f"{name}: {error}, on the finer grid {fine}")
    print("smoke: better than mean and persistence, on a finer grid too")


def _rows(options: Options, base: Path) -> list[Row]:
    made = _made(options, base)
    peers = {case: made.peer_errors(case) for case in made.cases}
    return made.rows({case: sum(found[0]) / len(found[0]) for case, found in peers.items() if found})


def _draw(options: Options, base: Path, record: Record) -> None:
    made = _made(options, base)
    draw_errors(HERE / "figures" / "errors.png", record, made.cases, ["FNO", PEER])
    for case, picture in (("darcy", "solution"), ("navier_stokes_1e-4", "rollout")):
        shutil.copy(made.run(case, "FNO", 0) / "figures" / f"{picture}.png", HERE / "figures" / f"{case}.png")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--peer", help="an interpreter with torch and neuraloperator")


STUDY = Study(
    HERE,
    QUESTION,
    run=lambda options, base: _made(options, base).train(options.peer),
    check=_check,
    rows=_rows,
    draw=_draw,
    published=PAPER,
    arguments=_arguments,
    words=lambda options: " --peer PYTHON",
)

if __name__ == "__main__":
    STUDY.main(__doc__)
