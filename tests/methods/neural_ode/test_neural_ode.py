"""Learned differential equations: what is solved, in which units, and what training sees of it."""

import dataclasses
import math

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Predictor, Stepper, build, trajectory
from pdejax.data import Batch
from pdejax.equations import Equation
from pdejax.methods import (
    DataCard,
    Latent,
    NeuralODE,
    NoiseModel,
    SolverRegularization,
    fair_crps,
    load_model,
    save_model,
)
from pdejax.solvers import Integrator, spectral_stepper
from tests.methods._drawn import drawn

NETWORK = {"kind": "perceptron", "width": 6, "depth": 1}
PLANE = DataCard(
    shape=(8, 6),
    lengths=(2.0, 3.0),
    step=0.1,
    field_names=("u",),
    parameter_names=(),
    statistics={"mean": [0.5], "std": [2.0], "rms_delta": [0.3]},
    periodic=(True, True),
)
FIXED = Integrator(diffrax.Heun(), diffrax.ConstantStepSize(), first_step=0.5)
CLOSE = Integrator(controller=diffrax.PIDController(rtol=1e-6, atol=1e-6))
VECTOR = Latent("vector", 3, NETWORK)
FIELD = Latent("field", 3, NETWORK)
ADDITIVE = Integrator(diffrax.ShARK(), diffrax.ConstantStepSize(), first_step=0.5)
MULTIPLICATIVE = Integrator(diffrax.SPaRK(), diffrax.PIDController(rtol=1e-2, atol=1e-2))


@pytest.fixture
def card(card):
    return dataclasses.replace(card, periodic=(True,))


def silent(model):
    """The same operator, of whose network nothing comes."""
    zero = jax.tree.map(lambda x: 0 * x if eqx.is_inexact_array(x) else x, model.tendency.network)
    return eqx.tree_at(lambda m: m.tendency.network, model, zero)


def fields(card, *batch, seed=0):
    shape = (*batch, *card.shape, len(card.field_names))
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def bound(model, size):
    names = model.info.parameters
    return model.bind({name: jnp.linspace(2.5, 3.5, size) for name in names}) if names else model


KINDS = {
    "line": {},
    "plane": {"card": PLANE},
    "latent_field": {"latent": FIELD},
    "latent_vector": {"latent": VECTOR, "card": PLANE},
    "hybrid": {"terms": ("u_t = -u*u_x + nu*u_xx", "v_t = u_x + nu*v_xx"), "parameters": {"nu": 1.0}},
    "time": {"time_dependent": True},
    "mean": {"conserve_mean": True},
    "additive": {"noise": NoiseModel(), "solver": ADDITIVE},
    "multiplicative": {"noise": NoiseModel(NETWORK), "solver": MULTIPLICATIVE, "card": PLANE},
}


@pytest.fixture
def made(card):
    def make(name, **options):
        options = {"solver": FIXED} | KINDS[name] | options
        of = options.pop("card", card)
        return drawn(NeuralODE(**options), NETWORK, of), of

    return make


# ---- the contract


# each solve that is traced has its price: what these add to the others is tested below, too
FURTHER = ("plane", "latent_field", "time", "mean", "multiplicative")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in FURTHER else ()) for name in KINDS]
)
def test_shapes_and_types_are_those_of_the_argument(name, made, key):
    model, card = made(name)
    assert isinstance(model, Stepper)
    assert isinstance(model, Predictor)
    step = lambda u: bound(model, 1)(u, key=key)
    predict = lambda u: bound(model, 3).predict(u, [0.03, 0.5, 0.77], key=key)
    for run, leading, batch, dtype in ((step, (), (), jnp.float32), (predict, (3,), (2, 3), jnp.bfloat16)):
        u = jax.ShapeDtypeStruct((*batch, *card.shape, len(card.field_names)), dtype)
        out = eqx.filter_eval_shape(run, u)
        assert (out.shape, out.dtype) == ((*leading, *u.shape), dtype)


CLOSELY = {"rtol": 1e-4, "atol": 1e-5}


