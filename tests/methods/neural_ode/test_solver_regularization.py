"""Penalties on how a solve went: what they are on average, and what they depend on."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest
from jax.experimental.jet import jet
from scipy.stats import chi2

from pdejax.methods import RandomEndTime, SolverRegularization, TaylorRegularization, sampled_brownian, solve
from pdejax.methods.neural_ode.regularization import Decay
from pdejax.methods.neural_ode.taylor_regularization import total_derivative
from pdejax.solvers import Integrator, scaled_error, stiffness

UNIT = (0.0, 1.0)


def pid(tolerance):
    return diffrax.PIDController(rtol=tolerance, atol=tolerance)


INTEGRATOR = Integrator(controller=pid(1e-3), max_steps=16)


def mlp(t, y, args):
    (first, bias, last), slower = args
    return jnp.tanh(y @ first + bias[None] + t / slower) @ last / (2 * slower)


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(3)
    draw = lambda *shape: 1.5 * rng.standard_normal(shape)
    return draw(3, 2), (draw(2, 8), draw(8), draw(8, 2))


def solved(regularization, network, key, *, adjoint=None, slower=1.0):
    integrator = INTEGRATOR if adjoint is None else eqx.tree_at(lambda i: i.adjoint, INTEGRATOR, adjoint)
    y0, weights = jax.tree.map(jnp.asarray, network)
    slower = jnp.asarray(slower)
    return solve(
        diffrax.ODETerm(mlp), jnp.asarray(UNIT) * slower, y0, (weights, slower),
        integrator=integrator, regularization=regularization, key=key,
    )  # fmt: skip


# ---- local and global


def local_program(adjoint):
    """Gradients, by first state and weights, of a mix of the states' sum and the local penalty of both measures."""

    def total(network, key, share, slower):
        out = solved(SolverRegularization("both"), network, key, adjoint=adjoint, slower=slower)
        return share[0] * jnp.sum(jnp.sin(out.states)) + share[1] * out.penalty, (out.penalty, out.account)

    program = jax.jit(jax.grad(total, has_aux=True))
    return lambda network, key, share=(0.0, 1.0), slower=1.0: program(network, key, jnp.asarray(share), slower)


@pytest.fixture(scope="module")
def local():
    with jax.enable_x64(True):
        yield local_program(diffrax.RecursiveCheckpointAdjoint())


@pytest.fixture(scope="module")
def accepted(network):
    """Accepted steps by Diffrax itself: their beginnings, sizes and states."""
    with jax.enable_x64(True):
        y0, weights = jax.tree.map(jnp.asarray, network)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(mlp), diffrax.Tsit5(), *UNIT, 1.0, y0, (weights, jnp.ones(())), max_steps=16,
            saveat=diffrax.SaveAt(t0=True, steps=True), stepsize_controller=INTEGRATOR.controller,
        )  # fmt: skip
        count = int(solution.stats["num_accepted_steps"])
        return solution.ts[:count], jnp.diff(solution.ts)[:count], solution.ys[:count]


def measures(time, size, y, weights):
    """Error and a tenth of the stiffness of one step."""
    solver, term, args = diffrax.Tsit5(), diffrax.ODETerm(mlp), (weights, jnp.ones(()))
    with jax.numpy_dtype_promotion("standard"):
        start = solver.init(term, time, time + size, y, args)
        after, error, dense, *_ = solver.step(term, time, time + size, y, args, start, made_jump=False)
    rate = stiffness(solver, y, after, dense["k"], size)
    return scaled_error(y, after, error, INTEGRATOR.controller) + 0.1 * rate


def assert_mean(samples, mean):
    samples = np.asarray(samples)
    tolerance = 4 * samples.std() / len(samples) ** 0.5
    assert 0 < tolerance < 0.5 * abs(float(mean))
    assert abs(samples.mean() - float(mean)) < tolerance


KEYS = [jax.random.fold_in(jax.random.key(5), i) for i in range(400)]


@pytest.mark.long
def test_the_local_penalty_is_the_global_one_on_average(network, local, accepted, x64):
    gradients, others = zip(*(local(network, key) for key in KEYS), strict=True)
    penalties, account = np.array([penalty for penalty, _ in others]), others[0][1]
    assert len(np.unique(np.round(penalties, 8))) == int(account.accepted) > 3
    assert_mean(penalties, account.error.over_time + 0.1 * account.stiffness.over_time)
    assert float(local(network, KEYS[3])[1][0]) == penalties[3]

    times, sizes, states = accepted
    total = lambda w: jnp.sum(sizes * jax.vmap(measures, (0, 0, 0, None))(times, sizes, states, w))
    value, (_, bias, last) = jax.jit(jax.value_and_grad(total))(jax.tree.map(jnp.asarray, network[1]))
    assert_mean(penalties, value)
    assert_mean([g[1][1][2] for g in gradients], bias[2])
    assert_mean([g[1][2][3, 1] for g in gradients], last[3, 1])


