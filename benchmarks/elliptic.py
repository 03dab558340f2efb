"""Cost of a Darcy solve against conjugate gradients with pyamg, GMRES(40) and SuperLU, interleaved in one process.

Command: python -m benchmarks.elliptic [--smoke]. About three minutes on one core; the smoke form takes seconds.

All solve the same systems, -div(a grad u) = 1, to the same relative residual in float64, with one thread. The peers get
assembled matrices; ours starts from the coefficient fields, and its compilation is measured apart. What is compared is
CPU time per system; solvers alternate, so that whatever else the machine does meets all of them.
"""

import argparse
import dataclasses
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np
import pyamg
import scipy.sparse as sparse
from scipy.sparse.linalg import gmres, splu

from experiments._kit.results import record, row, write_benchmark
from pdejax.core import Grid, Value
from pdejax.equations import NeumannRandomField
from pdejax.solvers import elliptic_operator, solve_elliptic

QUESTION = (
    "What does a Darcy solve cost, relative to CG with algebraic multigrid, GMRES(40) and a sparse direct solver?"
)
TOLERANCE = 1e-8
COEFFICIENTS = {
    "a in {3, 12}": NeumannRandomField(map="threshold"),
    "log-normal a": NeumannRandomField(alpha=2.5, tau=7.0, map="exponential"),
}
Solve = Callable[[sparse.csr_matrix, np.ndarray], np.ndarray]


def assembled(a: np.ndarray) -> sparse.csr_matrix:
    """The matrix of `elliptic_operator` on the inner nodes of the unit square."""
    n, axis_matrices = len(a), []
    difference = sparse.diags([1.0, -1.0], [0, -1], shape=(n - 1, n - 2)) * (n - 1)
    for lines, turn in ((a[:, 1:-1], False), (a[1:-1].T, True)):
        face = (lines[1:] + lines[:-1]) / 2
        factors = (sparse.eye(n - 2), difference) if turn else (difference, sparse.eye(n - 2))
        d = sparse.kron(*factors)
        axis_matrices.append(d.T @ sparse.diags((face.T if turn else face).ravel()) @ d)
    return (axis_matrices[0] + axis_matrices[1]).tocsr()


def _amg(matrix: sparse.csr_matrix, f: np.ndarray) -> np.ndarray:
    return pyamg.ruge_stuben_solver(matrix).solve(f, tol=TOLERANCE, accel="cg")


def _gmres(matrix: sparse.csr_matrix, f: np.ndarray) -> np.ndarray:
    return gmres(matrix, f, rtol=TOLERANCE, restart=40, maxiter=2000)[0]


