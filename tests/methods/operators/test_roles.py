"""What a network is to a solver: a correction of its steps, a part of its right-hand side, a flux."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors.numpy

import pdejax
from pdejax.core import Grid, Key, State, from_channels_first, repeated, to_channels_first, trajectory, unroll
from pdejax.equations import Equation
from pdejax.methods import Correct, DataCard, SolverBase, Supervised, load_model, save_model, why_unsaved
from pdejax.methods.operators.roles import Closure, Replace, Tendency, divergence
from pdejax.solvers import rhs, spectral_stepper
from tests.methods._drawn import drawn, normal

GRID = Grid((32,), (2 * np.pi,))
BURGERS = Equation("u_t = -u*u_x + nu*u_xx", parameters={"nu": 0.1})
NETWORK = {"kind": "fno", "modes": 4, "width": 4, "depth": 1}
STEP = 0.1
CARD = DataCard(
    shape=GRID.shape, lengths=GRID.lengths, step=STEP, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [0.2], "std": [0.7], "rms_delta": [0.2], "rms_residual": [0.05]},
)  # fmt: skip


def stepper(equation=BURGERS, substeps=4, **options):
    return spectral_stepper(equation, GRID, STEP / substeps, substeps=substeps, **options)


@pytest.fixture(scope="module")
def host():
    return stepper()


def built(role, base, **options):
    return drawn(Supervised(base=base, role=role, **options), NETWORK, CARD)


# ---- the slot of our steppers


def _advection(t, u):
    u_hat = jnp.fft.rfft(u, axis=-2)
    k = jnp.asarray([*range(16), 0], u_hat.dtype).reshape((1,) * (u.ndim - 2) + (17, 1))
    return -u * jnp.fft.irfft(jnp.asarray(1j, u_hat.dtype) * k * u_hat, n=32, axis=-2)


@pytest.mark.parametrize("order", [2, 4])
def test_a_tendency_is_a_part_of_the_equation(order):
    """What is left to the slot gives the trajectory of the whole equation."""
    with jax.enable_x64(True):
        u = jnp.sin(jnp.asarray(GRID.axes()[0]))[None, :, None]
        whole = stepper(order=order, dealias=None)
        linear = stepper(Equation("u_t = nu*u_xx", parameters={"nu": 0.1}), order=order)
        np.testing.assert_allclose(linear(u, tendency=_advection), whole(u), rtol=1e-12, atol=1e-13)


def test_what_is_held_is_exact_for_a_constant(host):
    """u_t = -u + c: exponential integrators solve it exactly, whatever their step."""
    with jax.enable_x64(True):
        decay, c = stepper(Equation("u_t = -u"), substeps=2, order=2), jnp.asarray(normal(2, 32, 1), float)
        u = jnp.asarray(normal(2, 32, 1, seed=2), float)
        np.testing.assert_allclose(decay(u, tendency=c), c + (u - c) * np.exp(-STEP), rtol=1e-12)


def test_a_held_tendency_is_of_first_order_and_one_asked_in_stages_of_the_methods():
    with jax.enable_x64(True):
        u = jnp.sin(jnp.asarray(GRID.axes()[0]))[None, :, None]
        linear = Equation("u_t = nu*u_xx", parameters={"nu": 0.1})
        truth = spectral_stepper(linear, GRID, 0.8 / 512, substeps=512)(u, tendency=_advection)

        @jax.jit
        def errors(u):
            found = []
            for calls in (8, 16):
                one = spectral_stepper(linear, GRID, 0.8 / calls, order=4)
                held = trajectory(lambda u, one=one: one(u, tendency=_advection(0.0, u)), u, calls)[-1]
                asked = trajectory(lambda u, one=one: one(u, tendency=_advection), u, calls)[-1]
                found.append([jnp.max(jnp.abs(x - truth)) for x in (held, asked)])
            return jnp.asarray(found)

        coarse, fine = errors(u)
        held, asked = np.log2(coarse / fine)
        assert 0.8 < held < 1.3
        assert 3.5 < asked < 4.7


@pytest.mark.long
def test_several_steps_and_coarser_grids_hand_the_tendency_on(host):
    u, c = normal(2, 32, 1), 0.1 * normal(2, 32, 1, seed=2)
    short = stepper(substeps=1)
    many = jax.jit(lambda u: repeated(spectral_stepper(BURGERS, GRID, STEP / 4), 4)(u, tendency=c))(u)
    np.testing.assert_allclose(many, host(u, tendency=c), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="has no slot for a tendency"):
        repeated(lambda u: u, 2)(u, tendency=c)
    with pytest.raises(ValueError, match="Repeated has no slot for a tendency"):
        built(Tendency(), host).within(repeated(lambda u: u, 4))

    class Own(eqx.Module):  # it has a slot itself, whatever it is made of
        stepper: object = eqx.field(static=True)

        def __call__(self, u, tendency=0.0):
            return self.stepper(u) + STEP * tendency

    built(Tendency(), host).within(Own(lambda u: u))
    six = spectral_stepper(BURGERS, GRID, STEP, parameters={"nu": np.linspace(0.01, 0.02, 6)})
    assert built(Tendency(), host).within(six)(normal(6, 32, 1)).shape == (6, 32, 1)
    assert not np.allclose(short(u, tendency=c), short(u))


# ---- what the roles compute


@pytest.mark.parametrize("form", ["parallel", "sequential_with_bypass", "sequential"])
def test_corrections_are_what_their_names_say(form, host):
    operator, u = built(Correct(form), host), normal(2, 32, 1)
    network = lambda v: operator.network((v - 0.2) / 0.7)
    run = jax.jit(lambda u: (operator(u), host(u), network(u), network(host(u))))
    got, base, of_state, of_base = run(u)
    expected = {
        "parallel": base + 0.05 * of_state,
        "sequential_with_bypass": base + 0.05 * of_base,
        "sequential": 0.2 + 0.7 * of_base,
    }[form]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("held", [True, False])
def test_a_tendency_drives_the_solver(held, host):
    operator, u = built(Tendency(held), host), normal(2, 32, 1)
    rate = lambda v: 0.05 / STEP * operator.network((v - 0.2) / 0.7)
    run = jax.jit(lambda u: (operator(u), host(u, tendency=rate(u) if held else lambda t, v: rate(v)), rate(u)))
    got, expected, of_state = run(u)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(operator.rate(0.0, u), of_state, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(16,), (15,), (12, 9)])
def test_divergences_are_derivatives(shape):
    lengths = (3.0, 5.0)[: len(shape)]
    grid, unit = Grid(shape, lengths), max(lengths) / (2 * np.pi)
    points = [2 * np.pi * x / length for x, length in zip(np.moveaxis(grid.coordinates(), -1, 0), lengths, strict=True)]
    waves = [np.sin(sum(points)), np.cos(points[-1])][: len(shape)]
    slopes = [2 * np.pi / lengths[0] * np.cos(sum(points)), -2 * np.pi / lengths[-1] * np.sin(points[-1])]
    flux = jnp.asarray(np.stack(waves, -1)[None], jnp.float32)
    np.testing.assert_allclose(divergence(flux, lengths)[0, ..., 0], unit * sum(slopes[: len(shape)]), atol=2e-5)


def test_a_closure_keeps_means(host):
    operator, u = built(Closure(), host), normal(3, 32, 1)
    got, base = jax.jit(lambda u: (trajectory(operator, u, 5), trajectory(host, u, 5)))(u)
    mean = lambda x: jnp.mean(x, axis=-2)
    assert float(jnp.max(jnp.abs(got - base))) > 1e-4
    np.testing.assert_allclose(mean(got), mean(base), atol=1e-6)


# ---- in somebody else's simulation


class Mine(eqx.Module):
    """A user's scheme: explicit Euler steps of diffusion by differences, and what it is told to add."""

    nu: jnp.ndarray

    def __call__(self, u, tendency=0.0):
        def euler(u, _):
            bend = jnp.roll(u, 1, -2) + jnp.roll(u, -1, -2) - 2 * u
            return u + STEP / 20 * (self.nu.astype(u.dtype) * bend / GRID.spacing[0] ** 2 + tendency), None

        return jax.lax.scan(euler, u, length=20)[0]


