"""Which way to compute the kept modes is the fastest."""

from collections.abc import Sequence
from math import prod
from typing import Literal

import jax

Kernel = Literal["auto", "fft", "dft"]
CPU_OPERATIONS = 320  # per point and channel, at which both kernels were measured to take the same time
TPU_MODES = 64


def dft_operations(shape: Sequence[int], counts: Sequence[int]) -> float:
    """Floating-point operations per point and channel that the truncated transform takes in one direction.

    **Arguments:** `shape`: points per axis; `counts`: frequencies kept per axis.
    """
    total, held = 0.0, 1.0
    for axis, count in enumerate(counts):
        total += 4 * count * held * prod(shape[axis:])
        held *= 2 * count
    return total / prod(shape)


def choose_kernel(shape: Sequence[int], counts: Sequence[int], backend: str | None = None) -> str:
    """`"dft"` or `"fft"`, by sizes and device.

    On CPU by operations of the matrix products: the time of an FFT is that of moving the field, nearly the same per
    point for all grids (`benchmarks/spectral_kernel.py`). Elsewhere by reasoning, not measured: a GPU has a fast FFT,
    a TPU a matrix unit.

    **Arguments:** `shape`: points per axis; `counts`: frequencies kept per axis; `backend`: JAX's default one when
    omitted.
    """
    backend = backend or jax.default_backend()
    if backend == "tpu":
        return "dft" if max(counts) <= TPU_MODES else "fft"
    if backend != "cpu":
        return "fft"
    return "dft" if dft_operations(shape, counts) <= CPU_OPERATIONS else "fft"
