"""Speed and accuracy of the pseudo-spectral solvers against exponax, speed as a ratio of interleaved runs.

Command: python -m benchmarks.solvers [--smoke]. About five minutes on one core; the smoke form takes seconds.

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

from experiments._kit.results import record, row, write_benchmark
from pdejax.core import Grid
from pdejax.equations import EQUATIONS, TruncatedFourier
from pdejax.solvers import spectral_stepper

QUESTION = "How fast and how accurate are the pseudo-spectral solvers, relative to exponax on the same problem?"


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem both packages solve: the sign of exponax's vorticity is the opposite of ours."""

    equation: str
    length: float
    shape: tuple[int, ...]
    batch: int
    dt: float
    steps: int
    goal: float | None
    sign: float = 1.0

    @property
    def name(self) -> str:
        title = {"kuramoto_sivashinsky": "KS", "navier_stokes": "Navier-Stokes"}[self.equation]
        return f"{title} {'x'.join(map(str, self.shape))}, batch {self.batch}"

    def theirs(self, order: int) -> Any:
        common = {"num_spatial_dims": len(self.shape), "domain_extent": self.length, "num_points": self.shape[0]}
        if self.equation == "kuramoto_sivashinsky":
            return ex.stepper.KuramotoSivashinskyConservative(**common, dt=self.dt, order=order)
        return ex.stepper.NavierStokesVorticity(**common, dt=self.dt, diffusivity=1e-3, order=order)

    def initial(self) -> jax.Array:
        grid = Grid(self.shape, (self.length,) * len(self.shape))
        keys = jax.random.split(jax.random.key(0), self.batch)
        return jax.vmap(lambda key: TruncatedFourier()(key, grid))(keys)

    def runs(self, order: int, steps: int) -> tuple[Callable, Callable]:
        """Exponax's run and ours, from and to arrays `(batch, *space, 1)`; layouts are changed inside both."""
        theirs = jax.vmap(ex.RepeatedStepper(self.theirs(order), steps))
        grid = Grid(self.shape, (self.length,) * len(self.shape))
        ours = spectral_stepper(EQUATIONS[self.equation], grid, self.dt, order=order, substeps=steps)
        moved = lambda u: self.sign * jnp.moveaxis(theirs(jnp.moveaxis(self.sign * u, -1, 1)), 1, -1)
        return jax.jit(moved), jax.jit(lambda u: ours(u))


CASES = (
    Case("kuramoto_sivashinsky", 100.0, (256,), 128, 0.1, 60, 1.0),
    Case("navier_stokes", 2 * np.pi, (64, 64), 8, 0.01, 40, None, -1.0),
    Case("navier_stokes", 2 * np.pi, (128, 128), 8, 0.01, 12, 1.3, -1.0),
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
    peer = round(steps / statistics.median(a for a, _ in pairs), 1)
    return [
        row(name, "speed ratio", value, better="higher", interval=interval, reference=1.0, goal=case.goal),
        row(
            name,
            "steps per CPU time",
            round(steps / seconds, 1),
            better="higher",
            unit="1/s",
            reference=peer,
            seconds=seconds,
        ),
    ]


def soliton_errors(dt: float = 0.01, end: float = 1.0) -> tuple[float, float]:
    """Relative error of a KdV soliton after `end`, ours and exponax's, ETDRK4 in float64."""
    length, speed, steps = 40.0, 2.0, round(end / dt)
    grid = Grid((256,), (length,))
    with jax.enable_x64(True):
        x = jnp.asarray(grid.coordinates())
        exact = lambda t: speed / 2 / jnp.cosh(jnp.sqrt(speed) / 2 * (x - speed * t - 15.0)) ** 2
        theirs = ex.stepper.KortewegDeVries(
            1, length, 256, dt, convection_scale=6.0, hyper_diffusivity=0.0, conservative=True, order=4
        )
        ours = spectral_stepper(EQUATIONS["kdv"], grid, dt, substeps=steps)
        error = lambda u: float(jnp.linalg.norm(u - exact(end)) / jnp.linalg.norm(exact(end)))
        return error(ours(exact(0.0))), error(ex.repeat(theirs, steps)(exact(0.0).T).T)


def soliton_row() -> dict[str, Any]:
    """The errors of `soliton_errors` as a row; exponax drops the imaginary part of the method's coefficients."""
    ours, theirs = soliton_errors()
    print(f"KdV soliton: error {ours:.1e}, exponax {theirs:.1e}", flush=True)
    case = "KdV soliton, 256 points, ETDRK4, dt 0.01, t = 1, float64"
    return row(case, "relative L2 error", ours, better="lower", reference=theirs, goal=theirs)


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small cases in seconds, nothing written")
    smoke = parser.parse_args().smoke
    if smoke:
        case = dataclasses.replace(CASES[2], shape=(32, 32), batch=2)
        speed, soliton = measure(case, 4, False, 7)[0], soliton_row()
        if speed["value"] < 1 or soliton["value"] > soliton["goal"]:
            raise SystemExit(f"behind exponax: {speed}, {soliton}")
        return
    rows = [r for case in CASES for order in (2, 4) for x64 in (False, True) for r in measure(case, order, x64, 15)]
    rows.append(soliton_row())
    write_benchmark(record("solvers", QUESTION, "python -m benchmarks.solvers", "full", rows, ["exponax"]))


if __name__ == "__main__":
    main()
