"""What the training loop costs beside a bare hand-written one: same model, batches, optimiser and updates per call.

    python -m benchmarks.loop

Both run interleaved in one process; compilation, set-up and checkpoints are taken out by differences of long and short
runs of the same compiled programs.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
import optax

from experiments._kit.results import record, row, write_benchmark
from pdejax.config import resolve
from pdejax.core import build
from pdejax.data import Batch
from pdejax.methods import DataCard
from pdejax.training import TrainSettings, train

QUESTION = "How much slower is the training loop than a bare jitted scan over the same updates?"
DISPATCH = 50


class _RandomWindows:
    """Windows of random fields on the device; the arithmetic of an update does not depend on the values."""

    def __init__(self, shape: tuple[int, ...], batch_size: int) -> None:
        self.batch_size = batch_size
        self.arrays = np.random.default_rng(0).normal(size=(256, 100, *shape, 1)).astype(np.float32)

    def init(self) -> dict[str, int]:
        return {"step": 0}

    def next(self, state: Any) -> tuple[dict[str, int], np.ndarray]:
        random = np.random.default_rng(state["step"])
        rows = np.arange(self.batch_size) + state["step"] * self.batch_size
        item = np.stack([random.integers(256, size=len(rows)), random.integers(99, size=len(rows)), rows], -1)
        return {"step": state["step"] + 1}, item.astype(np.int32)

    def fetch(self, arrays: Any, item: Any) -> Batch:
        states = jax.vmap(lambda i, t: jax.lax.dynamic_slice_in_dim(arrays[i], t, 2))(item[:, 0], item[:, 1])
        size = item.shape[0]
        none = jax.numpy.zeros((size, *states.shape[2:-1], 0)), jax.numpy.zeros((size, 0))
        return Batch(states, *none, item[:, 2], jax.numpy.ones(size))


def _bare(method: Any, model: Any, feed: _RandomWindows, settings: TrainSettings) -> Any:
    """The loop somebody would write by hand for this one model."""
    params, static = eqx.partition(model, method.trainable(model))
    optimiser = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(settings.learning_rate))

    @jax.jit
    def updates(params: Any, state: Any, arrays: Any, items: Any) -> Any:
        def one(carry: Any, item: Any) -> Any:
            params, state = carry
            batch = feed.fetch(arrays, item)
            keys = jax.random.split(jax.random.key(0), feed.batch_size)
            loss = lambda p: jax.numpy.mean(method.loss(eqx.combine(p, static), batch, keys)[0])
            value, grads = jax.value_and_grad(loss)(params)
            change, state = optimiser.update(grads, state, params)
            return (optax.apply_updates(params, change), state), value

        return jax.lax.scan(one, (params, state), items)

    arrays, state = jax.numpy.asarray(feed.arrays), optimiser.init(params)
    items = jax.numpy.asarray(np.stack([feed.next({"step": i})[1] for i in range(DISPATCH)]))

    def run(steps: int) -> None:
        carry = (params, state)
        for _ in range(steps // DISPATCH):
            carry, losses = updates(*carry, arrays, items)
            np.asarray(losses)

    return run


def main() -> None:
    """Prints and records the median ratio over interleaved pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    config = resolve(["experiment=ks_demo"])
    shape, length = config.problem.domain.shape, config.problem.domain.lengths
    statistics_ = {"mean": [0.0], "std": [1.0], "rms_delta": [1.0], "parameter_mean": [], "parameter_std": []}
    card = DataCard(tuple(shape), tuple(length), 0.8, ("u",), (), statistics_)
    method = build("method", config.method.spec())
    model = method.build(config.network.spec(), card, key=jax.random.key(0))
    feed = _RandomWindows(tuple(shape), config.train.batch_size)
    settings = TrainSettings(
        steps=DISPATCH,
        learning_rate=1e-4,
        schedule="constant",
        ema=config.train.ema,
        updates_per_dispatch=DISPATCH,
        log_every=DISPATCH,
        evaluate_every=10**9,
        checkpoint_every=10**9,
        devices=1,
    )

    def ours(steps: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(method, model, feed, dataclasses.replace(settings, steps=steps), Path(folder), show=False)

    def seconds(run: Any, steps: int) -> float:
        began = time.perf_counter()
        run(steps)
        return time.perf_counter() - began

    bare = _bare(method, model, feed, settings)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    with tempfile.TemporaryDirectory() as cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        ours(DISPATCH), bare(DISPATCH)
        ratios = []
        for _ in range(options.pairs):
            short, long = seconds(ours, DISPATCH), seconds(ours, DISPATCH + options.steps)
            plain = seconds(bare, options.steps)
            ratios.append((long - short) / plain)
            print(f"{1e3 * (long - short) / options.steps:.2f} ms an update, bare {1e3 * plain / options.steps:.2f} ms")
    value = statistics.median(ratios)
    print(f"loop / bare: {value:.3f} (median of {len(ratios)} interleaved pairs)")
    interval = [min(ratios), max(ratios)]
    rows = [row("ks_demo model", "time of an update, loop / bare", value, better="lower", interval=interval, goal=1.05)]
    write_benchmark(record("loop", QUESTION, "python -m benchmarks.loop", "small", rows))


if __name__ == "__main__":
    main()
