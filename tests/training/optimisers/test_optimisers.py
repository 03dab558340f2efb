"""Optimisers against what is known: solutions of linear problems, minima, equal paths and equal device counts."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.sharding import PartitionSpec as P
from jaxtyping import TypeCheckError

from pdejax.training import data_mesh
from pdejax.training.optimisers.gradient import GradientDescent, soap
from pdejax.training.optimisers.groups import chosen_leaves, group_labels, grouped
from pdejax.training.optimisers.least_squares import GaussNewton, LevenbergMarquardt
from pdejax.training.optimisers.objective import Objective, Optimiser, SumOfSquares
from pdejax.training.optimisers.quasi_newton import LBFGS, SSBroyden
from pdejax.training.optimisers.sketched import SketchedGaussNewton, _Core, _count_sketch
from pdejax.training.optimisers.soap import scale_by_soap


def _run(optimiser, objective, params, steps):
    @jax.jit
    def all_steps(params):
        def one(carry, _):
            *carry, metrics = optimiser.step(objective, *carry)
            return tuple(carry), metrics

        return lax.scan(one, (params, optimiser.init(params)), length=steps)

    (params, state), metrics = all_steps(params)
    return params, state, metrics


def _rosenbrock(p):
    x, y = p["x"], p["y"]
    return jnp.stack([1 - x, 10 * (y - x**2)])


def _beale(p):
    x, y = p["x"], p["y"]
    return jnp.stack([1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3])


def _powell(p):
    a, b, c, d = p
    return jnp.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def _pair(x, y):
    return {"x": jnp.asarray(x), "y": jnp.asarray(y)}


START = (-1.2, 1.0)


def _linear(rng, rows, parameters):
    """A Vandermonde matrix whose columns differ by twelve orders of magnitude, condition 1e8 after scaling."""
    powers = np.linspace(-1, 1, rows)[:, None] ** np.arange(parameters)
    return powers * 10.0 ** rng.uniform(-6, 6, parameters)


def _fit_residuals(parameters=12, rows=40):
    """A small sine network as residuals of data: smooth, nonlinear, a parameter tree."""
    rng = np.random.default_rng(1)
    t = jnp.asarray(np.linspace(0, 1, rows))
    width = parameters // 3
    shapes = {"amplitude": (width,), "waves": (2, width)}
    params = {name: jnp.asarray(rng.normal(size=shape)) for name, shape in shapes.items()}

    def residuals(p, t):
        rate, phase = p["waves"]
        wave = jnp.sin(3 * rate[None] * t[:, None] + phase[None])
        return (wave @ p["amplitude"] - jnp.exp(-t) * jnp.cos(4 * t)) / rows**0.5

    return params, residuals, t


# least squares


def test_gauss_newton_solves_an_ill_conditioned_linear_problem_in_one_step(x64):
    a = _linear(np.random.default_rng(0), 60, 20)
    scale = np.linalg.norm(a, axis=0)
    truth = np.random.default_rng(1).normal(size=20) / scale
    assert np.linalg.cond(a / scale) > 1e6
    a, b = jnp.asarray(a), jnp.asarray(a @ truth)
    params, _, metrics = _run(GaussNewton(), SumOfSquares(lambda x: a @ x - b), jnp.zeros(20), 1)
    assert np.linalg.norm(a @ params - b) < 1e-12 * np.linalg.norm(b)
    assert float(metrics["loss"][0]) == pytest.approx(float(b @ b), rel=1e-12)


def test_gauss_newton_leaves_what_no_row_depends_on(x64):
    objective = SumOfSquares(lambda p: jnp.stack([p[0] + p[1] - 3, p[0] - p[1] - 1, 0 * p[2]]))
    params, _, _ = _run(GaussNewton(), objective, jnp.asarray([0.0, 0.0, 7.0]), 1)
    np.testing.assert_allclose(params, [2, 1, 7], rtol=1e-12)


def test_gauss_newton_with_ridge_is_the_augmented_problem(x64):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(5, 8)), rng.normal(size=5)  # fewer rows than parameters
    lengths = np.linalg.norm(a, axis=0)
    expected = np.linalg.solve(a.T @ a + 0.01 * np.diag(lengths**2), a.T @ b)
    params, _, _ = _run(
        GaussNewton(ridge=0.1), SumOfSquares(lambda x: jnp.asarray(a) @ x - jnp.asarray(b)), jnp.zeros(8), 1
    )
    np.testing.assert_allclose(params, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("form", ["primal", "dual"])
@pytest.mark.parametrize("acceleration", [0.0, 0.75])
def test_marquardt_reaches_known_minima(x64, form, acceleration):
    optimiser = LevenbergMarquardt(form=form, acceleration=acceleration)
    params, _, metrics = _run(optimiser, SumOfSquares(_rosenbrock), _pair(*START), 40)
    np.testing.assert_allclose([params["x"], params["y"]], [1, 1], atol=1e-12)
    assert np.all(np.diff(metrics["loss"]) <= 1e-12 * metrics["loss"][:-1])
    params, _, _ = _run(optimiser, SumOfSquares(_beale), _pair(1.0, 1.0), 40)
    np.testing.assert_allclose([params["x"], params["y"]], [3, 0.5], atol=1e-10)


def test_marquardt_converges_where_the_jacobian_is_singular(x64):
    start = jnp.asarray([3.0, -1.0, 0.0, 1.0])
    params, _, metrics = _run(LevenbergMarquardt(), SumOfSquares(_powell), start, 40)
    assert float(metrics["loss"][-1]) < 1e-20
    assert float(jnp.max(jnp.abs(params))) < 1e-4


def test_primal_and_dual_take_the_same_steps(x64):
    params, residuals, t = _fit_residuals()
    objective = SumOfSquares(lambda p: residuals(p, t))
    settings = {"damping": 1e-2, "momentum": 0.5, "acceleration": 0.75}
    primal, dual = (
        _run(LevenbergMarquardt(form=form, **settings), objective, params, 5) for form in ("primal", "dual")
    )
    for a, b in zip(jax.tree.leaves(primal), jax.tree.leaves(dual), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_auto_takes_the_smaller_system():
    params, residuals, t = _fit_residuals()
    for rows, size in ((t, 12), (t[:5], 5)):
        objective = SumOfSquares(lambda p, rows=rows: residuals(p, rows))
        step = lambda p, objective=objective: LevenbergMarquardt().step(objective, p, LevenbergMarquardt().init(p))
        assert f"f32[{size},{size}] = cholesky" in str(jax.make_jaxpr(step)(params))


def test_a_step_that_cannot_lower_the_loss_is_not_taken(x64):
    objective = SumOfSquares(lambda p: jnp.stack([jnp.sqrt(1 + jnp.abs(p[0]))]))
    params, state, metrics = _run(LevenbergMarquardt(tries=3), objective, jnp.asarray([1e-30]), 1)
    assert float(params[0]) == 1e-30
    assert int(metrics["tries"][0]) == 3
    assert float(state.damping) == pytest.approx(1e-3 * 5**3)


def test_momentum_follows_its_definition(x64):
    """SPRING: the step minimises |J s + r|² + λ|s - μ s'|² in Marquardt's norm."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(9, 4)), rng.normal(size=9)
    objective = SumOfSquares(lambda x: jnp.asarray(a) @ x - jnp.asarray(b))
    optimiser = LevenbergMarquardt(damping=0.5, momentum=0.3)
    first, state, _ = _run(optimiser, objective, jnp.zeros(4), 1)
    second, _, _ = jax.jit(lambda *a: optimiser.step(objective, *a))(first, state)
    first, second = np.asarray(first), np.asarray(second)
    damping = float(state.damping) * np.diag(np.sum(a**2, axis=0))
    right = a.T @ (a @ first - b) - damping @ (0.3 * first)
    np.testing.assert_allclose(second - first, -np.linalg.solve(a.T @ a + damping, right), rtol=1e-11)


