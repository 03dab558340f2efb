"""Cost of the finite volumes a cell and step, by reconstruction and precision, and beside pyro (Numba) on one core.

Command: python -m benchmarks.volumes [--peer PYTHON] [--threads N] [--smoke], PYTHON being one that has pyro-hydro.
Three minutes on one core. A step is one of SSP-RK3: three evaluations of the fluxes, and the speed of the fastest wave.

The peer solves the same equations on as many cells with the same stages, the limiter and the Riemann solver named in
each row; both run in turns, and each turn gives one ratio of CPU times.
"""

import argparse
import dataclasses
import functools
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

if "--threads" not in sys.argv:  # one core, as the peer
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks._serve import Side, alternate, serve
from experiments._kit.results import record, row, write_benchmark
from pdejax.core import Grid
from pdejax.equations import read_equation
from pdejax.solvers import VolumeStepper, staggered_stepper, volume_stepper

QUESTION = "What does a finite-volume step cost a cell, and how is that beside a compiled peer?"
STEPS = 10  # of a run


@dataclasses.dataclass(frozen=True)
class Case:
    """A flow on a box, smooth, so that all cells cost alike; equal steps, of which each has three stages."""

    equation: str
    shape: tuple[int, ...]
    batch: int
    reconstruction: str
    riemann: str = "hllc"

    @property
    def name(self) -> str:
        """For people."""
        size = f"{self.batch} x {' x '.join(map(str, self.shape))}"
        return f"{self.equation} {size}, {self.reconstruction}, {self.riemann}"

    @property
    def cells(self) -> int:
        """Of all trajectories."""
        return self.batch * int(np.prod(self.shape))

    def run(self, double: bool) -> Callable[[], Any]:
        """Compiled; a call makes `STEPS` adaptive steps at least, and tells how many by its time."""
        with jax.enable_x64(double):
            equation = read_equation(self.equation, None, len(self.shape))
            grid = Grid(self.shape, (1.0,) * len(self.shape), cells=True)
            x = jnp.asarray(grid.coordinates().sum(-1))
            wave = 1 + 0.1 * jnp.sin(2 * jnp.pi * x)
            ones = [0.1 * wave] * len(self.shape)
            fields = [wave, *ones] + ([] if self.equation == "shallow_water" else [2.5 * wave])
            if self.equation == "magnetohydrodynamics":  # without a divergence: each depends on the others' places
                fields += [0.3 * jnp.sin(2 * jnp.pi * jnp.asarray(grid.coordinates()[..., i])) for i in (1, 0)]
            u = jnp.broadcast_to(jnp.stack(fields, -1), (self.batch, *self.shape, len(fields)))
            options = {"reconstruction": self.reconstruction, "riemann": self.riemann}
            stepper = volume_stepper(equation, grid, 1.0, **options)
            speed = float(jnp.max(stepper.form.fastest(stepper.form.to_fields(u), 0.0)))
            # the adaptive loop, whose every step asks for the fastest wave
            stepper = volume_stepper(equation, grid, STEPS * 0.45 / speed, **options)
            compiled = jax.jit(lambda s, u: s(u)).lower(stepper, u).compile()
            taken = _steps(stepper, u)

        def call() -> int:
            with jax.enable_x64(double):
                jax.block_until_ready(compiled(stepper, u))
            return taken

        return call


def _steps(stepper: VolumeStepper, u: Any) -> int:
    """How many steps the adaptive loop takes, counted by one's own."""
    done, whole, count = 0.0, float(stepper.step_size), 0
    fastest = jax.jit(lambda s, u: jnp.max(s.form.fastest(s.form.to_fields(u), 0.0)))
    advance = jax.jit(lambda s, u: s(u))
    while done < whole * (1 - 1e-6):
        dt = min(0.45 / float(fastest(stepper, u)), whole - done)
        u = advance(dataclasses.replace(stepper, dt=jnp.asarray(dt, u.dtype), substeps=1), u)
        done, count = done + dt, count + 1
    return count


