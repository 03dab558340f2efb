"""Which solver is for which equation: what is said of Diffrax's classes is what their steps do."""

import diffrax
import jax
import jax.numpy as jnp
import lineax
import pytest

from pdejax.solvers import Integrator, NoiseKind, check_solver, fitting, goes_back, with_tolerances
from pdejax.solvers.ode.fit import estimates_error

CASES = [(noise, name) for noise in (None, "additive", "multiplicative") for name in fitting(noise)]


def terms(noise: NoiseKind | None, solver):
    drift = diffrax.ODETerm(lambda t, y, args: -y)
    if noise is None:
        return drift
    area = diffrax.SpaceTimeLevyArea
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 1e-3, jax.ShapeDtypeStruct((3,), jnp.float32), jax.random.key(0), area)
    size = (lambda y: jnp.ones_like(y)) if noise == "additive" else jnp.cos
    return diffrax.MultiTerm(
        drift, diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(size(y)), path)
    )


@pytest.mark.parametrize(("noise", "name"), CASES)
def test_solvers_that_fit_make_a_step_and_tell_its_error_if_they_say_so(noise, name):
    solver = with_tolerances(getattr(diffrax, name)(), diffrax.PIDController(rtol=1e-3, atol=1e-3))
    time, y = jnp.asarray(0.0), jnp.ones(3)

    def step(y):
        made = terms(noise, solver)
        with jax.numpy_dtype_promotion("standard"):
            start = solver.init(made, time, time + 0.1, y, None)
            return solver.step(made, time, time + 0.1, y, None, start, made_jump=False)[:2]

    after, error = jax.eval_shape(step, y)
    assert after.shape == y.shape
    assert (error is not None) == estimates_error(solver) == (name in fitting(noise, adaptive=True))


@pytest.mark.parametrize(
    ("solver", "noise", "said"),
    [
        (diffrax.SPaRK(), None, "SPaRK is not for an equation without noise. Take Tsit5"),
        (diffrax.KenCarp4(), None, "KenCarp4 is not for an equation of one part. Take Tsit5"),
        (diffrax.Tsit5(), "additive", "Tsit5 is not for additive noise. Take ShARK or SRA1"),
        (diffrax.ALIGN(), "additive", "ALIGN is not for additive noise. Take ShARK or SRA1"),
        (diffrax.ShARK(), "multiplicative", "it is for additive noise. Take SPaRK"),
        (diffrax.HalfSolver(diffrax.SRA1()), "multiplicative", "it is for additive noise. Take SPaRK"),
    ],
)
def test_solvers_that_do_not_fit_are_refused_with_those_that_do(solver, noise, said):
    with pytest.raises(ValueError, match=said) as caught:
        check_solver(solver, noise, adaptive=True)
    assert str(caught.value).endswith(", ".join(fitting(noise, adaptive=True)))


def test_solvers_of_noise_that_go_back():
    named = {name: getattr(diffrax, name)() for name in fitting("multiplicative")}
    assert {name for name, solver in named.items() if goes_back(solver, "multiplicative")} == {
        "Heun", "Midpoint", "Ralston", "ReversibleHeun",
    }  # fmt: skip
    assert goes_back(diffrax.Tsit5(), None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"solver": diffrax.Euler()}, "Euler does not estimate its error, which PIDController needs"),
        ({"solver": diffrax.GeneralShARK()}, "or one of .*Tsit5, for equations with noise SPaRK"),
        ({"controller": diffrax.ConstantStepSize(), "solver": diffrax.Kvaerno3()}, "takes the tolerances"),
        ({"controller": diffrax.ConstantStepSize(), "first_step": "automatic"}, "as long as first_step"),
        ({"controller": diffrax.ConstantStepSize(), "first_step": None}, "got None"),
        ({"max_steps": 0}, "max_steps is at least 1, got 0"),
    ],
)
def test_an_integrator_says_what_does_not_go_together(options, said):
    with pytest.raises(ValueError, match=said):
        Integrator(**options)