# sketched


def test_full_sketch_is_the_exact_trust_region_step(x64):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(30, 8)) * 10.0 ** rng.uniform(-3, 1, 8), rng.normal(size=30)
    objective = SumOfSquares(lambda x: jnp.asarray(a) @ x - jnp.asarray(b))
    optimiser = SketchedGaussNewton(columns=8, rows=30, radius=0.1)
    step, state, metrics = _run(optimiser, objective, jnp.zeros(8), 1)
    # the model of a linear problem is exact, so the widest radius is taken
    assert float(state.radius) == pytest.approx(0.3, rel=1e-12)
    assert float(metrics["ratio"][0]) == pytest.approx(1, rel=1e-10)
    assert float(jnp.linalg.norm(step)) == pytest.approx(0.3, rel=1e-10)
    # optimal: the gradient of the model is a negative multiple of the step
    gradient = a.T @ (a @ np.asarray(step) - b)
    damping = -gradient @ np.asarray(step) / 0.09
    assert damping > 0
    np.testing.assert_allclose(gradient, -damping * np.asarray(step), rtol=1e-9, atol=1e-9 * np.linalg.norm(a.T @ b))


def test_sketched_steps_reach_a_minimum(x64):
    params, residuals, t = _fit_residuals()
    objective = SumOfSquares(lambda p: residuals(p, t))
    exact, _, metrics = _run(SketchedGaussNewton(columns=12, rows=40), objective, params, 60)
    assert np.all(np.diff(metrics["loss"]) <= 1e-12 * metrics["loss"][:-1])
    assert float(objective.value(exact)) < 1e-8
    half, _, metrics = _run(SketchedGaussNewton(columns=8, rows=24), objective, params, 200)
    assert np.all(np.diff(metrics["loss"]) <= 1e-12 * metrics["loss"][:-1])
    assert float(objective.value(half)) < 1e-4


