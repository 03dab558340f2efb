"""What holds for every network: a new one is one line in `SPECS`."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from pdejax import core
from pdejax.networks import FNO

SPECS = [
    {"kind": "fno", "modes": 3, "width": 6, "depth": 2, "kernel": "fft"},
    {"kind": "fno", "modes": 3, "width": 6, "depth": 2, "kernel": "dft"},
    {"kind": "lsm", "width": 4, "heads": 2, "scales": 2, "patch_size": 2, "tokens": 3, "projection_width": 8},
    {"kind": "unet", "width": 4, "multipliers": (1, 2), "depth": 1},
    {"kind": "dilated_resnet", "width": 4, "depth": 1, "dilations": (1, 2)},
    {"kind": "convnext_unet", "width": 4, "stages": 1, "depth": 1, "kernel_size": 3, "expansion": 2},
    {"kind": "perceptron", "width": 8, "depth": 2},
]
SHAPES = [(16,), (8, 9), (6, 7, 8)]
QUICK = {"xla_backend_optimization_level": 0}  # most of the time is compilation, half of that LLVM's optimisations
every_network = pytest.mark.parametrize("spec", SPECS, ids=lambda s: "-".join(str(v) for v in s.values()))
LARGE = ("unet", "convnext_unet", "lsm")
few_networks = pytest.mark.parametrize(
    "spec",
    [pytest.param(s, marks=pytest.mark.long) if s["kind"] in LARGE else s for s in SPECS],
    ids=lambda s: "-".join(str(v) for v in s.values()),
)
# one dimension shows what the others do
every_dimension = pytest.mark.parametrize(
    "shape", [SHAPES[0], *(pytest.param(s, marks=pytest.mark.long) for s in SHAPES[1:])], ids=lambda s: f"{len(s)}D"
)


def batch_of(shape, noise, size=8):
    x = noise(size, *shape, 2)
    return x, noise(size, 2, seed=1), jnp.asarray(np.sin(np.sum(x, -1, keepdims=True)))


@pytest.fixture(scope="module")
def build(drawn):
    def make(spec, shape):
        sizes = {"in_channels": 2, "out_channels": 1, "ndim": len(shape), "condition_features": 2}
        return eqx.partition(drawn(lambda key: core.build("network", spec, **sizes, key=key)), eqx.is_array)

    return make


def total_loss(static, arrays, batch):
    x, condition, target = batch
    return jnp.sum((eqx.combine(arrays, static)(x, condition=condition) - target) ** 2)


def step_down(value_and_gradient, arrays, batch):
    """A small step against the gradient; the loss before it and the gradient."""
    value, gradient = value_and_gradient(arrays, batch)
    norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradient)))
    return jax.tree.map(lambda a, g: a - 0.02 * g / norm, arrays, gradient), value, gradient


def sharded(static):
    """Loss and gradient over a batch split between eight devices."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    local = lambda arrays, batch: jax.lax.psum(total_loss(static, arrays, batch), "data")
    return jax.shard_map(jax.value_and_grad(local), mesh=mesh, in_specs=(P(), P("data")), out_specs=P())


@pytest.fixture(scope="module")
def on_eight_devices(build, noise):
    """The compiled step of a network of `SPECS` on a grid, the same for all tests."""

    @functools.cache
    def compiled(number, shape):
        arrays, static = build(SPECS[number], shape)
        step = jax.jit(functools.partial(step_down, sharded(static)), compiler_options=QUICK)
        return step.lower(arrays, batch_of(shape, noise)).compile()

    return lambda spec, shape: compiled(SPECS.index(spec), shape)


def test_every_kind_is_in_the_list():
    assert {spec["kind"] for spec in SPECS} == set(core.registered("network"))


@few_networks
@every_dimension
def test_training_steps_on_eight_devices_lower_the_loss_and_gather_nothing(spec, shape, noise, build, on_eight_devices):
    # under plain jit XLA gathers the whole batch before every FFT; inside shard_map it must not
    arrays, _ = build(spec, shape)
    batch, step = batch_of(shape, noise), on_eight_devices(spec, shape)
    assert "all-gather" not in step.as_text()
    values = []
    for _ in range(4):
        arrays, value, _ = step(arrays, batch)
        values.append(float(value))
    assert np.all(np.diff(values) < 0)


