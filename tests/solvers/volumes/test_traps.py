"""What goes wrong without a word where a step, a speed or a certificate is chosen from too little."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, Outflow, Value, Wall
from pdejax.data import Dataset, SplitSize, generate
from pdejax.equations import EQUATIONS, Equation, Expression, Family, Piecewise, Times, read_equation
from pdejax.solvers import FiniteVolume, spectral_stepper, volume_stepper
from pdejax.solvers.volumes.law import conservation_law
from pdejax.solvers.volumes.mirror import mirror
from pdejax.solvers.volumes.reconstruct import WENO5
from pdejax.solvers.volumes.riemann import faces
from pdejax.solvers.volumes.waves import waves
from tests.solvers.volumes.laws import EULER, WATER, cells, flow, gas


def test_sources_bound_the_step(x64):
    equation = Equation("u_t = -dx(0.01*u) - 5*u")
    found = flow(equation, cells(16), np.ones((16, 1)), 1.0)
    np.testing.assert_allclose(found, np.exp(-5.0), rtol=3e-2)


def test_a_single_step_is_compared_with_two(tmp_path):
    """Where nothing but time itself moves a field no speed bounds the step: half of it does."""
    family = Family("t", Equation("u_t = 40*cos(20*t)"), cells(16), {"u": Expression("x")}, times=Times(0.3))
    with pytest.raises(ValueError, match="mean difference to half the solver step above tolerance"):
        generate(family, FiniteVolume(), tmp_path, {"train": SplitSize(1, 4)})


def test_what_flows_into_rest_is_seen(x64):
    grid = cells(64, ends=((Value("1"), Outflow()),))
    found = flow(EQUATIONS["inviscid_burgers"], grid, np.zeros((64, 1)), 1.0)[:, 0]
    assert found.max() < 1 + 1e-9
    assert found.min() > -1e-9
    assert abs(found.mean() - 0.5) < 1e-12  # half of the square flows in


def test_what_is_given_is_what_flows_in(x64):
    grid = cells(16, ends=((Value("1"), Outflow()),))
    form = volume_stepper(EQUATIONS["inviscid_burgers"], grid, 0.1).form
    first = form.rate(jnp.zeros((1, 1, 16)), 0.0)[0, 0, 0]
    np.testing.assert_allclose(first, 0.5 * 16, rtol=1e-12)  # the flux 1/2 of u = 1 into one cell
    shallow = cells(16, ends={"h": {"kind": "value", "expression": 0.4}, "m": "outflow"})
    state = np.stack([np.ones(16), np.zeros(16)], -1)
    for riemann in ("llf", "hll", "hllc"):
        assert np.all(np.isfinite(flow(WATER, shallow, state, 0.1, riemann=riemann)))


@pytest.mark.parametrize("riemann", ["llf", "hll"])
@pytest.mark.parametrize(
    ("flux", "mean"),
    [
        ("u**2/(u**2 + (1 - u)**2)", 0.5 + 0.2),  # Buckley and Leverett's: what has flowed in through the left end
        ("(1 - cos(2*pi*u))/(2*pi)", 0.5),
    ],
)
def test_fluxes_that_curve_both_ways_have_speeds_between_states(flux, mean, riemann, x64):
    grid = cells(64, ends="outflow")
    start = np.where(grid.axes()[0] < 0.5, 1.0, 0.0)[:, None]
    found = flow(Equation(f"u_t = -dx({flux})"), grid, start, 0.2, riemann=riemann)[:, 0]
    assert found.max() < 1 + 1e-9
    assert found.min() > -1e-9
    assert np.sum((found > 0.05) & (found < 0.95)) > 4  # the jump has spread
    assert abs(found.mean() - mean) < 1e-3


@pytest.mark.parametrize(("flux", "left", "right"), [("exp(u) - u", 1.5, -2.0), ("u**4/4 - u", 1.2, 0.1)])
def test_shocks_of_a_flux_that_is_no_parabola_stay_within_bounds(flux, left, right, x64):
    grid = cells(64, ends="outflow")
    start = np.where(grid.axes()[0] < 0.5, left, right)[:, None]
    found = flow(Equation(f"u_t = -dx({flux})", positive=("u",) if right > 0 else ()), grid, start, 0.05)[:, 0]
    assert found.max() < left + 1e-9
    assert found.min() > right - 1e-9
    at = lambda u: eval(flux, {"exp": np.exp, "u": u})
    speed = (at(left) - at(right)) / (left - right)
    assert found.mean() == pytest.approx(start.mean() + speed * 0.05 * (left - right), abs=1e-6)


def test_as_many_steps_are_taken_as_there_need_be_and_none_is_waited_for_in_vain():
    grid = cells(8)
    u = np.cos(2 * np.pi * grid.axes()[0])[:, None] + 1
    after = volume_stepper(Equation("u_t = nu*u_xx", {"nu": 1.0}), grid, 500.0)(u)  # in more than a hundred thousand
    np.testing.assert_allclose(after, 1.0, atol=1e-3)
    assert np.all(np.isnan(volume_stepper(EQUATIONS["inviscid_burgers"], grid, 0.1)(u * np.float32(1e30))))


def test_diffusion_that_depends_on_slopes_bounds_the_step(x64):
    grid = cells(32)
    start = np.sin(2 * np.pi * grid.axes()[0])[:, None]
    found = flow(Equation("u_t = 0.01*dx(u_x**3)"), grid, start, 1.0)
    assert np.abs(found).max() < 0.9
    np.testing.assert_allclose(found.mean(), 0, atol=1e-14)


def test_what_is_no_number_stays_none(x64):
    state = np.stack([np.where(np.arange(16) < 8, 1.0, -0.2), np.zeros(16)], -1)
    for riemann in ("llf", "hll", "hllc"):
        assert np.all(np.isnan(flow(WATER, cells(16), state, 0.1, riemann=riemann)))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e5])
def test_weno_is_the_same_in_every_unit(size):
    step = jnp.asarray(np.where(np.arange(24) < 12, 1.0, 0.1), jnp.float32)
    low, high = (np.asarray(x) for x in WENO5()(size * step, 0))
    expected = [np.asarray(x) for x in WENO5()(step, 0)]
    np.testing.assert_allclose(low / size, expected[0], rtol=2e-5)
    np.testing.assert_allclose(high / size, expected[1], rtol=2e-5)
    assert high.max() < size * 1.001


def test_weno_solves_shocks_in_pascal():
    grid = cells(64, ends="outflow")
    start = gas(np.where(grid.axes()[0][:, None] < 0.5, (1.0, 0.0, 1e5), (0.125, 0.0, 1e4))).astype(np.float32)
    found = flow(EULER, grid, start, 5e-4, reconstruction="weno5", riemann="hllc")
    assert np.all(np.isfinite(found))
    assert 0.2 < found[40, 0] < 0.5


@pytest.mark.parametrize(
    ("reconstruction", "riemann"),
    [
        ("weno5", "hll"),
        *(
            pytest.param(*pair, marks=pytest.mark.long)
            for pair in (("weno5", "llf"), ("van_leer", "hll"), ("mc", "hll"))
        ),
    ],
)
def test_gradients_over_a_jump_are_numbers(reconstruction, riemann, x64):
    grid = cells(16, ends="outflow")
    options = {"reconstruction": reconstruction, "riemann": riemann, "substeps": 2}
    for double in (True, False):
        with jax.enable_x64(double):
            start = jnp.asarray(np.where(grid.axes()[0] < 0.5, 1.0, 0.0)[:, None], float)
            stepper = volume_stepper(EQUATIONS["inviscid_burgers"], grid, 0.02, **options)
            slope = jax.jit(jax.grad(lambda u, s=stepper: jnp.sum(s(u) ** 2)))(start)
        assert np.all(np.isfinite(slope)), double


def test_walls_of_a_flux_that_depends_on_the_place():
    with pytest.raises(ValueError, match="a wall across x needs a mirror symmetry"):
        mirror(Equation("u_t = -dx((2 + sin(x))*u)"), 0)


@pytest.mark.parametrize("terms", ["u_t = -0.1*u_xx", "u_t = -dx(u) - 0.1*u_xx"])
def test_diffusion_backwards_is_refused(terms):
    with pytest.raises(ValueError, match=r"no solution forwards in time: its diffusion along x is negative \(-0\.1\)"):
        volume_stepper(Equation(terms), cells(8), 0.1)


def test_corners_of_what_varies_are_looked_at():
    equation = Equation("u_t = -dx(u**2)/2 + nu*u_xx", {"nu": 0.1})
    family = Family("c", equation, cells(16), {"u": Expression("x")}, vary={"nu": (-0.1, 0.1)}, times=Times(0.1))
    with pytest.raises(ValueError, match=r"problem 'c': .* its diffusion along x is negative"):
        FiniteVolume().validate(family)
    with pytest.raises(ValueError, match="its diffusion along x is negative"):
        volume_stepper(equation, cells(16), 0.1, parameters={"nu": -0.1})


@pytest.mark.parametrize("reconstruction", ["van_leer", "minmod"])
def test_a_contact_is_certified_with_its_error(reconstruction, tmp_path):
    """A square pulse once around the box: the order is about two thirds, and the certificate not below the error."""
    pulse = Expression("(1 + sign(0.25 - abs(x - 0.5)))/2")
    family = Family("p", Equation("u_t = -dx(u)"), cells(128), {"u": pulse}, times=Times(0.25))
    simulator = FiniteVolume(reconstruction=reconstruction)
    with jax.enable_x64(True):
        drawn = {"u": jnp.asarray(family.draw(0, 0)[0]["u"])[None]}
        frames = jax.jit(lambda u: simulator(family, u, {}, np.arange(5) * 0.25))(drawn)
        states = np.asarray(frames.states)[0, :, :, 0]
        variation = np.abs(states[0] - states[0].mean()).mean()
        error = np.abs(states[-1] - states[0]).mean() / variation
        assert error < float(frames.record["space_error"][0]) < 3 * error


def test_hllc_refuses_what_is_no_flow():
    sound = Equation(["p_t = -dx(v)", "v_t = -dx(p)"])
    with pytest.raises(ValueError, match=r"riemann hllc is for flows"):
        volume_stepper(sound, cells(8), 0.1, riemann="hllc")


def test_raw_errors_are_sentences():
    with pytest.raises(ValueError, match="its flux along x jumps, so that waves there have no speed"):
        volume_stepper(Equation("u_t = -dx(sign(u)*u**2)"), cells(8), 0.1)
    batch = volume_stepper(Equation("u_t = -dx(c*u)", {"c": 1.0}), cells(8), 0.1, parameters={"c": np.ones(3)})
    with pytest.raises(ValueError, match="parameters of 3 trajectories need a state with a batch axis, got none"):
        batch(jnp.zeros((8, 1)))
    root = Equation("u_t = -dx(sqrt(u))", positive=("u",))
    assert np.all(np.isfinite(flow(root, Grid((8,), (1.0,), cells=True), np.ones((8, 1)), 0.1)))


@pytest.mark.long
def test_slow_strong_shocks_are_within_the_speeds(x64):
    """Noh's wall: gas of gamma 5/3 piles up fourfold and the shock runs back with a third of its speed."""
    equation = read_equation("euler", {"gamma": 5 / 3}, 1)
    law, (own, other) = conservation_law(equation), waves(equation)
    pair = ([jnp.asarray([v]) for v in (1.0, 1.0, 1e-9)], [jnp.asarray([v]) for v in (4.0, 0.0, 4 / 3)])
    values = {s: 5 / 3 for e in law.primitive.fluxes[0] for s in e.free_symbols if s.name == "gamma"}
    slowest, _ = faces(law.primitive, other[0], own[0], 0, values, *pair).outermost
    assert slowest[0] <= -1 / 3 + 1e-9
    grid = cells(64, ends="outflow")
    start = np.where(grid.axes()[0][:, None] < 0.5, (1.0, 1.0, 1e-6), (4.0, 0.0, 4 / 3))
    for riemann in ("hll", "hllc"):
        found = flow(equation, grid, gas(start, 5 / 3), 0.6, reconstruction="minmod", riemann=riemann)[:, 0]
        assert found.max() < 4.05
        np.testing.assert_allclose(found[:16], 1, rtol=1e-6)
        np.testing.assert_allclose(found[24:28], 4, rtol=0.03)


