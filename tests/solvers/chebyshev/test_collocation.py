"""Collocation and truths against polynomials, manufactured and analytic solutions."""

import numpy as np
import pytest

from pdejax.equations._boundary_value import BoundaryValueProblem
from pdejax.solvers import Chebyshev, Clustered, Fourier, Nodes, collocate, solve_truth
from pdejax.solvers.chebyshev.newton import least_squares

SQUARE = {"x": [-1, 1], "y": [-1, 1]}


def problem(domain, terms, conditions, **rest):
    equation = {"terms": terms, "parameters": rest.pop("own", {}), "fields": rest.pop("fields", ["u"])}
    return BoundaryValueProblem(**{"domain": domain, "equation": equation, "conditions": conditions, **rest})


def exact(*values, fields=("u",)):
    return {"truth": {"kind": "exact", "fields": dict(zip(fields, values, strict=True))}}


def boundary(*terms):
    return {"boundary": {"at": "boundary", "terms": list(terms)}}


def steady_error(one, points, **options):
    found = collocate(one, points, **options)
    truth = one.exact(found.nodes.points()).reshape(found.values.shape)
    return np.abs(found.values - truth).max()


def timed_error(one, points, **options):
    low, high = one.box[0]
    times = np.linspace(low, high, 6)
    found = collocate(one, points, times=times, **options)
    points = [np.concatenate([np.full((len(x), 1), t), x], 1) for t in times for x in [found.nodes.points()]]
    return np.abs(found.values - np.stack([one.exact(p) for p in points]).reshape(found.values.shape)).max()


def cole_hopf(t, x, nu):
    """Burgers' equation from -sin(pi x); Basdevant et al. (1986)."""
    eta = np.linspace(-3, 3, 12001)
    log = -np.cos(np.pi * (x[:, None] - eta)) / (2 * np.pi * nu) - eta**2 / (4 * nu * t)
    weight = np.exp(log - log.max(1, keepdims=True))
    return -(np.sin(np.pi * (x[:, None] - eta)) * weight).sum(1) / weight.sum(1)


# ---- matrices


def test_chebyshev_derivatives_are_exact_for_polynomials():
    axis, p = Chebyshev(13, -0.5, 2.0), np.polynomial.Polynomial(np.random.default_rng(0).normal(size=13))
    for order in range(5):
        expected = p.deriv(order)(axis.nodes) if order else p(axis.nodes)
        np.testing.assert_allclose(
            axis.derivative(order) @ p(axis.nodes), expected, atol=1e-11 * np.abs(expected).max()
        )
    x = np.linspace(-0.5, 2.0, 17)
    np.testing.assert_allclose(axis.interpolation(x) @ p(axis.nodes), p(x), rtol=0, atol=1e-11 * np.abs(p(x)).max())


def test_chebyshev_second_derivative_is_accurate_with_many_points():
    axis = Chebyshev(129)
    error = axis.derivative(2) @ np.sin(3 * axis.nodes) + 9 * np.sin(3 * axis.nodes)
    assert np.abs(error).max() < 1e-7


@pytest.mark.parametrize("size", [16, 17])
def test_fourier_matrices_are_exact_for_trigonometric_functions(size):
    axis, k = Fourier(size, -1.0, 2.0), 2 * np.pi / 3 * 5
    u = lambda x, shift=0: np.cos(k * x + 0.3 + shift * np.pi / 2)
    for order in range(5):
        np.testing.assert_allclose(axis.derivative(order) @ u(axis.nodes), k**order * u(axis.nodes, order), atol=1e-9)
    x = np.linspace(-1, 2, 11)
    np.testing.assert_allclose(axis.interpolation(x) @ u(axis.nodes), u(x), atol=1e-12)


