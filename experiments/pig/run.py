"""How accurately do physics-informed Gaussians solve the problems of their paper, and what does it take?

    python -m experiments.pig.run --preset small     # about half an hour on two cores; writes results.json, figures/
    python -m experiments.pig.run --preset smoke     # minutes: three problems in a shorter form; asserts their goals

Every problem is stated in `configs/problem/pig_*.yaml` and nowhere else: its equation, its conditions, periods and
parities, and how its solution is known. `configs/experiment/pig_*.yaml` say how many Gaussians and which optimisers.
"""

import argparse
import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments._kit.results import Record, Row, over_seeds, row
from experiments._kit.study import Options, Study, picture
from experiments._runs import pdejax

HERE = Path(__file__).parent
QUESTION = "How accurately do physics-informed Gaussians solve the problems of their paper?"
METRIC = "relative L2 error"


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem and what is asked of it.

    **Arguments:** `label`; `experiment`: name of its configuration; `goal`, `stretch`: relative L2 errors; `published`:
    mean error of physics-informed Gaussians, `best`: the best error known of any method with a network; `seeds`: more
    than one where chance plays a part; `fields`: whose largest error counts, `all` for all together; `words`: further
    words of the command line.
    """

    label: str
    experiment: str
    goal: float
    stretch: float | None = None
    published: float | None = None
    best: float | None = None
    seeds: tuple[int, ...] = (0,)
    fields: tuple[str, ...] = ("all",)
    words: tuple[str, ...] = ()


CASES = (
    Case("Helmholtz (1, 4)", "pig_helmholtz", 1e-7, 1e-10, published=4.13e-5),
    Case("Helmholtz (10, 10)", "pig_helmholtz_10", 3e-4, 1e-6, published=7.09e-3),
    Case("Allen-Cahn", "pig_allen_cahn", 3e-6, 1e-7, published=1.04e-4, best=3.5e-6),
    Case("Burgers 0.01/pi", "pig_burgers", 1e-5, 1e-7, best=6.9e-7),
    Case("Klein-Gordon 2+1", "pig_klein_gordon", 1e-4, 1e-6, published=2.76e-3, best=4.8e-6),
    Case("flow mixing 2+1", "pig_flow_mixing", 2e-4, 1e-5, published=4.51e-4),
    Case("nonlinear diffusion 2+1", "pig_diffusion", 5e-4, 1e-5, published=2.69e-3),
    Case("lid-driven cavity Re 100 (u, v)", "pig_cavity", 4e-4, 1e-4, published=4.04e-4, fields=("u", "v")),
    Case("Helmholtz (1, 4), PIG as published, 2000 Adam steps", "pig_released", 2e-3, seeds=(0, 1, 2)),
    Case("Helmholtz (1, 4), 155 Gaussians that move", "pig_adaptive", 2e-4, seeds=(0, 1, 2)),
)
SHORT_LATTICE = ("network.slabs=40", "train.steps=60",
                 "train.optimiser={adaptive: x, passes: 2, error: 3e-5, first: 1e-3, cutoff: 1e-10}")  # fmt: skip
SMOKE = (
    Case("Helmholtz (1, 4)", "pig_helmholtz", 1e-7),
    Case(
        "Allen-Cahn",
        "pig_allen_cahn",
        5e-5,
        words=("network.counts=[6,70]", *SHORT_LATTICE, "problem.truth.points=2048", "problem.truth.steps=2000"),
    ),
    Case(
        "Burgers 0.01/pi",
        "pig_burgers",
        2e-4,
        words=("network.counts=[6,70]", *SHORT_LATTICE, "problem.truth.points=2048", "problem.truth.steps=2000"),
    ),
)


def _name(case: Case, seed: int) -> str:
    return case.experiment if len(case.seeds) == 1 else f"{case.experiment}_{seed}"


def _solve(case: Case, base: Path) -> None:
    """The truth, then every seed's run and its evaluation."""
    words = (f"experiment={case.experiment}", f"data_dir={base / 'data'}", f"runs_dir={base / 'runs'}", *case.words)
    pdejax("generate", *words)
    for seed in case.seeds:
        name = _name(case, seed)
        pdejax("train", *words, f"seed={seed}", f"name={name}")
        pdejax("evaluate", str(base / "runs" / name))


def _error(folder: Path, fields: Sequence[str]) -> dict:
    """The entry of the relative L2 error, the largest of the named fields."""
    error = json.loads((folder / "evaluation.json").read_text())["error"]
    entries = [(error["all"] if f == "all" else error["fields"][f])["relative_l2"] for f in fields]
    return max(entries, key=lambda entry: entry["value"])


