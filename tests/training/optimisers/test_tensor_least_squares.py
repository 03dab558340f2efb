import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid
from pdejax.equations import BoundaryValueProblem
from pdejax.networks import Free, Mirror, Periodic
from pdejax.training.optimisers.lattice.tensor_basis import (
    clustered_placement,
    even_placement,
    fitted_placement,
    fourth_difference,
    kept_products,
    lattice_axis,
    orthonormal,
    quadrature,
)
from pdejax.training.optimisers.lattice.tensor_newton import Factor, TensorNewton, factored, no_factor
from pdejax.training.optimisers.lattice.tensor_rows import RowSet, normal_matrix

QUICK = {"xla_backend_optimization_level": 0}  # most of the time is compilation


@functools.cache  # of double precision, as all that ask for it
def basis_of(count=8, points=14, order=2, cutoff=1e-13, overlap=1.5):
    """Centres, widths and the basis of an open axis."""
    rule = Free()
    at, weights = quadrature(rule, points)

    def make(at, weights):
        placement = even_placement(-jnp.ones(()), jnp.ones(()))
        centres, widths = lattice_axis(rule, placement, count, 1, overlap)
        basis = orthonormal(rule, centres, widths, placement.place(at), weights, order, cutoff)
        return centres, widths, basis

    return jax.jit(make, compiler_options=QUICK)(jnp.asarray(at), jnp.asarray(weights))


# ---- bases


@pytest.mark.parametrize(("overlap", "cutoff"), [(1.0, 1e-13), (4.0, 1e-6)])
def test_bases_are_orthonormal_and_span_the_gaussians(overlap, cutoff, x64):
    centres, widths, basis = basis_of(count=10, points=18, cutoff=cutoff, overlap=overlap)
    kept = np.asarray(basis.sizes) > 0
    assert kept.all() == (overlap == 1.0)
    assert kept.any()
    gram = np.asarray((basis.values[0] * basis.weights[:, None]).T @ basis.values[0])
    np.testing.assert_allclose(gram, np.diag(kept * 1.0), atol=1e-8 if overlap == 1.0 else 1e-9)
    np.testing.assert_allclose(jnp.sum(basis.weights), 1)
    # every Gaussian is its own projection, but for what was cut off
    factors = list(map(np.asarray, jax.jit(lambda *a: Free().factor(*a, 2))(basis.points, centres, widths)))
    values = np.asarray(basis.values[0])
    pulled = (values * np.asarray(basis.weights)[:, None]).T @ factors[0]
    np.testing.assert_allclose(values @ pulled, factors[0], atol=20 * cutoff)
    np.testing.assert_allclose(basis.values[2], factors[2] @ np.asarray(basis.transform), atol=1e-6)
    assert not np.asarray(basis.transform)[:, ~kept].any()


def test_products_are_kept_by_their_singular_values(x64):
    bases = [basis_of(count=n)[2] for n in (5, 6)]
    kept = kept_products(bases, 1e-3)
    product = np.outer(bases[0].sizes, bases[1].sizes)
    np.testing.assert_array_equal(kept, product > 1e-3)
    assert kept.dtype == jnp.float64
    assert 0 < kept.sum() < kept.size
    assert kept[0, 0] == 1


@pytest.mark.parametrize("rule", [Free(), Periodic(-1.0, 1.0), Mirror(0.0, 1.0, "odd"), Periodic(-1.0, 1.0, "even")])
def test_quadrature_is_exact(rule):
    at, weights = quadrature(rule, 9)
    np.testing.assert_allclose(weights.sum(), 1)
    if isinstance(rule, Periodic):
        waves = [np.cos(2 * np.pi * k * at) @ weights for k in range(9)]
        np.testing.assert_allclose(waves, np.eye(1, 9)[0], atol=1e-14)
    else:
        np.testing.assert_allclose([at**k @ weights for k in range(18)], 1 / np.arange(1, 19))


# ---- placement