def test_clustered_points_see_the_square_root_of_a_distance():
    axis, x = Clustered(24, 0.0, 1.0), np.linspace(0, 1, 101)
    u = lambda x: np.sqrt(x) * np.exp(x)
    assert np.abs(axis.interpolation(x) @ u(axis.nodes) - u(x)).max() < 1e-10
    assert np.abs(Chebyshev(24, 0.0, 1.0).interpolation(x) @ u(Chebyshev(24, 0.0, 1.0).nodes) - u(x)).max() > 1e-3
    v, inner = np.exp(axis.nodes), slice(8, 16)
    for order in (1, 2):
        np.testing.assert_allclose((axis.derivative(order) @ v)[inner], v[inner], rtol=1e-9)
    with pytest.raises(ValueError, match="second"):
        axis.derivative(3)


def test_matrices_of_a_box_take_values_to_faces():
    nodes = Nodes((Chebyshev(9, 0.0, 1.0), Fourier(8)))
    x, y = nodes.points().T
    found = nodes.matrix((1, 2), {0: 0.25}) @ (x**3 * np.sin(y))
    np.testing.assert_allclose(found, -3 * 0.25**2 * np.sin(nodes.axes[1].nodes), atol=1e-12)
    values = (x**3 * np.sin(y)).reshape(9, 8)
    out = nodes.interpolate(values, [np.array([0.1, 0.2]), np.array([0.7])])
    np.testing.assert_allclose(out, np.array([[0.1**3], [0.2**3]]) * np.sin(0.7), atol=1e-13)


@pytest.mark.parametrize("rows", [40, 41, 55])
def test_least_squares_agrees_with_the_pseudoinverse(rows):
    random = np.random.default_rng(0)
    matrix, right = random.normal(size=(rows, 40)), random.normal(size=rows)
    expected = np.linalg.lstsq(matrix, right)[0]
    np.testing.assert_allclose(least_squares(matrix.copy(), right.copy()), expected, rtol=1e-9, atol=1e-10)


# ---- steady problems


@pytest.mark.long
def test_helmholtz_and_nonlinear_poisson_converge_spectrally():
    helmholtz = problem(
        SQUARE,
        ["lap(u) + u = (1 - 17*pi**2)*sin(pi*x)*sin(4*pi*y)"],
        boundary("u = 0"),
        **exact("sin(pi*x)*sin(4*pi*y)"),
    )
    poisson = problem(
        SQUARE,
        ["lap(u) - u**3 = -exp(3*x)*cos(y)**3"],
        boundary("u = exp(x)*cos(y)"),
        **exact("exp(x)*cos(y)"),
    )
    for one, sizes in ((helmholtz, (16, 19, 22)), (poisson, (6, 9, 12))):
        errors = [steady_error(one, (n, n)) for n in sizes]
        assert errors[1] < 0.05 * errors[0]
        assert errors[2] < 0.05 * errors[1]
        assert errors[2] < 1e-3
    assert steady_error(helmholtz, (18, 34)) < 1e-7


def test_a_periodic_and_a_bounded_axis_with_a_slope():
    one = problem(
        {"x": [0, 2], "y": [0, 1]},
        ["lap(u) = -(pi**2 + 1)*sin(pi*x)*cos(y)"],
        {
            "low": {"at": "y=0", "terms": "u_y = 0"},
            "high": {"at": "y=1", "terms": "u + u_y = sin(pi*x)*(cos(1) - sin(1))"},
        },
        periodic=["x"],
        **exact("sin(pi*x)*cos(y)"),
    )
    assert steady_error(one, (8, 14)) < 1e-11


def kovasznay(**rest):
    own = {"nu": 0.025, "lam": 20 - np.sqrt(400 + 4 * np.pi**2)}
    u, v, p = "1 - exp(lam*x)*cos(2*pi*y)", "lam/(2*pi)*exp(lam*x)*sin(2*pi*y)", "(1 - exp(2*lam*x))/2"
    terms = ["u*u_x + v*u_y + p_x = nu*lap(u)", "u*v_x + v*v_y + p_y = nu*lap(v)", "u_x + v_y = 0"]
    conditions = boundary(f"u = {u}", f"v = {v}") | {"pin": {"at": "x=-0.5, y=-0.5", "terms": f"p = {p}"}}
    domain, fields = {"x": [-0.5, 1], "y": [-0.5, 0.5]}, ("u", "v", "p")
    truth = exact(u, v, p, fields=fields) | rest
    return problem(domain, terms, conditions, own=own, fields=list(fields), **truth)