@pytest.mark.long
def test_all_steps_alike_on_average(network, accepted, x64):
    regularization = SolverRegularization("both", average="steps")
    run = jax.jit(lambda key: solved(regularization, network, key))
    penalties, accounts = zip(*((out.penalty, out.account) for out in map(run, KEYS)), strict=True)
    account = accounts[0]
    assert_mean(
        penalties, (account.error.over_steps + 0.1 * account.stiffness.over_steps) / account.accepted.astype(float)
    )
    times, sizes, states = accepted
    weights = jax.tree.map(jnp.asarray, network[1])
    each = jax.jit(lambda: jax.vmap(measures, (0, 0, 0, None))(times, sizes, states, weights))()
    assert_mean(penalties, np.mean(each))


@pytest.mark.long
def test_both_is_the_error_and_a_tenth_of_the_stiffness(network, local, x64, key):
    both, account = local(network, key)[1]
    run = lambda kind, scope: solved(SolverRegularization(kind, scope), network, key).penalty
    kinds = (("error", "local"), ("stiffness", "local"), ("both", "global"))
    error, stiff, whole = jax.jit(lambda: [run(*kind) for kind in kinds])()
    np.testing.assert_allclose(both, error + 0.1 * stiff, rtol=1e-10)
    np.testing.assert_allclose(whole, account.error.over_time + 0.1 * account.stiffness.over_time, rtol=1e-10)
    assert min(float(error), float(stiff)) > 1e-3


@pytest.mark.long
def test_the_local_penalty_takes_any_adjoint(network, local, x64, key):
    backwards = local_program(diffrax.BacksolveAdjoint())
    scale = lambda tree: max(float(jnp.max(jnp.abs(x))) for x in jax.tree.leaves(tree))
    # the equation solved backwards differs by the solver's tolerance, the penalty does not
    for share, tolerance in (((1.0, 0.0), 3e-2), ((0.0, 1.0), 1e-10)):
        wanted, (value, _) = local(network, key, share)
        got, (value_back, _) = backwards(network, key, share)
        np.testing.assert_allclose(value_back, value, rtol=1e-12)
        assert scale(wanted) > 1e-3
        for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance * scale(wanted))
    np.testing.assert_array_equal(wanted[0], 0)  # where the step begins is not differentiated


@pytest.mark.long
def test_units_of_time_do_not_matter(network, local, x64, key):
    (penalty, one), (slow_penalty, slow) = local(network, key)[1], local(network, key, slower=3.7)[1]
    assert int(one.rejected) == int(slow.rejected) > 0
    np.testing.assert_allclose(slow_penalty, penalty, rtol=1e-10)
    np.testing.assert_allclose(slow.horizon, 3.7)
    for average in ("time", "steps"):
        mean = lambda sums, account, average=average: sums.mean(average, account.horizon)
        np.testing.assert_allclose(mean(slow.error, slow), mean(one.error, one), rtol=1e-10)
        np.testing.assert_allclose(3.7 * mean(slow.stiffness, slow), mean(one.stiffness, one), rtol=1e-10)


def test_what_gives_no_penalty_or_no_gradient_is_refused():
    check = lambda regularization, **options: regularization.check(Integrator(**options))
    with pytest.raises(ValueError, match=r"gradient of zero.*knows neither the steps nor.*Use scope='local'"):
        check(SolverRegularization(scope="global"), adjoint=diffrax.BacksolveAdjoint())
    check(SolverRegularization(scope="local"), adjoint=diffrax.BacksolveAdjoint())
    with pytest.raises(ValueError, match=r"which Bosh3 is not: take one of them, or estimate='error'"):
        check(SolverRegularization("stiffness"), solver=diffrax.Bosh3())
    with pytest.raises(ValueError, match="ConstantStepSize has none: use PIDController"):
        check(SolverRegularization(), controller=diffrax.ConstantStepSize())
    check(TaylorRegularization(), controller=diffrax.ConstantStepSize())
    for step, bound in ((0.0, "greater than 0"), (1.5, "less than or equal to 1")):
        with pytest.raises(ValueError, match=f"step should be {bound}, got {step}"):
            SolverRegularization(step=step)
    with pytest.raises(ValueError, match="order should be greater than or equal to 1, got 0"):
        TaylorRegularization(0)
    with pytest.raises(ValueError, match="SolverRegularization draws at random: give a key"):
        solve(None, jnp.asarray(UNIT), 0.0, integrator=Integrator(), regularization=SolverRegularization())