# all of them train on eight devices in the test above; the rest of this one is in `make long`
@pytest.mark.parametrize("spec", [SPECS[0], *(pytest.param(spec, marks=pytest.mark.long) for spec in SPECS[1:])])
def test_the_gradient_over_eight_devices_is_that_of_one(spec, noise, build, on_eight_devices):
    arrays, static = build(spec, (16,))
    batch = batch_of((16,), noise)
    _, value, gradient = on_eight_devices(spec, (16,))(arrays, batch)
    alone = jax.value_and_grad(functools.partial(total_loss, static))
    expected, reference = jax.jit(alone, compiler_options=QUICK)(arrays, batch)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(reference), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * float(np.max(np.abs(b))))


@few_networks
def test_precision_is_that_of_the_arrays(spec, noise, build, x64):
    arrays, static = build(spec, (16,))
    x, condition, _ = batch_of((16,), noise)
    run = jax.jit(lambda arrays, x, condition: eqx.combine(arrays, static)(x, condition=condition))
    double = run(arrays, x, condition)
    single = run(*jax.tree.map(lambda a: np.asarray(a, np.float32), (arrays, x, condition)))
    assert (double.dtype, single.dtype) == (jnp.float64, jnp.float32)
    np.testing.assert_allclose(single, double, atol=1e-4)


@every_network
@pytest.mark.parametrize("shape", [(16,), pytest.param((8, 16), marks=pytest.mark.long)], ids=lambda s: f"{len(s)}D")
def test_shifts_of_a_periodic_field_shift_the_result(spec, shape, noise, build):
    # by points that the grid's halvings leave whole: a network of another total stride than 4 needs another shift
    # a network without the option sees no neighbours, and commutes with shifts of any axis
    periodic = {"periodic": True} if "periodic" in core.options_of(core.factory_of("network", spec["kind"])) else {}
    arrays, static = build(spec | periodic, shape)
    x, condition, _ = batch_of(shape, noise, size=2)
    axes = tuple(range(1, x.ndim - 1))
    shift = lambda a: np.roll(a, (4,) * len(axes), axes)
    run = jax.jit(lambda x: eqx.combine(arrays, static)(x, condition=condition), compiler_options=QUICK)
    y = run(x)
    assert np.std(y) > 0.01
    np.testing.assert_allclose(run(shift(x)), shift(y), atol=1e-5 * np.max(np.abs(y)))


@few_networks
def test_a_mapped_network_is_the_one_of_batches(spec, noise, build):
    arrays, static = build(spec, (16,))
    x, condition, _ = batch_of((16,), noise, size=2)
    network = eqx.combine(arrays, static)
    one = lambda x, condition: network(x[None], condition=condition[None])[0]
    mapped, batched = jax.jit(lambda *a: (jax.vmap(one)(*a), network(a[0], condition=a[1])), compiler_options=QUICK)(
        x, condition
    )
    np.testing.assert_allclose(mapped, batched, atol=1e-5 * np.max(np.abs(batched)))


@every_network
@pytest.mark.parametrize("shape", SHAPES[:2], ids=lambda s: f"{len(s)}D")
def test_a_batch_of_no_samples_gives_none(spec, shape, build):
    arrays, static = build(spec, shape)
    run = jax.jit(lambda *a: eqx.combine(arrays, static)(a[0], condition=a[1]), compiler_options=QUICK)
    assert run(jnp.zeros((0, *shape, 2)), jnp.zeros((0, 2))).shape == (0, *shape, 1)


@every_network
def test_a_condition_of_another_size_is_refused(spec, build):
    network = eqx.combine(*build(spec, (16,)))
    with pytest.raises(ValueError, match=r"should be of shape \(batch, features\) = \(3, 2\), got \(3, 1\)"):
        network(jnp.zeros((3, 16, 2)), condition=jnp.zeros((3, 1)))


def test_build_names_what_is_wrong(key):
    sizes = {"in_channels": 1, "out_channels": 1, "ndim": 1, "condition_features": 0, "key": key}
    with pytest.raises(ValueError, match=r"unknown network 'fnoo'. Did you mean 'fno'"):
        core.build("network", {"kind": "fnoo"}, **sizes)
    with pytest.raises(ValueError, match="a network is an object or a mapping with a 'kind'"):
        core.build("network", {"modes": 3}, **sizes)
    with pytest.raises(ValueError, match=r"unknown option of network 'fno': 'mode'. Did you mean 'modes'"):
        core.build("network", {"kind": "fno", "mode": 3}, **sizes)


def test_options_are_those_of_the_class():
    assert {"modes", "width", "kernel"} <= set(core.options_of(FNO, "network"))
    assert not {"self", "key", "in_channels", "ndim", "condition_features"} & set(core.options_of(FNO, "network"))
