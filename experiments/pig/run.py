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
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks._results import row, study, write_study
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
                 "train.options={adaptive: x, passes: 2, error: 3e-5, first: 1e-3, cutoff: 1e-10}")  # fmt: skip
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


def _rows(case: Case, runs: Path) -> list[dict]:
    """Error, floor of the truth and residual of a case: the mean over seeds with their range."""
    folders = [runs / _name(case, seed) for seed in case.seeds]
    found = [_error(folder, case.fields) for folder in folders]
    values = [entry["value"] for entry in found]
    spread = [min(values), max(values)] if len(values) > 1 else None
    seconds = float(np.mean([_seconds(folder) for folder in folders]))
    own = {"seeds": list(case.seeds), "seconds": seconds, "interval": spread}
    reference = case.published if case.published is not None else case.best
    mean = float(np.mean(values))
    # below three floors of the truth only the bound is known
    label = f"{case.label}, bound by the truth" if any(entry["censored"] for entry in found) else case.label
    rows = [row(label, METRIC, mean, better="lower", reference=reference, goal=case.goal, **own)]
    if case.stretch is not None:
        rows.append(row(label, f"{METRIC}, stretch", mean, better="lower", reference=case.best, goal=case.stretch))
    rows.append(row(case.label, "floor of the truth", found[0]["floor"], better="lower"))
    residual = float(np.mean([_residual(folder) for folder in folders]))
    rows.append(row(case.label, "relative residual", residual, better="lower", seeds=list(case.seeds)))
    return rows


def _assert_goals(cases: Sequence[Case], runs: Path) -> None:
    for case in cases:
        worst = max(_error(runs / _name(case, seed), case.fields)["value"] for seed in case.seeds)
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


def _pictures(runs: Path) -> None:
    """Copies what the reports drew."""
    (HERE / "figures").mkdir(exist_ok=True)
    for name, figures in PICTURES.items():
        for figure in figures:
            source = runs / name / "figures" / f"{figure}.png"
            shutil.copy(source, HERE / "figures" / f"{name.removeprefix('pig_')}_{figure}.png")


def _draw(rows: Sequence[Mapping]) -> None:
    """Errors beside those of the paper and the goals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [r for r in rows if r["metric"] == METRIC][::-1]
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
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
    figure.savefig(HERE / "figures" / "errors.png", dpi=140)


def main() -> None:
    """Runs a preset and writes its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "smoke"), default="small")
    parser.add_argument("--only", nargs="*", help="run these experiments; the results hold what all finished runs hold")
    parser.add_argument("--collect", action="store_true", help="only gather what finished runs hold")
    options = parser.parse_args()
    if options.preset == "smoke":
        with tempfile.TemporaryDirectory() as scratch:
            for case in SMOKE:
                _solve(case, Path(scratch))
            _assert_goals(SMOKE, Path(scratch) / "runs")
        return
    for case in CASES:
        if not options.collect and (not options.only or case.experiment in options.only):
            _solve(case, Path())
    done = [c for c in CASES if all((Path("runs") / _name(c, s) / "evaluation.json").exists() for s in c.seeds)]
    rows = [one for case in done for one in _rows(case, Path("runs"))]
    write_study(HERE, study("pig", QUESTION, "python -m experiments.pig.run --preset small", options.preset, rows))
    _pictures(Path("runs"))
    _draw(rows)


if __name__ == "__main__":
    main()