@pytest.mark.long  # the floor of this flow is tested below, from the same solution
def test_kovasznay_flow():
    errors = [steady_error(kovasznay(), (n, n)) for n in (9, 13)]
    assert errors[1] < 0.05 * errors[0]
    assert errors[1] < 1e-3


# ---- problems in time

START = {"start": {"at": "t=0", "terms": "u = sin(pi*x)"}}
RATE = {"rate": {"at": "t=0", "terms": "u_t = 0"}}


def test_heat_with_values_and_with_slopes_given():
    domain = {"t": [0, 0.2], "x": [0, 1]}
    heat = problem(domain, ["u_t = u_xx"], START | boundary("u = 0"), **exact("exp(-pi**2*t)*sin(pi*x)"))
    assert timed_error(heat, (20,)) < 1e-8
    start = {"start": {"at": "t=0", "terms": "u = cos(pi*x)"}}
    slope = problem(domain, ["2*u_t - u_xx = u_t"], start | boundary("u_x = 0"), **exact("exp(-pi**2*t)*cos(pi*x)"))
    assert timed_error(slope, (20,)) < 1e-8


def test_heat_in_a_channel_with_moving_ends():
    one = problem(
        {"t": [0, 0.1], "x": [0, 2], "y": [0, 1]},
        ["u_t = lap(u) + pi**2*sin(pi*x)*exp(y + t)"],
        {"start": {"at": "t=0", "terms": "u = sin(pi*x)*exp(y)"}} | boundary("u = sin(pi*x)*exp(y + t)"),
        periodic=["x"],
        **exact("sin(pi*x)*exp(y + t)"),
    )
    assert timed_error(one, (6, 10), tolerance=1e-9) < 1e-8
    assert timed_error(one, (6, 10), tolerance=1e-9, integrator="explicit") < 1e-6


def test_a_field_without_conditions_on_faces_evolves_there():
    one = problem(
        {"t": [0, 1], "x": [0, 1]},
        ["u_t = u_xx + v", "v_t = -v"],
        {"start": {"at": "t=0", "terms": ["u = 0", "v = sin(pi*x)"]}} | boundary("u = 0"),
        fields=["u", "v"],
        **exact("(exp(-t) - exp(-pi**2*t))/(pi**2 - 1)*sin(pi*x)", "exp(-t)*sin(pi*x)", fields=("u", "v")),
    )
    assert timed_error(one, (18,)) < 1e-8


def burgers(nu=0.05 / np.pi, **rest):
    start = {"start": {"at": "t=0", "terms": "u = -sin(pi*x)"}}
    conditions = start if "periodic" in rest else start | boundary("u = 0")
    own = {"nu": nu}
    return problem({"t": [0, 1], "x": [-1, 1]}, ["u_t = -u*u_x + nu*u_xx"], conditions, own=own, **rest)


def test_burgers_against_cole_hopf_and_an_honest_floor():
    chebyshev = burgers(0.2 / np.pi, truth={"kind": "chebyshev", "points": 64, "tolerance": 1e-9})
    spectral = burgers(truth={"kind": "spectral", "points": 512, "steps": 1000}, periodic=["x"])
    for one, bound in ((chebyshev, 1e-6), (spectral, 1e-9)):
        truth = solve_truth(one, (5, 64))
        x, nu = truth.axes[1], one.parameters["nu"]
        expected = np.stack([-np.sin(np.pi * x), *(cole_hopf(t, x, nu) for t in truth.axes[0][1:])])
        error = np.linalg.norm(truth.values[..., 0] - expected) / np.linalg.norm(expected)
        assert error < bound
        assert error < 1.01 * truth.floor + 1e-13
        assert truth.floor < 1e-3