@dataclasses.dataclass(frozen=True)
class Cavity:
    """A lid that drives an incompressible flow, with equal steps, of which each has three stages and projections."""

    shape: tuple[int, int]
    batch: int

    @property
    def name(self) -> str:
        """For people."""
        return f"lid-driven cavity {self.batch} x {' x '.join(map(str, self.shape))}, staggered"

    @property
    def cells(self) -> int:
        """Of all trajectories."""
        return self.batch * int(np.prod(self.shape))

    def run(self, double: bool) -> Callable[[], Any]:
        """Compiled; a call makes `STEPS` steps."""
        with jax.enable_x64(double):
            lid = {"u": {"kind": "value", "expression": 1.0}, "v": "wall"}
            grid = Grid(self.shape, (1.0, 1.0), ends=["wall", ["wall", lid]], cells=True)
            equation = read_equation("navier_stokes_velocity", {"nu": 1e-3}, 2)
            stepper = staggered_stepper(equation, grid, STEPS * 0.2 / max(self.shape), substeps=STEPS).on_faces
            q = stepper.form.to_faces(jnp.zeros((self.batch, *self.shape, 2)))
            compiled = jax.jit(lambda s, q: s(q)).lower(stepper, q).compile()

        def call() -> int:
            with jax.enable_x64(double):
                jax.block_until_ready(compiled(stepper, q))
            return STEPS

        return call


CASES = (
    *(Case("euler", (1024,), 16, name) for name in ("van_leer", "mc", "minmod", "weno5")),
    Case("shallow_water", (128, 128), 1, "van_leer"),
    Case("euler", (128, 128), 1, "van_leer"),
    Case("euler", (128, 128), 1, "weno5"),
    Cavity((64, 64), 8),
    Cavity((128, 128), 1),
    Case("magnetohydrodynamics", (128, 128), 1, "van_leer", "hlld"),
)
BESIDE = Case("euler", (128, 128), 1, "mc")


def cpu_seconds(run: Callable[[], int]) -> float:
    """A step's."""
    start = time.process_time()
    steps = run()
    return (time.process_time() - start) / steps


def measure(case: Case | Cavity, double: bool, turns: int, threads: int) -> dict[str, Any]:
    """Nanoseconds of CPU time a cell and step."""
    run = case.run(double)
    run()
    if threads > 1:
        value = statistics.median(_wall(run) for _ in range(turns))
        what = f"wall time a cell and step on {threads} cores"
    else:
        value = statistics.median(cpu_seconds(run) for _ in range(turns))
        what = "CPU time a cell and step"
    value = 1e9 * value / case.cells
    name = f"{case.name}, {'float64' if double else 'float32'}"
    print(f"{name}: {value:.0f} ns, {what}", flush=True)
    return row(name, what, round(value, 1), better="lower", unit="ns")


def _wall(run: Callable[[], int]) -> float:
    start = time.perf_counter()
    steps = run()
    return (time.perf_counter() - start) / steps


def beside(peer: str, turns: int) -> list[dict[str, Any]]:
    """CPU times a step of the peer over ours."""
    sides = [Side(sys.executable, "benchmarks.volumes", "--serve"), Side(peer, "benchmarks._peer_pyro")]
    ours, theirs = alternate(sides, "run", turns, (1, 1))
    for side in sides:
        side.close()
    ratios = [b[1] / a[1] for a, b in zip(ours, theirs, strict=True)]
    value, name = statistics.median(ratios), f"{BESIDE.name}, float64, beside pyro {sides[1].facts['version']}"
    print(f"{name}: {value:.2f} times cheaper", flush=True)
    interval = [round(min(ratios), 2), round(max(ratios), 2)]
    cost = lambda pairs: round(1e9 * statistics.median(p[1] for p in pairs) / BESIDE.cells, 1)
    return [
        row(name, "ratio of CPU times a step", round(value, 2), better="higher", interval=interval, goal=1.0),
        row(name, "CPU time a cell and step", cost(ours), better="lower", unit="ns", reference=cost(theirs)),
    ]


def main() -> None:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", help="a Python with pyro-hydro")
    parser.add_argument("--threads", type=int, default=1, help="cores; more than one: wall time")
    parser.add_argument("--smoke", action="store_true", help="one case, nothing is written")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run = BESIDE.run(double=True)
        steps = run()
        serve({"run": functools.partial(_quiet, run)}, steps=steps)
        return
    cases, turns = (CASES[:1], 2) if given.smoke else (CASES, 7)
    rows = [measure(case, double, turns, given.threads) for case in cases for double in (False, True)]
    rows += beside(given.peer, 2 if given.smoke else 7) if given.peer else []
    if not given.smoke:
        name = "volumes" if given.threads == 1 else "volumes_threads"
        command = "python -m benchmarks.volumes" + (" --peer PYTHON" if given.peer else "")
        write_benchmark(record(name, QUESTION, command, "full", rows))


def _quiet(run: Callable[[], int]) -> None:
    run()


if __name__ == "__main__":
    main()