def test_an_operator_joins_another_simulation_in_its_precision(host):
    operator = built(Tendency(), host)
    with jax.enable_x64(True):
        mine = operator.within(Mine(jnp.asarray(0.1)))
        u = jnp.asarray(normal(2, 32, 1), jnp.float64)
        double, single = jax.jit(lambda u: (trajectory(mine, u, 20), trajectory(mine, u.astype(jnp.float32), 20)))(u)
        assert (double.dtype, single.dtype) == (jnp.float64, jnp.float32)
        np.testing.assert_allclose(single, double, rtol=2e-4, atol=2e-5)
        added = operator.rate(0.0, u)
        assert added.dtype == jnp.float64
        np.testing.assert_allclose(mine(u), Mine(jnp.asarray(0.1))(u, tendency=added), rtol=1e-12)


def test_a_host_of_another_kind_is_refused(host):
    drives, corrects = built(Tendency(), host), built(Correct(), host)
    other = Grid((32,), (3.0,))
    for operator, step, said in (
        (drives, spectral_stepper(BURGERS, GRID, 0.05), "one call of the host covers 0.05, one of the operator 0.1"),
        (drives, spectral_stepper(BURGERS, other, STEP), r"box of lengths \[3.0\], the operator on \[6.28"),
        (drives, spectral_stepper(Equation("v_t = v_xx"), GRID, STEP), "host has the fields v, the operator u"),
        (drives, lambda u: u, "no slot for a tendency"),
        (corrects, lambda u: u[:, ::2], r"gives \(2, 16, 1\) for a state \(2, 32, 1\)"),
        (drawn(Supervised(), NETWORK, CARD), host, "a host has no effect: this operator was trained to take the place"),
    ):
        with pytest.raises(ValueError, match=said):
            operator.within(step)
    with pytest.raises(ValueError, match="trained to correct its base: its network gives no part of du/dt"):
        corrects.rate(0.0, normal(1, 32, 1))
    assert "save the operator itself" in why_unsaved(corrects.within(host))


