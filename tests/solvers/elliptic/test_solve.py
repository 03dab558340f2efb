"""Elliptic solvers: order, eigenfunctions, sparse direct solves, the V-cycle as a matrix, batches, gradients."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse as sparse
from scipy.sparse.linalg import spsolve

from pdejax.core import Grid, Value
from pdejax.solvers import elliptic_operator, solve_elliptic
from pdejax.solvers.elliptic.fast_poisson import eigenvalues, sine_transform
from pdejax.solvers.elliptic.multigrid import v_cycle
from pdejax.solvers.elliptic.stencil import face_means, stencil


def box(*shape, lengths=None):
    return Grid(shape, lengths or (1.0, 1.5, 0.8)[: len(shape)], Value())


def two_phases(grid, contrast=4.0):
    """Two values with curved interfaces between them, as in thresholded random fields."""
    x = grid.coordinates()
    wave = np.sin(7 * x[..., 0] + 2) * np.cos(5 * x.sum(-1)) + 0.4 * np.sin(19 * x[..., 0] * x[..., -1])
    return np.where(wave > 0, contrast, 1.0)


def rough(grid, *batch, spread=1.0):
    return np.exp(spread * np.random.default_rng(0).standard_normal((*batch, *grid.shape)))


def matrix(a, c, grid):
    """The operator on inner nodes as a sparse matrix, from difference matrices and face coefficients."""
    out = sparse.diags(np.broadcast_to(c, grid.shape)[(slice(1, -1),) * grid.ndim].ravel())
    for axis, (n, h) in enumerate(zip(grid.shape, grid.spacing, strict=True)):
        line = a[tuple(slice(None) if i == axis else slice(1, -1) for i in range(grid.ndim))]
        face = (np.take(line, range(n - 1), axis) + np.take(line, range(1, n), axis)) / 2
        difference = sparse.diags([1.0, -1.0], [0, -1], shape=(n - 1, n - 2)) / h
        factors = [difference if i == axis else sparse.eye(m - 2) for i, m in enumerate(grid.shape)]
        d = functools.reduce(sparse.kron, factors)
        out = out + d.T @ sparse.diags(face.ravel()) @ d
    return out.tocsc()


def inner(u):
    return u[(slice(1, -1),) * u.ndim]


def shapes(*quick_then_long, quick):
    """Shapes of which the first ones are quick."""
    return [pytest.param(s, marks=pytest.mark.long if i >= quick else ()) for i, s in enumerate(quick_then_long)]


@pytest.mark.parametrize("shape", shapes((20, 14), (24,), (10, 13, 9), quick=1))
def test_second_order(shape, x64):
    lengths = (1.0, 1.5, 0.8)[: len(shape)]
    solution = lambda x: jnp.prod(jnp.sin(jnp.pi * x / jnp.array(lengths))) * jnp.exp(x[0] - x[-1] / 2)
    coefficient = lambda x: 1.5 + jnp.sin(3 * x[0]) * jnp.cos(2 * x[-1])
    reaction = lambda x: 2 + x[0]

    def source(x):
        flux = lambda x: coefficient(x) * jax.grad(solution)(x)
        return -jnp.trace(jax.jacfwd(flux)(x)) + reaction(x) * solution(x)

    def error(shape):
        grid = box(*shape)
        sampled = jax.vmap(lambda x: (solution(x), coefficient(x), reaction(x), source(x)))
        u, a, c, f = (v.reshape(shape) for v in jax.jit(sampled)(grid.coordinates().reshape(-1, grid.ndim)))
        out = solve_elliptic(a, f, grid, c=c, preconditioner="poisson", tolerance=1e-11)
        assert float(out.residual) < 1e-10
        return float(jnp.max(jnp.abs(out.u - u)))

    order = math.log2(error(shape) / error(tuple(2 * n - 1 for n in shape)))
    assert order == pytest.approx(2, abs=0.08)


@pytest.mark.parametrize("shape", shapes((21, 16), (20,), (9, 12, 7), quick=1))
def test_constant_coefficients_are_solved_exactly_in_one_iteration(shape, x64):
    grid = box(*shape)
    wave = lambda m: np.prod(np.sin(np.pi * m * grid.coordinates() / np.array(grid.lengths)), axis=-1)
    value = lambda m: sum(
        (2 / h * np.sin(np.pi * m / 2 / (n - 1))) ** 2 for n, h in zip(shape, grid.spacing, strict=True)
    )
    a = 2.5
    c = np.array([0.0, 30.0, -a * (value(1) + value(2)) / 2, -0.7 * a * value(4)])  # Poisson, then Helmholtz
    amplitude = lambda m: (1 / (a * value(m) + c)).reshape(-1, *(1,) * grid.ndim)
    f = np.broadcast_to(wave(1) + wave(2) - 2 * wave(5), (4, *shape))
    out = solve_elliptic(np.full((4, *shape), a), f, grid, c=c)
    expected = amplitude(1) * wave(1) + amplitude(2) * wave(2) - 2 * amplitude(5) * wave(5)
    np.testing.assert_array_equal(out.iterations, 1)
    np.testing.assert_allclose(out.u, expected, atol=1e-12 * np.max(np.abs(expected)))
    assert float(jnp.max(out.residual)) < 1e-11
    one = solve_elliptic(None, f[0] / a, grid, c=c[2] / a)
    assert int(one.iterations) == 1
    np.testing.assert_allclose(one.u, expected[2], atol=1e-12 * np.max(np.abs(expected[2])))


@pytest.mark.parametrize("shape", shapes((1,), (3, 2, 6), (2,), (7,), (4, 5), quick=2))
def test_the_sine_transform_diagonalises_second_differences(shape, x64):
    grid = box(*(n + 2 for n in shape))
    u = jnp.asarray(np.random.default_rng(1).standard_normal(shape))

    @jax.jit
    def run(u):
        spectrum = sine_transform(u, u.ndim)
        scaled = spectrum * sum(np.broadcast_to(v, shape) for v in eigenvalues(grid))
        return [sine_transform(one, u.ndim, inverse=True) for one in (spectrum, scaled)]

    again, differences = run(u)
    np.testing.assert_allclose(again, u, atol=1e-13)
    expected = matrix(np.ones(grid.shape), 0.0, grid) @ np.asarray(u).ravel()
    np.testing.assert_allclose(differences.ravel(), expected, atol=1e-10)


@pytest.mark.parametrize(
    ("shape", "preconditioner"),
    [
        pytest.param((48,), "poisson", marks=pytest.mark.long),
        pytest.param((48,), "multigrid", marks=pytest.mark.long),
        ((19, 30), "poisson"),
        pytest.param((19, 30), "multigrid", marks=pytest.mark.long),
        pytest.param((8, 11, 9), "poisson", marks=pytest.mark.long),
        ((8, 11, 9), "multigrid"),
    ],
)
def test_agrees_with_a_sparse_direct_solve(shape, preconditioner, x64):
    grid, random = box(*shape), np.random.default_rng(2)
    a, f, c = rough(grid, spread=0.7), random.standard_normal(shape), random.uniform(0, 50, shape)
    out = solve_elliptic(a, f, grid, c=c, preconditioner=preconditioner, tolerance=1e-12)
    expected = spsolve(matrix(a, c, grid), inner(f).ravel())
    np.testing.assert_allclose(inner(out.u).ravel(), expected, rtol=0, atol=1e-9 * np.max(np.abs(expected)))
    np.testing.assert_array_equal(
        np.asarray(out.u) == 0, np.pad(np.zeros(inner(out.u).shape, bool), 1, constant_values=True)
    )
    error = inner(f) - inner(np.asarray(jax.jit(lambda u: elliptic_operator(u, jnp.asarray(a), grid, c))(out.u)))
    recorded = np.linalg.norm(error) / np.linalg.norm(inner(f))
    assert float(out.residual) == pytest.approx(recorded, rel=1e-2)
    assert recorded < 1e-11


@pytest.mark.parametrize(
    ("shape", "lengths"),
    [
        pytest.param((11,), (1.0,), marks=pytest.mark.long),
        pytest.param((13, 12), (1.0, 1.0), marks=pytest.mark.long),
        ((12, 9), (1.0, 5.0)),
        pytest.param((7, 8, 5), (1.0, 1.0, 2.0), marks=pytest.mark.long),
    ],
)
def test_the_v_cycle_is_symmetric_and_positive_definite(shape, lengths, x64):
    grid = box(*shape, lengths=lengths)
    a = two_phases(grid, 1000.0)
    inside = tuple(n - 2 for n in shape)

    @jax.jit
    def columns():
        operator = stencil(face_means(jnp.asarray(a), grid.spacing), jnp.full((1,) * grid.ndim, 3.0))
        basis = jnp.eye(math.prod(inside)).reshape(-1, *inside)
        return jax.lax.map(v_cycle(operator, grid.spacing), basis)

    m = columns()
    m = np.asarray(m).reshape(math.prod(inside), -1)
    np.testing.assert_allclose(m, m.T, atol=1e-13 * np.max(np.abs(m)))
    assert np.min(np.linalg.eigvalsh((m + m.T) / 2)) > 0
    exact = matrix(a, 3.0, grid).toarray()
    root = np.linalg.cholesky(exact)
    condition = np.linalg.cond(root.T @ m @ root)  # that of the preconditioned operator
    assert condition < 4


def test_iterations_do_not_grow_with_the_grid(x64):
    counts = []
    for n in (33, 65, 97):
        grid = box(n, n, lengths=(1.0, 1.0))
        darcy, smooth = 3 * two_phases(grid), np.exp(2 * np.sin(9 * grid.coordinates().sum(-1)))
        out = solve_elliptic(np.stack([darcy, smooth, two_phases(grid, 1000.0)]), np.ones(grid.shape), grid)
        assert float(jnp.max(out.residual)) <= 1e-10
        counts.append(np.asarray(out.iterations))
        if n == 65:
            expected = spsolve(matrix(darcy, 0.0, grid), np.ones(63**2))
            np.testing.assert_allclose(inner(out.u[0]).ravel(), expected, rtol=0, atol=1e-9 * np.max(expected))
    assert np.all(np.array(counts) <= [14, 15, 25])
    assert np.all(counts[2][:2] <= counts[0][:2] + 1)


@pytest.mark.optimised  # whether a residual is just below the tolerance is a matter of rounding
def test_samples_do_not_change_each_other(x64):
    grid = box(18, 23)
    a = np.stack([rough(grid, spread=0.1), rough(grid, spread=3.0), rough(grid, spread=1.0)])
    f = np.random.default_rng(3).standard_normal((2, 3, *grid.shape)) * np.array([1.0, 0.0, 1e6]).reshape(3, 1, 1)
    solve = functools.partial(solve_elliptic, grid=grid, preconditioner="poisson")
    together, mapped = solve(a, f, one_by_one=False), solve(a, f, one_by_one=True)
    np.testing.assert_array_equal(together.iterations, mapped.iterations)
    np.testing.assert_allclose(together.u, mapped.u, rtol=0, atol=1e-11 * np.max(np.abs(mapped.u)))
    assert int(mapped.iterations[0, 0]) < int(mapped.iterations[0, 2])
    np.testing.assert_array_equal(mapped.iterations[:, 1], 0)
    np.testing.assert_array_equal(mapped.residual[:, 1], 0)


def test_an_unfinished_run_says_so(x64):
    grid = box(33, 33)
    out = solve_elliptic(two_phases(grid, 100.0), np.ones(grid.shape), grid, preconditioner="poisson", max_iterations=5)
    assert int(out.iterations) == 5
    assert float(out.residual) > 1e-3


@pytest.mark.parametrize("preconditioner", ["poisson", "multigrid"])
def test_gradients_agree_with_differences(preconditioner, x64):
    grid, random = box(7, 6), np.random.default_rng(4)
    field = lambda *batch: jnp.asarray(random.standard_normal((*batch, *grid.shape)))
    a, f, c = jnp.exp(field(2)), field(), jnp.exp(field(2))
    weight, directions = field(2), (field(2), field(), field(2))

    def loss(a, f, c):
        out = solve_elliptic(a, f, grid, c=c, preconditioner=preconditioner, tolerance=1e-13)
        return jnp.sum(weight * out.u) + jnp.sum(out.u**2)

    operands, h = (a, f, c), 1e-5
    forward = jax.jit(lambda operands: jax.jvp(loss, operands, directions))
    slopes = [jnp.sum(g * d) for g, d in zip(jax.jit(jax.grad(loss, (0, 1, 2)))(*operands), directions, strict=True)]
    for i, slope in enumerate(slopes):
        moved = lambda s: tuple(x + s * directions[j] if j == i else x for j, x in enumerate(operands))  # noqa: B023
        expected = (forward(moved(h))[0] - forward(moved(-h))[0]) / (2 * h)
        np.testing.assert_allclose(slope, expected, rtol=1e-6)
    np.testing.assert_allclose(forward(operands)[1], sum(slopes), rtol=1e-9)


def test_the_operator_is_exact_for_low_polynomials(x64):
    grid = box(7, 9)
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    u = jnp.asarray(np.stack([x * y + 3, x**2 - 2 * y**2]))
    out = jax.jit(lambda u: elliptic_operator(u, jnp.asarray(1 + x + 2 * y), grid, c=np.array([0.0, 4.0])))(u)
    out = np.asarray(out)
    first = -(y + 2 * x)  # -div((1 + x + 2y) (y, x))
    second = -(2 * x + 2 * (1 + x + 2 * y)) + (8 * y + 4 * (1 + x + 2 * y)) + 4 * (x**2 - 2 * y**2)
    expected = np.stack([first, second])
    np.testing.assert_allclose(out[:, 1:-1, 1:-1], expected[:, 1:-1, 1:-1], atol=1e-11)
    assert np.sum(np.abs(out)) == pytest.approx(np.sum(np.abs(out[:, 1:-1, 1:-1])))


def test_single_precision():
    grid = box(10, 13)
    out = solve_elliptic(two_phases(grid), np.ones(grid.shape), grid)
    assert out.u.dtype == jnp.float32
    assert int(out.iterations) < 15
    expected = spsolve(matrix(two_phases(grid), 0.0, grid), np.ones(8 * 11))
    np.testing.assert_allclose(inner(out.u).ravel(), expected, rtol=0, atol=1e-5 * np.max(expected))


ONES = np.ones((9, 9))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: solve_elliptic(ONES - 1, ONES, box(9, 9)), "positive everywhere, its smallest value is 0"),
        (lambda: solve_elliptic(np.nan * ONES, ONES, box(9, 9)), "positive everywhere, its smallest value is nan"),
        (
            lambda: solve_elliptic(ONES, ONES, Grid((9, 9), (1.0, 1.0))),
            "need the end Value",
        ),
        (lambda: solve_elliptic(None, ONES[:2], box(2, 9)), r"three points an axis.*\(2, 9\)"),
        (lambda: solve_elliptic(ONES[:8], ONES, box(9, 9)), r"coefficient a has shape \(8, 9\).*nodes \(9, 9\)"),
        (lambda: solve_elliptic(None, ONES[..., None], box(9, 9)), r"f has shape \(9, 9, 1\).*nodes \(9, 9\)"),
        (lambda: solve_elliptic(None, ONES, box(9, 9), c=np.ones(3)), r"one per sample, has shape \(3,\)"),
        (lambda: solve_elliptic(None, ONES, box(9, 9), preconditioner="multgrid"), "Did you mean 'multigrid'"),
        (lambda: elliptic_operator(jnp.ones((9, 8)), None, box(9, 9)), r"u has shape \(9, 8\).*nodes \(9, 9\)"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