@pytest.mark.long
def test_it_is_a_stepper(made):
    model, card = made("line")
    model, u = bound(model, 2), fields(card, 2, 2)

    @jax.jit
    def run(u):
        change = lambda u: jnp.sum(jnp.sin(model(u)))
        return {
            "plain": model(u),
            "mapped": jax.vmap(model)(u),
            "scanned": trajectory(model, u, 2),
            "predicted": model.predict(u, np.array([1.0, 2.0]) * model.step_size),
            "gradient": jax.grad(change)(u),
            "along": jax.grad(lambda e: change(u + e * jnp.cos(u)))(0.0),
        }

    out = run(u)
    assert float(jnp.max(jnp.abs(out["plain"] - u))) > 1e-2
    np.testing.assert_allclose(out["mapped"], out["plain"], **CLOSELY)
    np.testing.assert_allclose(out["scanned"][0], out["plain"], **CLOSELY)
    np.testing.assert_allclose(out["predicted"], out["scanned"], **CLOSELY)
    np.testing.assert_allclose(jnp.sum(out["gradient"] * jnp.cos(u)), out["along"], rtol=1e-3)
    assert abs(float(out["along"])) > 1e-2


@pytest.mark.parametrize("name", ["line", pytest.param("latent_vector", marks=pytest.mark.long)])
def test_batch_axes_are_free(name, made):
    model, card = made(name)
    u, alone = fields(card, 2, 2), model.bind({"nu": 3.5}) if name == "line" else model
    whole, one = jax.jit(lambda u: (bound(model, 2)(u), alone(u[1, 1])))(u)
    np.testing.assert_allclose(one, whole[1, 1], **CLOSELY)
    assert float(jnp.max(jnp.abs(whole - u))) > 1e-2


def test_states_that_do_not_fit_are_named(made):
    model, _ = made("line")
    with pytest.raises(ValueError, match=r"expected a state \(\*batch, x, 2\) of u, v, got shape \(16, 3\)"):
        model.bind({"nu": 1.0})(jnp.zeros((16, 3)))
    with pytest.raises(ValueError, match="depends on nu: call bind"):
        model(jnp.zeros((16, 2)))
    vector, _ = made("latent_vector")
    with pytest.raises(ValueError, match=r"fields on the grid \(8, 6\), got one on \(8, 8\)"):
        vector(jnp.zeros((8, 8, 1)))
    with pytest.raises(ValueError, match="stochastic: give a key"):
        made("multiplicative")[0](jnp.zeros((8, 6, 1)))


@pytest.mark.long  # that a further time changes no other is tested of the integration itself
def test_two_predictions_add_up(made):
    model, card = made("line", solver=CLOSE)
    model, u = bound(model, 2), fields(card, 2)
    at = lambda u, *times: model.predict(u, np.array(times))
    first, second = jax.jit(lambda u: at(u, 0.31, 0.9))(u)
    then = jax.jit(lambda u: at(u, 0.59)[0])(first)
    np.testing.assert_allclose(second, then, atol=1e-4)
    assert float(jnp.max(jnp.abs(then - first))) > 0.1


@pytest.mark.long
def test_noise_of_a_sample_does_not_depend_on_the_batch(made, key):
    model, card = made("additive", solver=FIXED)
    u = fields(card, 4)
    run = jax.jit(lambda u, key: model.bind({"nu": 3.0})(u, key=key))
    whole = run(u, key)
    np.testing.assert_allclose(run(u[:2].reshape(1, 2, 16, 2), key)[0], whole[:2], atol=1e-5)
    assert float(jnp.max(jnp.abs(run(u, jax.random.key(8)) - whole))) > 1e-3


# ---- what is solved


def test_a_network_sees_normalised_fields_and_gives_increments_of_a_step(made):
    model, card = made("line")
    model, u = bound(model, 3), fields(card, 3)
    mean, std, delta = (np.array(card.statistics[name], np.float32) for name in ("mean", "std", "rms_delta"))
    condition = jnp.array([[-1.0], [0.0], [1.0]])
    out = model.tendency.network(jnp.asarray((np.asarray(u) - mean) / std), condition=condition)
    np.testing.assert_allclose(model.rate(0.0, u), np.asarray(out) * delta / card.step, rtol=1e-4, atol=1e-6)


def test_time_is_told_in_data_steps(made):
    (model, _), z = made("time"), jnp.ones((2, 16, 2))
    condition = jnp.array([[0.3], [0.4]])
    told = model.tendency.network(z, condition=jnp.array([[0.3, 3.0], [0.4, 3.0]]))
    np.testing.assert_allclose(
        model.tendency(3 * 0.5, z, condition), told * model.tendency.scale[None, None], rtol=1e-5
    )