@pytest.mark.parametrize("given", ["correct", Correct])
def test_a_role_is_an_object(given, host):
    method = Supervised(base=host)
    object.__setattr__(method, "role", given)  # where types are not checked
    with pytest.raises(ValueError, match=r"role is an object, such as pdejax.Correct\(\)"):
        method.__check_init__()


def test_a_base_of_another_problem_is_refused_before_anything_is_trained():
    other = Grid((32,), (3.0,))
    for base, said in (
        (spectral_stepper(BURGERS, GRID, 0.05), "one call of the base covers 0.05, one of the data 0.1"),
        (spectral_stepper(BURGERS, other, STEP), r"the base lives on a box of lengths \[3.0\], the data on \[6.28"),
        (spectral_stepper(Equation("v_t = v_xx"), GRID, STEP), "the base has the fields v, the data u"),
        (lambda u: jnp.asarray(np.asarray(u)), "base <lambda> cannot be compiled by JAX, take jax.numpy for NumPy"),
    ):
        with pytest.raises(ValueError, match=said):
            Supervised(base=base).build(NETWORK, CARD, key=jax.random.key(0))


def test_a_network_given_by_words_trains_beside_a_base(host):
    dataset = data()
    method = Supervised(base=lambda u: 0.9 * u, role=Correct())
    trained = pdejax.fit(method, NETWORK, pdejax.ArrayFeed(dataset, batch_size=8), steps=2, show=False)
    size = DataCard.of(dataset, method).statistics["rms_residual"]
    np.testing.assert_allclose(trained.residual, size, rtol=1e-6)


