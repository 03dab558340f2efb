"""The Fourier neural operator's published benchmarks, side by side with `neuraloperator` on the same arrays.

    python -m experiments.fno_benchmarks.run --preset small --peer PYTHON  # 40 minutes on two cores; results, figures
    python -m experiments.fno_benchmarks.run --preset smoke                # a minute; asserts the direction
    python -m experiments.fno_benchmarks.run --preset paper                # published sizes: built, one update each

PYTHON is an interpreter with torch and neuraloperator (`pip install torch==2.13.0 neuraloperator==2.0.0`).
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from benchmarks._results import study, write_study
from experiments._operators import PEER, Case, Study, draw_errors, splits
from experiments._paper import check
from experiments._runs import run_jobs, systems

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
        ("problem.domain.shape=[43,43]", "problem.solver.shape=[211,211]", "problem.input.cutoff=128"),
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
            "problem.input.cutoff=16",
            splits(128, 8, 16, 1),
        ),
        {"FNO": (*SHORT, "network.modes=4", "network.width=16", "network.depth=2")},
        (29,),
        seeds=(0,),
    ),
}


def _assert_direction(made: Study) -> None:
    """The operator beats what learns nothing of the input, and keeps most of its accuracy on a finer grid."""
    for name, case in made.cases.items():
        found = systems(made.run(name, "FNO", 0))
        error = {key: s["metrics"]["relative_l2"]["value"] for key, s in found.items()}
        trivial = min(error[key] for key in ("mean", "persistence") if key in error)
        fine = made.errors_on(name, "FNO", case.finer[0])[0]
        if not (error["model"] < 0.5 * trivial and fine < 0.7 * trivial):
            raise SystemExit(f"{name}: {error}, on the finer grid {fine}")
    print("smoke: better than mean and persistence, on a finer grid too")


def main() -> None:
    """Runs a preset and writes its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "smoke", "paper"), default="small")
    parser.add_argument("--peer", help="an interpreter with torch and neuraloperator")
    parser.add_argument("--collect", action="store_true", help="only gather what finished runs hold")
    options = parser.parse_args()
    if options.preset == "paper":
        for name in PAPER:
            print(name, check(name, update=True), flush=True)
        return
    if options.preset == "smoke":
        with tempfile.TemporaryDirectory() as scratch:
            made = Study(SMOKE, Path(scratch), "smoke", "fno")
            made.generate()
            run_jobs(made.jobs(options.peer))
            _assert_direction(made)
        return
    made = Study(SMALL, Path(), "small", "fno")
    if not options.collect:
        made.generate()
        run_jobs(made.jobs(options.peer))
    peers = {case: made.peer_errors(case) for case in made.cases}
    goals = {case: sum(found[0]) / len(found[0]) for case, found in peers.items() if found}
    words = "python -m experiments.fno_benchmarks.run --preset small --peer PYTHON"
    record = study("fno_benchmarks", QUESTION, words, "small", made.rows(goals))
    write_study(HERE, record)
    draw_errors(HERE / "figures" / "errors.png", record, made.cases, ["FNO", PEER])
    for case, picture in (("darcy", "solution"), ("navier_stokes_1e-4", "rollout")):
        shutil.copy(made.run(case, "FNO", 0) / "figures" / f"{picture}.png", HERE / "figures" / f"{case}.png")


if __name__ == "__main__":
    main()