def test_the_mean_is_kept(made):
    (model, card), (free, _) = made("mean"), made("line")
    u = fields(card, 2)
    kept, moved = jax.jit(lambda u: (bound(model, 2)(u), bound(free, 2)(u)))(u)
    np.testing.assert_allclose(jnp.mean(kept, 1), jnp.mean(u, 1), atol=1e-5)
    assert float(jnp.max(jnp.abs(jnp.mean(moved - u, 1)))) > 1e-3
    assert float(jnp.max(jnp.abs(kept - u))) > 1e-3


@pytest.mark.parametrize("name", [pytest.param("latent_field", marks=pytest.mark.long), "latent_vector"])
def test_a_latent_equation_is_solved_between_encoder_and_decoder(name, made):
    model, card = made(name)
    model, u = bound(model, 2), fields(card, 2)
    condition, end = model.condition((2,)), 2 * card.step

    @jax.jit
    def run(u):
        z = model.encode(u, condition)
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(model.tendency), diffrax.Heun(), 0.0, end, card.step / 2, z, condition, max_steps=4
        )
        return z, model.decode(solution.ys, condition)[0], model.predict(u, [end])[0]

    z, expected, predicted = run(u)
    assert z.shape == ((2, 16, 3) if name == "latent_field" else (2, 3))
    np.testing.assert_allclose(predicted, expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"lives in a latent space.*solve operator.tendency"):
        model.rate(0.0, u)


def heat(ndim, varying):
    terms = "u_t = nu*u_xx" if ndim == 1 else "u_t = nu*u_xx + nu*u_yy"
    moments = {"parameter_mean": [0.2], "parameter_std": [0.1]} if varying else {}
    card = dataclasses.replace(
        PLANE, shape=PLANE.shape[:ndim], lengths=PLANE.lengths[:ndim], periodic=(True,) * ndim,
        parameter_names=("nu",) if varying else (),
        statistics={**PLANE.statistics, **moments},
    )  # fmt: skip
    return NeuralODE(terms=(terms,), parameters={"nu": 0.3}, solver=CLOSE), card


@pytest.mark.parametrize(("ndim", "varying"), [(1, True), pytest.param(2, False, marks=pytest.mark.long)])
def test_known_physics_alone_is_the_declared_equation(ndim, varying, key):
    method, card = heat(ndim, varying)
    model = silent(drawn(method, NETWORK, card))
    nu = np.array([0.1, 0.4]) if varying else np.array([0.3, 0.3])
    if varying:
        model = model.bind({"nu": nu})
    x = Grid(card.shape, card.lengths).coordinates()
    waves = 2 * np.pi * np.array([1, 2])[:ndim] / np.array(card.lengths)
    u = np.stack([a * np.cos(x @ waves) for a in (1.0, 3.0)])[..., None]
    times = np.array([0.1, 0.35])
    decay = np.exp(-np.sum(waves**2) * nu[None] * times[:, None])
    predicted = jax.jit(lambda u: model.predict(u, times))(jnp.asarray(u, jnp.float32))
    expected = decay.reshape(2, 2, *(1,) * (ndim + 1)) * u[None]
    np.testing.assert_allclose(predicted, expected, atol=2e-5)


def test_known_physics_agrees_with_the_spectral_solver(key):
    terms, nu = ("u_t = -u*u_x + nu*u_xx",), jnp.array([0.05, 0.2])
    statistics = {"mean": [0.3], "std": [1.5], "rms_delta": [0.1], "parameter_mean": [0.1], "parameter_std": [0.1]}
    card = dataclasses.replace(
        PLANE, shape=(32,), lengths=(6.0,), periodic=(True,), parameter_names=("nu",), statistics=statistics
    )
    method = NeuralODE(terms=terms, parameters={"nu": 1.0}, solver=CLOSE)
    model = silent(drawn(method, NETWORK, card)).bind({"nu": nu})
    x = Grid(card.shape, card.lengths).coordinates()[:, 0] * 2 * np.pi / 6
    u = jnp.asarray(np.stack([np.sin(x) + 0.5, np.cos(2 * x) - np.sin(x)])[..., None], jnp.float32)
    solver = spectral_stepper(
        Equation(terms, {"nu": 1.0}), Grid((32,), (6.0,)), 0.01, substeps=50, parameters={"nu": nu}
    )
    predicted, expected = jax.jit(lambda u: (model.predict(u, [0.5])[0], solver(u)))(u)
    np.testing.assert_allclose(predicted, expected, atol=1e-4)
    assert float(jnp.max(jnp.abs(expected - u))) > 0.3


