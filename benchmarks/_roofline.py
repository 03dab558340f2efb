"""The least time a training step of an FNO can take: operations and bytes of its stages, and what the machine does."""

import time
from collections.abc import Callable, Mapping, Sequence
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pdejax.networks.spectral.kernel import dft_operations
from pdejax.networks.spectral.modes import weight_shape


def _rate(mesh: Mesh, function: Callable, shape: Sequence[int], work: float) -> float:
    """Work per second of a function that every device runs on an array of its own; the best of several runs."""
    spread = jax.shard_map(function, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    x = jax.device_put(np.ones((mesh.size, *shape), np.float32), NamedSharding(mesh, P("data")))
    run, best = jax.jit(spread, donate_argnums=0), np.inf
    for _ in range(12):
        jax.block_until_ready(x)
        start = time.perf_counter()
        x = jax.block_until_ready(run(x))
        best = min(best, time.perf_counter() - start)
    return work * mesh.size / best


def machine_rates(mesh: Mesh, size: int) -> dict[str, float]:
    """Operations per second of a large matrix product, and of an array of `size` numbers in all the bytes read and
    written per second (a small one stays in the caches) and the GELUs per second.
    """
    n, size = 1024, size // mesh.size
    return {
        "flops": _rate(mesh, lambda x: jnp.matmul(x, x) / n, (n, n), 2 * n**3),
        "bytes": _rate(mesh, lambda x: x + 1, (size,), 8 * size),
        "gelus": _rate(mesh, lambda x: jax.nn.gelu(x), (size,), size),
    }


def stages(
    shape: Sequence[int], blocks: Sequence[Sequence[int]], width: int, batch: int
) -> dict[str, dict[str, float]]:
    """Operations, bytes and GELUs of a training step, by stage.

    A map of channels takes its product three times, forward and for both gradients, a transform twice. Bytes are those
    of reading the operands and writing the result of each product, of reading and writing the argument of each
    activation forward and backward, and of seven arrays per parameter that Adam touches.

    **Arguments:** `shape`: points per axis; `blocks`: modes per axis of each block; `width`, `batch`: sizes.
    """
    points, depth = batch * prod(shape), len(blocks)
    dense = lambda a, b, times: {"flops": times * 6 * points * a * b, "bytes": times * 12 * points * (a + b)}
    gelus = lambda channels: {"gelus": 2 * points * channels, "bytes": 20 * points * channels}
    add = lambda *parts: {key: sum(part.get(key, 0.0) for part in parts) for key in ("flops", "bytes", "gelus")}
    kept = [prod(weight_shape(modes)) for modes in blocks]
    transforms = sum(dft_operations(shape, modes) for modes in blocks)
    parameters = 2 * width**2 * sum(kept)
    return {
        "lifting and projection": add(
            dense(len(shape) + 1, 2 * width, 1), dense(width, 2 * width, 2), gelus(4 * width)
        ),
        "skips and channel MLPs": add(dense(width, width, depth), dense(width, width // 2, 2 * depth)),
        "activations of blocks": gelus((2 * depth - 2) * width + depth * width // 2),
        "transforms": add({"flops": 4 * points * width * transforms, "bytes": depth * 16 * points * width}),
        "modes": add({"flops": 3 * 8 * batch * width**2 * sum(kept), "bytes": 12 * parameters}),
        "Adam": add({"flops": 12 * parameters, "bytes": 28 * parameters}),
    }


def bounds(work: Mapping[str, Mapping[str, float]], rates: Mapping[str, float]) -> dict[str, float]:
    """Least seconds of each stage: operations and GELUs take turns on a core, bytes may move meanwhile."""
    seconds = lambda stage, kind: stage.get(kind, 0.0) / rates[kind]
    least = lambda stage: max(seconds(stage, "flops") + seconds(stage, "gelus"), seconds(stage, "bytes"))
    return {name: least(stage) for name, stage in work.items()}
