"""Cost of the latent spectral model against the number of points, and that of attention between all points.

Command: python -m benchmarks.lsm_cost [--smoke]. About two minutes on one core; the smoke form takes seconds.

Time and memory of a forward pass are measured on grids of 1, 4 and 16 times the points and fitted by a power of it. The
sizes take turns, so that whatever else the machine does meets all of them; memory is what the compiled program asks
for beside its arguments.
"""

import argparse
import dataclasses
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.results import record, row, write_benchmark
from pdejax.networks import LSM

QUESTION = "Does the cost of the latent spectral model grow linearly with the number of points?"
GOALS = {"time": 1.15, "memory": 1.05}


def attention(x: jax.Array, heads: int = 2) -> jax.Array:
    """Softmax attention of all points to all points."""
    parts = x.reshape(x.shape[0], -1, heads, x.shape[-1] // heads)
    scores = jnp.einsum("bqhc,bkhc->bhqk", parts, parts)
    return jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(scores, -1), parts).reshape(x.shape)


@dataclasses.dataclass(frozen=True)
class Case:
    """Something whose forward pass is measured on square grids of these sizes."""

    name: str
    sizes: tuple[int, ...]
    width: int = 16
    scales: int = 5
    spectral: bool = True
    all_to_all: bool = False

    def forward(self) -> tuple[Callable, int]:
        """The function, and how many channels it takes."""
        if self.all_to_all:
            return attention, self.width
        build = lambda key: LSM(1, 1, 2, width=self.width, scales=self.scales, spectral=self.spectral, key=key)
        network = jax.jit(build)(jax.random.key(0))
        return lambda x: network(x), 1


CASES = (
    Case("LSM", (64, 128, 256)),
    Case("LSM without its blocks", (64, 128, 256), spectral=False),
    Case("attention between all points", (16, 32, 64), all_to_all=True),
)
SMOKE = (
    Case("LSM", (32, 64, 128), width=8, scales=3),
    Case("attention between all points", (12, 24, 48), all_to_all=True),
)


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """The power of the number of points that fits the costs best."""
    return float(np.polyfit([2 * math.log(n) for n in sizes], np.log(costs), 1)[0])


def programs(case: Case) -> tuple[list[Callable], list[int]]:
    """For each size a run of the compiled pass, and the bytes it needs."""
    forward, channels = case.forward()
    fields = [
        jnp.asarray(np.random.default_rng(0).standard_normal((1, n, n, channels)), jnp.float32) for n in case.sizes
    ]
    compiled = [jax.jit(forward).lower(x).compile() for x in fields]
    memory = [program.memory_analysis().temp_size_in_bytes for program in compiled]
    return [lambda p=p, x=x: p(x) for p, x in zip(compiled, fields, strict=True)], memory


def cpu_seconds(run: Callable) -> float:
    start = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - start


def measure(case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of one case: cost per point for each size, and both exponents."""
    runs, memory = programs(case)
    rounds = [[cpu_seconds(run) for run in runs] for _ in range(repeats + 1)][1:]
    seconds = [statistics.median(times) for times in zip(*rounds, strict=True)]
    spread = sorted(exponent(case.sizes, times) for times in rounds)
    powers = {"time": exponent(case.sizes, seconds), "memory": exponent(case.sizes, memory)}
    print(f"{case.name}: exponent of time {powers['time']:.3f}, of memory {powers['memory']:.3f}", flush=True)
    rows = []
    for n, t, size in zip(case.sizes, seconds, memory, strict=True):
        name = f"{case.name} of width {case.width}, {n}x{n}"
        rows.append(row(name, "time per point", round(1e6 * t / n**2, 3), better="lower", unit="us", seconds=t))
        rows.append(row(name, "memory per point", round(size / n**2, 1), better="lower", unit="B"))
    for metric, power in powers.items():
        interval = [round(spread[1], 3), round(spread[-2], 3)] if metric == "time" else None
        goal = None if case.all_to_all else GOALS[metric]
        first, last = case.sizes[0], case.sizes[-1]
        name = f"{case.name} of width {case.width}, {first}x{first} to {last}x{last}"
        rows.append(
            row(
                name,
                f"exponent of {metric}",
                round(power, 3),
                better="lower",
                interval=interval,
                goal=goal,
            )
        )
    return rows


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small cases in seconds, nothing written")
    smoke = parser.parse_args().smoke
    rows = [r for case in (SMOKE if smoke else CASES) for r in measure(case, 5 if smoke else 15)]
    if not smoke:
        write_benchmark(record("lsm_cost", QUESTION, "python -m benchmarks.lsm_cost", "full", rows))
        return
    linear, quadratic = (r["value"] for r in rows if r["metric"] == "exponent of memory")
    if linear > GOALS["memory"] or quadratic < 1.5:
        raise SystemExit(f"memory grows with powers {linear} (LSM) and {quadratic} (attention) of the points")


if __name__ == "__main__":
    main()
