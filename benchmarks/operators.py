"""The FNO against neuraloperator's: time and memory of training steps, and a roofline of where our time goes.

Command: python -m benchmarks.operators --peer PYTHON [--smoke], PYTHON being one that has torch and neuraloperator.
About fifteen minutes on two cores, the smoke form half a minute.

Both sides run in processes of their own, on the same two cores with two threads, float32, relative L2 loss and Adam,
four blocks, coordinates as input channels, and take turns. They have exactly the same number of parameters: where
neuraloperator keeps the frequencies -M/2 .. M/2-1 of an axis, half of our blocks keep |k| <= M/2, half |k| < M/2.
Compilation is not in the times. Memory is the most a process held beyond what it held before it made the network; ours
includes the compiler's.
"""

import argparse
import dataclasses
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._results import row, study, write_benchmark
from benchmarks._serve import Side, alternate, peak, serve
from pdejax.networks import FNO, FNOBlock

QUESTION = "How fast does the FNO train, and in how much memory, relative to neuraloperator's of the same size?"
THREADS = 2


@dataclasses.dataclass(frozen=True)
class Case:
    """An FNO and its training data; `n_modes` counts frequencies of both signs, as neuraloperator does."""

    shape: tuple[int, ...]
    n_modes: tuple[int, ...]
    width: int
    batch: int

    @property
    def name(self) -> str:
        """How the table calls the case."""
        grid = "x".join(map(str, self.shape))
        return f"{len(self.shape)}D {grid}, n_modes {self.n_modes[0]}, width {self.width}, batch {self.batch}"

    def modes(self, block: int) -> tuple[int, ...]:
        """Frequencies of one sign in a block: with M/2 and without it in turns, for each axis of both signs."""
        signed = [m // 2 + (block >> axis & 1) for axis, m in enumerate(self.n_modes[:-1])]
        return (*signed, self.n_modes[-1] // 2 + 1)


CASES = (
    Case((1024,), (32,), 64, 16),
    Case((64, 64), (16, 16), 32, 16),
    Case((64, 64), (32, 32), 32, 16),
    Case((128, 128), (32, 32), 32, 4),
    Case((32, 32, 32), (16, 16, 16), 20, 2),
)
SMOKE = Case((64, 64), (16, 16), 16, 2)


def network(case: Case, depth: int = 4) -> FNO:
    """The FNO of a case, its weights drawn by NumPy: nothing is compiled for them."""

    def build(key: Any) -> FNO:
        net = FNO(1, 1, len(case.shape), width=case.width, modes=1, depth=depth, embedding="fraction", key=key)
        block = lambda i: FNOBlock(case.width, case.modes(i), final_activation=False, last=i == depth - 1, key=key)
        return eqx.tree_at(lambda net: net.blocks, net, tuple(map(block, range(depth))))

    random = np.random.default_rng(0)
    draw = lambda a: jnp.asarray((a.shape[-2] if a.ndim > 1 else 1) ** -0.5 * random.standard_normal(a.shape), a.dtype)
    net = eqx.filter_eval_shape(build, jax.random.key(0))
    return jax.tree.map(lambda a: draw(a) if isinstance(a, jax.ShapeDtypeStruct) else a, net)


def relative_l2(y: jax.Array, target: jax.Array) -> jax.Array:
    """Mean over the batch of the relative error."""
    axes = tuple(range(1, y.ndim))
    return jnp.mean(jnp.sqrt(jnp.sum((y - target) ** 2, axes) / jnp.sum(target**2, axes)))


def training(case: Case) -> tuple[dict[str, Callable[[], None]], int]:
    """Forward pass and training step, compiled, as functions of nothing; and the number of parameters."""
    arrays, static = eqx.partition(network(case), eqx.is_array)
    random = np.random.default_rng(1)
    x, y = (jnp.asarray(random.standard_normal((case.batch, *case.shape, 1)), jnp.float32) for _ in range(2))
    optimiser = optax.adam(1e-3)
    apply = lambda arrays, x: eqx.combine(arrays, static)(x)

    def update(arrays: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
        value, gradient = jax.value_and_grad(lambda arrays: relative_l2(apply(arrays, x), y))(arrays)
        change, state = optimiser.update(gradient, state, arrays)
        return optax.apply_updates(arrays, change), state, value

    state = optimiser.init(arrays)
    held = {"arrays": arrays, "state": state}
    forward = jax.jit(apply).lower(arrays, x).compile()
    step = jax.jit(update, donate_argnums=(0, 1)).lower(arrays, state, x, y).compile()

    def train() -> None:
        held["arrays"], held["state"], value = step(held["arrays"], held["state"], x, y)
        jax.block_until_ready((held, value))

    runs = {"forward": lambda: jax.block_until_ready(forward(held["arrays"], x)), "step": train}
    return runs, sum(a.size for a in jax.tree.leaves(arrays))


def answer(case: Case) -> None:
    """Our side: serves the runs of a case."""
    jax.block_until_ready(jnp.zeros(1))
    before, start = peak(), time.perf_counter()
    runs, parameters = training(case)
    serve(runs, parameters=parameters, before=before, compilation=time.perf_counter() - start)


def ratio_row(name: str, what: str, pairs: Sequence[Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """Our median milliseconds beside the peer's; the interval is that of the ratios of neighbouring runs."""
    ours, theirs = (statistics.median(wall for wall, _ in side) for side in pairs)
    ratios = sorted(a[0] / b[0] for a, b in zip(*pairs, strict=True))
    cpu = statistics.median(a[1] for a in pairs[0]) / statistics.median(b[1] for b in pairs[1])
    print(
        f"{name}, {what}: {1e3 * ours:.1f} ms, peer {1e3 * theirs:.1f} ms, ratio {statistics.median(ratios):.2f} "
        f"[{ratios[1]:.2f}, {ratios[-2]:.2f}], CPU ratio {cpu:.2f}",
        flush=True,
    )
    value, interval = round(statistics.median(ratios), 3), [round(ratios[1], 3), round(ratios[-2], 3)]
    further = {"reference": round(1e3 * theirs, 1), "seconds": round(ours, 5), "interval": interval}
    goal = 0.5 if what == "step" else None
    return row(name, f"{what}, time over the peer's", value, better="lower", goal=goal, **further)


def measure(case: Case, peer: str, rounds: int) -> list[dict[str, Any]]:
    """Rows of one case."""
    description = json.dumps(dataclasses.asdict(case))
    sides = (
        Side(sys.executable, "benchmarks.operators", "--serve", description),
        Side(peer, "benchmarks._peer_fno", "train", description),
    )
    ours, theirs = (side.facts["parameters"] for side in sides)
    if ours != theirs:
        raise SystemExit(f"{case.name}: {ours} parameters, the peer has {theirs}")
    print(f"{case.name}: {ours} parameters, compiled in {sides[0].facts['compilation']:.1f} s", flush=True)
    rows = [ratio_row(case.name, what, alternate(sides, what, rounds)) for what in ("step", "forward")]
    memory = [side.peak - side.facts["before"] for side in sides]
    print(f"{case.name}: {memory[0]:.0f} MiB, peer {memory[1]:.0f} MiB", flush=True)
    for side in sides:
        side.close()
    return [
        *rows,
        row(case.name, "peak memory over the peer's", round(memory[0] / memory[1], 3), better="lower",
            reference=round(memory[1]), goal=0.7),
    ]  # fmt: skip


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="a Python with torch and neuraloperator")
    parser.add_argument("--smoke", action="store_true", help="one small case, nothing written")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(options.serve).items()}
        return answer(Case(**fields))
    if hasattr(os, "sched_setaffinity"):  # inherited by both sides
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    if options.smoke:
        step = measure(SMOKE, options.peer, 6)[0]
        if step["value"] > 1:
            raise SystemExit(f"a training step should take less time than the peer's, got {step}")
        return
    rows = [r for case in CASES for r in measure(case, options.peer, options.rounds)]
    command = "python -m benchmarks.operators --peer PYTHON"
    write_benchmark(study("operators", QUESTION, command, "full", rows, ["equinox", "optax"]))


if __name__ == "__main__":
    main()