# ---- where a local step begins and how long it is


def quickening(t, y, args):
    return -3 * (1 + 2 * t) * y


def state_at(t):
    return jnp.array([1.0, 2.0]) * jnp.exp(-3 * (t + t * t))


@jax.jit
@jax.vmap
def error_of_a_step(time, size, y):
    solver, term = diffrax.Tsit5(), diffrax.ODETerm(quickening)
    with jax.numpy_dtype_promotion("standard"):
        start = solver.init(term, time, time + size, y, None)
        after, error, *_ = solver.step(term, time, time + size, y, None, start, made_jump=False)
    return scaled_error(y, after, error, INTEGRATOR.controller)


def penalties(**options):
    regularization = SolverRegularization("error", **options)
    run = lambda key: solve(
        diffrax.ODETerm(quickening), jnp.asarray(UNIT), state_at(0.0),
        integrator=INTEGRATOR, regularization=regularization, key=key,
    )  # fmt: skip
    return jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(7), 500))


def test_a_step_of_given_size_begins_at_any_time(x64):
    draws, times = penalties(step=0.2).penalty, (jnp.arange(400.0) + 0.5) / 400
    error = error_of_a_step(times, jnp.minimum(0.2, 1 - times), jax.vmap(state_at)(times))
    assert float(jnp.max(draws)) < 1.02 * float(jnp.max(error))
    # their distribution is that of the error at uniform times (Kolmogorov and Smirnov, one in a thousand)
    rank = np.searchsorted(np.sort(error), np.sort(draws)) / len(times)
    assert np.max(np.abs(rank - (np.arange(500) + 0.5) / 500)) < 1.95 / 500**0.5 + 1 / 400


@pytest.mark.long
def test_a_step_of_given_size_begins_where_accepted_ones_do(x64):
    draws = penalties(step=0.05, average="steps").penalty
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(quickening), diffrax.Tsit5(), 0.0, 1.0, 1.0, state_at(0.0), max_steps=16,
        saveat=diffrax.SaveAt(t0=True, steps=True), stepsize_controller=INTEGRATOR.controller,
    )  # fmt: skip
    begins = np.asarray(solution.ts)[: int(solution.stats["num_accepted_steps"])]
    error = error_of_a_step(jnp.asarray(begins), jnp.minimum(0.05, 1 - begins), solution.ys[: len(begins)])
    index = np.argmin(np.abs(np.log(draws)[:, None] - np.log(error)[None]), axis=1)
    np.testing.assert_allclose(draws, error[index], rtol=1e-9)
    expected = len(index) / len(begins)
    assert len(begins) > 3
    assert np.sum((np.bincount(index) - expected) ** 2 / expected) < chi2.ppf(0.999, len(begins) - 1)


def test_automatic_steps_have_small_errors(x64):
    draws = np.asarray(penalties(step="automatic").penalty)
    assert len(np.unique(draws)) == 500
    assert np.all(draws > 0)
    assert np.all(draws < 0.05)


@pytest.mark.long  # an implicit solver is dear to compile
def test_another_solver_may_take_the_local_step(x64, key):
    integrator = Integrator(solver=diffrax.Kvaerno3(), controller=pid(1e-3), max_steps=32)
    regularization = SolverRegularization("stiffness", solver=diffrax.Tsit5())
    out = jax.jit(lambda: solve(
        diffrax.ODETerm(lambda t, y, args: -20 * y), jnp.asarray(UNIT), jnp.ones(2),
        integrator=integrator, regularization=regularization, key=key,
    ))()  # fmt: skip
    np.testing.assert_allclose(out.penalty, 20 / 3.5068, rtol=1e-4)
    assert out.account.stiffness is None


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="accepted"),
        pytest.param({"step": "automatic"}, id="automatic", marks=pytest.mark.long),
    ],
)
def test_a_solve_that_failed_at_once_has_a_finite_penalty(options, key):
    integrator = Integrator(controller=pid(1e-3), max_steps=1)

    def penalty(c):
        regularization = SolverRegularization("both", **options)
        out = solve(
            diffrax.ODETerm(lambda t, y, c: c * jnp.exp(-c * y)), jnp.asarray(UNIT), -jnp.ones(2), c,
            integrator=integrator, regularization=regularization, key=key,
        )  # fmt: skip
        return out.penalty, out.account

    (value, account), gradient = jax.jit(jax.value_and_grad(penalty, has_aux=True))(jnp.asarray(20.0))
    assert int(account.accepted) == 0
    assert float(value) == float(gradient) == 0