@pytest.mark.parametrize("cluster", [(0.0, 0.0), (1.0, 1.0), (0.7, 0.0), (0.0, 1.0)])
def test_clustered_places_crowd_at_the_ends(cluster, x64):
    at = np.linspace(0.0, 1.0, 101)

    def everything(at):
        placement = clustered_placement(-1.0, 3.0, cluster)
        slopes = placement.spacing(jnp.array([0.0, 0.5, 1.0]))
        return placement.place(at), slopes, placement.place(jnp.array([-0.1, 1.1]))

    places, slopes, outside = map(np.asarray, jax.jit(everything)(at))
    np.testing.assert_allclose(places[[0, -1]], [-1, 3])
    assert np.all(np.diff(places) > 0)
    np.testing.assert_allclose([slopes[0] / slopes[1], slopes[2] / slopes[1]], 1 - np.array(cluster), atol=5e-3)
    if cluster == (1.0, 1.0):  # nearly Chebyshev's
        np.testing.assert_allclose(places, 1 - 2 * np.cos(np.pi * at), atol=1e-5)
    # outside it goes on with the slope of the end
    np.testing.assert_allclose(outside, [-1 - 0.1 * slopes[0], 3 + 0.1 * slopes[2]], atol=2e-3)


def bump(places, width=0.02):
    return 1e6 * np.exp(-((places / width) ** 2) / 2)


def fitted(fourth, *, count=40, wraps=False, floor=1.0, grading=0.12, smallest=1e-4, **options):
    places = jnp.asarray(np.linspace(-1.0, 1.0, len(fourth)))
    shape = {"count": count, "wraps": wraps, "floor": floor, "grading": grading, "smallest": smallest, **options}
    return jax.jit(lambda d: fitted_placement(places, [d, 0 * d], jnp.ones(()), **shape))(fourth)


def test_fitted_places_equidistribute(x64):
    x = np.linspace(-1.0, 1.0, 4001)
    fourth = (1 + 0.5 * np.sin(1.5 * x) ** 2) ** 4  # varies slowly: grading and bounds play no part
    placement = fitted(fourth, floor=0.0)
    at = np.linspace(0.0, 1.0, 41)
    places = np.asarray(placement.place(jnp.asarray(at)))
    mass = np.interp(places, x, np.cumsum(fourth**0.25) / np.sum(fourth**0.25))
    np.testing.assert_allclose(mass, at, atol=1e-3)


@pytest.mark.parametrize(("smallest", "largest"), [(1e-4, np.inf), (0.02, np.inf), (1e-4, 0.06)])
def test_fitted_spacings_keep_their_bounds(smallest, largest, x64):
    x = np.linspace(-1.0, 1.0, 4001)
    placement = fitted(bump(x), smallest=smallest, largest=largest)
    centres = np.asarray(placement.place(jnp.asarray((np.arange(40.0) + 0.5) / 40)))
    spacing = np.diff(centres)
    assert spacing.min() > 0.97 * smallest
    assert spacing.max() < 1.03 * largest
    assert spacing.min() < 0.5 * np.median(spacing)
    # neighbours differ by the slope times the distance of their middles
    assert np.all(np.abs(np.diff(spacing)) < 0.13 * (spacing[1:] + spacing[:-1]) / 2)
    np.testing.assert_allclose(placement.place(jnp.array([0.0, 1.0])), [-1, 1], atol=1e-12)


def test_fitted_places_on_a_circle_are_graded_across_the_end(x64):
    x = np.linspace(-1.0, 1.0, 4001)
    slopes = lambda wraps: np.asarray(fitted(bump(x - 0.95), wraps=wraps).spacing(jnp.array([1e-3, 0.5, 1 - 1e-3])))
    open_, closed = slopes(False), slopes(True)
    assert closed[0] < 0.3 * open_[0]
    assert abs(closed[0] - closed[2]) < 0.05 * closed[1]


def test_fourth_differences_converge(x64):
    x = jnp.linspace(0.0, jnp.pi, 1001)
    for wraps, sign, second in (
        (False, 1.0, jnp.cos(2 * x)),
        (False, -1.0, jnp.sin(3 * x)),
        (True, 1.0, jnp.sin(2 * x)),
    ):
        found = fourth_difference(jnp.stack([second, 0 * second], -1), x[1] - x[0], sign=sign, wraps=wraps)
        wave = 9 if sign < 0 else 4
        np.testing.assert_allclose(found[:, 0], -wave * second, atol=1e-3 * wave)
        np.testing.assert_array_equal(found[:, 1], 0)


def test_fourth_differences_make_up_no_kinks_at_open_ends(x64):
    x = jnp.linspace(0.0, 1.0, 1001)
    found = fourth_difference(jnp.exp(x), x[1] - x[0], sign=-1.0, wraps=False, open_ends=(True, True))
    assert float(jnp.max(jnp.abs(found))) < 3
    np.testing.assert_allclose(found[4:-4], jnp.exp(x)[4:-4], rtol=1e-4)