@pytest.mark.long
def test_an_operator_is_a_term_of_other_solves(made, key):
    model, card = made("line")
    model, u = bound(model, 2), fields(card, 2)
    heated, small = heat(1, False)
    known = silent(drawn(heated, NETWORK, small))

    def solve(solver, term, u, end, step):
        return diffrax.diffeqsolve(term, solver, 0.0, end, step, u, max_steps=16).ys[0]

    @jax.jit
    def run(u):
        wave = jnp.cos(2 * jnp.pi * jnp.arange(8.0) / 8)[:, None]
        decaying = diffrax.MultiTerm(known.term(), diffrax.ODETerm(lambda t, y, args: -2 * y))
        alone = solve(diffrax.Heun(), model.term(), u, 0.5, 0.25)
        return alone, model(u), wave, solve(diffrax.Tsit5(), decaying, wave, 0.3, 0.05)

    alone, stepped, wave, decayed = run(u)
    np.testing.assert_allclose(alone, stepped, atol=1e-5)
    np.testing.assert_allclose(decayed, wave * np.exp(-(2 + 0.3 * np.pi**2) * 0.3), atol=1e-5)

    def change(network):
        moved = eqx.tree_at(lambda m: m.tendency.network, model, network)
        return jnp.mean(jnp.square(solve(diffrax.Heun(), moved.term(), u, 0.5, 0.25) - u))

    gradient = eqx.filter_jit(eqx.filter_grad(change))(model.tendency.network)
    assert all(float(jnp.max(jnp.abs(g))) > 1e-6 for g in jax.tree.leaves(gradient))


# ---- training


def window(card, frames, batch=3, seed=1):
    states = fields(card, batch, frames, seed=seed)
    return Batch(
        states=states,
        inputs=jnp.zeros((batch, *card.shape, 0)),
        parameters=jnp.linspace(2.5, 3.5, batch)[:, None][:, : len(card.parameter_names)],
        row=jnp.arange(batch, dtype=jnp.int32),
        mask=jnp.ones(batch),
    )


@pytest.mark.parametrize(("name", "latent"), [("line", False), ("latent_vector", True)])
def test_the_loss_is_that_of_the_operators_own_prediction(name, latent, made, key):
    integrator = FIXED if latent else Integrator()
    model, card = made(name, solver=integrator)
    method = NeuralODE(unroll=2, latent=KINDS[name].get("latent"), solver=integrator)
    batch = window(card, 3)

    @jax.jit
    def run(batch):
        own = bound(model, 3)
        predicted, account = own.solve(batch.states[:, 0], np.array([1, 2]) * card.step)
        condition = own.condition((3,))
        again = own.decode(own.encode(batch.states[:, 0], condition)[None], condition)
        return method.loss(model, batch, jax.random.split(key, 3)), predicted, account, again

    (loss, metrics), predicted, account, again = run(batch)
    frames = np.moveaxis(np.asarray(batch.states), 1, 0)
    if latent:
        predicted, compared = np.concatenate([again, predicted]), frames
    else:
        predicted, compared = np.asarray(predicted), frames[1:]
    scaled = (predicted - compared) / np.array(card.statistics["rms_delta"])
    assert loss.shape == (3,)
    np.testing.assert_allclose(loss, (scaled**2).reshape(len(scaled), 3, -1).mean((0, 2)), rtol=1e-3)
    norm = lambda x: np.linalg.norm(x.reshape(len(x), 3, -1), axis=-1)
    np.testing.assert_allclose(metrics["nrmse"], (norm(predicted - compared) / norm(compared))[-2], rtol=1e-3)
    np.testing.assert_allclose(metrics["nrmse_last"], (norm(predicted - compared) / norm(compared))[-1], rtol=1e-3)
    np.testing.assert_array_equal(metrics["nfe"], np.full(3, int(account.evaluations)))
    if latent:
        assert "solver_error" not in metrics
        return
    np.testing.assert_allclose(metrics["solver_error"], account.error.over_time / account.horizon, rtol=1e-4)
    np.testing.assert_allclose(metrics["solver_stiffness"], account.stiffness.over_time / account.horizon, rtol=1e-4)
    for name in ("penalty", "penalty_weight", "unfinished", "rejected_steps"):
        np.testing.assert_array_equal(metrics[name], int(account.rejected) if name == "rejected_steps" else 0)