def test_gradients_go_through_host_and_operator(host):
    operator = built(Tendency(), host)
    with jax.enable_x64(True):
        mine = operator.within(Mine(jnp.asarray(0.1)))
        u, v = (jnp.asarray(normal(1, 32, 1, seed=i), jnp.float64) for i in (1, 2))
        energy = jax.jit(lambda u: jnp.mean(trajectory(mine, u, 3)[-1] ** 2))
        _, slope = jax.jvp(energy, (u,), (v,))
        back = jnp.vdot(jax.grad(energy)(u), v)
        differences = (energy(u + 1e-2 * v) - energy(u - 1e-2 * v)) / 2e-2
        np.testing.assert_allclose(back, slope, rtol=1e-6)  # the network is one of single precision
        np.testing.assert_allclose(differences, slope, rtol=1e-3)


def test_frozen_parts_take_no_gradient(host):
    operator, u = built(Tendency(), host), normal(1, 32, 1)
    loss = lambda o: jnp.sum(o(u) ** 2)
    slopes = jax.jit(jax.grad(loss))
    frozen = slopes(operator.within(Mine(jnp.asarray(0.1))))
    free = slopes(operator.within(Mine(jnp.asarray(0.1)), frozen=False))
    assert float(frozen.base.nu) == 0
    assert float(free.base.nu) != 0
    assert not any(jnp.any(x) for x in jax.tree.leaves((frozen.normalisation, frozen.residual)))
    assert any(jnp.any(x) for x in jax.tree.leaves(frozen.network))


@pytest.mark.parametrize("role", [None, Tendency()])
def test_who_optimises_an_operator_trains_its_weights(role, host):
    operator, u = built(role, host if role else None), normal(2, 32, 1)
    optimiser = optax.adam(1e-2)
    arrays, static = eqx.partition(operator, eqx.is_inexact_array)

    @jax.jit
    def update(arrays, state):
        grads = jax.grad(lambda a: jnp.mean(eqx.combine(a, static)(u) ** 2))(arrays)
        with jax.numpy_dtype_promotion("standard"):  # of Adam
            steps, state = optimiser.update(grads, state)
        return optax.apply_updates(arrays, steps), state

    new, _ = update(arrays, optimiser.init(arrays))
    same = lambda part: eqx.tree_equal(part(new), part(arrays))
    assert same(lambda o: (o.normalisation, o.base, o.residual))
    assert not same(lambda o: o.network)


def test_the_number_of_a_step_tells_the_time_exactly(host):
    """A host that looks its forcing up by time finds the entry of each of 10^5 steps, in single precision."""

    class Clock(eqx.Module):
        time: jnp.ndarray
        step_size: float = eqx.field(static=True, default=STEP)

        def at(self, time):
            return Clock(jnp.asarray(time, jnp.float32))

        def __call__(self, u, tendency=0.0):
            number = jnp.rint(self.time / STEP).astype(u.dtype)
            return u.at[..., 0, 0].add((number == u[..., 1, 0]).astype(u.dtype)).at[..., 1, 0].add(1)

    clock = built(Tendency(), host).within(Clock(jnp.zeros(())))
    silent = eqx.tree_at(lambda o: o.network, clock, lambda x, **_: 0 * x)
    last, _ = jax.jit(lambda u: unroll(silent, u, 1, inner_steps=100_000))(jnp.zeros((1, 32, 1)))
    assert float(last[0, 0, 0]) == 100_000