# ---- other penalties


@pytest.mark.parametrize("order", [1, 2, 3])
def test_total_derivatives(order, x64):
    t, y = jnp.asarray(0.7), jnp.array([0.3, -1.2])
    first = t * y**2
    second = y**2 + 2 * t * y * first
    third = 4 * y * first + 2 * t * (first**2 + y * second)
    field = lambda t, y: t * y**2
    got = total_derivative(field, order)(t, y)
    np.testing.assert_allclose(got, (first, second, third)[order - 1], rtol=1e-13)
    if order > 1:
        series = [first, second][: order - 1]
        _, higher = jet(field, (t, y), ([jnp.ones(()), *[jnp.zeros(())] * (order - 2)], series))
        np.testing.assert_allclose(got, higher[-1], rtol=1e-12)


@pytest.mark.parametrize("order", [2, pytest.param(3, marks=pytest.mark.long)])
def test_the_taylor_penalty_is_the_mean_square_of_a_derivative(order, x64, key):
    y0, c, end = jnp.array([1.0, 2.0]), 1.7, 2.0
    term, times = diffrax.ODETerm(lambda t, y, c: -c * y), jnp.array([0.0, 0.8, end])
    run = lambda r: solve(term, times, y0, c, integrator=Integrator(controller=pid(1e-6)), regularization=r, key=key)
    plain, out = jax.jit(lambda: (run(None), run(TaylorRegularization(order))))()
    np.testing.assert_allclose(
        out.penalty, 2.5 * c ** (2 * order) * (1 - np.exp(-2 * c * end)) / (2 * c * end), rtol=1e-5
    )
    assert int(out.account.accepted) == int(plain.account.accepted) > 3
    assert int(out.account.rejected) == int(plain.account.rejected) > 0
    np.testing.assert_allclose(out.states, plain.states, rtol=1e-12)
    assert float(plain.penalty) == 0


@pytest.mark.long
def test_times_move_by_half_the_distance_to_the_nearer_neighbour():
    times, width = jnp.array([0.0, 1.0, 1.4, 2.0]), 0.8
    term = diffrax.ODETerm(lambda t, y, args: jnp.stack([jnp.ones(()), -y[1]]))
    run = lambda key: solve(
        term, times, jnp.array([0.0, 1.0]), integrator=Integrator(), regularization=RandomEndTime(width), key=key
    )
    out = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), 300))
    moved, decay = out.states[..., 0], out.states[..., 1]
    np.testing.assert_allclose(decay, np.exp(-moved), rtol=1e-3)
    limit = width / 2 * np.array([0.4, 0.4, 0.6])
    shift = moved - times[None, 1:]
    assert np.all(np.abs(shift) < limit + 1e-5)
    assert np.all(np.abs(shift).max(0) > 0.95 * limit)
    assert np.all(np.abs(shift.mean(0)) < 4 * limit / 3**0.5 / 300**0.5)
    assert np.all(np.diff(moved, axis=1) > 0)
    np.testing.assert_array_equal(out.penalty, 0)


# ---- weights


def test_weights_fall_by_the_same_factor():
    decay = lambda progress: float(Decay(0.5, 0.02, progress).value)
    np.testing.assert_allclose([decay(p) for p in (0.0, 0.5, 1.0)], [0.5, 0.1, 0.02], rtol=1e-6)
    assert float(Decay(0.3, progress=0.7).value) == pytest.approx(0.3)
    assert float(Decay(0.0, 1.0, 0.5).value) == 0


@pytest.mark.parametrize("cls", [SolverRegularization, TaylorRegularization])
def test_another_weight_compiles_nothing(cls):
    traced = []

    @eqx.filter_jit
    def factor(regularization, progress):
        traced.append(None)
        return regularization.at(progress).factor

    for first, last, progress in ((1.0, 0.1, 0.5), (2.0, None, 1.0), (0.0, 3.0, 0.2)):
        regularization = cls(weight=first, final_weight=last)
        expected = first * ((first if last is None else last) / first) ** progress if first else 0
        np.testing.assert_allclose(factor(regularization, jnp.asarray(progress)), expected, rtol=1e-6)
    again = cls(weight=1.0).at(jnp.asarray(0.3))
    np.testing.assert_allclose(factor(again, jnp.asarray(0.5)), 1.0, rtol=1e-6)
    assert len(traced) == 1