def test_fluxes_curve_both_ways_by_a_parameter_or_beside_another_field(x64):
    grid = cells(64, ends="outflow")
    start = np.where(grid.axes()[0] < 0.5, 1.0, 0.0)[:, None]
    flux = "u**2/(u**2 + (1 - u)**2)"
    alone = flow(Equation(f"u_t = -dx({flux})"), grid, start, 0.2)
    both = flow(Equation([f"u_t = -dx({flux})", "c_t = -dx(c)"]), grid, np.concatenate([start, start], -1), 0.2)
    np.testing.assert_allclose(both[:, :1], alone, atol=2e-2)
    cubic = Equation("u_t = -dx(a*u**3 + u**2/2)", {"a": 0.0})
    form = volume_stepper(cubic, grid, 0.1, parameters={"a": -0.5}).form
    fastest = form.fastest(jnp.asarray(start.T[None]), 0.0)
    assert float(fastest[0]) * grid.spacing[0] >= 0.5  # at u = 1 it is -1/2, at 1/3 a sixth


def test_every_trajectory_is_looked_at():
    equation = Equation("u_t = (a - b)*u_xx", {"a": 2.0, "b": 1.0})
    given = {"a": np.array([2.0, 1.0]), "b": np.array([1.0, 2.0])}
    with pytest.raises(ValueError, match="its diffusion along x is negative"):
        volume_stepper(equation, cells(8), 0.1, parameters=given)