def test_a_rollout_in_parts_is_that_in_one_piece(host):
    operator, u, key = built(Tendency(), host), normal(1, 32, 1), jax.random.key(0)

    class Noisy(eqx.Module):
        def __call__(self, u: State, *, key: Key | None = None) -> State:
            return operator(u) + 1e-3 * jax.random.normal(key, u.shape, u.dtype)

    run = jax.jit(lambda u, first, steps=4: unroll(Noisy(), u, steps, key=key, first_step=first))
    middle, before = run(u, 0)
    end, after = run(middle, 4)
    whole_end, whole = jax.jit(lambda u: unroll(Noisy(), u, 8, key=key, checkpoint=(2, 4)))(u)
    np.testing.assert_allclose(jnp.concatenate([before, after]), whole, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(end, whole_end, rtol=1e-6, atol=1e-7)


def test_a_diffrax_solve_takes_the_learned_term(host):
    operator, u = built(Tendency(held=False), host), 0.5 * normal(1, 32, 1)
    known = diffrax.ODETerm(lambda t, u, args: rhs(BURGERS, u, GRID, dealias=2 / 3))

    @jax.jit
    def both(u):
        terms = diffrax.MultiTerm(known, operator.term())
        solution = diffrax.diffeqsolve(terms, diffrax.Tsit5(), 0.0, 3 * STEP, STEP / 50, u, max_steps=200)
        return solution.ys[-1], trajectory(operator, u, 3)[-1]

    solved, stepped = both(u)
    assert float(jnp.max(jnp.abs(stepped - trajectory(host, u, 3)[-1]))) > 1e-2  # the term does something
    np.testing.assert_allclose(solved, stepped, atol=2e-5)


def test_an_exponax_rollout_takes_the_operator_and_ours_an_exponax_stepper(host):
    exponax = pytest.importorskip("exponax")
    operator, u = built(Tendency(), host), normal(1, 32, 1)
    theirs = exponax.rollout(to_channels_first(operator), 4)
    np.testing.assert_allclose(
        jnp.moveaxis(jax.jit(theirs)(u[0].T), 1, -1), jax.jit(lambda u: trajectory(operator, u, 4))(u)[:, 0], atol=1e-6
    )
    ours, phases = spectral_stepper(BURGERS, GRID, STEP / 4), normal(2, 3, 1, 1)
    states = jnp.sin(jnp.asarray(GRID.axes()[0], jnp.float32)[None, None, :, None] + phases)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # of Exponax
        step = exponax.stepper.Burgers(1, 2 * np.pi, 32, STEP / 4, diffusivity=0.1, convection_scale=1.0)
        corrected = built(Correct(), host).within(repeated(from_channels_first(step, 1), 4))
        found, one = jax.jit(lambda u: (trajectory(from_channels_first(step, 1), u, 4), corrected(u)))(states)
    expected, other = jax.jit(lambda u: (trajectory(ours, u, 4), built(Correct(), host)(u)))(states)
    np.testing.assert_allclose(found, expected, atol=1e-4)  # theirs is of order two
    np.testing.assert_allclose(one, other, atol=1e-4)


# ---- from data and back


@pytest.mark.long
def test_without_its_gradient_a_base_is_unrolled_all_the_same(host):
    """The gradient is that of a step whose base is a constant."""
    operator = built(Correct(), host)
    states = jnp.stack([normal(2, 32, 1, seed=i) for i in range(3)], 1)
    batch = pdejax.data.Batch(
        states, jnp.zeros((2, 32, 0)), jnp.zeros((2, 0)), jnp.arange(2, dtype=jnp.int32), jnp.ones(2)
    )
    keys = jax.random.split(jax.random.key(0), 2)

    def gradients(**options):
        method = Supervised(base=host, unroll=2, **options)
        loss = lambda network: jnp.mean(
            method.loss(eqx.tree_at(lambda o: o.network, operator, network), batch, keys)[0]
        )
        return jax.jit(jax.value_and_grad(loss))(operator.network)

    def by_hand(network):
        o = eqx.tree_at(lambda o: o.network, operator, network)
        u, total = states[:, 0], 0.0
        for i in (1, 2):
            u = jax.lax.stop_gradient(host(u)) + 0.05 * o.scaled(u, None)
            total = total + jnp.mean(((u - states[:, i]) / 0.05) ** 2)
        return total / 2

    (whole, full), (value, cut) = gradients(), gradients(through_base=False)
    expected = jax.jit(jax.grad(by_hand))(operator.network)
    assert float(whole) == pytest.approx(float(value), rel=1e-6)
    close = lambda a, b: all(
        np.allclose(x, y, rtol=2e-3, atol=1e-5) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )
    assert close(cut, expected)
    assert not close(full, expected)


@pytest.mark.parametrize("role", [Correct(), Tendency()])
def test_physical_parameters_are_differentiable_through_the_solver(role):
    """The slope by a parameter of a bound operator is that of differences, and the solver has a part in it."""
    dataset, method = data(), Supervised(base=SolverBase(pdejax.ETDRK(order=2)), role=role)
    model, u = drawn(method, NETWORK, DataCard.of(dataset, method)), normal(4, 32, 1)
    of = lambda nu: jnp.mean(model.bind({"nu": nu})(u) ** 2)
    slope = jax.jit(jax.grad(of))(jnp.asarray(0.1))
    high, low = jax.jit(lambda: (of(jnp.asarray(0.105)), of(jnp.asarray(0.095))))()
    assert float(slope) == pytest.approx(float(high - low) / 0.01, rel=2e-2)
    alone = lambda nu: jnp.mean(model.base.bind({"nu": nu})(u) ** 2)
    assert abs(float(slope)) > 0.3 * abs(float(jax.jit(jax.grad(alone))(jnp.asarray(0.1)))) > 0


def test_what_is_frozen_stays_so_when_parameters_are_bound():
    dataset, method = data(), Supervised(base=SolverBase(pdejax.ETDRK(order=2)), role=Tendency())
    model, u = drawn(method, NETWORK, DataCard.of(dataset, method)), normal(4, 32, 1)
    slopes = jax.jit(jax.grad(lambda m: jnp.sum(m.bind({"nu": 0.1})(u) ** 2)))(model)
    assert not any(jnp.any(x) for x in jax.tree.leaves((slopes.base, slopes.normalisation, slopes.residual)))
    assert any(jnp.any(x) for x in jax.tree.leaves(slopes.network))
    sequential = drawn(Supervised(base=stepper(), role=Correct("sequential")), NETWORK, CARD)
    slopes = jax.jit(jax.grad(lambda m: jnp.sum(m(u) ** 2)))(sequential)
    assert not any(jnp.any(x) for x in jax.tree.leaves((slopes.base, slopes.normalisation)))


def test_a_bound_operator_is_saved_as_it_was_before(tmp_path):
    dataset, method = data(), Supervised(base=SolverBase(pdejax.ETDRK(order=2)), role=Tendency())
    model = drawn(method, NETWORK, DataCard.of(dataset, method))
    save_model(tmp_path, model.bind({"nu": 0.1}))
    assert eqx.tree_equal(load_model(tmp_path), model)

    class Decay(eqx.Module):
        rate: jnp.ndarray

        def bind(self, parameters):
            return Decay(jnp.asarray(parameters["nu"]))

        def __call__(self, u):
            return u

    own = eqx.tree_at(lambda o: o.base, model, Decay(jnp.ones(1)))
    with pytest.raises(
        ValueError, match=r"Decay, the base of this operator, is bound to parameters: save the operator"
    ):
        save_model(tmp_path, own.bind({"nu": 0.1}))


def test_a_held_tendency_without_the_solvers_gradient_is_one_added_at_the_end(host):
    operator = built(Tendency(), host, through_base=False)
    states = jnp.stack([normal(2, 32, 1, seed=i) for i in range(2)], 1)
    batch = pdejax.data.Batch(
        states, jnp.zeros((2, 32, 0)), jnp.zeros((2, 0)), jnp.arange(2, dtype=jnp.int32), jnp.ones(2)
    )
    keys = jax.random.split(jax.random.key(0), 2)
    method = Supervised(base=host, role=Tendency(), through_base=False)
    put = lambda network: eqx.tree_at(lambda o: o.network, operator, network)
    loss = lambda network: jnp.mean(method.loss(put(network), batch, keys)[0])

    def by_hand(network):
        added = STEP * put(network).rate(0.0, states[:, 0])
        frame = jax.lax.stop_gradient(host(states[:, 0], tendency=added / STEP) - added) + added
        return jnp.mean(((frame - states[:, 1]) / 0.05) ** 2)

    (value, found), (other, expected) = (jax.jit(jax.value_and_grad(f))(operator.network) for f in (loss, by_hand))
    assert float(value) == pytest.approx(float(other), rel=1e-5)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * float(jnp.max(jnp.abs(b))))