# ---- stochastic equations


def drift(t, y, args):
    return -args[0] * y


def additive(t, y, args):
    return lineax.DiagonalLinearOperator(jnp.broadcast_to(args[1], y.shape))


def multiplicative(t, y, args):
    return lineax.DiagonalLinearOperator(args[1] * (1 + 0.3 * jnp.sin(y)))


def stochastic(solver, noise, scope, y0, end, args, key, tolerance=1e-2):
    keys = jax.random.split(jax.random.fold_in(key, 0), len(y0))
    path = sampled_brownian(keys, 0.0, end, y0, solver=solver, tolerance=1e-3)
    terms = diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(noise, path))
    return solve(
        terms, jnp.array([0.0, end]), y0, args, key=key,
        integrator=Integrator(solver, pid(tolerance)), regularization=SolverRegularization("error", scope),
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(
    ("solver", "noise", "scope"),
    [
        (diffrax.ShARK(), additive, "local"),
        pytest.param(diffrax.SPaRK(), multiplicative, "global", marks=pytest.mark.long),
    ],
)
def test_stochastic_equations_are_penalised(solver, noise, scope, key):
    y0 = jnp.ones((600 if noise is additive else 8, 1))  # many where their moments are known

    def penalty(args):
        out = stochastic(solver, noise, scope, y0, 1.0, args, key)
        return out.penalty, out

    rate, size = 1.5, 0.4
    program = jax.jit(jax.value_and_grad(penalty, has_aux=True))
    (value, out), gradient = program((jnp.asarray(rate), jnp.asarray(size)))
    assert bool(out.account.finished)
    assert 0 < float(value) < 1
    assert np.all(np.isfinite(gradient))
    assert np.all(np.abs(gradient) > 1e-4)
    if noise is additive:  # the moments of the process of Ornstein and Uhlenbeck
        end, count = np.asarray(out.states[0, :, 0]), len(y0)
        mean, variance = np.exp(-rate), size**2 * (1 - np.exp(-2 * rate)) / (2 * rate)
        assert abs(end.mean() - mean) < 4 * (variance / count) ** 0.5
        assert abs(end.var() - variance) < 4 * variance * (2 / count) ** 0.5


@pytest.mark.parametrize("solver", [diffrax.ShARK(), diffrax.Heun()])
def test_the_path_of_a_sample_is_its_own(solver, key):
    keys, state = jax.random.split(key, 5), jnp.zeros((4, 3, 2))

    @jax.jit
    def increment(keys):
        path = sampled_brownian(keys, 0.0, 1.0, state, solver=solver, tolerance=1e-2)
        return path.evaluate(0.2, 0.7, use_levy=True)

    one, other = increment(keys[:4]), increment(keys[jnp.array([4, 2, 0, 4])])
    np.testing.assert_array_equal(other.W[1], one.W[2])
    np.testing.assert_array_equal(other.W[2], one.W[0])
    assert one.W.shape == state.shape
    assert len(np.unique(one.W)) == state.size


@pytest.mark.parametrize("solver", [diffrax.Heun(), diffrax.ShARK(), diffrax.SPaRK(), diffrax.SlowRK()])
def test_paths_tell_what_the_solver_asks_for(solver, key):
    evaluate = lambda keys: sampled_brownian(
        keys, 0.0, 1.0, jnp.zeros((2, 3)), solver=solver, tolerance=1e-2
    ).evaluate(0.2, 0.7, use_levy=True)  # fmt: skip
    increments = eqx.filter_eval_shape(evaluate, jax.random.split(key, 2))
    assert isinstance(increments, getattr(solver, "minimal_levy_area", diffrax.BrownianIncrement))


def test_a_penalty_of_a_derivative_needs_an_ordinary_equation(key):
    terms = diffrax.MultiTerm(diffrax.ODETerm(drift))
    with pytest.raises(ValueError, match="ordinary differential equations only: use the scope local"):
        solve(
            terms, jnp.asarray(UNIT), jnp.ones(2),
            integrator=INTEGRATOR, regularization=TaylorRegularization(), key=key,
        )  # fmt: skip