def test_full_sketch_reaches_the_undamped_step_inside_the_region(x64):
    a = jnp.asarray(np.random.default_rng(4).normal(size=(9, 3)))
    optimiser = SketchedGaussNewton(columns=3, rows=9, radius=100.0)
    params, state, _ = _run(optimiser, SumOfSquares(lambda x: a @ x - a @ jnp.arange(3.0)), jnp.zeros(3), 1)
    np.testing.assert_allclose(params, [0, 1, 2], atol=1e-12)
    assert float(state.radius) == pytest.approx(100)


def test_the_secular_equation_is_solved_for_spectra_of_many_decades(x64):
    singular, right = 10.0 ** np.linspace(2, -9, 40), np.random.default_rng(7).normal(size=40)
    radii = 10.0 ** np.linspace(-6, 7, 27)

    @jax.jit
    def solved(matrix, right, radii):
        core = _Core.of(matrix, right)
        dampings = jax.vmap(core.damping)(radii)
        return dampings, jax.vmap(core.solution)(dampings), core.damping(jnp.asarray(1e11))

    dampings, solutions, undamped = solved(np.diag(singular), right, radii)
    assert np.min(dampings) > 0
    np.testing.assert_allclose(np.linalg.norm(solutions, axis=1), radii, rtol=1e-10)
    assert float(undamped) == 0


def test_count_sketch_keeps_lengths_on_average(x64):
    x = jnp.asarray(np.random.default_rng(11).normal(size=(50, 2)))
    one = lambda key: _count_sketch(SumOfSquares(jnp.ravel), key, x, 10, 4)
    sketches = np.asarray(jax.jit(lambda key: jax.vmap(one)(jax.random.split(key, 4000)))(jax.random.key(0)))
    gram = np.mean(np.einsum("kri,krj->kij", sketches, sketches), axis=0)
    x = np.asarray(x)
    np.testing.assert_allclose(gram, x.T @ x, atol=0.03 * np.sum(x**2))


# quasi-Newton


def test_broyden_minimises_rosenbrock(x64):
    params, _, _ = _run(SSBroyden(), SumOfSquares(_rosenbrock), _pair(*START), 60)
    np.testing.assert_allclose([params["x"], params["y"]], [1, 1], atol=1e-6)
    assert float(SumOfSquares(_rosenbrock).value(params)) < 1e-12


def test_broyden_ends_a_quadratic_after_as_many_steps_as_parameters(x64):
    rng = np.random.default_rng(6)
    a = jnp.asarray(rng.normal(size=(8, 5)))
    objective = SumOfSquares(lambda x: a @ (x - 1))
    _, _, metrics = _run(SSBroyden(curvature=1e-9), objective, jnp.zeros(5), 6)
    assert float(metrics["loss"][5]) < 1e-16 * float(metrics["loss"][0])
    assert float(metrics["loss"][4]) > 1e-9 * float(metrics["loss"][0])


def test_broyden_survives_a_search_that_fails(x64):
    objective = SumOfSquares(lambda x: jnp.stack([jnp.where(x[0] == 1, 1 + 0 * x[0], jnp.nan) + 0.1 * (x[0] - 1)]))
    params, state, _ = _run(SSBroyden(tries=3), objective, jnp.ones(1), 2)
    assert float(params[0]) == 1
    assert np.all(np.isfinite(state.inverse))