def test_a_solver_on_fewer_points_takes_the_tendency_on_its_own():
    dataset, method = data(), Supervised(base=SolverBase(pdejax.ETDRK(order=2), coarser=2), role=Tendency())
    model, u = drawn(method, NETWORK, DataCard.of(dataset, method)), normal(2, 32, 1)
    coarse = pdejax.spectral_stepper(BURGERS, Grid((16,), GRID.lengths), STEP, order=2)
    run = jax.jit(lambda u: (model.bind({"nu": 0.1})(u), model.bind({"nu": 0.1}).rate(0.0, u)))
    found, rate = run(u)
    expected = jax.jit(coarse)(pdejax.core.resample(u, (16,)), tendency=pdejax.core.resample(rate, (16,)))
    kept = pdejax.core.resample(found, (16,))
    np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-5)


def test_an_operator_of_several_frames_has_no_rate(host):
    operator = built(Tendency(), host, history=2)
    with pytest.raises(ValueError, match="sees 2 frames, which a state of a simulation does not hold"):
        operator.rate(0.0, normal(1, 32, 2))
    with pytest.raises(ValueError, match="sees 2 frames"):
        operator.term()


def test_what_does_not_fit_is_refused(host):
    for options, said in (
        ({"role": Correct()}, "role needs a base"),
        ({"through_base": False}, "through_base=false has no effect"),
        ({"base": host, "role": Replace()}, "base has no effect"),
        ({"base": host, "role": Correct("sequential"), "history": 2}, "history=2 needs role=correct in parallel"),
        ({"base": host, "role": Tendency(False), "through_base": False}, "needs a tendency that is held"),
        ({"base": SolverBase()}, "do not say which problem they solve"),
        ({"base": host, "role": Correct("sequential"), "conserve_mean": True}, "conserve_mean needs a network that"),
    ):
        with pytest.raises(ValueError, match=said):
            Supervised(**options).build(NETWORK, CARD, key=jax.random.key(0))
    bare = DataCard(**{**CARD.to_json(), "statistics": {"mean": [0.0], "std": [1.0], "rms_delta": [1.0]}})
    with pytest.raises(ValueError, match=r"take the card DataCard.of\(data, method\)"):
        Supervised(base=host).build(NETWORK, bare, key=jax.random.key(0))


