"""What holds for every network: a new one is one line in `SPECS`."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from pdejax.networks import NETWORKS, build_network, network_options

SPECS = [
    {"kind": "fno", "modes": 3, "width": 6, "depth": 2, "kernel": "fft"},
    {"kind": "fno", "modes": 3, "width": 6, "depth": 2, "kernel": "dft"},
]
SHAPES = [(16,), (8, 9), (6, 7, 8)]
every_network = pytest.mark.parametrize("spec", SPECS, ids=lambda s: "-".join(str(v) for v in s.values()))
every_dimension = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{len(s)}D")


def build(spec, shape, key, condition_features=2):
    sizes = {"in_channels": 2, "out_channels": 1, "ndim": len(shape), "condition_features": condition_features}
    network = eqx.filter_jit(lambda key: build_network(spec, **sizes, key=key))(
        key
    )  # one compilation, not one an array
    return eqx.partition(network, eqx.is_array)


def batch_of(shape, key, size=8):
    x = jax.random.normal(key, (size, *shape, 2))
    return x, jax.random.normal(key, (size, 2)), jnp.sin(x[..., :1] + x[..., 1:])


def total_loss(static, arrays, batch):
    x, condition, target = batch
    return jnp.sum((eqx.combine(arrays, static)(x, condition=condition) - target) ** 2)


def test_every_kind_is_in_the_list():
    assert {spec["kind"] for spec in SPECS} == set(NETWORKS)


@every_network
@every_dimension
def test_training_steps_lower_the_loss(spec, shape, key):
    arrays, static = build(spec, shape, key)
    batch = batch_of(shape, key)

    def step(arrays, _):
        value, gradient = jax.value_and_grad(functools.partial(total_loss, static))(arrays, batch)
        norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
        return jax.tree.map(lambda a, g: a - 0.02 * g / norm, arrays, gradient), value

    _, values = jax.jit(lambda a: jax.lax.scan(step, a, None, length=4))(arrays)
    assert np.all(np.diff(values) < 0)


@every_network
@every_dimension
def test_a_sharded_step_gathers_nothing_and_has_the_same_gradient(spec, shape, key):
    # under plain jit XLA gathers the whole batch before every FFT; inside shard_map it must not
    arrays, static = build(spec, shape, key)
    batch = batch_of(shape, key)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    local = lambda arrays, batch: jax.lax.psum(total_loss(static, arrays, batch), "data")
    sharded = jax.shard_map(jax.value_and_grad(local), mesh=mesh, in_specs=(P(), P("data")), out_specs=P())
    placed = jax.device_put(batch, jax.NamedSharding(mesh, P("data")))
    compiled = jax.jit(sharded).lower(arrays, placed).compile()
    assert "all-gather" not in compiled.as_text()
    value, gradient = compiled(arrays, placed)
    expected, reference = jax.jit(jax.value_and_grad(functools.partial(total_loss, static)))(arrays, batch)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * float(jnp.max(jnp.abs(b))))


@every_network
def test_precision_is_that_of_the_arrays(spec, key, x64):
    arrays, static = build(spec, (16,), key)
    x, condition, _ = batch_of((16,), key)
    run = jax.jit(lambda arrays, x, condition: eqx.combine(arrays, static)(x, condition=condition))
    double = run(arrays, x, condition)
    single = jax.tree.map(lambda a: a.astype(jnp.float32), (arrays, x, condition))
    result = run(*single)
    assert (double.dtype, result.dtype) == (jnp.float64, jnp.float32)
    np.testing.assert_allclose(result, double, atol=1e-5)


def test_build_names_what_is_wrong(key):
    sizes = {"in_channels": 1, "out_channels": 1, "ndim": 1, "condition_features": 0, "key": key}
    with pytest.raises(ValueError, match=r"unknown network 'fnoo'. Did you mean 'fno'"):
        build_network({"kind": "fnoo"}, **sizes)
    with pytest.raises(ValueError, match="a network needs a kind"):
        build_network({"modes": 3}, **sizes)
    with pytest.raises(ValueError, match=r"unknown option of network 'fno': 'mode'. Did you mean 'modes'"):
        build_network({"kind": "fno", "mode": 3}, **sizes)


def test_options_are_those_of_the_class():
    assert {"modes", "width", "kernel"} <= set(network_options("fno"))
    assert not {"self", "key", "in_channels", "ndim", "condition_features"} & set(network_options("fno"))