def test_lbfgs_minimises_rosenbrock(x64):
    params, _, _ = _run(LBFGS(), SumOfSquares(_rosenbrock), _pair(*START), 60)
    assert float(SumOfSquares(_rosenbrock).value(params)) < 1e-12


# SOAP and groups


def _directions(transformation, grads):
    @jax.jit
    def one(grad, state):
        with jax.numpy_dtype_promotion("standard"):
            return transformation.update(grad, state)

    state, directions = jax.jit(transformation.init)(grads[0]), []
    for grad in grads:
        direction, state = one(grad, state)
        directions.append(np.asarray(direction))
    return directions


@pytest.mark.parametrize("shape", [(4,), (6, 1), (4, 3)])
def test_soap_without_bases_is_adam(shape):
    grads = [jnp.asarray(np.random.default_rng(i).normal(size=shape), jnp.float32) for i in range(4)]
    ours = _directions(scale_by_soap(0.9, 0.99, max_precondition_dim=2), grads)
    adam = _directions(optax.scale_by_adam(0.9, 0.99), grads)
    for a, b in zip(ours, adam, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5)


def test_soap_does_not_see_rotations(x64):
    """After the first step, Adam's, directions turn with the axes of a matrix."""
    rng = np.random.default_rng(8)
    left, right = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (4, 3))
    grads = [rng.normal(size=(4, 3)) for _ in range(4)]
    plain = _directions(scale_by_soap(precondition_frequency=1), grads)
    turned = _directions(scale_by_soap(precondition_frequency=1), [left @ g @ right for g in grads])
    for a, b in list(zip(plain, turned, strict=True))[1:]:
        np.testing.assert_allclose(left @ a @ right, b, atol=1e-9)


def test_soap_beats_adam_where_axes_are_mixed():
    rng = np.random.default_rng(9)
    rotation = lambda n: np.linalg.qr(rng.normal(size=(n, n)))[0]
    a = jnp.asarray(rotation(10) * 10.0 ** np.linspace(0, -2, 10) @ rotation(10), jnp.float32)
    target = jnp.asarray(rng.normal(size=(10, 6)), jnp.float32)
    objective = SumOfSquares(lambda w: jnp.ravel(a @ (w - target)))
    loss = {}
    for name, make in (("soap", soap), ("adam", lambda rate: GradientDescent(optax.adam(rate)))):
        schedule = optax.cosine_decay_schedule(0.1, 300)
        params, _, _ = _run(make(schedule), objective, jnp.zeros((10, 6)), 300)
        loss[name] = float(objective.value(params))
    assert loss["soap"] < 0.1 * loss["adam"]


def test_soap_takes_leaves_of_any_shape():
    shapes = {"scalar": (), "vector": (3,), "kernel": (2, 3, 4), "long": (2, 9)}
    rng = np.random.default_rng(10)
    target = {name: jnp.asarray(rng.normal(size=shape), jnp.float32) for name, shape in shapes.items()}
    rows = lambda p: ravel_pytree(jax.tree.map(jnp.subtract, p, target))[0]
    optimiser = soap(optax.cosine_decay_schedule(0.1, 300), max_precondition_dim=4)
    _, state, metrics = _run(optimiser, SumOfSquares(rows), jax.tree.map(jnp.zeros_like, target), 300)
    assert float(metrics["loss"][-1]) < 1e-4
    for _, bases in zip(*(getattr(state[0], name) for name in ("factors", "bases")), strict=True):
        for basis in filter(lambda b: b is not None, bases):
            np.testing.assert_allclose(np.asarray(basis).T @ np.asarray(basis), np.eye(basis.shape[0]), atol=1e-5)


