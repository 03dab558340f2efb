"""Residuals as functions of jets: equal to the residual by nested derivatives, and to what is known analytically."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.equations import EQUATIONS, BoundaryValueProblem, Equation, FunctionResidual, linearised
from pdejax.networks import nested_jet
from tests.equations.oracle import LOCAL, pointwise_residual

EXTRA = {
    "rossby waves": Equation("w_t = -advect(w) + nu*bilap(w) + 2.5*dot(velocity(w), grad(y))", {"nu": -0.1}, ndim=2),
    "explicit time": Equation("u_t = sin(t)*exp(-u**2)*u_x + tanh(u)/(2 + cos(x - t)) + t*u_xxx"),
    "coupled": Equation(["u_t = v_xxx - 2*v", "v_t = dx(u*v) + u_xx + abs(2 + u)"]),
    "vorticity and tracer": Equation(["w_t = -advect(w)", "c_t = -dot(velocity(w), grad(c)) + k*lap(c)"], {"k": 2}, 2),
    "in 3D": Equation("u_t = div((1 + 0.5*sin(x)*cos(z))*grad(u)) + u_xyz", ndim=3),
}
CASES = LOCAL | EXTRA


def smooth(channels, ndim, seed=0, mean=0.0):
    """Waves in place and time as a function of one point, and of many."""
    rng = np.random.default_rng(seed)
    waves, phase = rng.uniform(-1.5, 1.5, (ndim + 1, channels)), rng.uniform(0, 6, channels)

    def at(t, x):
        angle = jnp.concatenate([t[None], x]) @ waves
        return mean + jnp.sin(angle + phase) + 0.3 * jnp.cos(2 * angle)

    return at, jax.vmap(lambda point: at(point[0], point[1:]))


def random_points(axes, count=5, low=0.1, high=0.9):
    return jnp.asarray(np.random.default_rng(1).uniform(low, high, (count, axes)))


def residual_of(residual, field, points, parameters):
    """At the points, in one program."""
    return jax.jit(lambda x, p: residual(nested_jet(field, x, residual.orders), x, p))(points, parameters)


@pytest.mark.parametrize("name", CASES)
def test_residual_by_jets_is_that_by_nested_derivatives(name, x64):
    equation = CASES[name]
    # what may not be negative is under a logarithm
    at, field = smooth(equation.channels, equation.ndim, mean=2.0 if equation.nonnegative else 0.0)
    points, parameters = random_points(equation.ndim + 1), {k: v + 0.2 for k, v in equation.parameters.items()}
    by_jets = residual_of(equation.residual, field, points, parameters)
    one = lambda point: pointwise_residual(equation, at, point[0], point[1:], parameters)
    expected = jax.jit(jax.vmap(one))(points)
    assert by_jets.shape == (5, equation.channels)
    np.testing.assert_allclose(by_jets, expected, rtol=1e-12, atol=1e-12 * float(jnp.abs(expected).max()))
    assert equation.residual.equations == equation.channels


def test_precision_is_that_of_the_points():
    residual = EQUATIONS["burgers"].residual
    _, field = smooth(1, 1)
    assert residual_of(residual, field, random_points(2), {"nu": 0.1}).dtype == jnp.float32


def problem(terms, axes="tx", **sections):
    equation = {"terms": terms, **sections}
    domain = {axis: [0.0, 1.0] for axis in axes}
    return BoundaryValueProblem(**{"equation": equation, "domain": domain, "conditions": {}})


def test_second_derivatives_in_time(x64):
    """sin(k x) cos(w t) solves the damped-free Klein-Gordon equation with w^2 = k^2 + m."""
    wave = problem("u_tt - u_xx + m*u = 0", parameters={"m": 5.0})
    field = lambda points: (jnp.sin(2 * points[:, 1]) * jnp.cos(3 * points[:, 0]))[:, None]
    points = random_points(2)
    assert set(wave.residual.orders) == {(0, 0), (2, 0), (0, 2)}
    np.testing.assert_allclose(residual_of(wave.residual, field, points, {"m": 5.0}), 0, atol=1e-13)
    assert np.abs(residual_of(wave.residual, field, points, {"m": 4.0})).max() > 0.1
    mixed = problem("u_ttx + u_tx*u = 0")
    found = np.asarray(residual_of(mixed.residual, field, points, {}))[:, 0]
    t, x = np.asarray(points).T
    expected = -18 * np.cos(2 * x) * np.cos(3 * t) - 3 * np.sin(4 * x) * np.sin(3 * t) * np.cos(3 * t)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    assert (mixed.residual.highest("u", 0), mixed.residual.highest("u", 1)) == (2, 1)


RE = 40.0
KOVASZNAY = {
    "terms": [
        "u*u_x + v*u_y + p_x - lap(u)/re = 0",
        "u*v_x + v*v_y = lap(v)/re - p_y",
        "div_free = 0",
    ],
    "fields": ["u", "v", "p"],
    "parameters": {"re": RE, "rate": RE / 2 - (RE**2 / 4 + 4 * np.pi**2) ** 0.5},
    "definitions": {"div_free": "u_x + v_y", "twice": "2*pi"},
}


def test_kovasznay_flow_solves_the_steady_navier_stokes_equations(x64):
    spec = {
        "equation": KOVASZNAY,
        "domain": {"x": [-0.5, 1.0], "y": [-0.5, 1.5]},
        "conditions": {"walls": {"at": "boundary", "terms": ["u = 1 - exp(rate*x)*cos(twice*y)"]}},
        "truth": {
            "kind": "exact",
            "fields": {
                "u": "1 - exp(rate*x)*cos(twice*y)",
                "v": "rate/twice*exp(rate*x)*sin(twice*y)",
                "p": "(1 - exp(2*rate*x))/2",
            },
        },
    }
    flow = BoundaryValueProblem(**spec)
    assert (flow.fields, flow.axes, flow.evolution, flow.residual.equations) == (("u", "v", "p"), ("x", "y"), None, 3)
    points = random_points(2, low=-0.4)
    found = residual_of(flow.residual, flow.exact, points, flow.parameters)
    np.testing.assert_allclose(found, 0, atol=1e-12)
    np.testing.assert_allclose(flow.exact(np.asarray(points)), flow.exact(points), rtol=1e-14)
    np.testing.assert_allclose(residual_of(flow.conditions[0].residual, flow.exact, points, flow.parameters), 0)


def test_definitions_are_differentiated_as_what_they_stand_for(x64):
    short = problem("u_t = dx(flux)", parameters={"nu": 0.3}, definitions={"speed": "u/2", "flux": "nu*u_x - speed*u"})
    long = problem("u_t = nu*u_xx - u*u_x", parameters={"nu": 0.3})
    _, field = smooth(1, 1)
    points = random_points(2)
    expected = residual_of(long.residual, field, points, {"nu": 0.3})
    np.testing.assert_allclose(residual_of(short.residual, field, points, {"nu": 0.3}), expected, rtol=1e-12)


def test_a_python_function_of_the_jet_is_the_same_residual(x64):
    terms = ["u_t = nu*u_xx - u*v_x + sin(x*t)", "v_t = u_xx**2"]
    by_terms = problem(terms, parameters={"nu": 0.3})

    def by_hand(jet):
        first = jet.u_t - jet.nu * jet.u_xx + jet.u * jet.v_x - jnp.sin(jet.x * jet.t)
        return first, jet.v_t - jet.u_xx**2

    equation = {"fields": ["u", "v"], "parameters": {"nu": 0.3}}
    spec = {"equation": equation, "domain": by_terms.domain, "conditions": {}}
    by_function = BoundaryValueProblem(**spec, function=by_hand)
    assert isinstance(by_function.residual, FunctionResidual)
    assert set(by_function.residual.orders) == set(by_terms.residual.orders)
    assert by_function.residual.equations == 2
    _, field = smooth(2, 1)
    points = random_points(2)
    for nu in (0.3, jnp.asarray(0.5)):
        a, b = (residual_of(p.residual, field, points, {"nu": nu}) for p in (by_function, by_terms))
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
    with pytest.raises(AttributeError, match=r"unknown derivative 'u_xz'. Did you mean 'u_x'"):
        BoundaryValueProblem(**spec, function=lambda jet: jet.u_xz)
    with pytest.raises(AttributeError, match=r"'nuu'. Did you mean 'nu'"):
        BoundaryValueProblem(**spec, function=lambda jet: jet.u * jet.nuu)


def test_linearised_is_the_derivative_by_the_entries_of_the_jet(x64):
    two = problem(["u_t = u_xx*v + u**3*t", "v_t = u*v_x"])
    _, field = smooth(2, 1)
    points = random_points(2)
    jets = jax.jit(lambda x: nested_jet(field, x, two.residual.orders))(points)
    plain = lambda jets: two.residual(jets, points, {})
    value, slopes = jax.jit(lambda jets: linearised(two.residual, jets, points, {}))(jets)
    np.testing.assert_allclose(value, jax.jit(plain)(jets), rtol=1e-14)
    jacobian = jax.jit(jax.jacobian(plain))(jets)
    for order, slope in slopes.items():
        # no point depends on another one
        diagonal = np.einsum("pepc->pec", jacobian[order])
        np.testing.assert_allclose(slope, diagonal, rtol=1e-13, atol=1e-14)
    u, v = np.asarray(jets[(0, 0)]).T
    t = np.asarray(points)[:, 0]
    slopes = jax.tree.map(np.asarray, slopes)
    np.testing.assert_allclose(slopes[(0, 0)][:, 0, 0], -3 * u**2 * t, rtol=1e-12)
    np.testing.assert_allclose(slopes[(0, 2)][:, 0, 0], -v, rtol=1e-12)
    np.testing.assert_allclose(slopes[(0, 1)][:, 1, 1], -u, rtol=1e-12)
