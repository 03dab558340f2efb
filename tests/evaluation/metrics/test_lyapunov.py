import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.data import read_problem
from pdejax.evaluation.metrics.lyapunov import METHODS, growth_rates, in_lyapunov_times, largest_lyapunov_exponent
from pdejax.solvers import spectral_stepper


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


class Turn(eqx.Module):
    """A matrix between channels."""

    matrix: jax.Array

    def __call__(self, u, *, key=None):
        return u @ self.matrix.astype(u.dtype)


class Logistic(eqx.Module):
    """x -> 4 x (1 - x), whose exponent is log 2."""

    def __call__(self, u, *, key=None):
        return 4 * u * (1 - u)


def problem(equation, length, shape=32, substeps=1, vary=None, **time):
    return read_problem(
        {
            "name": "known",
            "equation": equation,
            "vary": vary or {},
            "domain": {"shape": [shape], "lengths": [length]},
            "initial": {"kind": "sum_of_sines", "count": 4, "wavenumbers": [1, 3], "amplitude": 0.5},
            "time": time,
            "solver": {"substeps": substeps},
        }
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_factor_grows_at_its_logarithm(x64, key, method):
    initial = np.random.default_rng(0).normal(size=(3, 8, 1))
    rates = growth_rates(Scale(1.1), initial, step=0.5, steps=7, method=method, key=key)
    np.testing.assert_allclose(rates, np.log(1.1) / 0.5, rtol=1e-6)


def test_the_largest_eigenvalue_wins_after_the_transient(x64, key):
    stepper = Turn(jnp.asarray([[1.2, 0.3], [0.0, 0.7]]))
    rates = growth_rates(stepper, np.ones((2, 4, 2)), step=1.0, steps=50, transient=100, key=key)
    np.testing.assert_allclose(rates, np.log(1.2), rtol=1e-10)


def test_the_logistic_map(x64, key):
    initial = np.random.default_rng(1).uniform(0.1, 0.9, size=(64, 1, 1))
    rates = growth_rates(Logistic(), initial, step=1.0, steps=400, transient=50, key=key)
    assert abs(rates.mean() - np.log(2)) < 4 * rates.std(ddof=1) / 8 < 0.05


def test_diffusion_decays_at_the_rate_of_its_slowest_mode():
    known = problem({"terms": ["u_t = 0.1*u_xx - 0.2*u"], "ndim": 1}, 2 * np.pi, step=0.5, substeps=2)
    exponent = largest_lyapunov_exponent(*known, states=3, steps=20, transient=200)
    np.testing.assert_allclose(exponent.each, -0.2, rtol=1e-6)  # the mean decays by -0.2, mode 1 by -0.3
    assert not exponent.chaotic
    assert exponent.time is None
    assert in_lyapunov_times(3.0, exponent) is None


def test_parameters_belong_to_their_states():
    equation = {"terms": ["u_t = nu*u_xx + r*u"], "parameters": {"nu": 0.1, "r": 0.0}}
    varied = problem(equation, 6.0, vary={"r": [0.1, 0.3]}, step=1.0)
    rates = np.array([0.1, 0.3], np.float32)
    initial = np.random.default_rng(0).normal(size=(2, 32, 1)).astype(np.float32)
    exponent = largest_lyapunov_exponent(*varied, initial, parameters={"r": rates}, steps=10, transient=100)
    np.testing.assert_allclose(exponent.each, rates, rtol=1e-6)
    drawn = largest_lyapunov_exponent(*varied, states=4, steps=10, transient=100)
    assert ((drawn.each > 0.1) & (drawn.each < 0.3)).all()


@pytest.fixture(scope="module")
def chaos():
    """Kuramoto-Sivashinsky on a domain of 22, the smallest usual one that is chaotic."""
    return problem("kuramoto_sivashinsky", 22.0, step=1.0, substeps=4, burn_in=150)


def test_kuramoto_sivashinsky(chaos):
    """0.043 to 0.048: Edson et al. (2019), doi 10.1017/S1446181119000105, and Cvitanovic et al. (2010)."""
    exponent = largest_lyapunov_exponent(*chaos, states=16, steps=1500)
    assert exponent.standard_error < 0.002
    assert 0.043 - 2 * exponent.standard_error < exponent.value < 0.048 + 2 * exponent.standard_error
    assert exponent.chaotic
    np.testing.assert_allclose(in_lyapunov_times(exponent.time, exponent), 1.0)


def test_two_trajectories_agree_with_the_tangent(chaos):
    tangent, difference = (largest_lyapunov_exponent(*chaos, states=2, steps=40, method=m) for m in METHODS)
    np.testing.assert_allclose(tangent.each, difference.each, atol=1e-4)


def test_time_runs_with_the_steps(x64, key):
    """du/dt = cos(t) u: the growth over a time t is sin(t)."""
    known, _ = problem({"terms": ["u_t = cos(t)*u"], "ndim": 1}, 6.0, step=0.1)
    stepper = spectral_stepper(known.equation, known.domain, 0.025, substeps=4, dealias=None)
    rate = growth_rates(stepper, np.ones((1, 32, 1)), step=0.1, steps=10, key=key)
    np.testing.assert_allclose(rate, np.sin(1.0) / 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"states": 1}, "at least 2 initial states, got 1"),
        ({"method": "tangents"}, "unknown method 'tangents'. Did you mean 'tangent'?"),
        ({"steps": 0}, "at least one step, got 0"),
    ],
)
def test_requests_that_cannot_be_met(chaos, options, message):
    with pytest.raises(ValueError, match=message):
        largest_lyapunov_exponent(*chaos, **options)