def test_diffusion_is_looked_at_where_the_grid_is_and_between_axes():
    inside = Grid((8,), (1.0,), ends="outflow", origin=(2.0,), cells=True)
    assert volume_stepper(Equation("u_t = dx((x - 1.5)*u_x)"), inside, 0.1)
    with pytest.raises(ValueError, match="its diffusion along x is negative"):
        volume_stepper(Equation("u_t = dx((1 - x/5)*u_x)"), cells(8, lengths=(10.0,), ends="outflow"), 0.1)
    with pytest.raises(ValueError, match="its diffusion between the axes is negative"):
        volume_stepper(Equation("u_t = u_xx + u_yy + 3*dx(u_y)", ndim=2), cells(8, 8), 0.1)
    with pytest.raises(ValueError, match="or is something positive that is not declared"):
        volume_stepper(Equation("u_t = dx(u*u_x)"), cells(8), 0.1)
    assert volume_stepper(Equation("u_t = dx(u*u_x)", positive=("u",)), cells(8), 0.1)


@pytest.mark.long
def test_a_draw_that_is_repeated_belongs_to_the_parameter_that_stays(tmp_path):
    """Fields in primitive variables depend on what varies: all of one pressure, whatever gamma is."""
    grid = Grid((16,), (1.0,), "outflow", cells=True)
    draws = {"rho, u, p": Piecewise(cuts=(0.4, 0.6), values=((0.2, 1.0), (0.0, 0.3), (1.0, 1.0)), channels=3)}
    family = Family("x", EQUATIONS["euler"], grid, draws, vary={"gamma": (1.2, 2.4)}, times=Times(0.05))
    generate(family, FiniteVolume(), tmp_path, {"train": SplitSize(8, 2)}, tolerance=2e-3, space_tolerance=0.5)
    data = Dataset.open(tmp_path)
    assert data.manifest["rejects"], "none was drawn again, so that this asks nothing"
    rho, m, energy = np.moveaxis(np.asarray(data.split("train").states, float)[:, 0], -1, 0)
    gamma = np.asarray(data.split("train").parameters["gamma"], float)[:, None]
    np.testing.assert_allclose((gamma - 1) * (energy - m**2 / rho / 2), 1.0, rtol=1e-5)