@pytest.mark.parametrize(
    ("name", "tolerance", "options"),
    [
        pytest.param("latent_vector", 1e-12, {"regularization": SolverRegularization("both")}, marks=pytest.mark.long),
        ("line", 1e-12, {"regularization": SolverRegularization("error", "global"), "unroll": 2}),
    ],
)
def test_a_solve_cut_short_teaches_nothing_wrong(name, tolerance, options, made, key):
    integrator = Integrator(controller=diffrax.PIDController(rtol=tolerance, atol=tolerance), max_steps=2)
    model, card = made(name, solver=integrator, **options)
    method = NeuralODE(**{k: v for k, v in KINDS[name].items() if k != "card"}, **options, solver=integrator)
    batch = window(card, method.window)

    def mean(model):
        loss, metrics = method.loss(model, batch, jax.random.split(key, 3))
        return jnp.mean(loss), (loss, metrics)

    (_, (loss, metrics)), gradient = eqx.filter_jit(eqx.filter_value_and_grad(mean, has_aux=True))(model)
    np.testing.assert_array_equal(metrics["unfinished"], 1)
    assert np.all(np.isfinite(loss))
    assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(gradient))


def test_a_penalty_has_its_weight_at_the_moment(made, key):
    model, card = made("line", solver=Integrator())
    method = NeuralODE(regularization=SolverRegularization("error", "global", 2e6, 2e4))
    batch = window(card, 2)
    traced = []

    @eqx.filter_jit
    def run(method):
        traced.append(None)
        return method.loss(model, batch, jax.random.split(key, 3))

    (first, start), (last, end) = (run(method.at(jnp.asarray(p))) for p in (0.0, 1.0))
    np.testing.assert_allclose([start["penalty_weight"][0], end["penalty_weight"][0]], [2e6, 2e4], rtol=1e-5)
    np.testing.assert_allclose(start["penalty"], start["solver_error"], rtol=1e-5)
    np.testing.assert_allclose(first - last, 1.98e6 * start["penalty"], rtol=1e-3)
    assert len(traced) == 1
    assert float(start["penalty"][0]) > 1e-5


@pytest.mark.long
def test_a_stochastic_equation_is_scored_by_its_paths(made, key):
    model, card = made("additive", solver=FIXED)
    model = eqx.tree_at(lambda m: m.noise.level, silent(model), jnp.array([0.5, -40.0]))
    method = NeuralODE(noise=NoiseModel(paths=4), solver=FIXED)
    batch = window(card, 2, batch=16)
    keys = jax.random.split(key, 16)

    def mean(model):
        loss, metrics = method.loss(model, batch, keys)
        return jnp.mean(loss), (loss, metrics)

    (_, (loss, _)), gradient = eqx.filter_jit(eqx.filter_value_and_grad(mean, has_aux=True))(model)
    distance = np.asarray(batch.states[:, 1] - batch.states[:, 0]) / np.array(card.statistics["rms_delta"])
    # fields that do not move score their distance; a normal ensemble of this spread has a closed form
    still = np.abs(distance[..., 1]).mean(1)
    spread = math.log1p(math.exp(0.5))
    noisy = normal_crps(distance[..., 0], spread).mean(1)
    np.testing.assert_allclose(np.mean(loss), np.mean((still + noisy) / 2), rtol=0.05)
    assert loss.shape == (16,)
    assert float(jnp.abs(gradient.noise.level[0])) > 1e-3


# ---- the score


def normal_crps(distance, spread):
    """Of a normal distribution, at a distance from its mean (Gneiting and Raftery 2007, eq. 21)."""
    z = distance / spread
    cumulative = 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return spread * (z * (2 * cumulative - 1) + 2 * density - 1 / math.sqrt(math.pi))


