import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid, build
from pdejax.networks import Free, GaussianLattice, Mirror, Periodic, nested_jet, reference_centres

QUICK = {"xla_backend_optimization_level": 0}  # most of the time is compilation
BOX = ((0.0, 2.0), (-1.0, 1.0), (-0.5, 0.5))
ORDERS = {1: ((0,), (1,), (3,)), 2: ((0, 0), (2, 0), (1, 2)), 3: ((0, 0, 0), (1, 0, 0), (0, 2, 1))}
KINDS = {
    "steady-1D": (1, {"counts": 6}),
    "steady-2D": (2, {"counts": (5, 6), "parity": ("none", "odd")}),
    "steady-3D": (3, {"counts": (4, 5, 3), "overlap": (1.5, 2.0, 1.0), "beyond": (1, 0, 1)}),
    "slabs": (2, {"counts": (4, 6), "slabs": 3, "periodic": (False, True)}),
    "slabs-odd": (2, {"counts": (4, 5), "slabs": 2, "periodic": (False, True), "parity": ("none", "odd")}),
    "slabs-3D": (3, {"counts": (3, 4, 3), "slabs": 2, "parity": ("none", "even", "none"), "wide": False}),
}
every_kind = pytest.mark.parametrize(("ndim", "options"), KINDS.values(), ids=KINDS)


@eqx.filter_jit
def make(key, ndim, channels=2, **options):
    return GaussianLattice(channels, BOX[:ndim], **{"overlap": 1.3, "scale": 1.0} | options, key=key)


def uneven(ndim):
    """A grid with other slabs mixed up, and points outside of space."""
    first = np.array([1.9, 0.02, 0.7, 1.1, 1.4])
    space = [np.linspace(low - 0.1, high + 0.17, n) for (low, high), n in zip(BOX[1:ndim], (4, 3), strict=False)]
    return TensorGrid(tuple(map(on_device, (first, *space))))


def on_device(array):
    """In the current default precision."""
    return jnp.asarray(array, jnp.result_type(float))


def jitted(function, *args):
    return jax.jit(function, compiler_options=QUICK)(*args)


@functools.partial(jax.jit, compiler_options=QUICK)
def compiled(field, points):
    return field(points)


def value_of(field, points):
    return np.asarray(compiled(field, points))


@functools.partial(jax.jit, static_argnums=2, compiler_options=QUICK)
def compiled_jet(field, points, orders):
    return field.jet(points, orders)


def jet_of(field, points, orders):
    return jax.tree.map(np.asarray, compiled_jet(field, points, orders))


def assert_close(a, b, tolerance=1e-12):
    for order in b:
        np.testing.assert_allclose(a[order], b[order], rtol=0, atol=tolerance * np.max(np.abs(b[order])))


def image_sum(field, points):
    """The Gaussians of each point's slab, each with its images, added up one by one."""
    parts = [np.asarray(x).reshape(field.slabs, -1, x.shape[-1]) for x in jitted(lambda f: f.gaussians(), field)]
    centres, widths, weights = (x[np.searchsorted(np.asarray(field.edges)[1:-1], points[:, 0])] for x in parts)
    product = np.ones(centres.shape[:2])
    for i, rule in enumerate(field.rules):
        x = np.asarray(rule.place(jnp.asarray(points[:, i])))[:, None]
        terms = [
            s * np.exp(-(((x - np.asarray(c)) / widths[..., i]) ** 2) / 2)
            for s, c in rule.images(jnp.asarray(centres[..., i]))
        ]
        product = product * sum(terms)
    return np.einsum("pn,pnc->pc", product, weights)


@every_kind
def test_a_lattice_is_the_sum_of_its_gaussians(ndim, options, key, x64):
    field, grid = make(key, ndim, **options), uneven(ndim)
    by_points, by_grid = jitted(lambda f, x: (f(x.points()), f(x)), field, grid)
    expected = image_sum(field, np.asarray(grid.points()))
    np.testing.assert_allclose(by_points, expected, atol=1e-13)
    np.testing.assert_allclose(by_grid, expected, atol=1e-13)


@every_kind
def test_derivatives_are_those_of_nested_differentiation(ndim, options, key, x64):
    field, grid, orders = make(key, ndim, **options), uneven(ndim), ORDERS[ndim]
    of = lambda f, x: (nested_jet(f, x.points(), orders), f.jet(x, orders), f.jet(x.points(), orders))
    truth, by_grid, by_points = jitted(of, field, grid)
    assert_close(by_grid, truth)
    assert_close(by_points, truth)


