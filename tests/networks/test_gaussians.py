import functools
import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid, build
from pdejax.networks import Free, GaussianField, Mirror, Periodic, Wall, nested_jet

BOX = ((-1.0, 1.0), (0.0, 2.0), (-0.5, 0.5))
SIZES = (5, 4, 3)
QUICK = {"xla_backend_optimization_level": 0}  # most of the time is compilation
ORDERS = {
    1: ((0,), (1,), (4,)),
    2: ((0, 0), (0, 2), (1, 1), (3, 1)),
    3: ((0, 0, 0), (2, 0, 1)),
}
RULES = {
    "free-1D": (Free(),),
    "free-2D": (Free(), Free()),
    "free-3D": (Free(), Free(), Free()),
    "periodic": (Periodic(-1.0, 1.0), Free()),
    "even": (Free(), Periodic(0.0, 2.0, "even")),
    "odd": (Periodic(-1.0, 1.0, "odd", about=0.3), Free()),
    "mirror": (Mirror(-1.0, 1.0, "even"), Mirror(0.0, 2.0, "none", "odd")),
    "mirrors": (Mirror(-1.0, 1.0, "odd", "even"),),
    "wall": (Wall(-1.0, 1.0), Wall(0.0, 2.0, right=False)),
}
every_rule = pytest.mark.parametrize("rules", RULES.values(), ids=RULES)


def shaken(field, key, size=0.1):
    """The field with other widths, shears and weights of order one, every Gaussian with its own."""
    parts = lambda f: [f.log_widths, f.weights, *([] if f.shears is None else [f.shears])]
    noise = lambda i, a: jax.random.normal(jax.random.fold_in(key, i), a.shape)
    fresh = [(a if i == 0 else 0 * a) + (size if i == 0 else 1.0) * noise(i, a) for i, a in enumerate(parts(field))]
    return eqx.tree_at(parts, field, fresh)


@eqx.filter_jit
def make(key, rules, channels=1, **options):
    settings = {"count": 6, "width": 0.15, "head": "linear", "hidden": 3} | options
    return shaken(GaussianField(channels, BOX[: len(rules)], rules=rules, **settings, key=key), key)


@eqx.filter_jit
def plain(key, channels, box, **options):
    """A field as it begins."""
    return GaussianField(channels, box, **options, key=key)


def grid_of(ndim):
    """Uneven points that also lie outside of the box."""
    axis = lambda ends, n: np.linspace(ends[0] - 0.1, ends[1] + 0.17, n) + 0.05 * np.sin(3.0 * np.arange(n))
    return TensorGrid(tuple(on_device(axis(*one)) for one in zip(BOX[:ndim], SIZES[:ndim], strict=True)))


def on_device(array):
    """In the current default precision."""
    return jnp.asarray(array, jnp.result_type(float))


def assert_close(a, b, tolerance=1e-12):
    for order in b:
        np.testing.assert_allclose(a[order], b[order], rtol=0, atol=tolerance * np.max(np.abs(b[order])))


def jitted(function, *args):
    return jax.jit(function, compiler_options=QUICK)(*args)


@functools.partial(jax.jit, compiler_options=QUICK)
def compiled(field, points):
    return field(points)


def value_of(field, points):
    return np.asarray(compiled(field, points))


@functools.partial(jax.jit, static_argnums=2, compiler_options=QUICK)
def nested(field, points, orders):
    return nested_jet(lambda x: field(x, path="direct"), points, orders)


@functools.partial(jax.jit, static_argnums=(0, 3), compiler_options=QUICK)
def by(path, field, points, orders):
    return field.jet(points, orders, path=path)


def compare(field, paths):
    """All paths against nested differentiation of the plain sum over all Gaussians."""
    grid = grid_of(len(field.rules))
    orders = ORDERS[len(field.rules)]

    def everything(field, grid):
        jets = [field.jet(grid if x == "grid" else grid.points(), orders, path=path) for path, x in paths.items()]
        return nested_jet(lambda x: field(x, path="direct"), grid.points(), orders), jets

    truth, jets = jitted(everything, field, grid)
    for jet in jets:
        assert_close(jet, truth)


