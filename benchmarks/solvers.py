"""Speed of the pseudo-spectral solvers against exponax, as a ratio of interleaved runs.

Command: python benchmarks/solvers.py [--smoke]. About five minutes on one core; the smoke form takes seconds.

Both solve the same equation from the same state with the same step and order, compiled, batched and staying in Fourier
space. Runs alternate, and each pair gives one ratio of CPU times, so that whatever else the machine does meets both.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import exponax as ex
import jax
import jax.numpy as jnp
import numpy as np
from _results import RESULTS, row, write_study

from pdejax.core import Grid
from pdejax.equations import EQUATIONS, build_initial
from pdejax.solvers import spectral_stepper

QUESTION = "How many solver steps per CPU second, relative to exponax on the same problem?"


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem both packages solve: the sign of exponax's vorticity is the opposite of ours."""

    name: str
    equation: str
    length: float
    shape: tuple[int, ...]
    batch: int
    dt: float
    steps: int
    goal: float
    sign: float = 1.0

    def theirs(self, order: int) -> Any:
        common = {"num_spatial_dims": len(self.shape), "domain_extent": self.length, "num_points": self.shape[0]}
        if self.equation == "kuramoto_sivashinsky":
            return ex.stepper.KuramotoSivashinskyConservative(**common, dt=self.dt, order=order)
        return ex.stepper.NavierStokesVorticity(**common, dt=self.dt, diffusivity=1e-3, order=order)

    def initial(self) -> jax.Array:
        grid = Grid(self.shape, (self.length,) * len(self.shape))
        keys = jax.random.split(jax.random.key(0), self.batch)
        return jax.vmap(lambda key: build_initial({"kind": "truncated_fourier"})(key, grid))(keys)

    def runs(self, order: int, steps: int) -> tuple[Callable, Callable]:
        """Exponax's run and ours, from and to arrays `(batch, *space, 1)`; layouts are changed inside both."""
        theirs = jax.vmap(ex.RepeatedStepper(self.theirs(order), steps))
        grid = Grid(self.shape, (self.length,) * len(self.shape))
        ours = spectral_stepper(EQUATIONS[self.equation], grid, self.dt, order=order, substeps=steps)
        moved = lambda u: self.sign * jnp.moveaxis(theirs(jnp.moveaxis(self.sign * u, -1, 1)), 1, -1)
        return jax.jit(moved), jax.jit(lambda u: ours(u))


CASES = (
    Case("KS 256, batch 128", "kuramoto_sivashinsky", 100.0, (256,), 128, 0.1, 60, 1.0),
    Case("Navier-Stokes 64x64, batch 8", "navier_stokes", 2 * np.pi, (64, 64), 8, 0.01, 40, 1.3, -1.0),
    Case("Navier-Stokes 128x128, batch 8", "navier_stokes", 2 * np.pi, (128, 128), 8, 0.01, 12, 1.3, -1.0),
)


def cpu_seconds(run: Callable, u: jax.Array) -> float:
    start = time.process_time()
    jax.block_until_ready(run(u))
    return time.process_time() - start


def measure(case: Case, order: int, double: bool, repeats: int) -> list[dict[str, Any]]:
    """Rows of one case: the median ratio with its second lowest and second highest pair, and our steps per second."""
    with jax.enable_x64(double):
        u, steps = case.initial(), case.steps * 2 // order
        theirs, ours = case.runs(order, steps)
        a, b = theirs(u), ours(u)
        difference = float(jnp.linalg.norm(a - b) / jnp.linalg.norm(a))
        pairs = [(cpu_seconds(theirs, u), cpu_seconds(ours, u)) for _ in range(repeats)]
    ratios = sorted(a / b for a, b in pairs)
    seconds = statistics.median(b for _, b in pairs)
    name = f"{case.name}, ETDRK{order}, {'float64' if double else 'float32'}"
    interval = [round(ratios[1], 3), round(ratios[-2], 3)]
    print(f"{name}: ratio {statistics.median(ratios):.2f} {interval}, difference {difference:.1e}", flush=True)
    value = round(statistics.median(ratios), 3)
    goal = case.goal if "64x64" not in case.name else None
    return [
        row(name, "speed relative to exponax", value, better="higher", interval=interval, reference=1.0, goal=goal),
        row(name, "steps per CPU second", round(steps / seconds, 1), better="higher", seconds=seconds,
            reference=round(steps / statistics.median(a for a, _ in pairs), 1)),
    ]  # fmt: skip


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small case, three repeats, nothing written")
    smoke = parser.parse_args().smoke
    if smoke:
        case = dataclasses.replace(CASES[2], shape=(32, 32), batch=2)
        ratio = measure(case, 4, False, 5)[0]["value"]
        if ratio < 1:
            raise SystemExit(f"slower than exponax on Navier-Stokes: ratio {ratio}")
        return
    rows = [r for case in CASES for order in (2, 4) for x64 in (False, True) for r in measure(case, order, x64, 15)]
    write_study(RESULTS, "solvers", QUESTION, "python benchmarks/solvers.py", "full", rows, ["exponax"])


if __name__ == "__main__":
    main()