def test_each_point_is_in_its_own_slab(key, x64):
    field = make(key, 2, counts=(3, 4), slabs=4)
    assert field.slabs == 4
    for number in range(4):
        inside = np.array([[0.5 * number + 1e-9, 0.3], [0.5 * number + 0.5, -0.7]])
        others = np.arange(4) != number
        alone = eqx.tree_at(
            lambda f: f.weights, field, jnp.asarray(np.asarray(field.weights) * others[:, None, None, None])
        )
        np.testing.assert_array_equal(value_of(alone, inside), 0)
        assert np.all(value_of(alone, inside + np.array([0.5, 0.0])) != 0) or number == 3
    outside = value_of(field, np.array([[-0.1, 0.3], [2.1, 0.3]]))
    alone = lambda f, i, t: f.slab(i).at_points(f.rules, jnp.array([[t, 0.3]]), [(0, 0)])[0]
    ends = jitted(lambda f: [alone(f, i, t) for i, t in ((0, -0.1), (3, 2.1))], field)
    np.testing.assert_allclose(outside, np.concatenate(ends), atol=1e-13)


def test_slabs_that_are_not_used_are_empty(key, x64):
    field = make(key, 2, counts=(3, 4), slabs=4)
    field = eqx.tree_at(lambda f: f.edges, field, jnp.array([0.0, 0.7, 2.0, 2.0, 2.0]))
    used = eqx.tree_at(lambda f: f.weights, field, field.weights.at[2:].set(jnp.nan))
    grid = TensorGrid((jnp.array([0.0, 0.7, 0.71, 2.0]), on_device(np.linspace(-1.0, 1.0, 5))))
    assert np.isfinite(value_of(used, grid)).all()


@pytest.mark.parametrize("overlap", [1.3, 4.0])
def test_periods_and_parities_hold_exactly(overlap, key, x64):
    options = {"counts": (3, 6, 4), "slabs": 2, "periodic": (False, True, False), "parity": ("none", "odd", "even")}
    field, orders = make(key, 3, overlap=overlap, **options), ((0, 0, 0), (0, 1, 0), (0, 0, 1))
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (20, 3))
    value = jet_of(field, x, orders)
    assert_close(jet_of(field, x + np.array([0.0, 2.0, 0.0]), orders), value)
    turned = jet_of(field, x * np.array([1.0, -1.0, -1.0]), orders)
    assert_close({o: s * turned[o] for o, s in zip(orders, (-1.0, 1.0, 1.0), strict=True)}, value)
    # where a period ends nothing jumps
    ends = jet_of(field, np.array([[0.3, 1.0 - 1e-15, 0.1], [0.3, 1.0, 0.1]]), orders)
    size = np.max(np.abs(ends[0, 1, 0]))
    np.testing.assert_allclose(ends[0, 0, 0], 0, atol=1e-12 * size)
    np.testing.assert_allclose(ends[0, 1, 0][0], ends[0, 1, 0][1], atol=1e-12 * size)


