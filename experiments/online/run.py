"""Are solutions that are made as training goes on worth more than stored ones, and does it matter how they are mixed?

python -m experiments.online.run --preset small            # all arms; an interrupted one goes on
python -m experiments.online.run --preset small --seeds 0  # the same of one seed
python -m experiments.online.run --preset smoke            # seconds
"""

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

import pdejax
from experiments._kit.results import Record, Row, over_seeds, row
from experiments._kit.study import Options, Study, picture
from experiments.online.arms import BURGERS, FLOW, ORDERED, TINY, Case
from pdejax.core import write_text
from pdejax.data import Dataset, SplitSize, generate
from pdejax.data.feeds.simulated import certified
from pdejax.training import TrainSettings, advance, start

HERE = Path(__file__).parent
QUESTION = "Are solutions that are made as training goes on worth more than stored ones, at equal steps and equal time?"
CASES = {"burgers": BURGERS, "flow": FLOW}
ERROR, PRICE = "relative L2 error", "time of an update / stored"
GAIN = "error of 64 stored / error of the stream"
TURNS = 7  # in which updates are timed
METHOD = {"kind": "supervised", "unroll": 1, "predict": "state", "history": 1, "error": {"kind": "relative_l2"}}


@dataclasses.dataclass(frozen=True)
class Measured:
    """Errors and prices by arm, kept in a file so that an interrupted study goes on."""

    path: Path

    def __getitem__(self, key: str) -> dict[str, float]:
        return json.loads(self.path.read_text())[key]

    def keep(self, key: str, measure: Callable[..., Any], *arguments: Any) -> None:
        """Measures what is not kept yet."""
        kept = json.loads(self.path.read_text()) if self.path.exists() else {}
        if key not in kept:
            kept[key] = measure(*arguments)
            print(f"{key}: {kept[key]}", flush=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.path, json.dumps(kept, indent=1) + "\n")


def data_of(case: Case, base: Path) -> Dataset:
    """The stored solutions; those of a smaller set are the first ones of it."""
    sizes = {"train": SplitSize(max(case.stored), 2), "test": SplitSize(case.test, 2)}
    family = case.problem()
    root = base / "data" / family.name
    return Dataset.open(generate(family, case.simulator, root, sizes, shard_size=512))


def relative(model: Any, states: np.ndarray) -> float:
    """Mean relative L2 error of the last frame, of the prediction from the first one."""
    found = np.asarray(jax.jit(model)(states[:, 0]))
    norm = lambda x: np.sqrt(np.sum(np.square(x), axis=tuple(range(1, x.ndim))))
    return float(np.mean(norm(found - states[:, 1]) / norm(states[:, 1])))


def settings_of(case: Case, steps: int) -> dict[str, Any]:
    """Settings of a training."""
    each = min(50, steps)
    return {
        "steps": steps,
        "learning_rate": case.rate,
        "warmup": steps // 20,
        "updates_per_dispatch": each,
        "devices": 1,
    }


def learned(case: Case, arm: str, seed: int, steps: int, base: Path) -> dict[str, float]:
    """The error of a training, on solutions of the kind that it has learned from, and its CPU seconds."""
    data, began = data_of(case, base), time.process_time()
    feed = case.feed(arm, seed, data)
    method = pdejax.core.build("method", METHOD)
    model = pdejax.fit(method, case.network, feed, seed=seed, show=False, **settings_of(case, steps))
    seconds = time.process_time() - began
    if arm not in ORDERED:
        return {"error": relative(model, data.split("test").states), "cpu": seconds}
    recipe = case.source(0, ordered=0).recipe
    truth = certified(recipe, np.arange(case.test), 1, "test")
    return {"error": relative(model, truth.states), "cpu": seconds}


def price(case: Case, arm: str, base: Path) -> dict[str, float]:
    """What an update takes with this arm's feed over what it takes with the smallest stored set, measured in turns."""
    data, method = data_of(case, base), pdejax.core.build("method", METHOD)
    trainings = []
    for name in (f"stored {case.stored[0]}", arm):
        feed = case.feed(name, 0, data)
        card = pdejax.DataCard.of(feed.source, method)
        model = method.build(case.network, card, key=jax.random.key(0))
        trainings.append(start(method, model, feed, TrainSettings(**settings_of(case, 1000)), key=jax.random.key(0)))
    seconds: list[list[float]] = [[], []]
    for turn in range(TURNS):
        for one, taken in zip(trainings, seconds, strict=True):
            began = time.process_time()
            jax.block_until_ready(advance(one, 25))
            if turn:  # the first one compiles
                taken.append((time.process_time() - began) / 25)
    ratios = [b / a for a, b in zip(*seconds, strict=True)]
    return {"ratio": median(ratios), "low": min(ratios), "high": max(ratios), "stored": median(seconds[0])}


