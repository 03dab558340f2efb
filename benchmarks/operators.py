"""The FNO against neuraloperator's: time and memory of training steps, and a roofline of where our time goes.

Command: python -m benchmarks.operators --peer PYTHON [--smoke], PYTHON being one that has torch and neuraloperator.
About fifteen minutes on two cores, the smoke form half a minute.

Both sides run in processes of their own, on the same two cores, float32, relative L2 loss and Adam, four blocks,
coordinates as input channels, and take turns: the peer with two threads, we with two XLA devices of one thread each,
between which the batch is divided as in the training loop. They have exactly the same number of parameters: where
neuraloperator keeps the frequencies -M/2 .. M/2-1 of an axis, half of our blocks keep |k| <= M/2, half |k| < M/2.
We dispatch twenty updates at once, less than the training loop does by default: a call of a compiled program asks the
system for all its memory anew, which at one update a call takes a third of the time. The forward passes are steps of a
rollout likewise. Compilation is not in the times. Memory is the most a process held beyond what it held before it made
the network; ours includes what the compiler holds, while what it has freed goes back to the system before training.
"""

import argparse
import ctypes
import dataclasses
import json
import math
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
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks._roofline import bounds, machine_rates, stages
from benchmarks._serve import Side, alternate, peak, serve
from experiments._kit.results import Row, record, row, write_benchmark
from pdejax.networks import FNO, FNOBlock

QUESTION = "How fast does the FNO train, and in how much memory, relative to neuraloperator's of the same size?"
THREADS = 2
UPDATES = 20  # per dispatch


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


def loops(case: Case, mesh: Mesh) -> tuple[dict[str, Callable[[], None]], int]:
    """Many forward passes and many training steps, compiled, as functions of nothing; and the number of parameters."""
    arrays, static = eqx.partition(network(case), eqx.is_array)
    random, optimiser = np.random.default_rng(1), optax.adam(1e-3)
    apply = lambda arrays, x: eqx.combine(arrays, static)(x)

    def rollout(arrays: Any, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, _: (apply(arrays, x), None), x, length=UPDATES)[0]

    def train(arrays: Any, state: Any, x: jax.Array, y: jax.Array) -> Any:
        def update(carry: Any, _: None) -> Any:
            arrays, state = carry
            loss = lambda arrays: jax.lax.psum(relative_l2(apply(arrays, x), y), "data") / mesh.size
            change, state = optimiser.update(jax.grad(loss)(arrays), state, arrays)
            return (optax.apply_updates(arrays, change), state), None

        return jax.lax.scan(update, (arrays, state), length=UPDATES)[0]

    everywhere, divided = NamedSharding(mesh, P()), NamedSharding(mesh, P("data"))
    held = jax.device_put((arrays, optimiser.init(arrays)), everywhere)
    draw = lambda: jax.device_put(random.standard_normal((case.batch, *case.shape, 1), np.float32), divided)
    x, y = draw(), draw()
    shard = lambda f, inputs, outputs: jax.shard_map(f, mesh=mesh, in_specs=inputs, out_specs=outputs)
    forward = jax.jit(shard(rollout, (P(), P("data")), P("data"))).lower(held[0], x).compile()
    step = shard(train, (P(), P(), P("data"), P("data")), P())
    step = jax.jit(step, donate_argnums=(0, 1)).lower(*held, x, y).compile()

    def run_steps() -> None:
        nonlocal held
        held = jax.block_until_ready(step(*held, x, y))

    def run_forward() -> None:
        jax.block_until_ready(forward(held[0], x))

    runs = {"forward": run_forward, "step": run_steps}
    return runs, sum(a.size for a in jax.tree.leaves(arrays))