def test_wide_gaussians_hold_constants_and_lines(key, x64):
    field = make(key, 2, channels=1, counts=(4, 5), slabs=2)
    assert field.wide
    assert not make(key, 2, counts=(4, 5)).wide
    assert field.centres[0].shape == (2, 6)
    assert field.weights.shape == (2, 6, 5, 1)
    t = np.linspace(1.0, 2.0, 30)

    def last_two(field, t):
        slab = field.slab(1)
        centres, widths = slab.centres[0][-2:], slab.widths[0][-2:]
        return field.rules[0].factor(t, centres, widths, 0)[0], centres, widths

    wide, centres, widths = map(np.asarray, jitted(last_two, field, t))
    np.testing.assert_array_equal(centres, [1.0, 2.0])
    np.testing.assert_array_equal(widths, [10.0, 10.0])
    for target, miss in ((np.ones(30), 1e-3), (t - 1.5, 1e-2)):
        found = np.linalg.lstsq(wide, target)[0]
        assert np.max(np.abs(wide @ found - target)) < 4 * miss


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_centres_lie_evenly_and_reach_beyond_open_ends(beyond):
    for rule, low, high in (
        (Free(), -beyond, beyond),
        (Periodic(-1.0, 1.0), None, None),
        (Mirror(0.0, 1.0, "odd"), None, beyond),
    ):
        at = reference_centres(rule, 12, beyond)
        step = at[1] - at[0]
        np.testing.assert_allclose(np.diff(at), step)
        np.testing.assert_allclose(at[0] / step, 0.5 if low is None else low, atol=1e-12)
        np.testing.assert_allclose((at[-1] - 1) / step, -0.5 if high is None else high, atol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_centres_stay_inside_or_around(count):
    at = reference_centres(Free(), count, 1)
    np.testing.assert_allclose(at.mean(), 0.5)
    assert at.min() >= -0.5
    assert at.max() <= 1.5


def test_under_jit_vmap_and_grad(key, x64):
    options = {"counts": (3, 4), "slabs": 2, "channels": 1}
    field, points = make(key, 2, **options), uneven(2).points()
    eager = field(points)
    np.testing.assert_allclose(value_of(field, points), eager, atol=1e-14)
    keys = jax.random.split(key, 2)
    many = eqx.filter_jit(eqx.filter_vmap(lambda k: make(k, 2, **options)))(keys)
    both = np.asarray(eqx.filter_jit(eqx.filter_vmap(lambda f: f(points)))(many))
    np.testing.assert_allclose(both[0], value_of(make(keys[0], 2, **options), points), atol=1e-14)
    one_by_one = jitted(lambda f, x: jax.vmap(lambda x: f(x[None])[0])(x), field, points)
    np.testing.assert_allclose(one_by_one, eager, atol=1e-14)

    value = lambda f, points: jnp.sum(jnp.square(f.jet(points, ((0, 0), (0, 2)))[0, 2]))
    loss = eqx.filter_jit(lambda f: value(f, points))
    slope, on_grid = eqx.filter_jit(lambda f: [eqx.filter_grad(value)(f, x) for x in (points, uneven(2))])(field)
    parts = lambda f: (f.weights, f.centres[1])
    slopes = list(map(np.asarray, parts(slope)))
    step = lambda s: eqx.tree_at(
        parts, field, [jnp.asarray(a + s * d) for a, d in zip(map(np.asarray, parts(field)), slopes, strict=True)]
    )
    square = sum(np.sum(d**2) for d in slopes)
    s = 1e-6 / square**0.5
    np.testing.assert_allclose((loss(step(s)) - loss(step(-s))) / (2 * s), square, rtol=1e-6)
    np.testing.assert_allclose(on_grid.weights, slope.weights, rtol=1e-9, atol=1e-9 * np.max(np.abs(slope.weights)))


def test_in_single_precision(key):
    field = make(key, 2, counts=(4, 6), slabs=2, periodic=(False, True))
    assert {x.dtype for x in jax.tree.leaves(field)} == {jnp.dtype("float32")}
    value = jet_of(field, uneven(2), ORDERS[2])
    assert value[0, 0].dtype == jnp.float32
    assert_close(value, jet_of(field, uneven(2).points(), ORDERS[2]), 1e-5)


def test_a_lattice_is_built_by_name(key, x64):
    spec = {"kind": "gaussian_lattice", "counts": [3, 4], "slabs": 2}
    options = {"channels": 1, "box": BOX[:2], "periodic": (False, True), "parity": ("none", "even")}
    field = eqx.filter_jit(build)("field", spec, **options, key=key)
    assert isinstance(field, GaussianLattice)
    assert field.slabs == 2
    np.testing.assert_array_equal(value_of(field, uneven(2)), 0)  # no weights at first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": (3, 4, 5)}, "counts must be one value or 2"),
        ({"counts": (3, 0)}, "counts should be greater than or equal to 1"),
        ({"counts": 3, "slabs": 0}, "slabs should be greater than or equal to 1"),
        ({"counts": 3, "parity": "evn"}, "even"),
        ({"counts": 3, "overlap": (1.0,)}, "overlap must be"),
        ({"counts": 3, "slabs": 2, "periodic": True}, "slabs=2 with periodic=True and parity='none'"),
        ({"counts": 3, "slabs": 2, "parity": ("odd", "none")}, "slabs=2 with periodic=False and parity='odd'"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, key):
    with pytest.raises(ValueError, match=message):
        make(key, 2, **options)