def test_an_equal_step_that_is_not_stable_is_no_number_at_once():
    grid, law = cells(32), EQUATIONS["inviscid_burgers"]
    u = (np.sin(2 * np.pi * np.asarray(grid.coordinates())[:, 0]) + 0.5)[:, None]
    assert np.all(np.isnan(volume_stepper(law, grid, 0.5, substeps=2)(u)))
    assert np.all(np.isfinite(volume_stepper(law, grid, 0.01, substeps=2)(u)))


def test_derivatives_backwards_through_steps_of_own_sizes_say_what_to_give():
    step = volume_stepper(EQUATIONS["inviscid_burgers"], cells(8), 0.1)
    with pytest.raises(RuntimeError, match="no reverse-mode derivative: give substeps="):
        jax.grad(lambda u: step(u).sum())(jnp.ones((8, 1)))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: FiniteVolume(cfl=0.2, substeps=10), "cfl=0.2 has no effect beside substeps=10"),
        (
            lambda: volume_stepper(EQUATIONS["inviscid_burgers"], cells(8), 0.1, cfl=0.2, substeps=10),
            "cfl=0.2 has no effect beside substeps=10",
        ),
        (lambda: volume_stepper(EULER, _ends(rho=Outflow(), m=Wall()), 0.1), "ends say nothing of field 'E'"),
        (
            lambda: volume_stepper(EULER, _ends(rho=Outflow(), m=Wall(), E=Outflow(), q=Outflow()), 0.1),
            "unknown field of ends: 'q'",
        ),
        (
            lambda: volume_stepper(EULER, cells(8), 0.1, parameters={"gamma": 1.0}),
            "'E' of rho, u, p is not a number with gamma=1: is something divided by zero",
        ),
        (lambda: spectral_stepper(Equation("u_t = -u_x"), cells(8), 0.1), "takes values at points, and this grid of"),
    ],
)
def test_words_that_do_not_fit_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def _ends(**low):
    return Grid((8,), (1.0,), [(low, "outflow")], cells=True)