def data():
    """Trajectories of a family whose viscosity varies, solved here."""
    family = pdejax.Family(
        "burgers", BURGERS, GRID, {"u": {"kind": "sum_of_sines", "count": 2, "wavenumbers": (1, 2), "amplitude": 0.5}},
        vary={"nu": (0.05, 0.2)}, times=pdejax.Times(STEP),
    )  # fmt: skip
    nu = np.linspace(0.05, 0.2, 4)
    fine = pdejax.ETDRK(substeps=8).stepper(family, {"nu": nu})
    frames = jax.jit(lambda u: trajectory(fine, u, 5, include_initial=True))(normal(4, 32, 1))
    states = np.moveaxis(np.asarray(frames), 0, 1)
    arrays = pdejax.Arrays(states, step=STEP, domain=GRID, parameters={"nu": nu})
    arrays.family, arrays.simulator = family, pdejax.ETDRK(substeps=8)
    return arrays


def test_the_scale_of_the_output_is_what_the_solver_leaves():
    dataset = data()
    method = Supervised(base=SolverBase(pdejax.ETDRK(order=2)), role=Tendency())
    card = DataCard.of(dataset, method)
    states, nu = dataset.split("train").states, dataset.split("train").parameters["nu"]
    coarse = pdejax.ETDRK(order=2).stepper(dataset.family, {"nu": nu})
    missed = states[:, 1:] - np.moveaxis(jax.jit(jax.vmap(coarse))(np.moveaxis(states[:, :-1], 1, 0)), 0, 1)
    assert card.statistics["rms_residual"][0] == pytest.approx(np.sqrt(np.mean(missed**2)), rel=1e-5)
    with pytest.raises(ValueError, match="there is nothing to learn"):
        DataCard.of(dataset, Supervised(base=SolverBase(pdejax.ETDRK(substeps=8))))
    with pytest.raises(ValueError, match="diverges within one step on the training data"):
        DataCard.of(dataset, Supervised(base=lambda u: jnp.exp(200 * jnp.exp(u * u))))


