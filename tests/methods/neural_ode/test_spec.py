"""Neural differential equations from plain mappings: what they become, what is refused, saved and loaded again."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.methods import (
    DataCard,
    Latent,
    NeuralODE,
    NoiseModel,
    RelativeL2,
    Solver,
    SolverRegularization,
    TaylorRegularization,
    load_model,
    save_model,
)
from pdejax.methods.neural_ode.tendency import KnownPhysics, Tendency
from pdejax.solvers import Integrator
from tests.methods._drawn import drawn, normal

SMALL = {"kind": "perceptron", "width": 4, "depth": 1}
FULL = {
    "kind": "neural_ode",
    "unroll": 3,
    "error": {"kind": "relative_l2"},
    "solver": {"name": "Dopri5", "rtol": 1e-3, "atol": 1e-5, "max_steps": 64, "first_step": "automatic"},
    "regularization": {
        "kind": "solver",
        "estimate": "both",
        "scope": "global",
        "weight": 0.3,
        "final_weight": 0.1,
        "average": "steps",
    },
    "latent": {"kind": "vector", "channels": 5, "encoder": SMALL, "decoder": None},
    "time_dependent": True,
}


@pytest.fixture
def periodic():
    return DataCard(
        shape=(8,),
        lengths=(2.0,),
        step=0.5,
        field_names=("u",),
        parameter_names=("step",),
        statistics={
            "mean": [1.0],
            "std": [2.0],
            "rms_delta": [0.2],
            "parameter_mean": [1.0],
            "parameter_std": [0.1],
        },
        periodic=(True,),
    )


def test_a_mapping_says_all():
    method = build("method", FULL)
    assert method == NeuralODE(
        unroll=3,
        error=RelativeL2(),
        solver=Solver(name="Dopri5", rtol=1e-3, atol=1e-5, max_steps=64, first_step="automatic"),
        regularization=SolverRegularization("both", "global", 0.3, 0.1, average="steps"),
        latent=Latent("vector", 5, SMALL),
        time_dependent=True,
    )
    known = build("method", {"kind": "neural_ode", "terms": "u_t = nu*u_xx", "parameters": {"nu": 0.1}})
    assert (known.terms, known.parameters) == ("u_t = nu*u_xx", {"nu": 0.1})
    noisy = build("method", {"kind": "neural_ode", "noise": {"paths": 3}, "solver": {"name": "ShARK"}})
    assert noisy.noise == NoiseModel(paths=3)
    assert build("method", {"kind": "neural_ode", "regularization": {"kind": "taylor"}}).regularization.order == 3


def test_fixed_steps_are_a_share_of_a_data_step():
    made = Solver(fixed_steps=4, name="Heun").integrator()
    assert isinstance(made.controller, diffrax.ConstantStepSize)
    assert (made.first_step, made.fixed, made.adaptive) == (0.25, True, False)
    with pytest.raises(ValueError, match=r"first_step is for steps that adapt, but fixed_steps is 4.*got 0\.1"):
        Solver(fixed_steps=4, first_step=0.1)
    with pytest.raises(ValueError, match=r"unknown option of Solver: 'fixed_step'\. Did you mean 'fixed_steps'"):
        build("method", {"kind": "neural_ode", "solver": {"fixed_step": 4}})
    with pytest.raises(ValueError, match=r"unknown solver 'Tsit'\. Did you mean 'Tsit5'"):
        Solver(name="Tsit")
    with pytest.raises(ValueError, match=r"unknown regularization 'solvr'\. Did you mean 'solver'"):
        build("method", {"kind": "neural_ode", "regularization": {"kind": "solvr"}})


@pytest.mark.long
def test_fixed_steps_are_as_long_whatever_times_are_asked_for(periodic):
    method = build("method", {"kind": "neural_ode", "solver": {"fixed_steps": 2}})
    model = drawn(method, SMALL, periodic).bind({"step": 1.0})

    @jax.jit
    def run(u):
        accepted = lambda *times: model.solve(u, np.array(times))[1].accepted
        eight = accepted(0.5, 1.0, 2.0), accepted(0.1, 2.0), accepted(2.0)
        return accepted(0.5), eight, model.predict(u, [1.0])[0], model.predict(u, [0.5, 1.0])[1]

    two, eight, alone, among = run(jnp.ones((2, 8, 1)))
    assert int(two) == 2
    assert [int(x) for x in eight] == [8, 8, 8]
    np.testing.assert_allclose(alone, among, rtol=1e-6)


@pytest.mark.parametrize("times", [[], [0.0, 1.0], [1.0, 0.5], [1.0, 1.0], 1.0])
def test_times_increase_from_above_zero(periodic, times):
    model = drawn(build("method", {"kind": "neural_ode"}), SMALL, periodic)
    with pytest.raises(ValueError, match="an increasing list of numbers above zero"):
        model.bind({"step": 1.0}).predict(jnp.ones((8, 1)), times)


def test_the_limit_of_steps_grows_with_the_time_of_a_prediction(periodic):
    spec = {"kind": "neural_ode", "solver": {"fixed_steps": 4, "max_steps": 4}}
    model = drawn(build("method", spec), SMALL, periodic).bind({"step": 1.0})
    far = jax.jit(lambda u: model.predict(u, [10 * periodic.step]))(jnp.ones((8, 1)))
    assert np.isfinite(far).all()


def test_the_known_part_counts_time_in_the_steps_of_each_trajectory(periodic):
    from pdejax.methods import Normalisation

    known = KnownPhysics(("u_t = u_xx",), (), periodic.lengths, ("step",), Normalisation.of(periodic))
    u = jnp.asarray(np.sin(np.pi * np.arange(8) * 0.25)[None, :, None].repeat(2, 0), jnp.float32)
    condition = jnp.asarray([[0.0], [1.0]])  # normalised: steps that last 1 and 1.1 times the nominal one
    rate = np.asarray(jax.jit(lambda u: known(u, condition))(u))
    np.testing.assert_allclose(rate[0], -(np.pi**2) * u[0], atol=1e-4)
    np.testing.assert_allclose(rate[1], 1.1 * rate[0], rtol=1e-5)


def test_terms_that_depend_on_time_are_refused(periodic):
    method = build("method", {"kind": "neural_ode", "terms": "u_t = sin(t)*u"})
    with pytest.raises(ValueError, match=r"terms depend on t"):
        method.build(SMALL, periodic, key=jax.random.key(0))


def test_vectors_need_perceptrons(periodic):
    for latent, network in ((SMALL, {"kind": "fno"}), ({"kind": "fno"}, SMALL)):
        method = NeuralODE(latent=Latent("vector", 3, latent))
        with pytest.raises(ValueError, match=r"a latent vector has no space axes.*got 'fno'"):
            method.build(network, periodic, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"solver": Integrator(adjoint=diffrax.ForwardMode())}, "ForwardMode is not for training"),
        ({"solver": Integrator(adjoint=diffrax.ImplicitAdjoint())}, "ImplicitAdjoint is not for training"),
        ({"solver": Integrator(diffrax.SPaRK())}, "SPaRK is not for an equation without noise"),
        ({"noise": NoiseModel()}, "Tsit5 is not for additive noise"),
        ({"noise": NoiseModel(SMALL), "solver": Integrator(diffrax.ShARK())}, "it is for additive noise"),
        (
            {"noise": NoiseModel(), "solver": Integrator(diffrax.ShARK(), first_step="automatic")},
            "an automatic first step is known for equations without noise only",
        ),
        ({"solver": Solver(fixed_steps=200), "unroll": 2}, "max_steps should be at least 400.*got 256"),
        ({"solver": Solver(fixed_steps=2), "regularization": SolverRegularization()}, "units of a tol"),
        ({"noise": NoiseModel(), "solver": Integrator(diffrax.ShARK()), "error": RelativeL2()}, "RelativeL2 is"),
        (
            {
                "noise": NoiseModel(),
                "solver": Integrator(diffrax.ShARK()),
                "regularization": TaylorRegularization(),
            },
            "have no derivatives in time",
        ),
        (
            {
                "noise": NoiseModel(),
                "solver": Integrator(diffrax.ShARK()),
                "regularization": SolverRegularization(solver=diffrax.Tsit5()),
            },
            "Tsit5 is not for additive noise",
        ),
    ],
)
def test_python_is_told_what_does_not_go_together(options, said):
    with pytest.raises(ValueError, match=said):
        NeuralODE(**options)


def test_another_solver_of_a_trained_model_must_fit(periodic):
    model = drawn(build("method", {"kind": "neural_ode"}), SMALL, periodic)
    assert model.solved_by(Integrator(diffrax.Dopri5())).integrator.solver == diffrax.Dopri5()
    with pytest.raises(ValueError, match="SPaRK is not for an equation without noise"):
        model.solved_by(Integrator(diffrax.SPaRK()))


@pytest.mark.parametrize(
    "spec",
    [
        {**FULL, "unroll": 1},
        {"kind": "neural_ode", "terms": "u_t = u_xx", "conserve_mean": True},
        pytest.param(
            {"kind": "neural_ode", "noise": {"network": SMALL}, "solver": {"name": "SPaRK", "fixed_steps": 2}},
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"kind": "neural_ode", "latent": {"kind": "field", "channels": 2, "encoder": SMALL, "decoder": SMALL}},
            marks=pytest.mark.long,
        ),
    ],
    ids=["vector", "known", "noise", "field"],
)
def test_saved_models_come_back(periodic, tmp_path, spec):
    model = drawn(build("method", spec), SMALL, periodic)
    save_model(tmp_path, model)
    again = load_model(tmp_path)
    assert eqx.tree_equal(model, again)
    assert isinstance(again.tendency, Tendency)
    u, parameters = normal(3, 8, 1), {"step": jnp.array([0.9, 1.0, 1.1])}
    predict = eqx.filter_jit(lambda one: one.bind(parameters).predict(u, [0.2, 0.7], key=jax.random.key(3)))
    np.testing.assert_array_equal(predict(model), predict(again))