# ---- rows


def problem_of(ndim, channels, strength=1):
    axes = ("x", "y", "z")[:ndim]
    fields = ("u", "v")[:channels]
    laplace = lambda f: " + ".join(f"{f}_{a}{a}" for a in axes)
    terms = [f"{laplace('u')} + {strength}*u**2*u_x - {fields[-1]} = sin(x)"]
    terms += [f"{laplace('v')} + {strength}*(u*v_x + exp(u)) = 1"] if channels == 2 else []
    walls = {"at": "boundary", "terms": [f"{f} = 0" for f in fields]}
    spec = {"equation": {"terms": terms, "fields": list(fields)}, "domain": {a: [-1, 1] for a in axes}}
    return BoundaryValueProblem(**{**spec, "conditions": {"walls": walls}})


def sets_of(problem, counts=(5, 4, 3)):
    """The equation inside and a condition on one face, with uneven weights."""
    bases = [basis_of(count=n, points=n + 2, overlap=1.0)[2] for n in counts[: problem.ndim]]
    make = lambda points, factors, residual, size: RowSet(
        TensorGrid(tuple(points)),
        tuple(factors),
        jnp.asarray(1 + 0.1 * np.cos(np.arange(np.prod([len(p) for p in points]))).reshape([len(p) for p in points])),
        jnp.asarray(np.linspace(size, 1.0, residual.equations)),
        {},
        residual,
    )
    points, factors = [b.points for b in bases], [b.values for b in bases]
    wall = tuple(v[:1] for v in factors[0])
    condition = problem.conditions[0].residual
    face = make([points[0][:1], *points[1:]], [wall, *factors[1:]], condition, 3.0)
    shape = (*(b.values[0].shape[1] for b in bases), problem.channels)
    return [make(points, factors, problem.residual, 2.0), face], shape


def dense(linear, shape):
    """The matrix of the rows by unit directions."""
    units = jnp.eye(int(np.prod(shape))).reshape(-1, *shape)
    columns = jax.vmap(lambda d: jnp.concatenate([one.times(d).reshape(-1) for one in linear]))(units)
    return columns.T


CASES = list(itertools.product((1, 2, 3), (1, 2)))
FEW = [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("ndim", "channels"), [case if case in FEW else pytest.param(*case, marks=pytest.mark.long) for case in CASES]
)
def test_normal_matrices_are_those_of_the_rows(ndim, channels, x64):
    sets, shape = sets_of(problem_of(ndim, channels))
    coefficients = 0.3 * np.random.default_rng(0).standard_normal(shape)

    def compare(coefficients):
        linear = [s.linear(coefficients, {}) for s in sets]
        matrix = dense(linear, shape)
        pulls = [one.transposed(jnp.cos(1 + one.rows)) for one in linear]
        back = matrix.T @ jnp.concatenate([jnp.cos(1 + one.rows).reshape(-1) for one in linear])
        return normal_matrix(linear), matrix.T @ matrix, pulls[0] + pulls[1], back

    normal, expected, pulled, back = jax.jit(compare, compiler_options=QUICK)(coefficients)
    normal = np.asarray(normal)
    np.testing.assert_allclose(normal, expected, atol=1e-12 * np.max(np.abs(expected)))
    np.testing.assert_array_equal(normal, normal.T)
    np.testing.assert_allclose(np.ravel(pulled), back, atol=1e-12 * np.max(np.abs(back)))


def test_slopes_are_derivatives_of_the_rows(x64):
    sets, shape = sets_of(problem_of(2, 2))

    def compare(one, at, direction):
        linear = one.linear(at, {})
        return (linear.rows, linear.times(direction)), jax.jvp(lambda c: one.rows(c, {}), (at,), (direction,))

    directions = 0.3 * np.random.default_rng(0).standard_normal((2, *shape))
    for (rows, slope), expected in jax.jit(lambda *a: [compare(one, *a) for one in sets])(*directions):
        np.testing.assert_allclose(rows, expected[0], atol=1e-12)
        np.testing.assert_allclose(slope, expected[1], atol=1e-10)


# ---- Newton's method


def minimise(sets, start, free=None, **options):
    newton = TensorNewton(**{"inner_tolerance": 1e-10, **options})
    free = jnp.ones(start.shape[:-1]) if free is None else free
    return jax.jit(lambda c, earlier=None: newton.minimise(sets, c, free, {}, earlier), compiler_options=QUICK)