def _direct(matrix: sparse.csr_matrix, f: np.ndarray) -> np.ndarray:
    options = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}
    return splu(matrix.tocsc(), **options).solve(f)


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another solver, how many systems of each it gets at a time, and how many times cheaper ours should be."""

    name: str
    solve: Solve
    systems: int
    goal: float | None


PEERS = (
    Peer("CG + pyamg Ruge-Stuben", _amg, 4, 5.0),
    Peer("GMRES(40)", _gmres, 1, 40.0),
    Peer("SuperLU", _direct, 4, None),
)


def cpu_seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


@dataclasses.dataclass
class Case:
    """A batch of systems on `points` squared nodes."""

    points: int
    coefficient: str
    batch: int = 16
    peers: tuple[Peer, ...] = PEERS

    def __post_init__(self) -> None:
        self.grid = Grid((self.points,) * 2, (1.0, 1.0), Value())
        keys = jax.random.split(jax.random.key(0), self.batch)
        self.a = jax.vmap(lambda key: COEFFICIENTS[self.coefficient](key, self.grid))(keys)[..., 0]
        self.f = jnp.ones(self.grid.shape)
        self.matrices = [assembled(np.asarray(a)) for a in self.a]

    @property
    def name(self) -> str:
        return f"Darcy {self.points}x{self.points}, {self.coefficient}, residual {TOLERANCE:.0e}, batch {self.batch}"

    def compiled(self) -> tuple[Callable[[], Any], float]:
        """Our solve of the batch and the CPU seconds its compilation took."""
        program: list[Any] = []
        solve = lambda a, f: solve_elliptic(a, f, self.grid, tolerance=TOLERANCE)
        seconds = cpu_seconds(lambda: program.append(jax.jit(solve).lower(self.a, self.f).compile()))
        return lambda: jax.block_until_ready(program[0](self.a, self.f)), seconds

    def check(self, ours: Any) -> None:
        """Everyone solves the same systems: residuals at the tolerance, equal solutions."""
        f = np.ones((self.points - 2) ** 2)
        u = np.asarray(ours.u[0, 1:-1, 1:-1]).ravel()
        operator = np.asarray(elliptic_operator(ours.u, self.a, self.grid))[0, 1:-1, 1:-1].ravel()
        np.testing.assert_allclose(self.matrices[0] @ u, operator, atol=1e-9 * np.max(np.abs(operator)))
        if not float(jnp.max(ours.residual)) <= 1.01 * TOLERANCE:
            raise SystemExit(f"{self.name}: residual {float(jnp.max(ours.residual)):.1e}")
        for peer in self.peers:
            v = peer.solve(self.matrices[0], f)
            residual = np.linalg.norm(f - self.matrices[0] @ v) / np.linalg.norm(f)
            difference = np.linalg.norm(u - v) / np.linalg.norm(v)
            if residual > 1.01 * TOLERANCE or difference > 1e-5:
                raise SystemExit(f"{self.name}: {peer.name} has residual {residual:.1e}, difference {difference:.1e}")


def measure(case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of one case: our cost, and ratios per pair of runs as median with second lowest and second highest."""
    ours, compilation = case.compiled()
    case.check(ours())
    mine: list[float] = []
    theirs: dict[str, list[float]] = {peer.name: [] for peer in case.peers}
    f = np.ones((case.points - 2) ** 2)
    for repeat in range(repeats):
        mine.append(cpu_seconds(ours) / case.batch)
        for peer in case.peers:
            some = [case.matrices[(repeat * peer.systems + i) % case.batch] for i in range(peer.systems)]
            run = lambda peer=peer, some=some: [peer.solve(matrix, f) for matrix in some]
            theirs[peer.name].append(cpu_seconds(run) / peer.systems)
    cost = statistics.median(mine)
    rows = [row(case.name, "CPU time of compilation", round(compilation, 2), better="lower", unit="s", goal=10.0)]
    for peer in case.peers:
        ratios = sorted(b / a for a, b in zip(mine, theirs[peer.name], strict=True))
        ratio, interval = statistics.median(ratios), [round(ratios[1], 2), round(ratios[-2], 2)]
        peer_cost = statistics.median(theirs[peer.name])
        print(f"{case.name}: {1e3 * cost:.2f} ms, {peer.name} {1e3 * peer_cost:.1f} ms, ratio {ratio:.1f}", flush=True)
        further = {"better": "higher", "interval": interval, "reference": 1.0, "goal": peer.goal, "seconds": peer_cost}
        rows.append(row(case.name, f"times cheaper than {peer.name}", round(ratio, 2), **further))
        per_system = {"better": "lower", "unit": "ms", "reference": round(1e3 * peer_cost, 3), "seconds": cost}
        rows.append(row(case.name, f"CPU time per system, beside {peer.name}", round(1e3 * cost, 3), **per_system))
    return rows


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small case in seconds, nothing written")
    smoke = parser.parse_args().smoke
    with jax.enable_x64(True):
        if smoke:
            behind = [r for r in measure(Case(33, "a in {3, 12}", 4), 5) if r["reference"] == 1.0 and r["value"] < 1]
            if behind:
                raise SystemExit(f"dearer than a peer: {behind}")
            return
        cases = [Case(points, a) for points in (64, 128) for a in COEFFICIENTS]
        # the size at which the Fourier neural operator's data are solved; GMRES(40) would take minutes a system
        cases.append(Case(421, "a in {3, 12}", 4, tuple(peer for peer in PEERS if peer.solve is not _gmres)))
        rows = [r for case in cases for r in measure(case, 9)]
    write_benchmark(record("elliptic", QUESTION, "python -m benchmarks.elliptic", "full", rows, ["scipy", "pyamg"]))


if __name__ == "__main__":
    main()