def test_a_tensor_grid_lists_its_points_in_c_order(x64):
    grid = TensorGrid((jnp.arange(2.0), jnp.arange(3.0)))
    assert (grid.shape, grid.ndim, grid.size) == ((2, 3), 2, 6)
    np.testing.assert_array_equal(grid.points(), list(itertools.product(range(2), range(3))))


@every_rule
def test_paths_agree_with_nested_differentiation(rules, key, x64):
    images = all(rule.image_count for rule in rules)
    compare(
        make(key, rules, channels=2),
        {"separable": "grid", "direct": "points", **({"gemm": "points"} if images else {})},
    )


@pytest.mark.parametrize("shared", [True, pytest.param(False, marks=pytest.mark.long)])
def test_paths_agree_below_a_head(shared, key, x64):
    field = make(key, RULES["periodic"], channels=2, features=3, head="mlp", shared=shared)
    grid, orders = grid_of(2), ((0, 0), (0, 2), (1, 1))
    truth = nested(field, grid.points(), orders)
    for path, points in {"separable": grid, "gemm": grid.points(), "direct": grid.points()}.items():
        assert_close(by(path, field, points, orders), truth)
    third = ((2, 1),)
    assert_close(by("auto", field, grid, third), nested(field, grid.points(), third))


@pytest.mark.parametrize(
    "rules",
    [RULES["periodic"], *(pytest.param(RULES[kind], marks=pytest.mark.long) for kind in ("free-2D", "free-3D"))],
    ids=["periodic", "2D", "3D"],
)
def test_dense_paths_agree(rules, key, x64):
    compare(make(key, rules, shared=False, covariance="dense"), {"direct": "points", "gemm": "points"})


def test_dense_is_diagonal_at_first(key, x64):
    points = grid_of(2).points()
    diagonal, dense = (plain(key, 1, BOX[:2], count=5, covariance=c, scale=1.0) for c in ("diagonal", "dense"))
    assert_close(by("auto", dense, points, ORDERS[2][:3]), by("auto", diagonal, points, ORDERS[2][:3]), 1e-13)


def test_four_axes(key, x64):
    box = ((0.0, 1.0), *BOX)
    field = plain(key, 1, box, count=5, head="linear", scale=1.0, width=0.3)
    grid = TensorGrid((on_device(np.linspace(0.0, 1.0, 3)), *grid_of(3).axes))
    orders = ((0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 2, 1))
    assert_close(by("separable", field, grid, orders), by("gemm", field, grid.points(), orders))


def test_periods_and_parities_hold_exactly(key, x64):
    rules = (Periodic(-1.0, 1.0, "odd"), Periodic(0.0, 2.0, "even", about=0.3))
    field, orders = make(key, rules), ((0, 0), (1, 0), (0, 1))
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (20, 2))
    jet = lambda x: by("auto", field, on_device(x), orders)
    value = jet(x)
    assert_close(jet(x + np.array([2.0, -2.0])), value)
    turned = jet(np.array([0.0, 0.6]) - x)
    assert_close({o: s * np.asarray(turned[o]) for o, s in zip(orders, (-1.0, 1.0, 1.0), strict=True)}, value)
    zero = jnp.array([[-1.0, 0.2], [0.0, 0.7], [1.0, 0.1]])
    narrow = eqx.tree_at(lambda f: f.log_widths, field, on_device(np.minimum(field.log_widths, np.log(0.2))))
    np.testing.assert_allclose(value_of(narrow, zero), 0.0, atol=1e-13)


def test_images_are_as_many_as_widths_need(key, x64):
    field = plain(key, 1, BOX[:1], count=(6,), head="linear", scale=1.0, periodic=True, parity="odd")
    assert field.rules[0].copies == 3
    jet = by("auto", field, jnp.array([[-1.0], [1.0 - 1e-15]]), ((0,), (1,)))
    np.testing.assert_allclose(jet[0,], 0.0, atol=1e-13)
    np.testing.assert_allclose(jet[1,][0], jet[1,][1], atol=1e-12)


