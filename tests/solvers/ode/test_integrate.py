"""What a solve by Diffrax tells of its steps: counts, errors and stiffness, a step drawn at random."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from pdejax.solvers import Integrator, integrate, stage_pair
from pdejax.solvers.ode.step_measures import real_stability

UNIT = (0.0, 1.0)


def pid(tolerance, **options):
    return diffrax.PIDController(rtol=tolerance, atol=tolerance, **options)


def solved(field, y0, args=None, *, times=UNIT, **options):
    """Jitted: states and account of an ordinary differential equation."""
    names = ("solver", "controller", "adjoint", "max_steps", "first_step")
    integrator = Integrator(**{name: options.pop(name) for name in names if name in options})
    run = lambda y0, args: integrate(
        diffrax.ODETerm(field), jnp.asarray(times), y0, args, integrator=integrator, **options
    )
    return jax.jit(run)(y0, args)


# ---- counts


def stiff(t, y, args):
    return -50 * (y - jnp.cos(3 * t))


def calls_of(field, **options):
    """The account of a solve, and how often the field was called in it."""
    calls = []

    def counted(t, y, args):
        jax.debug.callback(lambda: calls.append(None))
        return field(t, y, args)

    _, account = solved(counted, jnp.ones(2), **options)
    jax.block_until_ready(account)
    jax.effects_barrier()
    return account, len(calls)


@pytest.mark.parametrize(
    ("solver", "first"),
    [
        (diffrax.Tsit5(), 1.0),
        pytest.param(diffrax.Tsit5(), "automatic", marks=pytest.mark.long),
        pytest.param(diffrax.Dopri5(), None, marks=pytest.mark.long),
        pytest.param(diffrax.Bosh3(), 1.0, marks=pytest.mark.long),
        (diffrax.Heun(), "automatic"),
        (diffrax.HalfSolver(diffrax.Euler()), None),
        pytest.param(diffrax.HalfSolver(diffrax.Tsit5()), 1.0, marks=pytest.mark.long),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, diffrax.AbstractSolver) else str(x),
)
def test_evaluations_are_the_calls_of_the_field(solver, first):
    account, calls = calls_of(stiff, solver=solver, controller=pid(1e-2), first_step=first)
    assert int(account.rejected) > 0
    assert int(account.evaluations) == calls


def test_evaluations_after_a_jump_are_counted():
    jumping = diffrax.ClipStepSizeController(pid(1e-2), jump_ts=jnp.array([0.25, 0.5]))
    account, calls = calls_of(stiff, controller=jumping)
    assert int(account.evaluations) == calls


def test_evaluations_of_fixed_steps():
    account, calls = calls_of(stiff, controller=diffrax.ConstantStepSize(), first_step=0.125)
    assert int(account.evaluations) == calls == 1 + 6 * 8
    assert account.error is None
    assert int(account.stiffness.count) == 8


def test_implicit_solvers_count_no_evaluations():
    _, account = solved(stiff, jnp.ones(2), solver=diffrax.Kvaerno3(), controller=pid(1e-3))
    assert int(account.evaluations) == -1
    assert account.stiffness is None
    assert int(account.error.count) == int(account.accepted) > 1
    assert 0 < float(account.error.mean("steps", account.horizon)) < 1


# ---- the first step


def test_one_step_is_enough_where_the_whole_interval_may_be_tried():
    run = lambda first: solved(lambda t, y, a: -0.2 * y, jnp.ones(2), controller=pid(1e-6), first_step=first)[1]
    whole, careful = run(1.0), run("automatic")
    assert (int(whole.accepted), int(whole.rejected)) == (1, 0)
    assert int(careful.accepted) > 2


def test_diffrax_begins_with_a_hundredth_whatever_the_equation():
    for rate in (1e-3, 5.0):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, rate: -rate * y), diffrax.Tsit5(), 0.0, 1.0, None, jnp.ones(2), rate,
            saveat=diffrax.SaveAt(steps=True), stepsize_controller=pid(1e-4), max_steps=32,
        )  # fmt: skip
        assert float(solution.ts[0]) == pytest.approx(0.01)


def test_impossible_first_steps_are_refused():
    with pytest.raises(ValueError, match=r"positive share of the first interval, got 0\.0"):
        Integrator(first_step=0.0)
    with pytest.raises(ValueError, match=r"fixed steps are as long as first_step.*got 'automatic'"):
        Integrator(controller=diffrax.ConstantStepSize(), first_step="automatic")


def test_an_automatic_first_step_needs_an_ordinary_equation():
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 1e-3, (2,), jax.random.key(0), levy_area=diffrax.SpaceTimeLevyArea)
    noise = diffrax.ControlTerm(lambda t, y, args: jnp.eye(2), path)
    terms = diffrax.MultiTerm(diffrax.ODETerm(lambda t, y, args: -y), noise)
    with pytest.raises(ValueError, match="ordinary differential equations only: state first_step"):
        integrate(terms, jnp.asarray(UNIT), jnp.ones(2), integrator=Integrator(diffrax.SPaRK(), first_step="automatic"))


# ---- errors and stiffness of all steps


def mlp(t, y, weights):
    first, bias, last = weights
    return jnp.tanh(y @ first + bias[None] + t) @ last / 2


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(3)
    draw = lambda *shape: 1.5 * rng.standard_normal(shape)
    return draw(3, 2), (draw(2, 8), draw(8), draw(8, 2))


MIX = (1.0, 0.3, -0.2, 0.1)
TOLERANCE = 1e-3


def mixed(sums):
    return sum(c * x for c, x in zip(MIX, sums, strict=True)), sums


def recorded_sums(y0, weights, adjoint):
    integrator = Integrator(controller=pid(TOLERANCE), adjoint=adjoint, max_steps=16)
    _, account = integrate(diffrax.ODETerm(mlp), jnp.asarray(UNIT), y0, weights, integrator=integrator)
    means = [x.mean(a, account.horizon) for x in (account.error, account.stiffness) for a in ("time", "steps")]
    return means, (account.accepted, account.rejected)


def sums_of_the_dense_solution(y0, weights):
    """The same four means from everything that Diffrax can store."""
    with jax.numpy_dtype_promotion("standard"):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(mlp), diffrax.Tsit5(), 0.0, 1.0, 1.0, y0, weights, max_steps=16,
            saveat=diffrax.SaveAt(dense=True), stepsize_controller=pid(TOLERANCE), adjoint=diffrax.DirectAdjoint(),
        )  # fmt: skip
    dense, count = solution.interpolation, solution.stats["num_accepted_steps"]
    here = jnp.arange(16) < count
    clean = lambda x: jnp.where(here.reshape(-1, *(1,) * (x.ndim - 1)), x, 1)
    before, after, k = (clean(dense.infos[name]) for name in ("y0", "y1", "k"))
    size = jax.lax.stop_gradient(jnp.where(here, jnp.diff(dense.ts), 0))
    tableau = diffrax.Tsit5.tableau
    scale = jax.lax.stop_gradient(TOLERANCE * (1 + jnp.maximum(jnp.abs(before), jnp.abs(after))))
    norm = lambda x: jnp.sqrt(jnp.mean(x**2, axis=(1, 2)))
    error = norm(jnp.einsum("s,jsbc->jbc", jnp.asarray(tableau.b_error), k) / scale)
    sixth = before + jnp.einsum("s,jsbc->jbc", jnp.asarray(tableau.a_lower[4]), k[:, :5])
    change = (k[:, 6] - k[:, 5]) / jnp.where(here, size, 1)[:, None, None]
    apart = jnp.where(here[:, None, None], after - sixth, 1)
    rate = norm(change) / norm(apart) / real_stability(diffrax.Tsit5())
    over = lambda x, w: jnp.sum(jnp.where(here, x * w, 0))
    return [y for x in (error, rate) for y in (over(x, size), over(x, 1 / count))], (count,)


@pytest.fixture(scope="module")
def oracle(network):
    with jax.enable_x64(True):
        y0, weights = jax.tree.map(jnp.asarray, network)

        def mean(weights):
            sums, counts = sums_of_the_dense_solution(y0, weights)
            value, sums = mixed(sums)
            return value, (sums, counts)

        return jax.jit(jax.value_and_grad(mean, has_aux=True))(weights)


@pytest.mark.long
@pytest.mark.parametrize(
    "adjoint", [diffrax.RecursiveCheckpointAdjoint(), pytest.param(diffrax.DirectAdjoint(), marks=pytest.mark.long)]
)
def test_means_over_all_steps_are_those_of_the_dense_solution(adjoint, network, oracle, x64):
    y0, weights = jax.tree.map(jnp.asarray, network)

    def mean(weights):
        sums, counts = recorded_sums(y0, weights, adjoint)
        value, sums = mixed(sums)
        return value, (sums, counts)

    (_, (sums, (accepted, rejected))), gradient = jax.jit(jax.value_and_grad(mean, has_aux=True))(weights)
    (_, (expected, (count,))), expected_gradient = oracle
    assert int(rejected) > 0
    assert int(accepted) == int(count) > 3
    np.testing.assert_allclose(sums, expected, rtol=1e-10)
    for got, wanted in zip(gradient, expected_gradient, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-10 * float(jnp.max(jnp.abs(wanted))))
        assert float(jnp.max(jnp.abs(wanted))) > 1e-3


@pytest.mark.long
@pytest.mark.parametrize(
    "adjoint", [pytest.param(diffrax.DirectAdjoint(), marks=pytest.mark.long), diffrax.ForwardMode()]
)
def test_derivatives_forwards_are_those_backwards(adjoint, network, oracle, x64):
    y0, weights = jax.tree.map(jnp.asarray, network)
    direction = jax.tree.map(lambda x: jnp.cos(jnp.arange(x.size, dtype=x.dtype)).reshape(x.shape), weights)
    mean = lambda weights: mixed(recorded_sums(y0, weights, adjoint)[0])[0]
    _, forwards = jax.jit(lambda w, d: jax.jvp(mean, (w,), (d,)))(weights, direction)
    backwards = sum(jnp.sum(g * d) for g, d in zip(oracle[1], direction, strict=True))
    np.testing.assert_allclose(forwards, backwards, rtol=1e-9)


# ---- stiffness


def test_how_far_stability_reaches():
    known = {diffrax.Heun: 2.0, diffrax.Bosh3: 2.5127, diffrax.Dopri5: 3.3066, diffrax.Tsit5: 3.5068}
    for solver, reach in known.items():
        assert real_stability(solver()) == pytest.approx(reach, abs=1e-4)


@pytest.mark.parametrize(
    "solver",
    [diffrax.Tsit5(), *(pytest.param(one, marks=pytest.mark.long) for one in (diffrax.Dopri5(), diffrax.Dopri8()))],
)
def test_stiffness_is_the_largest_rate_over_what_the_solver_can_take(solver, x64):
    integrator = Integrator(solver=solver, controller=pid(1e-5))
    term = diffrax.ODETerm(lambda t, y, matrix: matrix @ y)
    run = lambda matrix: integrate(term, jnp.asarray(UNIT), jnp.array([1.0, 3.0]), matrix, integrator=integrator)[1]
    run = jax.jit(run)
    turn = jnp.array([[0.6, 0.8], [-0.8, 0.6]])
    equal, one_stiff = run(-20 * jnp.eye(2)), run(turn @ jnp.diag(jnp.array([-1.0, -200.0])) @ turn.T)
    for average in ("time", "steps"):
        rate = equal.stiffness.mean(average, equal.horizon)
        np.testing.assert_allclose(rate, 20 / real_stability(solver), rtol=1e-6)
    rate = one_stiff.stiffness.mean("time", one_stiff.horizon)
    np.testing.assert_allclose(rate, 200 / real_stability(solver), rtol=1e-2)


@pytest.mark.parametrize(
    "solver",
    [diffrax.Bosh3(), pytest.param(diffrax.HalfSolver(diffrax.Tsit5()), marks=pytest.mark.long), diffrax.ShARK()],
)
def test_a_solver_without_such_stages_sees_no_stiffness(solver):
    assert not stage_pair(solver)
    if not isinstance(solver, diffrax.ShARK):
        _, account = jax.eval_shape(lambda: integrate(
            diffrax.ODETerm(stiff), jnp.asarray(UNIT), jnp.ones(2), integrator=Integrator(solver)
        ))  # fmt: skip
        assert account.stiffness is None
        assert account.error is not None


# ---- refused steps

FIELDS = {
    "not_a_number": lambda t, y, c: -c * jnp.sqrt(y),
    "infinite": lambda t, y, c: -c * jnp.exp(3 * y),
    "stiff": lambda t, y, c: -c * (y - jnp.cos(t)),
    "none": lambda t, y, c: c * jnp.zeros_like(y),
}
EXACT = {
    "not_a_number": lambda y0, c, t: (jnp.sqrt(y0) - c * t / 2) ** 2,
    "infinite": lambda y0, c, t: -jnp.log(jnp.exp(-3 * y0) + 3 * c * t) / 3,
}


@pytest.fixture(scope="module")
def measured():
    """From the name of a field and its rate: end, error and stiffness, their gradients by the rate, the account."""
    integrator = Integrator(controller=pid(1e-5), max_steps=128)

    def field(t, y, args):
        which, c = args
        return jax.lax.switch(which, list(FIELDS.values()), t, y, c)

    def run(c, which, y0, end, weights):
        y, account = integrate(
            diffrax.ODETerm(field), jnp.stack([jnp.zeros_like(end), end]), y0, (which, c), integrator=integrator
        )
        end = jnp.sum(jnp.where(account.finished, y, 0))
        out = jnp.stack([end, account.error.over_time, account.stiffness.over_time])
        return out @ weights, (out, account, y)

    program = jax.jit(jax.grad(run, has_aux=True))

    def measure(name, c, y0, end):
        which = list(FIELDS).index(name)
        call = lambda weights: program(jnp.asarray(c), which, jnp.asarray(y0), jnp.asarray(end), weights)
        gradients, others = zip(*map(call, jnp.eye(3)), strict=True)
        return np.array(gradients), *others[0]

    with jax.enable_x64(True):
        yield measure


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "c", "y0", "end"), [("not_a_number", 1.0, [1.0, 2.0], 1.8), ("infinite", 20.0, [2.0, 8.0], 10.0)]
)
def test_steps_that_overflow_leave_no_trace_in_gradients(name, c, y0, end, measured):
    gradients, out, account, _ = measured(name, c, y0, end)
    assert bool(account.finished)
    assert int(account.rejected) > 0
    exact = lambda c: jnp.sum(EXACT[name](jnp.array(y0), c, end))
    np.testing.assert_allclose(out[0], exact(c), rtol=1e-4)
    np.testing.assert_allclose(gradients[0], jax.grad(exact)(c), rtol=1e-3)
    assert np.all(np.isfinite(gradients))
    assert np.all(np.abs(gradients) > 0)


def test_a_solve_cut_short_says_so_and_has_gradients(measured):
    gradients, _, account, y = measured("stiff", 1e5, [1.0, 2.0], 1.0)
    assert not bool(account.finished)
    assert int(account.accepted + account.rejected) == 128
    assert np.all(np.isinf(y))
    assert gradients[0] == 0
    assert np.all(np.isfinite(gradients))
    assert np.all(gradients[1:] != 0)


def test_stages_that_agree_have_no_stiffness_and_no_gradient(measured):
    gradients, out, _, _ = measured("none", 2.0, [1.0, 2.0], 1.0)
    np.testing.assert_array_equal(out, [3, 0, 0])
    np.testing.assert_array_equal(gradients, 0)


# ---- a step drawn at random


@pytest.fixture(scope="module")
def steps():
    """Accepted steps of the stiff equation: times, states."""
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(stiff), diffrax.Tsit5(), 0.0, 1.0, 1.0, jnp.zeros(2), max_steps=64,
        saveat=diffrax.SaveAt(t0=True, steps=True), stepsize_controller=pid(1e-2),
    )  # fmt: skip
    kept = np.isfinite(solution.ts)
    return np.asarray(solution.ts)[kept], np.asarray(solution.ys)[kept]


@pytest.mark.parametrize("draw", [pytest.param("time", marks=pytest.mark.long), "steps"])
def test_steps_are_drawn_as_the_average_weighs_them(draw, steps):
    integrator = Integrator(controller=pid(1e-2), max_steps=64)
    term, draws = diffrax.ODETerm(stiff), 800
    run = lambda key: integrate(
        term, jnp.asarray(UNIT), jnp.zeros(2), integrator=integrator, key=key, draw=draw
    )[1].chosen  # fmt: skip
    chosen = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), draws))
    times, states = steps
    sizes = np.diff(times)
    index = np.argmin(np.abs(np.asarray(chosen.time)[:, None] - times[None, :-1]), axis=1)
    np.testing.assert_allclose(chosen.time, times[index], atol=1e-5)
    np.testing.assert_allclose(chosen.step, sizes[index], atol=1e-5)
    np.testing.assert_allclose(chosen.state, states[index], atol=1e-4)
    weights = sizes if draw == "time" else np.ones(len(sizes))
    np.testing.assert_allclose(chosen.weight, weights.sum(), rtol=1e-5)
    expected = draws * weights / weights.sum()
    statistic = np.sum((np.bincount(index, minlength=len(sizes)) - expected) ** 2 / expected)
    assert len(sizes) > 8
    assert statistic < chi2.ppf(0.999, len(sizes) - 1)


# ---- further times, other controllers


def test_a_further_time_changes_no_other():
    integrator = Integrator(controller=pid(1e-3))
    term = diffrax.ODETerm(lambda t, y, args: jnp.stack([y[1], -9 * y[0]]))
    run = lambda times, also: integrate(term, times, jnp.array([1.0, 0.0]), integrator=integrator, also=also)
    run = jax.jit(run)
    at = lambda *times: run(jnp.array([0.0, 0.3, *times, 1.0]), jnp.asarray(0.1))[0]
    plain = at(0.7)
    np.testing.assert_allclose(plain[:, 0], np.cos(3 * np.array([0.3, 0.7, 1.0])), atol=2e-3)
    for also in (0.0, 0.2, 0.3, 0.45, 0.7, 1.0):
        states, account = run(jnp.array([0.0, 0.3, 0.7, 1.0]), jnp.asarray(also))
        np.testing.assert_allclose(states, plain, atol=1e-6)
        expected = at(also)[1] if also >= 0.3 else [np.cos(3 * also), -3 * np.sin(3 * also)]
        np.testing.assert_allclose(account.state, expected, atol=1e-6 if also >= 0.3 else 2e-3)


def test_a_controller_that_steps_to_given_times_is_recorded():
    stops = jnp.array([0.21, 0.52])
    clipped = diffrax.ClipStepSizeController(pid(1e-3), step_ts=stops)
    integrator = Integrator(controller=clipped, max_steps=8)
    slow = diffrax.ODETerm(lambda t, y, args: -0.1 * y)
    run = lambda key: integrate(slow, jnp.asarray(UNIT), jnp.ones(2), integrator=integrator, key=key, draw="steps")[1]
    account = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(0), 64))
    assert int(account.accepted[0]) == int(account.error.count[0]) == 3
    np.testing.assert_allclose(np.unique(account.chosen.time), [0.0, *stops], rtol=1e-6)
    assert float(account.error.over_time[0]) > 0


@pytest.mark.parametrize("first_step", [1.0, *(pytest.param(f, marks=pytest.mark.long) for f in (None, "automatic"))])
def test_a_late_start_costs_no_accuracy(first_step):
    """Float32 tells times near 1e6 apart by 0.06: a turn of an oscillator is solved in the time since its start."""
    turn = diffrax.ODETerm(lambda t, y, args: jnp.stack([y[1], -y[0]]))
    integrator = Integrator(controller=pid(1e-6), first_step=first_step)
    times = np.linspace(0.0, 0.3, 4)
    late, early = (integrate(turn, begin + times, jnp.array([1.0, 0.0]), integrator=integrator) for begin in (1e6, 0.0))
    np.testing.assert_allclose(late[0][:, 0], np.cos(times[1:]), atol=1e-5)
    assert late[1].finished
    assert int(late[1].accepted) == int(early[1].accepted)


@pytest.mark.long
def test_an_equation_that_knows_the_time_is_told_the_whole_of_it():
    """dy/dt = t from t = 100: the field, a further time and a drawn step all see the time that was given."""
    rate, times = diffrax.ODETerm(lambda t, y, args: t * jnp.ones_like(y)), jnp.array([100.0, 101.0])
    run = lambda **options: integrate(rate, times, jnp.zeros(1), integrator=Integrator(), **options)
    states, account = run(also=jnp.asarray(100.5))
    np.testing.assert_allclose([states[0, 0], account.state[0]], [100.5, 50.125], rtol=1e-5)
    _, account = run(key=jax.random.key(0), draw="time")
    assert 100 <= float(account.chosen.time) < 101
