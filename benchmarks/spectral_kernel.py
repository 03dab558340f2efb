"""Time of a spectral convolution by FFT over that by truncated DFT, in the same process, interleaved.

Command: python -m benchmarks.spectral_kernel [--smoke]. About fifteen minutes on one core, the smoke form seconds.

Both kernels run the same layer on the same field, several times inside one compiled loop, so that memory is allocated
once as in a training run of several updates per dispatch. Runs alternate, and each pair gives one ratio of CPU times.
The table is what the `auto` rule of `pdejax.networks.choose_kernel` is held against.
"""

import argparse
import dataclasses
import functools
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import equinox as eqx
import jax
import jax.numpy as jnp

from experiments._kit.results import record, row, write_benchmark
from pdejax.networks import SpectralConv, choose_kernel
from pdejax.networks.spectral.kernel import dft_operations

QUESTION = "For which sizes is a truncated DFT by matrix products faster than an FFT, and does `auto` know?"
LOOP = 6


@dataclasses.dataclass(frozen=True)
class Case:
    """A spectral convolution: points and modes are those of every axis."""

    ndim: int
    n: int
    modes: int
    width: int
    batch: int

    @property
    def name(self) -> str:
        """How the table calls the case."""
        return f"{self.ndim}D n={self.n} modes={self.modes} width={self.width} batch={self.batch}"

    @property
    def sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Shape of the grid and modes per axis."""
        return (self.n,) * self.ndim, (self.modes,) * self.ndim

    def runs(self, kernel: str) -> dict[str, Callable[[], Any]]:
        """Compiled loops over the layer: forward, and forward with the gradient of its input and weights."""
        shape, modes = self.sizes
        conv = SpectralConv(self.width, self.width, modes, use_bias=False, kernel=kernel, key=jax.random.key(0))
        arrays, static = eqx.partition(conv, eqx.is_array)
        x = jax.random.normal(jax.random.key(1), (self.batch, *shape, self.width))
        apply = lambda x, arrays: eqx.combine(arrays, static)(x)
        gradient = jax.grad(lambda args: 0.5 * jnp.sum(apply(*args) ** 2))
        step = lambda u, v: jax.tree.map(lambda a, b: a - 1e-6 * b, u, v)
        forward = jax.jit(lambda x, w: jax.lax.fori_loop(0, LOOP, lambda _, x: 0.5 * (x + apply(x, w)), x))
        backward = jax.jit(lambda x, w: jax.lax.fori_loop(0, LOOP, lambda _, args: step(args, gradient(args)), (x, w)))
        return {name: functools.partial(f, x, arrays) for name, f in (("forward", forward), ("gradient", backward))}


CASES = (
    *(Case(1, 128, m, w, 32) for w in (32, 64) for m in (16, 32, 48, 64)),
    *(Case(1, 256, m, 64, 32) for m in (16, 64, 128)),
    *(Case(1, 1024, m, 64, 16) for m in (16, 64, 128, 256)),
    *(Case(2, 64, m, 32, 16) for m in (8, 12, 16, 24, 32)),
    Case(2, 64, 12, 64, 16),
    *(Case(2, 128, m, 32, 8) for m in (16, 32, 64)),
    *(Case(2, 256, m, 32, 2) for m in (16, 32, 64, 96)),
    *(Case(3, 32, m, 20, 2) for m in (4, 8, 16)),
    *(Case(3, 64, m, 20, 1) for m in (8, 16)),
)


def cpu_seconds(run: Callable[[], Any]) -> float:
    """CPU time of one pass of the layer."""
    start = time.process_time()
    jax.block_until_ready(run())
    return (time.process_time() - start) / LOOP


def ratios(case: Case, what: str, repeats: int) -> tuple[list[float], float]:
    """FFT over DFT time of alternating runs, sorted, and the median time by DFT."""
    fft, dft = case.runs("fft")[what], case.runs("dft")[what]
    jax.block_until_ready((fft(), dft()))
    pairs = [(cpu_seconds(fft), cpu_seconds(dft)) for _ in range(repeats)]
    return sorted(a / b for a, b in pairs), statistics.median(b for _, b in pairs)


def measure(case: Case, repeats: int) -> list[dict[str, Any]]:
    """Rows of one case: the median ratio with its second lowest and second highest pair, and what `auto` gets of it."""
    rows = []
    for what in ("forward", "gradient"):
        pairs, seconds = ratios(case, what, repeats)
        ratio, interval = statistics.median(pairs), [round(pairs[1], 3), round(pairs[-2], 3)]
        chosen = choose_kernel(*case.sizes, "cpu")
        lost = max(ratio, 1) / ratio if chosen == "dft" else max(ratio, 1)
        operations = dft_operations(*case.sizes)
        print(f"{case.name}, {what}: {ratio:.2f} {interval}, {operations:.0f} operations, {chosen}", flush=True)
        rows += [
            row(f"{case.name}, {what}", "FFT time over DFT time", round(ratio, 3), better="higher",
                interval=interval, reference=1.0, seconds=seconds),
            row(f"{case.name}, {what}", "auto's time over the faster kernel's", round(lost, 3), better="lower",
                reference=1.0, goal=1.2),
        ]  # fmt: skip
    return rows


def main() -> None:
    """Measures all cases and writes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one small case, nothing written")
    if parser.parse_args().smoke:
        ratio = measure(Case(2, 64, 8, 32, 4), 5)[0]["value"]
        if ratio < 1.5:
            raise SystemExit(f"the truncated DFT should be 1.5 times as fast as the FFT here, got {ratio}")
        return
    rows = [r for case in CASES for r in measure(case, 9)]
    write_benchmark(record("spectral_kernel", QUESTION, "python -m benchmarks.spectral_kernel", "full", rows))


if __name__ == "__main__":
    main()