def test_the_floor_of_allen_cahn_shrinks_with_the_resolution():
    def floor(points):
        one = problem(
            {"t": [0, 0.2], "x": [-1, 1]},
            ["u_t = 1e-4*u_xx + 5*u - 5*u**3"],
            {"start": {"at": "t=0", "terms": "u = x**2*cos(pi*x)"}},
            periodic=["x"],
            truth={"kind": "spectral", "points": points, "steps": 200},
        )
        return solve_truth(one, (11, 128)).floor

    floors = [floor(n) for n in (128, 256, 512)]
    assert floors[2] < 0.5 * floors[1] < 0.25 * floors[0]
    assert floors[2] < 2e-3


@pytest.mark.long
def test_the_floor_of_a_steady_flow_is_above_its_error():
    found = solve_truth(kovasznay(truth={"kind": "chebyshev", "points": [10, 10]}), (9, 9))
    expected = solve_truth(kovasznay(), (9, 9))
    assert expected.floor == 0
    assert expected.how["kind"] == "exact"
    error = np.linalg.norm(found.values - expected.values) / np.linalg.norm(expected.values)
    assert error < found.floor < 1e-1
    assert set(found.how["floors"]) == {"u", "v", "p"}


def test_defaults_of_the_grid_leave_out_the_periodic_end():
    one = problem(
        {"t": [0, 1], "x": [0, 2], "y": [0, 1]},
        ["u_t = lap(u) + pi**2*sin(pi*x)*y"],
        {"start": {"at": "t=0", "terms": "u = sin(pi*x)*y"}} | boundary("u = sin(pi*x)*y"),
        periodic=["x"],
        truth={"kind": "exact", "fields": {"u": "sin(pi*x)*y"}},
    )
    truth = solve_truth(one)
    assert truth.values.shape == (101, 64, 65, 1)
    assert (truth.axes[1][-1], truth.axes[2][-1]) == (2 - 2 / 64, 1.0)
    np.testing.assert_allclose(truth.values[3, ..., 0], np.sin(np.pi * truth.axes[1])[:, None] * truth.axes[2])


# ---- refusals


def test_what_collocation_cannot_take_is_said():
    line, twice = {"t": [0, 1], "x": [0, 1]}, {"start": {"at": "t=0", "terms": "2*u = 0"}}
    refused = [
        (problem(line, ["u_tt = u_xx"], START | RATE | boundary("u = 0")), "first"),
        (problem(line, ["u_t**2 = u_xx"], START | boundary("u = 0")), "linear in u_t"),
        (problem(line, ["u_t = u_xx"], boundary("u = 0") | twice), "needs a condition at 't=0'"),
        (problem(line, ["u_t = u_xx"], START | boundary("u**2 = 0*u")), "linear in the fields|do not determine"),
        (
            problem(line, ["u_t = u_xx"], START | boundary("u = 0") | {"pin": {"at": "x=0.5", "terms": "u = 0"}}),
            "whole face",
        ),
        (problem({"x": [0, 1]}, ["u_xx = 0"], boundary("u_x = 0")), "not determined: .* a condition is missing"),
    ]
    for one, message in refused:
        with pytest.raises(ValueError, match=message):
            collocate(one, (10,))
    with pytest.raises(ValueError, match="points per axis"):
        collocate(refused[0][0], (10, 10))
    with pytest.raises(ValueError, match="clustered axis"):
        collocate(refused[1][0], (10,), clustered=["y"])
    with pytest.raises(ValueError, match="explicit"):
        collocate(refused[1][0], (10,), integrator="explict")


