"""The table of networks in `docs/networks.md`: their size, memory, and the time of a forward pass and a train step.

Command: python -m benchmarks.networks [--smoke] [--render]. About half an hour on two cores, most of it compilation.

Every configuration in `configs/network/` is a line. A train step is loss, gradient and Adam update; several of them run
inside one compiled loop, as in a training run, and the networks take turns, so that what else the machine does
meets all of them.
"""

import argparse
import dataclasses
import functools
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from experiments._kit.results import record, row, write_benchmark
from pdejax.config import options, packaged_folder, resolve
from pdejax.config._yaml import read_yaml
from pdejax.core import build, registered

QUESTION = "How large is each network, how much memory does a train step of it take, and how much time?"
COMMAND = "python -m benchmarks.networks"
LARGEST, SMALL = 60_000_000, 1_000_000  # parameters of networks that are run at all, and in the smoke form
METRICS = (("parameters", "1"), ("memory of a train step", "MiB"), ("forward pass", "ms"), ("train step", "ms"))


@dataclasses.dataclass(frozen=True)
class Case:
    """A grid and a batch, on which all networks are compared."""

    shape: tuple[int, ...]
    batch: int

    @property
    def name(self) -> str:
        """How the table calls the case."""
        return f"{len(self.shape)}D {'x'.join(map(str, self.shape))}, batch {self.batch}"


CASES = (Case((128,), 32), Case((64, 64), 8), Case((32, 32, 32), 1))
SMOKE = (Case((32,), 2),)


def configured() -> dict[str, dict[str, Any]]:
    """The specifications of all shipped networks of fields on grids; axes are periodic where none are asked for."""
    read = lambda name: read_yaml((packaged_folder() / "network" / f"{name}.yaml").read_text())[0]
    names = [name for name in options("network", [packaged_folder()]) if read(name)["kind"] in registered("network")]
    specs = {name: resolve([f"network={name}"]).network.spec() for name in names}
    periodic = lambda spec: {"periodic": True} if spec.get("periodic", False) is None else {}
    return {name: spec | periodic(spec) for name, spec in specs.items()}


def size(spec: Mapping[str, Any], case: Case) -> int:
    """Number of parameters."""
    arrays = eqx.filter(eqx.filter_eval_shape(_builder(spec, case), jax.random.key(0)), _is_array)
    return sum(prod(a.shape) for a in jax.tree.leaves(arrays))


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | jax.ShapeDtypeStruct)


def _builder(spec: Mapping[str, Any], case: Case) -> Callable[[Any], Any]:
    return lambda key: build("network", spec, in_channels=1, out_channels=1, ndim=len(case.shape), key=key)


class Programs:
    """The compiled loops over `count` forward passes and train steps of one network."""

    def __init__(self, spec: Mapping[str, Any], case: Case, count: int):
        arrays, static = eqx.partition(_builder(spec, case)(jax.random.key(0)), eqx.is_array)
        x, y = (jax.random.normal(jax.random.key(i), (case.batch * prod(case.shape),)) for i in (1, 2))
        batch = tuple(a.reshape(case.batch, *case.shape, 1) for a in (x, y))
        optimiser = optax.adam(1e-4)
        apply = lambda arrays, x: eqx.combine(arrays, static)(x)

        def forward(_: Any, x: Any, arrays: Any) -> Any:
            return 0.5 * (x + apply(arrays, x))

        def step(_: Any, state: Any, x: Any, y: Any) -> Any:
            arrays, moments = state
            gradient = jax.grad(lambda arrays: jnp.mean((apply(arrays, x) - y) ** 2))(arrays)
            change, moments = optimiser.update(gradient, moments)
            return optax.apply_updates(arrays, change), moments

        loop = lambda body: lambda state, *given: jax.lax.fori_loop(0, count, lambda i, s: body(i, s, *given), state)
        state = (arrays, optimiser.init(arrays))
        passes = jax.jit(loop(forward)).lower(batch[0], arrays).compile()
        steps = jax.jit(loop(step)).lower(state, *batch).compile()
        memory: Any = steps.memory_analysis()
        # a training run donates its state, so that the new one takes the place of the old
        self.memory = memory.temp_size_in_bytes + memory.argument_size_in_bytes
        self.count = count
        self.runs = (functools.partial(passes, batch[0], arrays), functools.partial(steps, state, *batch))

    def milliseconds(self) -> tuple[float, float]:
        """Of a forward pass and of a train step, run once."""
        return tuple(map(self._timed, self.runs))  # pyright: ignore[reportReturnType]

    def _timed(self, run: Callable[[], Any]) -> float:
        start = time.perf_counter()
        jax.block_until_ready(run())
        return 1e3 * (time.perf_counter() - start) / self.count


def measure(case: Case, repeats: int, largest: int) -> list[dict[str, Any]]:
    """The rows of all networks on one case."""
    specs = configured()
    sizes = {name: size(spec, case) for name, spec in specs.items()}
    programs = {}
    for name, spec in specs.items():
        if sizes[name] <= largest:
            print(f"compiling {name}, {case.name}", flush=True)
            programs[name] = Programs(spec, case, count=3)
            programs[name].milliseconds()
    turns = [{name: program.milliseconds() for name, program in programs.items()} for _ in range(repeats)]
    rows = []
    for name in specs:
        of = lambda metric, value, name=name, **further: row(
            f"{name}, {case.name}", metric[0], value, better="lower", unit=metric[1], **further
        )
        rows.append(of(METRICS[0], sizes[name]))
        if name not in programs:
            continue
        rows.append(of(METRICS[1], round(programs[name].memory / 2**20, 1)))
        for i, metric in enumerate(METRICS[2:]):
            times = sorted(turn[name][i] for turn in turns)
            interval = [round(times[0], 2), round(times[-1], 2)]
            rows.append(of(metric, round(statistics.median(times), 2), interval=interval))
    return rows


def _check(rows: Sequence[Mapping[str, Any]]) -> None:
    """A train step holds a forward pass: anything else is a mistake of the measurement."""
    values = {(one["case"], one["metric"]): one["value"] for one in rows}
    for (case, metric), value in values.items():
        if metric == "train step" and value < values[case, "forward pass"]:
            raise SystemExit(f"{case}: a train step took {value} ms, less than its forward pass")


def main() -> None:
    """Measures all networks on all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="small networks on a small grid, printed and not written")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1, 2, 3], help="of the cases to measure")
    parser.add_argument("--largest", type=int, default=LARGEST, help="parameters of networks that are timed")
    parser.add_argument("--repeats", type=int, default=9, help="of every timing")
    chosen = parser.parse_args()
    wanted = tuple(case for case in CASES if len(case.shape) in chosen.dimensions)
    cases, repeats, largest = (SMOKE, 3, SMALL) if chosen.smoke else (wanted, chosen.repeats, chosen.largest)
    rows = [r for case in cases for r in measure(case, repeats, largest)]
    _check(rows)
    command = " ".join([COMMAND, *sys.argv[1:]])
    if chosen.smoke:
        print("\n".join(f"{r['case']}, {r['metric']}: {r['value']} {r['unit']}" for r in rows))
        return
    write_benchmark(record("networks", QUESTION, command, "full", rows, ["optax"]))


if __name__ == "__main__":
    main()
