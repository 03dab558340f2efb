"""Every method with every network in one, two and three dimensions takes an update, or is refused in one sentence."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax.core import registered

NETWORKS = {
    "fno": {"modes": 3, "width": 4, "depth": 1},
    "lsm": {"width": 4, "scales": 2, "heads": 2, "tokens": 2, "bases": 2, "projection_width": 4},
    "unet": {"width": 4, "multipliers": (1, 2), "depth": 1},
    "dilated_resnet": {"width": 4, "depth": 1, "dilations": (1,)},
    "convnext_unet": {"width": 4, "stages": 1, "depth": 1, "neck_depth": 1},
    "perceptron": {"width": 4, "depth": 1},
}
METHODS = ("supervised", "diffusion", "neural_ode", "steady", "physics_informed")


def test_nothing_is_left_out():
    assert set(NETWORKS) == own("network")
    assert {*METHODS, "distilled"} == own("method")  # a student needs a trained teacher


def own(group):
    """What pdejax itself has of a group; tests register more."""
    return {name for name, factory in registered(group).items() if factory.__module__.startswith("pdejax.")}


def data(ndim, *, steady):
    values = np.random.default_rng(0).standard_normal((4, 1 if steady else 3, *(8,) * ndim, 1)).astype(np.float32)
    inputs = {"inputs": {"a": values[:, 0, ..., 0]}} if steady else {"step": 0.1}
    return pdejax.Arrays(values, lengths=(1.0,) * ndim, **inputs)


@pytest.mark.long
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_an_update_or_a_sentence(method, network, ndim):
    made = pdejax.core.build("method", method)
    feed = pdejax.ArrayFeed(data(ndim, steady=method == "steady"), batch_size=2)
    spec = {"kind": network, **NETWORKS[network]}
    if method == "physics_informed":
        with pytest.raises(ValueError, match="learns from points of a problem"):
            pdejax.fit(made, spec, feed, steps=1, devices=1, show=False)
        return
    model = pdejax.fit(made, spec, feed, steps=1, devices=1, show=False)
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array)))