def test_what_has_no_truth_is_said():
    with pytest.raises(ValueError, match="section 'truth'"):
        solve_truth(burgers())
    with pytest.raises(ValueError, match="spectral"):
        solve_truth(burgers(truth={"kind": "spectrum"}))
    with pytest.raises(ValueError, match="points"):
        solve_truth(burgers(truth={"kind": "chebyshev", "points": 8, "point": 9}))
    with pytest.raises(ValueError, match="needs the option 'steps'"):
        solve_truth(burgers(truth={"kind": "spectral", "points": 8}))
    with pytest.raises(ValueError, match="periodic"):
        solve_truth(burgers(truth={"kind": "spectral", "points": 8, "steps": 8}))
    with pytest.raises(ValueError, match=r"truth\.parameters"):
        solve_truth(burgers(truth={"kind": "chebyshev", "points": 8}, unknown={"nu": 0.1}))
    flow = BoundaryValueProblem(
        **{
            "domain": {"t": [0, 1], "x": [0, 1], "y": [0, 1]},
            "periodic": ["x", "y"],
            "equation": "navier_stokes",
            "conditions": {"start": {"at": "t=0", "terms": "w = sin(2*pi*x)"}},
            "truth": {"kind": "spectral", "points": 16, "steps": 16},
        }
    )
    with pytest.raises(ValueError, match="velocities and pressure"):
        solve_truth(flow)


def cooling(formula, wall="u = 0"):
    return problem(
        {"t": [0, 1], "x": [0, 1]}, ["u_t = u_xx"], {"start": {"at": "t=0", "terms": "u = sin(pi*x)"}} | boundary(wall),
        truth={"kind": "exact", "fields": {"u": formula}},
    )  # fmt: skip


def test_a_formula_that_does_not_solve_the_problem_is_told():
    assert solve_truth(cooling("exp(-pi**2*t)*sin(pi*x)")).floor == 0
    with pytest.raises(ValueError, match=r"truth.fields does not satisfy the equation: at t=0.\d+, x=.* differ by"):
        solve_truth(cooling("exp(-2*pi**2*t)*sin(pi*x)"))
    with pytest.raises(ValueError, match=r"truth.fields does not satisfy conditions.start: at t=0, x=.* differ by"):
        solve_truth(cooling("2*exp(-pi**2*t)*sin(pi*x)"))
    with pytest.raises(ValueError, match=r"truth.fields does not satisfy conditions.\w+: at .* differ by 1"):
        solve_truth(cooling("exp(-pi**2*t)*sin(pi*x)", wall="u = 1"))


@pytest.mark.parametrize(
    ("domain", "terms", "formula"),
    [
        ({"x": [-1, 1]}, ["u_xx = -abs(x)"], "(1 - abs(x)**3)/6"),
        ({"t": [0, 1], "x": [-1, 1]}, ["u_tt = u_xx"], "(abs(x - t) + abs(x + t))/2"),
        ({"x": [-1, 1]}, ["u_x**2 = 1 + 0*u_xx"], "abs(x)"),
    ],
)
def test_formulas_with_kinks_are_taken_where_they_hold_beside_them(domain, terms, formula):
    start = {"start": {"at": "t=0", "terms": f"u = {formula.replace('t', '0')}"}} | RATE if "t" in domain else {}
    truth = {"kind": "exact", "fields": {"u": formula}}
    assert solve_truth(problem(domain, terms, start | boundary(f"u = {formula}"), truth=truth)).floor == 0


def test_what_is_nearly_zero_far_away_is_a_truth_of_zero_ends():
    kernel = "exp(-x**2/(4*t))/sqrt(4*pi*t)"
    box, ends = {"t": [0.1, 0.2], "x": [-2, 2]}, {"walls": {"at": "boundary", "terms": "u = 0"}}
    start = {"start": {"at": "t=0.1", "terms": f"u = {kernel.replace('t)', '0.1)')}"}}
    truth = {"kind": "exact", "fields": {"u": kernel}}
    assert solve_truth(problem(box, ["u_t = u_xx"], start | ends, truth=truth)).floor == 0


def test_progress_ends_where_newton_does():
    """The bar is full, however few of the steps that it may take were needed."""
    told = []
    one = problem({"x": [0, 1]}, ["u_xx = u**2"], boundary("u = 1"))
    collocate(one, [8], progress=lambda done, total: told.append((done, total)))
    assert len(told) > 2
    assert told[-1][0] == told[-1][1]
