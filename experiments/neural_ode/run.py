"""Do penalties on the solver's own error estimates make neural ODEs cheaper at equal accuracy?

python -m experiments.neural_ode.run --preset small               # writes results.json and figures/
python -m experiments.neural_ode.run --preset small --only digits # one task, in place of its rows
python -m experiments.neural_ode.run --preset smoke               # seconds; asserts fewer evaluations
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from experiments._kit.results import Row, record, write_study
from experiments._kit.study import picture
from experiments.neural_ode import burgers, digits, reaction, sensors, spiral
from experiments.neural_ode.arms import PLAIN, Trained, compare, rows

HERE = Path(__file__).parent
QUESTION = "Do penalties on the solver's own error estimates make neural ODEs cheaper at equal accuracy?"
TASKS: Mapping[str, tuple[ModuleType, str]] = {
    "digits": (digits, "Digits"),
    "burgers": (burgers, "Burgers"),
    "reaction": (reaction, "Reaction"),
    "spiral": (spiral, "Spiral"),
    "sensors": (sensors, "Sensors"),
}
COLOURS = ("#010101", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8f98")
LINES = ("-", "--", ":", "-.", (0, (6, 2)), (0, (1, 3)), (0, (3, 1, 1, 1)), (0, (8, 2, 1, 2)))


def run(name: str, preset: str, seeds: list[int]) -> tuple[list[Row], dict[str, list[Trained]]]:
    """The rows of a task, and what its arms became."""
    module, kind = TASKS[name]
    clock = time.perf_counter()
    task = getattr(module, kind)(preset)
    found = compare(task, seeds)
    made = rows(
        task, found, seeds, quality=module.QUALITY, policy=module.POLICY, goals=module.GOALS,
        difference=getattr(module, "DIFFERENCE", False), unit=getattr(module, "UNIT", "1"),
    )  # fmt: skip
    if hasattr(task, "extra_rows"):
        made += task.extra_rows(found, seeds)
    seconds = time.perf_counter() - clock
    return [{**row, "seconds": round(seconds)} for row in made], found


def _check(name: str, made: list[Row]) -> None:
    """The direction of the claim: the local penalty saves evaluations, and training is not much dearer."""
    module, _ = TASKS[name]
    value = lambda metric: next(r["value"] for r in made if r["case"].endswith(", local") and r["metric"] == metric)
    ratio = value(f"evaluations / unregularised, first step {module.POLICY}")
    limit = 1.02 if name == "reaction" else 0.95  # that one is a negative control: nothing may become dearer
    if not ratio <= limit:
        raise SystemExit(f"{name}: the regularised model needs {ratio:.2f} of the evaluations, more than {limit}")
    print(f"{name}: {ratio:.2f} of the evaluations", flush=True)


def _curves(name: str, found: Mapping[str, list[Trained]]) -> None:
    """Draws evaluations and loss over training."""
    module, _ = TASKS[name]
    with picture(HERE / "figures" / f"{name}.png", 1, 2, figsize=(9, 3.4)) as (figure, (left, right)):
        for (arm, trained), colour, line in zip(found.items(), COLOURS, LINES, strict=False):
            style: dict[str, Any] = {"color": colour, "ls": line, "lw": 1.5}
            nfe = np.mean([[entry["nfe"] for entry in t.record] for t in trained], axis=0)
            left.plot(np.arange(1, len(nfe) + 1) / len(nfe), nfe, label=arm, **style)
            scores = [t.scores[module.POLICY] for t in trained]
            x, y = [s["nfe"] for s in scores], [s[module.QUALITY] for s in scores]
            right.scatter(x, y, s=10, color=colour, alpha=0.5, lw=0)
            right.plot(np.mean(x), np.mean(y), "o" if arm == PLAIN else "s", ms=7, mfc="none", color=colour)
        unit = f" [{module.UNIT}]" if hasattr(module, "UNIT") else ""
        left.set(xlabel="share of training", ylabel="evaluations of a training solve")
        right.set(xlabel="evaluations of a test solve", ylabel=f"{module.QUALITY}{unit}")
        left.set_title("in training, mean over seeds", loc="left", fontsize=9)
        right.set_title("after training: seeds (dots) and their mean", loc="left", fontsize=9)
        lines = left.get_legend_handles_labels()
        figure.legend(*lines, loc="outside upper center", ncols=4, frameon=False, fontsize=8)


def _merged(name: str, made: list[Row]) -> list[Row]:
    """The rows of the results file with those of one task put in place."""
    path = HERE / "results.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    by_task = {task: [r for r in before if r["case"].split(",")[0] == task] for task in TASKS}
    by_task[name] = made
    return [row for each in by_task.values() for row in each]


def main(words: Sequence[str] | None = None) -> None:
    """Runs a preset and writes its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("small", "smoke"), default="small")
    parser.add_argument("--only", choices=tuple(TASKS), help="one task")
    options = parser.parse_args(words)
    seeds = [0] if options.preset == "smoke" else [0, 1, 2]
    for name in [options.only] if options.only else TASKS:
        made, found = run(name, options.preset, seeds)
        if options.preset == "smoke":
            _check(name, made)
            continue
        command = f"python -m experiments.neural_ode.run --preset {options.preset}"
        made = record("neural_ode", QUESTION, command, options.preset, _merged(name, made), ["diffrax", "equinox"])
        write_study(HERE, made)
        _curves(name, found)


if __name__ == "__main__":
    main()