def answer(case: Case, devices: int) -> None:
    """Our side: serves the runs of a case."""
    jax.config.update("jax_num_cpu_devices", devices)
    mesh = jax.make_mesh((len(jax.devices()),), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    jax.block_until_ready(jnp.zeros(1))
    before, start = peak(), time.perf_counter()
    runs, parameters = loops(case, mesh)
    compilation = time.perf_counter() - start
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    runs["rates"] = lambda: machine_rates(mesh, case.batch * math.prod(case.shape) * case.width)
    serve(runs, UPDATES, parameters=parameters, before=before, compilation=compilation)


def timed_rows(name: str, what: str, pairs: Sequence[Sequence[tuple[float, float]]]) -> list[Row]:
    """Our median time over the peer's, the interval being that of the ratios of neighbouring runs, and both times."""
    ours, theirs = (statistics.median(wall for wall, _ in side) for side in pairs)
    ratios = sorted(a[0] / b[0] for a, b in zip(*pairs, strict=True))
    cpu = statistics.median(a[1] for a in pairs[0]) / statistics.median(b[1] for b in pairs[1])
    print(
        f"{name}, {what}: {1e3 * ours:.1f} ms, peer {1e3 * theirs:.1f} ms, ratio {statistics.median(ratios):.2f} "
        f"[{ratios[1]:.2f}, {ratios[-2]:.2f}], CPU ratio {cpu:.2f}",
        flush=True,
    )
    value, interval = round(statistics.median(ratios), 3), [round(ratios[1], 3), round(ratios[-2], 3)]
    times = {"unit": "ms", "reference": round(1e3 * theirs, 1), "seconds": round(ours, 5)}
    goal = 0.5 if what == "step" else None
    ratio = {"interval": interval, "reference": 1.0, "seconds": round(ours, 5), "goal": goal}
    return [
        row(name, f"{what}, time over the peer's", value, better="lower", **ratio),
        row(name, f"{what}, time", round(1e3 * ours, 2), better="lower", **times),
    ]


def roofline_rows(case: Case, rates: dict[str, float], seconds: float) -> list[Row]:
    """What the machine's rates leave of the time of a step: each stage's least time, and the step over their sum."""
    work = stages(case.shape, [case.modes(i) for i in range(4)], case.width, case.batch)
    least = bounds(work, rates)
    print(", ".join(f"{rate:.3g} {kind}/s" for kind, rate in rates.items()), flush=True)
    for name, stage in work.items():
        flops, size, gelus = (stage.get(kind, 0.0) for kind in ("flops", "bytes", "gelus"))
        counted = f"{flops / 1e9:.2f} GFLOP, {size / 2**20:.0f} MiB, {gelus / 1e6:.1f} M GELU"
        print(f"  {name}: {counted}, at least {1e3 * least[name]:.1f} ms", flush=True)
    total = sum(least.values())
    print(f"  at least {1e3 * total:.1f} ms in all, took {1e3 * seconds:.1f}", flush=True)
    parts = [
        row(case.name, f"least time of a step: {name}", round(1e3 * s, 2), better="lower", unit="ms")
        for name, s in least.items()
    ]
    return [*parts, row(case.name, "step over its least time", round(seconds / total, 2), better="lower", goal=None)]


def measure(case: Case, peer: str, rounds: int, devices: int) -> list[Row]:
    """Rows of one case."""
    description = json.dumps(dataclasses.asdict(case))
    sides = (
        Side(sys.executable, "benchmarks.operators", "--serve", description, "--devices", str(devices)),
        Side(peer, "benchmarks._peer_fno", "train", description),
    )
    ours, theirs = (side.facts["parameters"] for side in sides)
    if ours != theirs:
        raise SystemExit(f"{case.name}: {ours} parameters, the peer has {theirs}")
    print(f"{case.name}: {ours} parameters, compiled in {sides[0].facts['compilation']:.1f} s", flush=True)
    rows = [
        r for what in ("step", "forward") for r in timed_rows(case.name, what, alternate(sides, what, rounds, (1, 4)))
    ]
    memory = [side.peak - side.facts["before"] for side in sides]
    rates = sides[0].result("rates")
    print(f"{case.name}: {memory[0]:.0f} MiB, peer {memory[1]:.0f} MiB", flush=True)
    for side in sides:
        side.close()
    rows += roofline_rows(case, rates, rows[0]["seconds"])
    return [
        *rows,
        row(case.name, "peak memory over the peer's", round(memory[0] / memory[1], 3), better="lower",
            reference=1.0, goal=0.7),
        row(f"{case.name}, neuraloperator", "peak memory", round(memory[1]), better="lower", unit="MiB"),
    ]  # fmt: skip


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", default=sys.executable, help="a Python with torch and neuraloperator")
    parser.add_argument("--smoke", action="store_true", help="one small case, nothing written")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--devices", type=int, default=THREADS, help="XLA devices of our side; one runs two threads")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        fields = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(options.serve).items()}
        return answer(Case(**fields), options.devices)
    if hasattr(os, "sched_setaffinity"):  # inherited by both sides
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])
    if options.smoke:
        step = measure(SMOKE, options.peer, 6, options.devices)[0]
        if step["value"] > 1:
            raise SystemExit(f"a training step should take less time than the peer's, got {step}")
        return
    rows = [r for case in CASES for r in measure(case, options.peer, options.rounds, options.devices)]
    command = "python -m benchmarks.operators --peer PYTHON"
    write_benchmark(record("operators", QUESTION, command, "full", rows, ["equinox", "optax"]))


if __name__ == "__main__":
    main()
