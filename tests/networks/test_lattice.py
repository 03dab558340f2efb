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


def make(key, ndim, channels=2, **options):
    return GaussianLattice(channels, BOX[:ndim], **{"overlap": 1.3, "scale": 1.0} | options, key=key)


def uneven(ndim):
    """A grid with other slabs mixed up, and points outside of space."""
    first = jnp.array([1.9, 0.02, 0.7, 1.1, 1.4])
    space = [jnp.linspace(low - 0.1, high + 0.17, n) for (low, high), n in zip(BOX[1:ndim], (4, 3), strict=False)]
    return TensorGrid((first, *space))


def jitted(function, *args):
    return jax.jit(function, compiler_options=QUICK)(*args)


def assert_close(a, b, tolerance=1e-12):
    for order in b:
        np.testing.assert_allclose(a[order], b[order], rtol=0, atol=tolerance * float(jnp.max(jnp.abs(b[order]))))


def image_sum(field, points):
    """The Gaussians of each point's slab, each with its images, added up one by one."""
    parts = [np.asarray(x).reshape(field.slabs, -1, x.shape[-1]) for x in field.gaussians()]
    centres, widths, weights = (x[np.searchsorted(np.asarray(field.edges)[1:-1], points[:, 0])] for x in parts)
    product = np.ones(centres.shape[:2])
    for i, rule in enumerate(field.rules):
        x = np.asarray(rule.place(points[:, i]))[:, None]
        terms = [
            s * np.exp(-(((x - np.asarray(c)) / widths[..., i]) ** 2) / 2)
            for s, c in rule.images(jnp.asarray(centres[..., i]))
        ]
        product = product * sum(terms)
    return np.einsum("pn,pnc->pc", product, weights)


@every_kind
def test_a_lattice_is_the_sum_of_its_gaussians(ndim, options, key, x64):
    field, points = make(key, ndim, **options), uneven(ndim).points()
    expected = image_sum(field, points)
    np.testing.assert_allclose(jitted(lambda f, x: f(x), field, points), expected, atol=1e-13)
    np.testing.assert_allclose(jitted(lambda f, x: f(x), field, uneven(ndim)), expected, atol=1e-13)


@every_kind
def test_derivatives_are_those_of_nested_differentiation(ndim, options, key, x64):
    field, grid, orders = make(key, ndim, **options), uneven(ndim), ORDERS[ndim]
    truth = jitted(lambda f, x: nested_jet(f, x, orders), field, grid.points())
    assert_close(jitted(lambda f, x: f.jet(x, orders), field, grid), truth)
    assert_close(jitted(lambda f, x: f.jet(x, orders), field, grid.points()), truth)


def test_each_point_is_in_its_own_slab(key, x64):
    field = make(key, 2, counts=(3, 4), slabs=4)
    assert field.slabs == 4
    for number in range(4):
        inside = jnp.array([[0.5 * number + 1e-9, 0.3], [0.5 * number + 0.5, -0.7]])
        alone = eqx.tree_at(lambda f: f.weights, field, field.weights.at[number].set(0))
        np.testing.assert_array_equal(alone(inside), 0)
        assert np.all(np.asarray(alone(inside + jnp.array([[0.5, 0.0]]))) != 0) or number == 3
    outside = field(jnp.array([[-0.1, 0.3], [2.1, 0.3]]))
    first, last = (
        field.slab(i).at_points(field.rules, jnp.array([[t, 0.3]]), [(0, 0)])[0] for i, t in ((0, -0.1), (3, 2.1))
    )
    np.testing.assert_allclose(outside, jnp.concatenate([first, last]), atol=1e-13)


def test_slabs_that_are_not_used_are_empty(key, x64):
    field = make(key, 2, counts=(3, 4), slabs=4)
    field = eqx.tree_at(lambda f: f.edges, field, jnp.array([0.0, 0.7, 2.0, 2.0, 2.0]))
    used = eqx.tree_at(lambda f: f.weights, field, field.weights.at[2:].set(jnp.nan))
    assert np.isfinite(used(TensorGrid((jnp.array([0.0, 0.7, 0.71, 2.0]), jnp.linspace(-1.0, 1.0, 5))))).all()


