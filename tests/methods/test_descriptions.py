"""Every method and part of one is said in plain JSON and comes back equal."""

import json

import diffrax
import pytest

from pdejax.core import build, describe, registered, structure
from pdejax.data import GridPoints
from pdejax.methods import (
    AdaptiveNoise,
    Ancestral,
    Causal,
    Diffusion,
    Distilled,
    ExponentialNoise,
    Latent,
    LinearNoise,
    NeuralODE,
    NoiseModel,
    PhysicsInformed,
    RelativeL2,
    Renoise,
    Sobolev,
    Solver,
    SolverRegularization,
    Steady,
    Supervised,
    TaylorRegularization,
)
from pdejax.solvers import Integrator

SMALL = {"kind": "perceptron", "width": 4, "depth": 1}
METHODS = [
    Supervised(unroll=3, cut_gradient=True, predict="state", history=2, error=Sobolev(0.5), input_noise=0.1),
    Steady(Sobolev(-1.0)),
    Diffusion(AdaptiveNoise(refinements=2), Renoise(), regressor="own", pretrain=0.5, passes=(1, 2)),
    Diffusion(
        LinearNoise(steps=20, beta_max=0.01), Ancestral(0.3), predict="state", noisy_known=True, samples=2, steps=5
    ),
    Diffusion(ExponentialNoise(2), stage="first", first_share=0.25, balance="learned"),
    Distilled("runs/teacher", samples=3),
    NeuralODE(terms=("u_t = nu*u_xx",), parameters={"nu": 0.3}, conserve_mean=True, error=RelativeL2()),
    NeuralODE(latent=Latent("vector", 3, SMALL), regularization=SolverRegularization("both", "global", 0.3, 0.1)),
    NeuralODE(solver=Solver("SPaRK", fixed_steps=3), noise=NoiseModel(SMALL, paths=3)),
    NeuralODE(unroll=2, regularization=TaylorRegularization(2, 0.07), solver=Solver(rtol=1e-3, first_step="automatic")),
    PhysicsInformed(
        points=GridPoints((4, 5)), redraw=0, weights={"equation": 2.0}, lift={"u": "x"}, causal=Causal(2.0)
    ),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_a_method_is_what_it_says_it_is(method):
    plain = json.loads(json.dumps(describe(method)))
    assert build("method", plain) == method
    assert describe(build("method", plain)) == plain


@pytest.mark.parametrize("group", ["method", "loss", "noise", "diffusion_sampler", "regularization"])
def test_every_kind_is_built_of_its_name_and_described(group):
    for kind in registered(group):
        made = build(group, kind)
        plain = json.loads(json.dumps(describe(made)))
        assert plain["kind"] == kind
        assert build(group, plain) == made


def test_all_kinds_of_methods_were_said():
    assert {describe(method)["kind"] for method in METHODS} == set(registered("method"))


def test_an_integrator_of_diffrax_is_kept_by_its_structure():
    method = NeuralODE(solver=Integrator(diffrax.Dopri5(), diffrax.PIDController(rtol=1e-3, atol=1e-5)))
    with pytest.raises(ValueError, match=r"Integrator cannot be saved: it is not registered"):
        describe(method)
    plain = json.loads(json.dumps(describe(method, otherwise=structure)))
    assert build("method", plain) == method


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"kind": "supervised", "loss": {"kind": "mse"}}, "unknown option of method 'supervised': 'loss'"),
        ({"kind": "supervised", "error": "msee"}, "unknown loss 'msee'. Did you mean 'mse'"),
        ({"kind": "supervised", "history": 0}, "history should be greater than or equal to 1, got 0"),
        ({"kind": "supervised", "predict": "states"}, "unknown predict 'states'. Did you mean 'state'"),
        ({"kind": "diffusion", "noise": {"kind": "linear", "step": 3}}, "unknown option of noise 'linear': 'step'"),
        ({"kind": "diffusion", "pretrain": 1.0}, "pretrain should be less than 1, got 1.0"),
        ({"kind": "diffusion", "sampler": {"kind": "ancestral", "eta": 2}}, "eta should be less than or equal to 1"),
        ({"kind": "neural_ode", "solver": {"rtoll": 1e-3}}, "unknown option of Solver: 'rtoll'. Did you mean 'rtol'"),
        ({"kind": "neural_ode", "latent": {"kind": "field"}}, "Latent needs the option 'channels'"),
        ({"kind": "physics_informed", "weights": {"equations": 1.0}}, "unknown term 'equations'"),
        ({"kind": "physics_informed", "adaptive": {"share": 0.0}}, "share should be greater than 0, got 0.0"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(plain, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        build("method", plain)
    assert said in str(caught.value)