def test_groups_learn_at_their_rates():
    params = {"centres": jnp.ones(3), "head": {"weight": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    make = lambda: optax.sgd(0.5)
    optimiser = GradientDescent(grouped({"centres": 0.1, "head.bias": 0.0}, make))
    objective = SumOfSquares(lambda p: ravel_pytree(p)[0])
    moved, _, _ = _run(optimiser, objective, params, 1)
    # the gradient is 2 everywhere, the common rate takes all leaves to 0
    np.testing.assert_allclose(moved["centres"], 0.9, rtol=1e-6)
    np.testing.assert_allclose(moved["head"]["weight"], 0, atol=1e-6)
    np.testing.assert_allclose(moved["head"]["bias"], 1)


def test_a_group_of_nothing_is_refused():
    params = {"centres": jnp.ones(3), "rest": jnp.ones(1)}
    assert group_labels(params, ["centres"]) == {"centres": "centres", "rest": "rest"}
    with pytest.raises(ValueError, match=r"unknown parameter group 'centre'\. Did you mean 'centres'"):
        grouped({"centre": 0.1}, lambda: optax.sgd(0.1)).init(params)
    with pytest.raises(ValueError, match=r"train.only: 'rest' is not trained, so training it has no effect"):
        chosen_leaves({"centres": True, "rest": False}, only=["rest"])


# all of them

ALL = {
    "adam": GradientDescent(optax.adam(1e-2)),
    "soap": soap(1e-2, precondition_frequency=2, max_precondition_dim=3),
    "gauss_newton": GaussNewton(ridge=0.3),
    "primal": LevenbergMarquardt(damping=1e-1, form="primal", momentum=0.3, acceleration=0.75),
    "dual": LevenbergMarquardt(damping=1e-1, form="dual", momentum=0.3, acceleration=0.75),
    "sketched": SketchedGaussNewton(columns=8, rows=24),
    "full_sketch": SketchedGaussNewton(columns=12, rows=40),
    "lbfgs": LBFGS(),
    "ssbroyden": SSBroyden(),
}


# one of each family; the others differ in their algebra, which has tests of its own above
FEW = ("soap", "gauss_newton", "primal", "sketched", "ssbroyden")
every_optimiser = pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.long) for name in ALL]
)


@every_optimiser
def test_two_devices_take_the_steps_of_one(x64, name):
    optimiser = ALL[name]
    params, residuals, t = _fit_residuals()

    def steps(objective, params):
        def one(carry, _):
            *carry, metrics = optimiser.step(objective, *carry)
            return tuple(carry), metrics

        return lax.scan(one, (params, optimiser.init(params)), length=3)

    one = jax.jit(lambda p, t: steps(SumOfSquares(lambda p: residuals(p, t)), p))
    inner = lambda p, t: steps(SumOfSquares(lambda p: residuals(p, t), "data"), p)
    two = jax.jit(jax.shard_map(inner, mesh=data_mesh(2), in_specs=(P(), P("data")), out_specs=P()))
    for a, b in zip(jax.tree.leaves(one(params, t)), jax.tree.leaves(two(params, t)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10)


def test_the_jacobian_is_that_of_this_device_only(x64):
    assert isinstance(SumOfSquares(jnp.ravel), Objective)
    params, residuals, t = _fit_residuals()
    one = jax.jit(lambda params: SumOfSquares(lambda p: residuals(p, t)).jacobian(params))(params)

    def inner(params, t):
        return SumOfSquares(lambda p: residuals(p, t), "data").jacobian(params)

    for devices in (2, 8):  # by columns, by rows
        mapped = jax.shard_map(inner, mesh=data_mesh(devices), in_specs=(P(), P("data")), out_specs=P("data"))
        np.testing.assert_allclose(jax.jit(mapped)(params, t), one, rtol=1e-12)


@every_optimiser
def test_single_precision_stays_single_and_lowers_the_loss(name):
    assert isinstance(ALL[name], Optimiser)
    params, residuals, t = _fit_residuals()
    moved, state, metrics = _run(ALL[name], SumOfSquares(lambda p: residuals(p, t)), params, 5)
    assert {leaf.dtype for leaf in jax.tree.leaves((moved, state, metrics))} <= {
        jnp.dtype(kind) for kind in ("float32", "int32", "bool")
    }
    assert float(metrics["loss"][-1]) < float(metrics["loss"][0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussNewton(ridge=-1.0), "ridge is at least 0"),
        (lambda: LevenbergMarquardt(form="duel"), "'dual'"),  # by its annotation, where types are checked
        (lambda: LevenbergMarquardt(grow=0.5), "shrink < 1 < grow"),
        (lambda: LevenbergMarquardt(momentum=1.0), "momentum < 1"),
        (lambda: SketchedGaussNewton(columns=0), "at least 1"),
        (lambda: SketchedGaussNewton(spread=1.0), "spread > 1"),
        (lambda: SSBroyden(curvature=2.0), "0 < curvature < 1"),
        (lambda: LBFGS(memory=0), "memory is at least 1"),
        (lambda: scale_by_soap(precondition_frequency=0), "precondition_frequency"),
    ],
)
def test_numbers_that_cannot_work_are_refused(make, message):
    with pytest.raises((ValueError, TypeCheckError), match=message):
        make()