@pytest.mark.parametrize("first", [0.05, 0.2])
@pytest.mark.parametrize(
    ("rule", "repeats"), [(Periodic(0.0, 1.0), 1.0), (Mirror(0.0, 1.0, "odd", "odd"), 2.0)], ids=["period", "mirrors"]
)
def test_rules_hold_to_rounding_for_widths_up_to_half_as_large_again(rule, repeats, first, x64):
    rule, centres = rule.covering(first), jnp.linspace(0.0, 1.0, 9)
    ends = jnp.array([0.0, np.nextafter(1.0, 0.0)])
    factor = jax.jit(lambda width: rule.factor(ends, centres, jnp.full(9, width), 0)[0])
    # across the seam nothing jumps, at the mirrors an odd factor is zero
    miss = lambda width: np.max(np.abs(np.diff(factor(width), axis=0)))
    width = max(1.5 * first, repeats / 8.5)
    assert miss(width) < 1e-15
    assert miss(3 * width) > 1e-5


def test_mirrors_and_walls_hold_exactly(key, x64):
    ends = TensorGrid((jnp.array([-1.0, 1.0]), on_device(np.linspace(0.0, 2.0, 9))))
    odd_even = make(key, (Mirror(-1.0, 1.0, "odd", "even"), Free()))
    at = by("auto", odd_even, ends, ((0, 0), (1, 0)))
    np.testing.assert_allclose(np.asarray(at[0, 0])[:9], 0.0, atol=1e-13)
    np.testing.assert_allclose(np.asarray(at[1, 0])[9:], 0.0, atol=1e-12)
    wall = make(key, (Wall(-1.0, 1.0), Free()))
    np.testing.assert_array_equal(value_of(wall, ends), 0.0)
    one = value_of(make(key, (Wall(-1.0, 1.0, left=False), Free())), ends)
    assert np.max(np.abs(one[:9])) > 1e-3
    np.testing.assert_array_equal(one[9:], 0.0)


def test_a_time_reversed_image_is_a_rule_about_the_middle(key, x64):
    field = eqx.filter_jit(build)(
        "field",
        {"kind": "gaussians", "count": 6, "head": "linear", "scale": 1.0},
        channels=1,
        box=BOX[:2],
        periodic=(False, True),
        parity=("odd", "none"),
        key=key,
    )
    x = np.random.default_rng(0).random((9, 2))
    value = lambda x: value_of(field, on_device(x))
    np.testing.assert_allclose(value(x * np.array([-1.0, 1.0])), -value(x), atol=1e-13)
    assert field.rules == (Mirror(0.0, 1.0, "odd"), Periodic(0.0, 2.0))


def test_design_times_weights_is_the_field(key, x64):
    field = make(key, RULES["wall"], channels=2)
    grid = grid_of(2)
    of = lambda f, grid: (f.jet(grid, ORDERS[2]), *(f.design(x, ORDERS[2]) for x in (grid, grid.points())))
    jet, design, by_points = jitted(of, field, grid)
    assert_close({o: np.asarray(design[o]) @ np.asarray(field.weights[0]) for o in design}, jet, 1e-13)
    assert_close(by_points, design, 1e-13)
    with pytest.raises(ValueError, match="shared=True"):
        make(key, RULES["wall"], channels=2, shared=False).design(grid, ORDERS[2])


def test_gradients_of_paths_agree(key, x64):
    field = make(key, (Free(), Periodic(0.0, 2.0)), features=2, head="mlp")
    arrays, static = eqx.partition(field, eqx.is_array)
    grid = grid_of(2)

    def gradient(path, points):
        def loss(arrays):
            jet = eqx.combine(arrays, static).jet(points, ((0, 0), (2, 0), (0, 2)), path=path)
            return jnp.mean((jet[0, 0] + jet[2, 0] + jet[0, 2]) ** 2)

        return jitted(jax.grad(loss), arrays)

    truth = gradient("direct", grid.points())
    for path, points in {"separable": grid, "gemm": grid.points()}.items():
        for a, b in zip(jax.tree.leaves(gradient(path, points)), jax.tree.leaves(truth), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * np.max(np.abs(b)))