def _seconds(folder: Path) -> float:
    """How long a run has trained, all stages and compilation included."""
    parts = [*sorted(folder.glob("stages/*")), folder]
    return sum(json.loads((part / "metrics.jsonl").read_text().splitlines()[-1])["time"] for part in parts)


def _residual(folder: Path) -> float:
    equations = json.loads((folder / "evaluation.json").read_text())["residual"]["equations"]
    return max(entry["relative"] for entry in equations)


def _rows(case: Case, runs: Path) -> list[Row]:
    """Error, floor of the truth and residual of a case: the mean over seeds with their range."""
    folders = [runs / _name(case, seed) for seed in case.seeds]
    found = [_error(folder, case.fields) for folder in folders]
    values = [entry["value"] for entry in found]
    seconds = float(np.mean([_seconds(folder) for folder in folders]))
    mean = over_seeds(values, case.seeds)
    reference = case.published if case.published is not None else case.best
    # below three floors of the truth only the bound is known
    label = f"{case.label}, bound by the truth" if any(entry["censored"] for entry in found) else case.label
    rows = [row(label, METRIC, better="lower", reference=reference, goal=case.goal, seconds=seconds, **mean)]
    if case.stretch is not None:
        stretch = {"reference": case.best, "goal": case.stretch}
        rows.append(row(label, f"{METRIC}, stretch", mean["value"], better="lower", **stretch))
    rows.append(row(case.label, "floor of the truth", found[0]["floor"], better="lower"))
    residual = float(np.mean([_residual(folder) for folder in folders]))
    rows.append(row(case.label, "relative residual", residual, better="lower", seeds=list(case.seeds)))
    return rows


def _chosen(options: Options) -> list[Case]:
    cases = SMOKE if options.preset == "smoke" else CASES
    return [case for case in cases if not options.only or case.experiment in options.only]


def _check(options: Options, base: Path) -> None:
    for case in _chosen(options):
        worst = max(_error(base / "runs" / _name(case, seed), case.fields)["value"] for seed in case.seeds)
        if not worst <= case.goal:
            raise SystemExit(f"{case.label}: relative L2 error {worst:.3g}, above {case.goal:g}")
        print(f"smoke: {case.label}: relative L2 error {worst:.3g} <= {case.goal:g}")


PICTURES: Mapping[str, tuple[str, ...]] = {
    "pig_allen_cahn": ("field", "gaussians", "errors"),
    "pig_burgers": ("field", "gaussians", "errors"),
    "pig_flow_mixing": ("field",),
    "pig_diffusion": ("field",),
    "pig_cavity": ("field", "field_v", "gaussians"),
    "pig_adaptive_0": ("gaussians", "training"),
}


def _copy_pictures(runs: Path) -> None:
    """Copies what the reports drew."""
    (HERE / "figures").mkdir(exist_ok=True)
    for name, figures in PICTURES.items():
        for figure in figures:
            source = runs / name / "figures" / f"{figure}.png"
            shutil.copy(source, HERE / "figures" / f"{name.removeprefix('pig_')}_{figure}.png")


def _draw(options: Options, base: Path, record: Record) -> None:
    """Errors beside those of the paper and the goals."""
    _copy_pictures(base / "runs")
    shown = [r for r in record["rows"] if r["metric"] == METRIC][::-1]
    with picture(HERE / "figures" / "errors.png", figsize=(9, 4.2), dpi=140) as (_, axes):
        for place, one in enumerate(shown):
            axes.plot(one["value"], place, "o", color="#0072b2", label="pdejax" if place == 0 else None)
            axes.plot(one["goal"], place, "|", color="#d55e00", ms=14, mew=2, label="goal" if place == 0 else None)
        known = [(r["reference"], place) for place, r in enumerate(shown) if r["reference"] is not None]
        axes.plot(*zip(*known, strict=True), "s", color="0.55", label="published")
        axes.set_yticks(range(len(shown)), [r["case"] for r in shown])
        axes.set_xscale("log")
        axes.set_xlabel("relative L2 error")
        axes.grid(axis="x", alpha=0.3)
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))


def _run(options: Options, base: Path) -> None:
    for case in _chosen(options):
        _solve(case, base)


def _finished_rows(options: Options, base: Path) -> list[Row]:
    runs = base / "runs"
    done = [c for c in CASES if all((runs / _name(c, seed) / "evaluation.json").exists() for seed in c.seeds)]
    return [one for case in done for one in _rows(case, runs)]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", nargs="*", help="run these experiments; the results hold what all finished runs hold")


STUDY = Study(HERE, QUESTION, _run, _check, _finished_rows, _draw, arguments=_arguments)

if __name__ == "__main__":
    STUDY.main(__doc__)
