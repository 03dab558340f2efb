"""An own network, own arrays, an own optimiser: trained, saved, loaded in another process, judged, on a page."""

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import pdejax


@pdejax.register("network", "convolutions")
class Convolutions(eqx.Module):
    layers: tuple

    def __init__(self, in_channels, out_channels, *, width: int = 16, key):
        keys = jax.random.split(key, 2)
        conv = lambda i, o, k: eqx.nn.Conv1d(i, o, 5, padding="SAME", padding_mode="CIRCULAR", key=k)
        self.layers = (conv(in_channels, width, keys[0]), conv(width, out_channels, keys[1]))

    def __call__(self, x):
        return pdejax.per_sample(lambda u: self.layers[1](jnp.tanh(self.layers[0](u))))(x)


def waves(count, seed):
    """Sines that travel by a twentieth of their box a frame, (trajectory, time, x, channel)."""
    phase, x, t = np.random.default_rng(seed).uniform(size=(count, 1, 1)), np.arange(64) / 64, np.arange(12) / 20
    return np.sin(2 * np.pi * (x[None, None] - t[None, :, None] + phase))[..., None].astype(np.float32)


data = pdejax.Arrays({"train": waves(32, 0), "test": waves(8, 1)}, step=0.05, lengths=(1.0,), fields=("u",))
if sys.argv[1] == "train":
    feed = pdejax.ArrayFeed(data, batch_size=8)
    operator = pdejax.fit(pdejax.Supervised(), "convolutions", feed, steps=300, optimiser=optax.adam(1e-2), show=False)
    pdejax.save("model", operator)
else:
    result = pdejax.evaluate(pdejax.load("model"), data)
    print(result)
    print(result.write_page("."))
