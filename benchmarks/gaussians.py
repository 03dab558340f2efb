"""The residual of a field of Gaussians and its gradient: three ways to evaluate it against the published one.

Command: python -m benchmarks.gaussians [--smoke]. About two minutes on one core; the smoke form takes seconds.

The field is that of the Helmholtz problem of physics-informed Gaussians (ICLR 2025): four features, each with 800
Gaussians of its own, a layer of 16 tanh units, 16 097 parameters, and 64 x 64 points. Measured is what a training step
does: value and gradient of the mean squared residual u_xx + u_yy + u, float32. The published code takes second
derivatives by automatic differentiation, forward over reverse for each coordinate with all points in one batch, through
the distances of all pairs of a point and a Gaussian; that is written here in JAX again. All programs are compiled
beforehand, take turns on one core, and are given in seconds of its time; memory is what the compiled program asks for
beside its arguments. They all give the same loss and gradient.
"""

import argparse
import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.results import record, row, write_benchmark
from pdejax.core import Points, TensorGrid
from pdejax.networks import GaussianField

QUESTION = "How much cheaper is the residual gradient of a Gaussian field than by the published evaluation?"
PEER = "published"
GOALS = {"separable": 20.0}
ORDERS = ((0, 0), (2, 0), (0, 2))


@dataclasses.dataclass(frozen=True)
class Case:
    """A field of four features and the points of its residual."""

    count: int
    points: int

    @property
    def name(self) -> str:
        """How the table calls the case."""
        return f"Helmholtz, 4 sets of {self.count} Gaussians, {self.points}x{self.points} points"

    def field(self) -> GaussianField:
        """The published field."""
        build = lambda key: GaussianField(1, ((-1.0, 1.0), (-1.0, 1.0)), count=self.count, shared=False, key=key)
        field = jax.jit(build)(jax.random.key(0))
        # weights as after some training: at first the loss is nearly zero and so would be all gradients
        return eqx.tree_at(lambda f: f.weights, field, 10 * field.weights)

    def grid(self) -> TensorGrid:
        """The points."""
        axis = jnp.linspace(-1.0, 1.0, self.points)
        return TensorGrid((axis, axis))


FULL, SMOKE = Case(800, 64), Case(400, 48)


def all_pairs(field: GaussianField, points: jax.Array) -> jax.Array:
    """The field by the distances of all pairs, (point, 1)."""
    distance = (points[None, :, None] - field.centres[:, None]) * jnp.exp(-field.log_widths)[:, None]
    features = jnp.einsum("spn,snf->ps", jnp.exp(-0.5 * jnp.sum(distance**2, -1)), field.weights)
    assert field.head is not None
    return field.head.out(jnp.tanh(field.head.hidden(features)))


def published(field: GaussianField, points: jax.Array) -> jax.Array:
    """u_xx + u_yy + u, each second derivative forward over reverse."""
    columns = [points[:, i : i + 1] for i in range(2)]

    def second(axis: int) -> jax.Array:
        def slope(x: jax.Array) -> jax.Array:
            moved = lambda x: all_pairs(field, jnp.concatenate([*columns[:axis], x, *columns[axis + 1 :]], 1))
            value, pull = jax.vjp(moved, x)
            return pull(jnp.ones_like(value))[0]

        return jax.jvp(slope, (columns[axis],), (jnp.ones_like(columns[axis]),))[1]

    return all_pairs(field, points) + second(0) + second(1)


def by_path(path: str) -> Callable[[GaussianField, Points], jax.Array]:
    """The residual by one of the field's own ways."""

    def residual(field: GaussianField, points: Points) -> jax.Array:
        jet = field.jet(points, ORDERS, path=path)
        return jet[0, 0] + jet[2, 0] + jet[0, 2]

    return residual


def programs(case: Case) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """For each way a run of the compiled loss and gradient, and the bytes it needs."""
    field, grid = case.field(), case.grid()
    arrays, static = eqx.partition(field, eqx.is_array)
    ways: Mapping[str, tuple[Callable, Points]] = {
        PEER: (published, grid.points()),
        "separable": (by_path("separable"), grid),
        "gemm": (by_path("gemm"), grid.points()),
        "direct": (by_path("direct"), grid.points()),
    }
    runs, memory = {}, {}
    for name, (residual, points) in ways.items():
        loss = lambda arrays, points, residual=residual: jnp.mean(residual(eqx.combine(arrays, static), points) ** 2)
        program = jax.jit(jax.value_and_grad(loss)).lower(arrays, points).compile()
        runs[name] = lambda program=program, points=points: program(arrays, points)
        memory[name] = program.memory_analysis().temp_size_in_bytes
    return runs, memory


def check(runs: Mapping[str, Callable[[], Any]]) -> None:
    """That all ways have the same gradient, up to what single precision leaves.

    **Raises:** `RuntimeError` if one has not.
    """
    flat = {name: np.concatenate([np.ravel(a) for a in jax.tree.leaves(run())]) for name, run in runs.items()}
    for name, gradient in flat.items():
        error = np.linalg.norm(gradient - flat[PEER]) / np.linalg.norm(flat[PEER])
        if error > 1e-3:
            raise RuntimeError(f"loss and gradient by {name} differ from those by {PEER} by {error:.1e}")


def cpu_seconds(run: Callable[[], Any], calls: int = 1) -> float:
    start = time.process_time()
    for _ in range(calls):
        jax.block_until_ready(run())
    return (time.process_time() - start) / calls


def measure(case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of one case: time, memory and their ratios to the published way."""
    runs, memory = programs(case)
    check(runs)
    # as many calls as take a fifth of a second: a single one of milliseconds tells more about the machine
    calls = {name: math.ceil(0.2 / cpu_seconds(run)) for name, run in runs.items()}
    rounds = [{name: cpu_seconds(run, calls[name]) for name, run in runs.items()} for _ in range(repeats)]
    rows = []
    for name in runs:
        seconds = statistics.median(times[name] for times in rounds)
        label, mebibytes = f"{case.name}, {name}", round(memory[name] / 2**20, 1)
        rows.append(row(label, "CPU time", round(1e3 * seconds, 2), better="lower", unit="ms", seconds=seconds))
        rows.append(row(label, "temporary memory", mebibytes, better="lower", unit="MiB"))
        if name == PEER:
            continue
        ratios = sorted(times[PEER] / times[name] for times in rounds)
        speed, goal = statistics.median(ratios), GOALS.get(name)
        interval = [round(ratios[0], 1), round(ratios[-1], 1)]
        further = {"better": "higher", "reference": 1}
        less = round(memory[PEER] / memory[name], 1)
        rows.append(row(label, f"times faster than {PEER}", round(speed, 1), interval=interval, goal=goal, **further))
        rows.append(row(label, f"times less memory than {PEER}", less, **further))
        print(f"{label}: {speed:.1f} {interval} times faster, {less} times less memory", flush=True)
    return rows


def main() -> None:
    """Measures the case and writes it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a small case in seconds, nothing written")
    smoke = parser.parse_args().smoke
    rows = measure(SMOKE if smoke else FULL, 5 if smoke else 15)
    if not smoke:
        write_benchmark(record("gaussians", QUESTION, "python -m benchmarks.gaussians", "full", rows))
        return
    speed = next(r["value"] for r in rows if r["goal"] is not None)
    if speed < GOALS["separable"] / 2:
        raise SystemExit(f"the separable way is only {speed} times faster than the published one")


if __name__ == "__main__":
    main()