@pytest.mark.parametrize("overlap", [1.3, 4.0])
def test_periods_and_parities_hold_exactly(overlap, key, x64):
    options = {"counts": (3, 6, 4), "slabs": 2, "periodic": (False, True, False), "parity": ("none", "odd", "even")}
    field, orders = make(key, 3, overlap=overlap, **options), ((0, 0, 0), (0, 1, 0), (0, 0, 1))
    x = jax.random.uniform(key, (20, 3), minval=-0.5, maxval=0.5)
    value = field.jet(x, orders)
    assert_close(field.jet(x + jnp.array([[0.0, 2.0, 0.0]]), orders), value)
    turned = field.jet(x * jnp.array([[1.0, -1.0, -1.0]]), orders)
    assert_close({o: s * turned[o] for o, s in zip(orders, (-1.0, 1.0, 1.0), strict=True)}, value)
    # where a period ends nothing jumps
    ends = field.jet(jnp.array([[0.3, 1.0 - 1e-15, 0.1], [0.3, 1.0, 0.1]]), orders)
    size = float(jnp.max(jnp.abs(ends[0, 1, 0])))
    np.testing.assert_allclose(ends[0, 0, 0], 0, atol=1e-12 * size)
    np.testing.assert_allclose(ends[0, 1, 0][0], ends[0, 1, 0][1], atol=1e-12 * size)


def test_wide_gaussians_hold_constants_and_lines(key, x64):
    field = make(key, 2, channels=1, counts=(4, 5), slabs=2)
    assert field.wide
    assert not make(key, 2, counts=(4, 5)).wide
    assert field.centres[0].shape == (2, 6)
    assert field.weights.shape == (2, 6, 5, 1)
    t = jnp.linspace(1.0, 2.0, 30)
    slab = field.slab(1)
    wide = field.rules[0].factor(t, slab.centres[0][-2:], slab.widths[0][-2:], 0)[0]
    np.testing.assert_array_equal(slab.centres[0][-2:], [1.0, 2.0])
    np.testing.assert_array_equal(slab.widths[0][-2:], [10.0, 10.0])
    for target, miss in ((jnp.ones(30), 1e-3), (t - 1.5, 1e-2)):
        found = jnp.linalg.lstsq(wide, target)[0]
        assert float(jnp.max(jnp.abs(wide @ found - target))) < 4 * miss


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
    np.testing.assert_allclose(jitted(lambda f, x: f(x), field, points), field(points), atol=1e-14)
    many = eqx.filter_vmap(lambda k: make(k, 2, **options))(jax.random.split(key, 2))
    both = eqx.filter_vmap(lambda f: f(points))(many)
    np.testing.assert_allclose(both[0], make(jax.random.split(key, 2)[0], 2, **options)(points), atol=1e-14)
    one_by_one = jax.vmap(lambda x: field(x[None])[0])(points)
    np.testing.assert_allclose(one_by_one, field(points), atol=1e-14)

    value = lambda f, points: jnp.sum(jnp.square(f.jet(points, ((0, 0), (0, 2)))[0, 2]))
    loss = lambda f: value(f, points)
    slope = eqx.filter_jit(eqx.filter_grad(loss))(field)
    step = lambda s: eqx.tree_at(
        lambda f: (f.weights, f.centres[1]),
        field,
        (field.weights + s * slope.weights, field.centres[1] + s * slope.centres[1]),
    )
    square = float(jnp.sum(slope.weights**2) + jnp.sum(slope.centres[1] ** 2))
    s = 1e-6 / square**0.5
    np.testing.assert_allclose((loss(step(s)) - loss(step(-s))) / (2 * s), square, rtol=1e-6)
    on_grid = eqx.filter_jit(eqx.filter_grad(lambda f: value(f, uneven(2))))(field)
    np.testing.assert_allclose(
        on_grid.weights, slope.weights, rtol=1e-9, atol=1e-9 * float(jnp.max(jnp.abs(slope.weights)))
    )


def test_in_single_precision(key):
    field = make(key, 2, counts=(4, 6), slabs=2, periodic=(False, True))
    assert {x.dtype for x in jax.tree.leaves(field)} == {jnp.dtype("float32")}
    value = jitted(lambda f, x: f.jet(x, ORDERS[2]), field, uneven(2))
    assert value[0, 0].dtype == jnp.float32
    assert_close(value, jitted(lambda f, x: f.jet(x, ORDERS[2]), field, uneven(2).points()), 1e-5)


def test_a_lattice_is_built_by_name(key, x64):
    spec = {"kind": "gaussian_lattice", "counts": [3, 4], "slabs": 2}
    field = build("field", spec, channels=1, box=BOX[:2], periodic=(False, True), parity=("none", "even"), key=key)
    assert isinstance(field, GaussianLattice)
    assert field.slabs == 2
    np.testing.assert_array_equal(field(uneven(2)), 0)  # no weights at first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"counts": (3, 4, 5)}, "counts must be one value or 2"),
        ({"counts": (3, 0)}, "counts should be greater than or equal to 1"),
        ({"counts": 3, "slabs": 0}, "slabs should be greater than or equal to 1"),
        ({"counts": 3, "parity": "evn"}, "even"),
        ({"counts": 3, "overlap": (1.0,)}, "overlap must be"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, key):
    with pytest.raises(ValueError, match=message):
        make(key, 2, **options)
