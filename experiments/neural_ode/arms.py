"""Methods that differ in one thing, trained side by side: compiled once each, their updates taking turns."""

import abc
import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments._kit.results import Row, over_seeds, row
from pdejax.data import WindowOrder
from pdejax.methods import AbstractMethod, AbstractRegularization, Regularized
from pdejax.solvers import Integrator
from pdejax.training import TrainSettings, advance, start

PLAIN = "unregularised"
REPEATS = 15


class Samples(eqx.Module):
    """A batch of anything: arrays by name, with what the training loop asks of every batch."""

    arrays: dict[str, Array]
    row: Int[Array, " batch"]
    mask: Float[Array, " batch"]


class SampleFeed:
    """Batches of whole samples that lie on the device: a `Feed`.

    **Arguments:** `arrays`: by name, all with the leading axis sample; `batch_size`; `seed`: of the order.
    """

    def __init__(self, arrays: Mapping[str, Any], batch_size: int, *, seed: int = 0) -> None:
        self.arrays = {name: jnp.asarray(x) for name, x in arrays.items()}
        self.batch_size = batch_size
        self.order = WindowOrder(len(next(iter(self.arrays.values()))), 1, 1, batch_size, seed)

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and which samples to take."""
        return {"step": state["step"] + 1}, self.order.batch(state["step"])

    def fetch(self, arrays: Any, item: Any) -> Samples:
        """Takes the samples out."""
        chosen = {name: x[item[:, 0]] for name, x in arrays.items()}
        return Samples(chosen, item[:, 2], jnp.ones(len(item), jnp.float32))


class Solving(AbstractMethod):
    """What the methods of tasks that solve an equation in their loss share; all arrays of their models are trained.

    **Arguments:** `integrator`; `regularization`.
    """

    integrator: eqx.AbstractVar[Integrator]
    regularization: eqx.AbstractVar[AbstractRegularization | None]

    @property
    def window(self) -> int:
        return 0

    @property
    def coupled(self) -> bool:
        """Samples share the steps of one solve."""
        return True

    def at(self, progress: Any) -> "Solving":
        """The method at a moment of training."""
        if self.regularization is None:
            return self
        return eqx.tree_at(lambda m: m.regularization, self, self.regularization.at(progress))

    def trainable(self, model: Any) -> Any:
        return jax.tree.map(eqx.is_inexact_array, model)

    def penalised(self, losses: Any, solved: Regularized, **measured: Any) -> tuple[Any, dict[str, Any]]:
        """Losses `(batch,)` with the penalty, and for every sample what the solve took and what was measured."""
        weight = jnp.zeros(()) if self.regularization is None else self.regularization.factor
        record = {**solved.account.measures(), "penalty": solved.penalty, **measured}
        return losses + weight * solved.penalty, {k: jnp.broadcast_to(v, losses.shape) for k, v in record.items()}


class Comparison(abc.ABC):
    """A task, and the methods that learn it; the one called `unregularised` is what the others are measured by.

    - `arms`: methods by name; their models differ in nothing but what was learned.
    - `settings`: of the training loop.
    - `first_steps`: policies under which function evaluations are counted, see `Integrator`; predictions are timed
      under each.
    """

    name: str
    arms: Mapping[str, AbstractMethod]
    settings: TrainSettings
    first_steps: Mapping[str, Any]

    @abc.abstractmethod
    def model(self, method: AbstractMethod, seed: int) -> Any:
        """The untrained model."""

    @abc.abstractmethod
    def feed(self, seed: int) -> Any:
        """Where batches come from."""

    @abc.abstractmethod
    def test(self, model: Any, first_step: Any) -> dict[str, Any]:
        """Scalars by name from held-out data, traceable: `nfe`, `steps` (accepted) and measures of quality."""


@dataclasses.dataclass
class Trained:
    """What came of an arm with a seed: scalars under each policy, and seconds of each update after compilation."""

    model: Any
    scores: dict[str, dict[str, float]]
    seconds: list[float]
    record: list[dict[str, float]]


class _Arm:
    """A method and its training: a new one for each seed, all with the update that was compiled for the first."""

    def __init__(self, task: Comparison, method: AbstractMethod) -> None:
        self.task, self.method, self.training = task, method, None

    def start(self, seed: int) -> None:
        """A new model and feed."""
        model, feed = self.task.model(self.method, seed), self.task.feed(seed)
        settings = dataclasses.replace(self.task.settings, devices=1)
        key = jax.random.key(seed + 1)
        self.training: Any = start(self.method, model, feed, settings, key=key, like=self.training)
        self.seconds, self.record = [], []

    def advance(self, updates: int) -> None:
        """Several updates in one dispatch."""
        clock = time.perf_counter()
        metrics = jax.block_until_ready(advance(self.training, updates))
        self.seconds.append((time.perf_counter() - clock) / updates)
        self.record.append({name: float(np.mean(x)) for name, x in metrics.items()})

    @property
    def model(self) -> Any:
        """The model with averaged parameters, on the default device."""
        return jax.tree.map(lambda x: jnp.asarray(x) if isinstance(x, np.ndarray) else x, self.training.model)


def compare(task: Comparison, seeds: Sequence[int], *, show: bool = True) -> dict[str, list[Trained]]:
    """Trains all arms with all seeds, their dispatches taking turns, and tests them, their predictions taking turns."""
    arms = {name: _Arm(task, method) for name, method in task.arms.items()}
    found: dict[str, list[Trained]] = {name: [] for name in arms}
    tests = {
        name: eqx.filter_jit(lambda m, first=first: task.test(m, first)) for name, first in task.first_steps.items()
    }
    each = task.settings.updates_per_dispatch
    for number, seed in enumerate(seeds):
        for arm in arms.values():
            arm.start(seed)
        for _ in range(task.settings.steps // each):
            for arm in arms.values():
                arm.advance(each)
        for name, arm in arms.items():
            model = arm.model
            scores = {policy: {k: float(v) for k, v in test(model).items()} for policy, test in tests.items()}
            # the first dispatch of the first seed compiles
            found[name].append(Trained(model, scores, arm.seconds[1:] if number == 0 else arm.seconds, arm.record))
            if show:
                print(f"{task.name}, seed {seed}, {name}: {scores}", flush=True)
        _time(found, tests)
    return found


def _time(found: Mapping[str, list[Trained]], tests: Mapping[str, Callable]) -> None:
    """Seconds of a prediction of the newest models, the arms taking turns; the median of repeats."""
    for policy, test in tests.items():
        seconds: dict[str, list[float]] = {name: [] for name in found}
        for _ in range(REPEATS):
            for name, trained in found.items():
                clock = time.perf_counter()
                jax.block_until_ready(test(trained[-1].model))
                seconds[name].append(time.perf_counter() - clock)
        for name, trained in found.items():
            trained[-1].scores[policy]["seconds"] = float(np.median(seconds[name]))


# ---- rows of the results


@dataclasses.dataclass(frozen=True)
class Goal:
    """What an arm should reach, each as a ratio to the unregularised arm unless said otherwise."""

    nfe: float | None = None
    quality: float | None = None
    speed: float | None = None
    training: float | None = None


def rows(
    task: Comparison,
    found: Mapping[str, list[Trained]],
    seeds: Sequence[int],
    *,
    quality: str,
    policy: str,
    goals: Mapping[str, Goal],
    difference: bool = False,
    unit: str = "1",
) -> list[Row]:
    """One row a figure: means over seeds, the interval being the smallest and largest of them.

    **Arguments:** `quality`: name of the score that must not become worse; `policy`: under which the goals are meant;
    `goals`: by arm; `difference`: the quality is compared by a difference in points, larger being better (accuracy),
    and not by a ratio (an error); `unit`: of the quality.
    """
    out: list[Row] = []
    for name, trained in found.items():
        case, goal = f"{task.name}, {name}", goals.get(name, Goal())
        of = lambda p, key, arm=trained: [t.scores[p][key] for t in arm]
        add = lambda metric, values, better, goal=None, unit="1", case=case: out.append(
            row(case, metric, better=better, unit=unit, goal=goal, **over_seeds(values, seeds))
        )
        for p in task.first_steps:
            add(f"evaluations, first step {p}", of(p, "nfe"), "lower")
            add(f"accepted steps, first step {p}", of(p, "steps"), "lower")
        add(quality, of(policy, quality), "higher" if difference else "lower", unit=unit)
        if name == PLAIN:
            continue
        plain = found[PLAIN]
        ratio = lambda p, key, of=of, plain=plain: np.array(of(p, key)) / np.array(of(p, key, plain))
        for p in task.first_steps:
            meant = p == policy
            add(f"evaluations / unregularised, first step {p}", ratio(p, "nfe"), "lower", goal.nfe if meant else None)
            speed = 1 / ratio(p, "seconds")
            add(f"prediction speed / unregularised, first step {p}", speed, "higher", goal.speed if meant else None)
        if difference:
            points = np.array(of(policy, quality)) - np.array(of(policy, quality, plain))
            add(f"{quality} minus unregularised", points, "higher", goal.quality, unit)
        else:
            add(f"{quality} / unregularised", ratio(policy, quality), "lower", goal.quality)
        spent = [sum(t.seconds) / sum(u.seconds) for t, u in zip(trained, plain, strict=True)]
        add("training time / unregularised", spent, "lower", goal.training)
    return out
