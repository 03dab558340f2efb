"""What holds for every field that is a network of the coordinates, and for building fields by name."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax import core
from pdejax.core import TensorGrid
from pdejax.networks import SIREN, SMOOTH, GaussianField, MLPField, PirateNet, nested_jet
from pdejax.networks.fields.taylor import Bundle, add, closure, compose, linear, product

BOX = ((-1.0, 1.0), (0.5, 2.0))
ORDERS = ((0, 0), (1, 0), (0, 2), (1, 1))
QUICK = {"xla_backend_optimization_level": 0}  # most of the time is compilation
SPECS = {
    "mlp": {"kind": "mlp", "width": 6, "depth": 2},
    "mlp-gelu-waves": {"kind": "mlp", "width": 6, "depth": 2, "activation": "gelu_exact", "fourier_features": 4},
    "mlp-silu-factorised": {"kind": "mlp", "width": 6, "depth": 2, "activation": "silu", "factorised": True},
    "siren": {"kind": "siren", "width": 6, "depth": 2, "omega0": 3.0},
    "piratenet": {"kind": "piratenet", "width": 6, "depth": 2, "factorised": True},
    "gaussians": {"kind": "gaussians", "count": 5, "width": 0.12, "scale": 1.0},
}
SYMMETRIES = {
    "none": ((False, False), ("none", "none")),
    "periodic": ((True, False), ("none", "odd")),
    "parity": ((True, True), ("odd", "even")),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


@pytest.fixture
def build(drawn, key):
    def make(spec, symmetry="none", channels=2, box=BOX):
        periodic, parity = SYMMETRIES[symmetry]
        start = lambda key: core.build(
            "field", spec, channels=channels, box=box, periodic=periodic, parity=parity, key=key
        )
        return eqx.filter_jit(start)(key) if spec["kind"] == "gaussians" else drawn(start)

    return make


def points_of(n=7):
    u = np.random.default_rng(0).random((n, 2))
    return jnp.asarray(np.array([-1.0, 0.5]) + u * np.array([2.0, 1.5]))


def run(function, field, points):
    arrays, static = eqx.partition(field, eqx.is_array)
    whole = jax.jit(lambda a, x: function(eqx.combine(a, static), x), compiler_options=QUICK)
    return whole(arrays, points)


def jet_of(field, points, orders):
    return run(lambda f, x: f.jet(x, orders), field, points)


def value_of(field, points):
    return run(lambda f, x: f(x), field, points)


def assert_close(a, b, tolerance):
    for order in b:
        np.testing.assert_allclose(a[order], b[order], rtol=0, atol=tolerance * np.max(np.abs(b[order])))


@pytest.mark.parametrize("name", SMOOTH)
def test_activations_know_their_derivatives(name, x64):
    x = jnp.linspace(-4.0, 4.0, 21)
    f = SMOOTH[name]
    slope = lambda x: jax.jvp(f.value, (x,), (jnp.ones_like(x),))[1]
    bend = lambda x: jax.jvp(slope, (x,), (jnp.ones_like(x),))[1]
    for found, expected in zip(*jax.jit(lambda x: (f.jet(x), (f.value(x), slope(x), bend(x))))(x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-14)


def coordinates(points, orders):
    """The coordinates of points as functions of themselves."""
    of_order = {0: points, 1: 1.0, 2: 0.0}
    along = lambda order: of_order[sum(order)] * (jnp.asarray(order, points.dtype)[None] if any(order) else 1.0)
    return Bundle(jnp.stack([jnp.broadcast_to(along(order), points.shape) for order in orders]), orders)


def test_bundles_follow_sums_products_and_chains(key, x64):
    a, b = jax.random.normal(key, (2, 2, 3))
    shift = jnp.array([0.1, 0.2, 0.3])
    orders = closure([(2, 0), (1, 1), (0, 2)])
    points = points_of(4)

    def by_bundles(x: Bundle) -> Bundle:
        u, v = compose(SMOOTH["tanh"], linear(x, a, shift)), compose(SMOOTH["sin"], linear(x, b))
        return add(product(u, v), u)

    plain = lambda x: jnp.tanh(x @ a + shift[None]) * jnp.sin(x @ b) + jnp.tanh(x @ a + shift[None])
    bundles = run(lambda _, x: by_bundles(coordinates(x, orders)).pick(orders), None, points)
    assert_close(bundles, run(lambda _, x: nested_jet(plain, x, orders), None, points), 1e-13)


@pytest.mark.parametrize(
    ("spec", "symmetry"),
    [*((spec, "periodic") for spec in SPECS.values()), (SPECS["mlp"], "none"), (SPECS["mlp"], "parity")],
    ids=[*SPECS, "mlp-bounded", "mlp-parity"],
)
def test_jets_are_those_of_nested_differentiation(spec, symmetry, build, x64):
    field, points = build(spec, symmetry), points_of()
    assert_close(*run(lambda f, x: (f.jet(x, ORDERS), nested_jet(f, x, ORDERS)), field, points), 1e-10)


def test_higher_orders_are_nested(build, x64):
    field = build(SPECS["mlp"])
    third = jet_of(field, points_of(), ((2, 1),))[2, 1]
    h = 1e-4
    second = lambda s: jet_of(field, points_of() + jnp.array([[0.0, s]]), ((2, 0),))[2, 0]
    np.testing.assert_allclose(third, (second(h) - second(-h)) / (2 * h), atol=1e-6)


@every_spec
def test_a_grid_gives_what_its_points_give(spec, build, x64):
    field = build(spec)
    grid = TensorGrid((jnp.linspace(-1.0, 1.0, 4), jnp.linspace(0.5, 2.0, 3)))
    jet, by_points = run(lambda f, x: (f.jet(x, ORDERS), f.jet(x.points(), ORDERS)), field, grid)
    assert jet[0, 0].shape == (12, 2)
    assert_close(jet, by_points, 1e-12)


@every_spec
def test_periods_and_parities_hold_exactly(spec, build, x64):
    field, x = build(spec, "parity"), points_of()
    x = np.asarray(x)
    moved, turned = x + np.array([2.0, -1.5]), np.array([0.0, 2.5]) - x
    value, shifted, turned = np.split(np.asarray(value_of(field, np.concatenate([x, moved, turned]))), 3)
    assert np.max(np.abs(value)) > 1e-4
    np.testing.assert_allclose(shifted, value, atol=1e-12)
    np.testing.assert_allclose(turned, -value, atol=1e-12)


def test_a_period_beside_a_parity(build, x64):
    field, x = build(SPECS["mlp"], "periodic"), points_of()
    turned = np.array([2.0, 2.5]) + np.array([1.0, -1.0]) * np.asarray(x)
    np.testing.assert_allclose(value_of(field, turned), -np.asarray(value_of(field, x)), atol=1e-12)


@every_spec
def test_single_precision_stays_and_the_gradient_is_finite(spec, build):
    def loss(field, x):
        jet = field.jet(x, ((0, 0), (2, 0)))
        assert jet[2, 0].dtype == jnp.float32
        return jnp.mean((jet[2, 0] + jet[0, 0]) ** 2)

    gradient = run(eqx.filter_grad(loss), build(spec), points_of())
    leaves = jax.tree.leaves(eqx.filter(gradient, eqx.is_array))
    assert all(a.dtype == jnp.float32 and np.all(np.isfinite(a)) for a in leaves)


def test_fields_under_vmap(build, x64):
    field, x = build(SPECS["siren"]), points_of()
    arrays, static = eqx.partition(field, eqx.is_array)
    both = jax.tree.map(lambda a: np.stack([a, 2 * np.asarray(a)]), arrays)
    values = jax.jit(jax.vmap(lambda a: eqx.combine(a, static)(x)))(both)
    np.testing.assert_allclose(np.asarray(values)[0], value_of(field, x), atol=1e-13)


def test_factors_do_not_change_the_map_at_first(key, x64):
    make = eqx.filter_jit(
        lambda key: [MLPField(1, BOX, width=5, depth=2, factorised=f, key=key) for f in (False, True)]
    )
    plain, factorised = make(key)
    np.testing.assert_allclose(value_of(plain, points_of()), value_of(factorised, points_of()), atol=1e-13)
    assert sum(a.size for a in jax.tree.leaves(factorised)) == sum(a.size for a in jax.tree.leaves(plain)) + 11


def test_a_siren_starts_within_its_bounds(key):
    field = eqx.filter_jit(lambda key: SIREN(1, BOX, width=256, depth=3, key=key))(key)
    first, second = (np.asarray(layer.weight) for layer in field.layers[:2])
    assert np.max(np.abs(first)) <= 0.5
    inner = np.max(np.abs(second))
    assert 0.95 * (6 / 256) ** 0.5 / 30 < inner <= (6 / 256) ** 0.5 / 30
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))  # of the box, made of length two
    # arguments of the sines are standard normal after the first layer: their sines have the variance (1 - e^-2) / 2
    assert 0.3 < np.var(np.sin(30 * (np.sin(30 * (x @ first)) @ second))) < 0.55


def test_a_piratenet_starts_linear_and_fits_data(key, x64):
    points = np.asarray(points_of(60))
    values = np.sin(np.pi * points[:, :1]) * points[:, 1:]

    @eqx.filter_jit
    def start(key, points, values):
        field = PirateNet(1, BOX, width=24, depth=1, periodic=(True, False), key=key)
        fitted = field.with_initial_fit(points, values)
        return field, field(points), field.embedding(points, ((0, 0),)).data[0], fitted(points)

    field, found, embedded, fitted = start(key, jnp.asarray(points), jnp.asarray(values))
    assert all(float(block.alpha) == 0.0 for block in field.blocks)
    embedded = np.asarray(embedded)
    np.testing.assert_allclose(found, embedded @ np.asarray(field.last), atol=1e-13)
    best = embedded @ np.linalg.lstsq(embedded, values, rcond=None)[0]
    np.testing.assert_allclose(fitted, best, atol=1e-6)
    assert np.mean((best - values) ** 2) < 0.1 * np.mean(values**2)


def test_unknown_names_are_told_the_nearest(key):
    make = lambda spec, **options: core.build("field", spec, **({"channels": 1, "box": BOX, "key": key} | options))
    for spec, message in [
        ({}, "kind"),
        ({"kind": "gaussian"}, "gaussians"),
        ({"kind": "mlp", "widht": 3}, "width"),
        ({"kind": "mlp", "activation": "tan"}, "tanh"),
        ({"kind": "mlp", "fourier_features": 3}, "pairs"),
        ({"kind": "piratenet", "width": 5}, "width must be even, .* got 5"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(spec)
    with pytest.raises(ValueError, match="even"):
        make({"kind": "siren"}, parity=("evn", "none"))
    with pytest.raises(ValueError, match="low, high"):
        make({"kind": "siren"}, box=((1.0, 0.0),))
    assert {"gaussians", "mlp", "siren", "piratenet"} <= set(core.registered("field"))
    assert "count" in core.options_of(GaussianField, "field")
    assert "rules" not in core.options_of(GaussianField, "field")