def arms_of(name: str, case: Case) -> Sequence[str]:
    """The arms at equal steps."""
    return (*(f"stored {n}" for n in case.stored), "stream", "pool", *(ORDERED if name == "burgers" else ()))


def cases_of(options: Options) -> Mapping[str, Case]:
    if options.preset == "smoke":
        return {"tiny": TINY}
    if options.steps:  # to look whether all works
        return {name: dataclasses.replace(case, steps=options.steps) for name, case in CASES.items()}
    return CASES


def _kept(options: Options, base: Path) -> Measured:
    return Measured(HERE / "measured.json" if options.preset == "small" and not options.steps else base / "tried.json")


def _run(options: Options, base: Path) -> None:
    kept = _kept(options, base)
    for name, case in cases_of(options).items():
        if options.preset == "smoke":
            for arm in (f"stored {case.stored[0]}", "stream"):
                kept.keep(f"{name}, {arm}, 0", learned, case, arm, 0, case.steps, base)
            continue
        for arm in ("stream", "pool"):
            kept.keep(f"{name}, price, {arm}", price, case, arm, base)
        longer = math.ceil(kept[f"{name}, price, stream"]["ratio"] * case.steps)
        for seed in options.seeds:
            for arm in arms_of(name, case):
                kept.keep(f"{name}, {arm}, {seed}", learned, case, arm, seed, case.steps, base)
            for arm in (f"stored {size}" for size in case.stored):
                kept.keep(f"{name}, {arm}, as long, {seed}", learned, case, arm, seed, longer, base)


def _errors(kept: Measured, case: str, arm: str, seeds: Sequence[int]) -> list[float]:
    return [kept[f"{case}, {arm}, {seed}"]["error"] for seed in seeds]


def _rows(options: Options, base: Path) -> list[Row]:
    kept, seeds, rows = _kept(options, base), options.seeds, []
    for name, case in cases_of(options).items():
        stored = [f"stored {n}{long}" for n in case.stored for long in ("", ", as long")]
        for arm in (*stored, *(arm for arm in arms_of(name, case) if not arm.startswith("stored"))):
            found = over_seeds(_errors(kept, name, arm, seeds), seeds)
            rows.append(row(f"{name}, {arm}", ERROR, found.pop("value"), better="lower", **found))
        first = f"stored {case.stored[0]}"
        for what, few in (("at equal steps", first), ("in equal time", f"{first}, as long")):
            pairs = zip(_errors(kept, name, few, seeds), _errors(kept, name, "stream", seeds), strict=True)
            found = over_seeds([a / b for a, b in pairs], seeds)
            goal = 5.0 if name == "burgers" and what == "at equal steps" else None
            value = found.pop("value")
            rows.append(row(f"{name}, stream", f"{GAIN}, {what}", value, better="higher", goal=goal, **found))
        for arm in ("stream", "pool"):
            taken = kept[f"{name}, price, {arm}"]
            goal, between = 1.3 if (name, arm) == ("burgers", "stream") else None, [taken["low"], taken["high"]]
            rows.append(row(f"{name}, {arm}", PRICE, taken["ratio"], better="lower", goal=goal, interval=between))
    return rows


def _check(options: Options, base: Path) -> None:
    """A stream beats few stored solutions after as many updates."""
    kept = _kept(options, base)
    few, stream = (_errors(kept, "tiny", arm, [0])[0] for arm in (f"stored {TINY.stored[0]}", "stream"))
    if not stream < 0.7 * few:
        raise SystemExit(f"error with {TINY.stored[0]} stored solutions {few:.3g}, with a stream {stream:.3g}")
    print(f"smoke: a stream has {stream:.2g} of error, {TINY.stored[0]} stored solutions {few:.2g}")


def _draw(options: Options, base: Path, record: Record) -> None:
    kept = _kept(options, base)
    cases = cases_of(options)
    with picture(HERE / "figures" / "errors.png", 1, len(cases), figsize=(9, 3.6)) as (_, axes):
        for (name, case), one in zip(cases.items(), axes, strict=True):
            middle = lambda arm, name=name: np.mean(_errors(kept, name, arm, options.seeds))
            one.loglog(case.stored, [middle(f"stored {n}") for n in case.stored], "o-", label="stored")
            one.loglog(
                case.stored, [middle(f"stored {n}, as long") for n in case.stored], "o:", label="stored, as long"
            )
            once, total = case.steps * case.batch_size, case.steps * case.batch_size // case.reuse
            one.loglog([once], [middle("stream")], "s", label="stream")
            one.loglog([total], [middle("pool")], "^", label="pool")
            one.set(title=name, xlabel="different solutions", ylabel=ERROR)
        axes[0].legend(frameon=False, fontsize=8)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=0, help="fewer updates, to look whether all works")


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw, arguments=_arguments)

if __name__ == "__main__":
    STUDY.main(__doc__)
