"""Models for tests of what is exported."""

import json

import equinox as eqx
import jax
import numpy as np

import pdejax
from pdejax.methods import DataCard

PLAIN = {"kind": "perceptron", "width": 4, "depth": 1}
HERE = ("cpu",)  # lowering for one platform takes a third of the time


def arrays(**options):
    values = np.random.default_rng(0).standard_normal((4, 4, 8, 2)).astype(np.float32)
    return pdejax.Arrays(values, lengths=(1.0,), step=0.1, fields=("u", "v"), **options)


def built(method=None, data=None, network=PLAIN):
    made, facts = method or pdejax.Supervised(), DataCard.of(data or arrays())
    return eqx.filter_jit(lambda key: made.build(network, facts, key=key))(jax.random.key(1))


def card(folder):
    return json.loads((folder / "card.json").read_text())