@pytest.mark.parametrize("members", [2, 5])
def test_the_score_of_an_ensemble_does_not_depend_on_its_size(members):
    truth = jnp.array([0.0, 0.7, -2.0])
    paths = 1.3 * jax.random.normal(jax.random.key(2), (members, 4000, 3))
    score = np.asarray(fair_crps(paths, jnp.broadcast_to(truth, (4000, 3))))
    expected = normal_crps(np.asarray(truth), 1.3)
    assert np.all(np.abs(score.mean(0) - expected) < 4 * score.std(0) / 4000**0.5)


def test_the_score_of_equal_members_is_their_distance(key):
    one, truth = jax.random.normal(key, (2, 7))
    np.testing.assert_allclose(fair_crps(jnp.stack([one] * 3), truth), jnp.abs(one - truth), rtol=1e-6)


# ---- what is trained, kept and refused


@pytest.mark.parametrize("name", ["hybrid", "latent_vector", "additive", "multiplicative"])
def test_networks_and_noise_are_trained_and_nothing_else(name, made):
    options = {key: value for key, value in KINDS[name].items() if key != "card"}
    model, _ = made(name)
    method = NeuralODE(**{"solver": FIXED} | options)
    marked = jax.tree_util.tree_leaves_with_path(method.trainable(model))
    names = {jax.tree_util.keystr(path, simple=True, separator=".") for path, flag in marked if flag}
    parts = ("tendency.network.", "space.encoder.", "space.decoder.", "noise.network.", "noise.level")
    inexact = jax.tree_util.tree_leaves_with_path(eqx.filter(model, eqx.is_inexact_array))
    present = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in inexact]
    assert names == {leaf for leaf in present if leaf.startswith(parts)}
    assert any(leaf.startswith("normalisation") for leaf in present)
    found = {part for part in parts if any(leaf.startswith(part) for leaf in names)}
    assert (
        found
        == {
            "hybrid": {parts[0]},
            "latent_vector": {*parts[:3]},
            "additive": {parts[0], parts[4]},
            "multiplicative": {parts[0], *parts[3:]},
        }[name]
    )


SPEC = {"kind": "neural_ode", "unroll": 2, "solver": {"name": "Tsit5", "rtol": 1e-4, "atol": 1e-6}}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"latent": {"kind": "vector", "channels": 3, "encoder": NETWORK}},
        {"noise": {"network": NETWORK}, "solver": {"name": "SPaRK", "rtol": 1e-2, "atol": 1e-3}},
    ],
    ids=["plain", "latent", "noise"],
)
def test_saved_models_are_the_same_function(more, card, key, tmp_path):
    spec = SPEC | more
    model = drawn(build("method", spec), NETWORK, card)
    save_model(tmp_path / "m", model)
    again = load_model(tmp_path / "m")
    assert eqx.tree_equal(eqx.filter(again, eqx.is_array), eqx.filter(model, eqx.is_array))
    assert type(again.integrator.solver).__name__ == spec["solver"]["name"]
    assert again.integrator.controller.rtol == spec["solver"]["rtol"]
    if not more:
        u = fields(card, 2)
        run = jax.jit(lambda u: (again.bind({"nu": 3.2})(u), model.bind({"nu": 3.2})(u)))
        np.testing.assert_array_equal(*run(u))


def test_what_does_not_fit_is_named(card, key):
    build = lambda card=card, **options: NeuralODE(**options).build(NETWORK, card, key=key)
    with pytest.raises(ValueError, match="terms speaks of the field, which a latent equation does not advance"):
        build(latent=VECTOR, terms=("u_t = u_x",))
    with pytest.raises(ValueError, match="needs a periodic grid, but this problem has walls"):
        build(dataclasses.replace(card, periodic=(False,)), terms=KINDS["hybrid"]["terms"])
    with pytest.raises(ValueError, match=r"terms give w, but the data hold u, v"):
        build(terms=("w_t = w_x",))
    with pytest.raises(ValueError, match="the data map a: take steady"):
        build(dataclasses.replace(card, input_names=("a",)))
    with pytest.raises(ValueError, match="unroll should be greater than or equal to 1, got 0"):
        build(unroll=0)
    with pytest.raises(ValueError, match="paths should be greater than or equal to 2, got 1"):
        NoiseModel(paths=1)
    with pytest.raises(ValueError, match="gradient of zero"):
        build(
            solver=Integrator(adjoint=diffrax.BacksolveAdjoint()),
            regularization=SolverRegularization(scope="global"),
        )