def test_a_mobility_that_is_steep_bounds_the_step(x64):
    equation = Equation("u_t = u**6*u_xx")
    spike = np.where(np.arange(32) == 16, 1.0, 0.01)[:, None]
    assert np.all(np.isfinite(flow(equation, cells(32), spike, 1e-3)))


def test_every_trajectory_is_asked_whether_it_has_a_solution():
    nu = np.linspace(0.1, 1.0, 100)
    nu[69] = -0.01
    with pytest.raises(ValueError, match="its diffusion along x is negative"):
        volume_stepper(EQUATIONS["diffusion"], cells(8), 0.1, parameters={"nu": nu})


@pytest.mark.parametrize(
    ("terms", "substeps", "least"),
    [("u_t = -dx(u) + 1.0*u_xx", 5, 661), ("u_t = -dx(u) - 1e4*u", 20, 806), ("u_t = -dx(u)", 1, 6)],
)
def test_equal_steps_that_are_too_long_in_any_state_are_refused(terms, substeps, least, x64):
    start = 1 + 0.1 * np.random.default_rng(0).random((64, 1))
    make = lambda count: volume_stepper(Equation(terms), cells(64), 0.1, substeps=count)
    with pytest.raises(ValueError, match=f"set substeps to at least {least}, or leave it out"):
        make(substeps)
    assert np.abs(np.asarray(make(least)(start))).max() < 1.2  # and with so many it is stable


def test_a_parameter_that_makes_speeds_complex_is_told():
    with pytest.raises(ValueError, match=r"with g=-9.81 is not hyperbolic along x: .* complex"):
        volume_stepper(WATER, cells(16), 0.1, parameters={"g": -9.81})


@pytest.mark.parametrize(("word", "part"), [("hilbert", "hilbert(u_xx)"), ("mean", "mean(u)*u")])
def test_words_of_the_whole_box_are_no_laws(word, part):
    with pytest.raises(ValueError, match=rf"{word}\(...\) asks for the whole box"):
        volume_stepper(Equation(f"u_t = -dx(u**2/2) + {part}"), cells(16), 0.1)


def test_equal_steps_of_trajectories_that_differ_are_those_of_each_alone(x64):
    rates, start = np.array([1.0, 2.0, 0.5]), 1 + 0.1 * np.sin(2 * np.pi * cells(16).coordinates())
    make = lambda a, count=60: volume_stepper(
        Equation("u_t = -dx(a*u) + 0.01*a*u_xx", {"a": 1.0}), cells(16), 0.1, substeps=count, parameters={"a": a}
    )
    together = make(rates)(np.stack([start] * 3))
    for one, a in zip(together, rates, strict=True):
        np.testing.assert_allclose(one, make(a)(start), rtol=1e-12)
    with pytest.raises(ValueError, match="set substeps to at least"):  # of the fastest of them
        make(rates, 1)