def test_jit_is_eager_and_vmap_is_a_loop(key, x64):
    field = make(key, RULES["periodic"])
    points = grid_of(2).points()
    for path in ("gemm", "direct"):
        assert_close(by(path, field, points, ((1, 1),)), field.jet(points, ((1, 1),), path=path))
    fields = eqx.filter_jit(eqx.filter_vmap(lambda k: make(k, RULES["periodic"])))(jax.random.split(key, 3))
    together = eqx.filter_vmap(lambda f, x: f(x), in_axes=(eqx.if_array(0), None))
    third = jax.tree.map(lambda a: jnp.asarray(np.asarray(a)[2]) if eqx.is_array(a) else a, fields)
    found = np.asarray(eqx.filter_jit(together)(fields, points))
    np.testing.assert_allclose(found[2], value_of(third, points), atol=1e-13)


def test_single_precision_stays_and_is_accurate(key):
    field = make(key, RULES["free-2D"])
    grid = grid_of(2)
    jets = {p: by(p, field, x, ORDERS[2][:3]) for p, x in {"separable": grid, "gemm": grid.points()}.items()}
    assert all(a.dtype == jnp.float32 for jet in jets.values() for a in jet.values())
    assert_close(jets["gemm"], jets["separable"], 1e-4)


def test_the_rounding_of_gemm_grows_as_gaussians_narrow(key):
    field = plain(key, 1, BOX[:1], count=400, width=0.005, head="linear", scale=1.0)
    points = on_device(np.random.default_rng(0).uniform(-1.0, 1.0, (1000, 1)))
    gemm, direct = (np.asarray(by(path, field, points, ((0,),))[0,]) for path in ("gemm", "direct"))
    assert 3e-5 < np.max(np.abs(gemm - direct)) / np.max(np.abs(direct)) < 1e-7 * (0.5 / 0.005) ** 2


def test_parameters_as_published(key):
    make = lambda key, **options: GaussianField(1, BOX[:2], count=800, features=4, key=key, **options)
    count = lambda **options: sum(a.size for a in jax.tree.leaves(eqx.filter_eval_shape(make, key, **options)))
    assert count(shared=False, hidden=16) == 16_097
    assert count(shared=True, hidden=16) == 800 * (2 + 2 + 4) + 97


def test_a_lattice_covers_the_box(key, x64):
    field = plain(key, 1, BOX[:2], count=(5, 4), margin=0.25, periodic=(False, True))
    assert field.centres.shape == (1, 20, 2)
    x, y = map(np.unique, np.asarray(field.centres[0]).T)
    np.testing.assert_allclose(x, np.linspace(-1.5, 1.5, 5))
    np.testing.assert_allclose(y, [0.25, 0.75, 1.25, 1.75])
    np.testing.assert_allclose(np.exp(np.asarray(field.log_widths)[0, 0]), 2.5 * np.array([0.75, 0.5]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"covariance": "full"}, "covariance"),
        ({"head": "mpl"}, "mlp"),
        ({"parity": "evn"}, "even"),
        ({"rules": (Free(),)}, "as many rules"),
        ({"rules": (Free(), Free()), "periodic": (False, True)}, "rules stand in place of periodic, parity and walls"),
        ({"rules": (Free(), Free()), "parity": "even"}, "got rules and periodic=False, parity='even', walls='none'"),
        ({"rules": (Free(), Free()), "walls": ("none", "left")}, "rules stand in place of"),
        ({"rules": (Free(), Wall(0.0, 2.0)), "covariance": "dense"}, "dense"),
        ({"count": (3, 3, 3)}, "count must be"),
        ({"head": "linear", "features": 3}, "features are the 1 channels with head=linear"),
    ],
)
def test_what_does_not_fit_is_said(options, message, key):
    with pytest.raises(ValueError, match=message):
        GaussianField(1, BOX[:2], key=key, **({"count": 3} | options))


def test_paths_that_do_not_go_are_said(key):
    field, wall = make(key, RULES["free-2D"]), make(key, RULES["wall"])
    points = grid_of(2).points()
    with pytest.raises(ValueError, match="TensorGrid"):
        field(points, path="separable")
    with pytest.raises(ValueError, match="Wall"):
        wall(points, path="gemm")
    with pytest.raises(ValueError, match="gemm"):
        field(points, path="gem")
    with pytest.raises(ValueError, match="2 numbers"):
        field.jet(points, ((0,),))