def test_a_base_of_ones_own_is_told_what_was_solved_where_words_can_say_it():
    class Half(eqx.Module):
        solver: eqx.Module

        def __call__(self, u):
            return 0.5 * self.solver(u)

    class OfData:
        def made_for(self, card):
            family = pdejax.core.build("problem", card.source["family"])
            return Half(pdejax.ETDRK(order=2).stepper(family, {"nu": 0.1}))

    dataset = data()
    dataset.simulator = lambda u: u  # of which no word can be written
    method = Supervised(base=OfData())
    card = DataCard.of(dataset, method)
    assert list(card.source) == ["family"]
    coarse = pdejax.ETDRK(order=2).stepper(dataset.family, {"nu": 0.1})
    u = normal(2, 32, 1)
    made = drawn(method, NETWORK, card)
    np.testing.assert_allclose(eqx.filter_jit(made.base)(u), 0.5 * eqx.filter_jit(coarse)(u), rtol=1e-6)
    DataCard.of(dataset, Supervised(base=SolverBase(pdejax.ETDRK(order=2))))
    with pytest.raises(ValueError, match=r"do not say by what they were solved: say by what, base\.simulator="):
        DataCard.of(dataset, Supervised(base=SolverBase(coarser=2)))


def test_a_hybrid_is_saved_as_words_and_weights(tmp_path):
    dataset, method = data(), Supervised(base=SolverBase(pdejax.ETDRK(order=2)), role=Tendency())
    model = drawn(method, NETWORK, DataCard.of(dataset, method))
    assert not jax.tree.leaves(model.base)  # nothing of a solver that weights decay in
    save_model(tmp_path, model)
    assert not any("base" in name for name in safetensors.numpy.load_file(tmp_path / "weights.safetensors"))
    again, u = load_model(tmp_path), normal(4, 32, 1)
    nu = np.linspace(0.05, 0.2, 4)
    run = jax.jit(lambda one, u: one.bind({"nu": nu})(u))
    np.testing.assert_array_equal(run(again, u), run(model, u))
    coarse = pdejax.ETDRK(order=2).stepper(dataset.family, {"nu": nu})
    expected = jax.jit(lambda u: coarse(u, tendency=model.bind({"nu": nu}).rate(0.0, u)))(u)
    np.testing.assert_allclose(run(model, u), expected, rtol=1e-5, atol=1e-6)