def linear_problem():
    spec = {
        "equation": {"terms": ["u_xx + u_yy + 3*u = sin(x)"]},
        "domain": {"x": [-1, 1], "y": [-1, 1]},
        "conditions": {"walls": {"at": "boundary", "terms": ["u = y"]}},
    }
    return sets_of(BoundaryValueProblem(**spec), (6, 5))


def test_a_linear_problem_is_solved_as_by_lstsq(x64):
    sets, shape = linear_problem()
    free = jnp.ones(shape[:-1]).at[-1, -2:].set(0)
    found = minimise(sets, jnp.zeros(shape), free)(jnp.zeros(shape))
    linear = jax.jit(lambda c: [s.linear(c, {}) for s in sets])(jnp.zeros(shape))
    columns = np.asarray(free).reshape(-1) > 0
    matrix = np.asarray(jax.jit(lambda: dense(linear, shape))())[:, columns]
    rows = np.concatenate([np.asarray(one.rows).reshape(-1) for one in linear])
    best = np.linalg.lstsq(matrix, -rows, rcond=None)[0]
    np.testing.assert_allclose(found.coefficients.reshape(-1)[columns], best, atol=1e-7)
    np.testing.assert_array_equal(found.coefficients.reshape(-1)[~columns], 0)
    np.testing.assert_allclose(found.square, np.sum((matrix @ best + rows) ** 2), rtol=1e-10)


def test_a_nonlinear_problem_converges_from_any_factor(key, x64):
    sets, shape = sets_of(problem_of(2, 2, strength=0.2))
    start, size = jnp.zeros(shape), int(np.prod(shape))
    linear = lambda c: [s.linear(c, {}) for s in sets]
    slope = jax.jit(lambda c: jnp.linalg.norm(sum(one.transposed(one.rows) for one in linear(c))))
    solve = minimise(sets, start, steps=30, inner=20)
    yes, no = jnp.ones((), bool), jnp.zeros((), bool)
    found = solve(start, (no_factor(size, jnp.float64), no))
    assert found.done
    assert 2 < found.count < 30
    assert float(slope(found.coefficients)) < 1e-4 * float(slope(start))
    stale = jax.jit(lambda c: factored(normal_matrix(linear(c)), 1e-14, jnp.ones(size)))(jax.random.normal(key, shape))
    useless = Factor(jnp.eye(size), jnp.geomspace(1.0, 1e8, size))
    for factor in (stale, useless):
        other = solve(start, (factor, yes))
        np.testing.assert_allclose(other.square, found.square, rtol=1e-5)
        np.testing.assert_allclose(other.coefficients, found.coefficients, atol=1e-2)


@pytest.mark.parametrize("ridge", [0.0, 1e-14])
def test_factors_survive_singular_matrices(ridge, x64):
    half = np.random.default_rng(0).standard_normal((20, 30)) * np.geomspace(1.0, 1e6, 30)
    half[:, 4] = 0
    free = np.ones(30)
    free[7] = 0
    factor = jax.jit(lambda m: factored(m, ridge, jnp.asarray(free)))(half.T @ half)
    lengths = np.asarray(factor.lengths)
    full = np.asarray(factor.triangle) * lengths
    assert np.isfinite(full).all()
    expected = (half.T @ half) * np.outer(free, free)
    scale = np.outer(lengths, lengths)
    np.testing.assert_allclose((full.T @ full - expected) / scale, np.diag((expected.diagonal() == 0) * 1.0), atol=1e-3)
    x, unit = np.arange(30.0), np.eye(30)[4]
    forward, alone = jax.jit(lambda f, a, b: (f.solve_transposed(a), f.solve(b)))(factor, full.T @ x, unit)
    np.testing.assert_allclose(forward, x, rtol=1e-6)
    np.testing.assert_allclose(alone, unit)


def test_a_factor_of_a_definite_matrix_is_exact(x64):
    half = np.random.default_rng(0).standard_normal((40, 12))

    def solved(matrix):
        factor = factored(matrix, 0.0, jnp.ones(12))
        return factor.triangle * factor.lengths[None], factor.solve(jnp.ones(12))

    full, ones = map(np.asarray, jax.jit(solved)(half.T @ half))
    np.testing.assert_allclose(full.T @ full, half.T @ half, atol=1e-12)
    np.testing.assert_allclose(full @ ones, 1, atol=1e-12)
    np.testing.assert_array_equal(np.tril(full, -1), 0)
