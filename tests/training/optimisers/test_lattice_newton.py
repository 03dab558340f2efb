import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid
from pdejax.data import PointFeed, UniformPoints
from pdejax.equations import BoundaryValueProblem
from pdejax.methods import PhysicsInformed, ProblemCard
from pdejax.methods.physics.adaptation import sizes_of
from pdejax.training import LatticeNewton, TrainSettings, train


def problem_of(terms, domain, conditions, *, exact=None, fields=("u",), **further):
    equation = {"terms": [terms] if isinstance(terms, str) else terms, "fields": list(fields)}
    truth = None if exact is None else {"kind": "exact", "fields": exact if isinstance(exact, dict) else {"u": exact}}
    found = {k: {"at": at, "terms": t} for k, (at, t) in conditions.items()}
    spec = {"name": "test", "equation": equation, "domain": domain, "conditions": found, "truth": truth}
    return BoundaryValueProblem(**{**spec, **further})


def solver(folder):
    """What trains in a folder: the field and its metrics; the same name goes on where it stopped."""

    def run(problem, network, options, steps, name="run", precision="float64", kind="gaussian_lattice"):
        with jax.enable_x64(precision == "float64"):
            build = lambda key: PhysicsInformed().build({"kind": kind, **network}, ProblemCard(problem), key=key)
            model = eqx.filter_jit(build)(jax.random.key(0))
        sampler = UniformPoints(8, 1)
        settings = TrainSettings(
            steps,
            optimiser={"kind": "lattice_newton", **options},
            updates_per_dispatch=1,
            log_every=1,
            evaluate_every=10**6,
            checkpoint_every=1 if name != "run" else 10**6,
            precision=precision,
            devices=1,
        )
        out = train(PhysicsInformed(), model, PointFeed(problem, sampler, 1), settings, folder / name, show=False)
        return out, [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]

    return run


@pytest.fixture
def solve(tmp_path):
    return solver(tmp_path)


@pytest.fixture(scope="module")
def solved_heat(tmp_path_factory):
    """A march of four slabs, for all that begins there."""
    return solver(tmp_path_factory.mktemp("heat"))(heat(), HEAT, {}, 4)


def value_of(field, where):
    """In double precision, whatever is on outside."""
    with jax.enable_x64(True):
        return np.asarray(eqx.filter_jit(lambda field, where: field(where))(field, where))


def relative_error(field, problem, count=41):
    with jax.enable_x64(True):
        grid = TensorGrid(tuple(jnp.asarray(np.linspace(*ends, count)) for ends in problem.box))
        both = eqx.filter_jit(lambda field, grid: (problem.exact(grid.points()), field(grid)))
        truth, found = map(np.asarray, both(field, grid))
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


WALLS = {"walls": ("boundary", "u = 0")}
SQUARE = {"x": [-1, 1], "y": [-1, 1]}
UNIT = {"t": [0, 1], "x": [0, 1]}


def helmholtz():
    forcing = "(1 - 5*pi**2)*sin(pi*x)*sin(2*pi*y)"
    return problem_of(f"u_xx + u_yy + u = {forcing}", SQUARE, WALLS, exact="sin(pi*x)*sin(2*pi*y)")


def heat(kind="dirichlet"):
    start = "sin(pi*x) + sin(2*pi*x)/2" if kind == "dirichlet" else "1 + cos(pi*x)"
    decay = "exp(-0.1*pi**2*t)*sin(pi*x) + exp(-0.4*pi**2*t)*sin(2*pi*x)/2"
    exact = decay if kind == "dirichlet" else "1 + exp(-0.1*pi**2*t)*cos(pi*x)"
    conditions = {
        "start": ("t=0", f"u = {start}"),
        "walls": ("boundary", "u = 0" if kind == "dirichlet" else "u_x = 0"),
    }
    return problem_of("u_t = 0.1*u_xx", UNIT, conditions, exact=exact)


HEAT = {"counts": [8, 14], "slabs": 4, "beyond": 2}


# ---- solutions


@pytest.mark.long
def test_helmholtz(solve):
    field, metrics = solve(helmholtz(), {"counts": [24, 28], "beyond": 4}, {"cutoff": 1e-14}, 1)
    assert relative_error(field, helmholtz()) < 1e-8
    assert metrics[-1]["reached"] == 1
    assert metrics[-1]["error"] < 1e-6


@pytest.mark.parametrize("kind", ["dirichlet", pytest.param("neumann", marks=pytest.mark.long)])
def test_heat_between_walls(kind, solve, solved_heat):
    field, metrics = solved_heat if kind == "dirichlet" else solve(heat(kind), HEAT, {}, 4)
    assert relative_error(field, heat(kind)) < 1e-6
    assert [m["reached"] for m in metrics] == [0.25, 0.5, 0.75, 1]


@pytest.mark.long
def test_a_wave(solve):
    conditions = {"start": ("t=0", ["u = sin(pi*x)", "u_t = 0"]), **WALLS}
    problem = problem_of("u_tt = u_xx", {"t": [0, 2], "x": [0, 1]}, conditions, exact="sin(pi*x)*cos(pi*t)")
    field, _ = solve(problem, {"counts": [10, 12], "slabs": 5, "beyond": 2}, {}, 5)
    assert relative_error(field, problem) < 1e-6


@pytest.mark.long
def test_two_fields(solve):
    conditions = {"start": ("t=0", ["u = sin(pi*x)", "v = 0"]), "walls": ("boundary", ["u = 0", "v = 0"])}
    exact = {"u": "sin(pi*x)*cos(pi*t)", "v": "-pi*sin(pi*x)*sin(pi*t)"}
    problem = problem_of(["u_t = v", "v_t = u_xx"], UNIT, conditions, exact=exact, fields=("u", "v"))
    field, _ = solve(problem, {"counts": [10, 14], "slabs": 3, "beyond": 2}, {}, 3)
    assert relative_error(field, problem) < 1e-5


def cole_hopf(t, x, nu):
    """Burgers' solution from u = -sin(pi x), by Gauss-Hermite quadrature (Basdevant et al. 1986)."""
    nodes, weights = np.polynomial.hermite.hermgauss(120)
    y = x[:, None] - np.sqrt(4 * nu * t) * nodes
    log = -np.cos(np.pi * y) / (2 * np.pi * nu)
    mass = weights * np.exp(log - log.max())
    return -np.sum(np.sin(np.pi * y) * mass, 1) / np.sum(mass, 1)


@pytest.mark.long
def test_burgers_sharpens(solve):
    nu = 0.01 / np.pi * 3
    domain, further = {"t": [0, 1], "x": [-1, 1]}, {"periodic": ["x"], "parity": {"x": "odd"}}
    problem = problem_of(f"u_t + u*u_x = {nu}*u_xx", domain, {"start": ("t=0", "u = -sin(pi*x)")}, **further)
    options = {"error": 1e-4, "adaptive": "x", "longest": 0.2, "first": 0.02, "fine": 1001, "passes": 2, "group": 8}
    field, metrics = solve(
        problem, {"counts": [7, 32], "overlap": [3.0, 2.2], "beyond": [1, 0], "slabs": 40}, options, 12
    )
    assert metrics[-1]["reached"] == 1
    x = np.linspace(-1, 1, 201)
    for t in (0.3, 0.6, 1.0):
        with jax.enable_x64(True):
            line = TensorGrid((jnp.array([t]), jnp.asarray(x)))
        found = value_of(field, line)[:, 0]
        truth = cole_hopf(t, x, nu)
        assert np.linalg.norm(found - truth) < 1e-4 * np.linalg.norm(truth)
    widths = np.asarray(field.field.widths[1])
    assert widths[0].min() > 2 * widths[:16].min()  # Gaussians follow the front


def nonlinear_steady():
    u = "exp(x*y)*sin(3*x)"
    laplace = f"(x**2 + y**2 - 9)*{u} + 6*y*exp(x*y)*cos(3*x)"
    walls = {"walls": ("boundary", f"u = {u}")}
    return problem_of(f"u_xx + u_yy + u**3 = {laplace} + ({u})**3", SQUARE, walls, exact=u)


@pytest.mark.long
def test_a_nonlinear_problem_converges_faster_than_any_power_and_knows_its_error(solve):
    counts, misses, errors = np.array([7, 11]), [], []
    for count in counts.tolist():
        field, metrics = solve(nonlinear_steady(), {"counts": [count, count], "beyond": 2}, {}, 1, f"{count}")
        misses.append(relative_error(field, nonlinear_steady()))
        errors.append(metrics[-1]["error"])
    orders = -np.diff(np.log(misses)) / np.diff(np.log(counts))
    assert orders.min() > 7
    assert misses[-1] < 2e-5
    ratio = np.log10(np.array(errors) / np.array(misses))
    assert np.ptp(ratio) < 0.6  # the error falls as the miss does, by three orders of magnitude


@pytest.mark.long
def test_the_error_tells_of_a_start_that_is_not_met(solve):
    start = {"start": ("t=0", "u = sin(9*pi*x)"), **WALLS}
    problem = problem_of("u_t = 0.01*u_xx", UNIT, start, exact="exp(-0.81*pi**2*t)*sin(9*pi*x)")
    field, metrics = solve(problem, {"counts": [8, 7], "slabs": 2}, {}, 1)
    assert relative_error(field, problem) > 0.5
    assert metrics[-1]["error"] > 0.1


# ---- the march


@pytest.mark.long
def test_a_march_goes_on_bit_by_bit_where_it_stopped(solve):
    options = {"passes": 3, "adaptive": "x", "fine": 501}
    network = {"counts": [6, 10], "slabs": 3}
    whole, metrics = solve(heat(), network, options, 9, "whole")
    for steps in (4, 9):  # the stop is in the middle of a slab's passes
        parts, others = solve(heat(), network, options, steps, "parts")
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(parts), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [m["slab"] for m in metrics] == [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert [m["reached"] for m in metrics][-1] == 1
    assert [m["loss"] for m in metrics] == [m["loss"] for m in others]


@pytest.mark.long
def test_grouped_passes_share_a_factor_and_the_answer(solve):
    conditions = {"start": ("t=0", "u = 1 + cos(pi*x)/2"), "walls": ("boundary", "u_x = 0")}
    problem = problem_of("u_t = 0.1*u_xx + u - u**3", UNIT, conditions)
    network, options = {"counts": [7, 10], "slabs": 4}, {"inner_tolerance": 1e-8}
    one, _ = solve(problem, network, options, 4, "one")
    more, metrics = solve(problem, network, {**options, "group": 3}, 3, "more")
    with jax.enable_x64(True):
        grid = TensorGrid((jnp.asarray(np.linspace(0, 1, 21)),) * 2)
    np.testing.assert_allclose(value_of(one, grid), value_of(more, grid), atol=1e-8)
    assert metrics[-1]["reached"] == 1  # two of the nine passes had nothing left to do


def test_nothing_changes_after_the_end(solve, solved_heat):
    longer, metrics = solve(heat(), HEAT, {}, 6, "more")
    for a, b in zip(jax.tree.leaves(solved_heat[0]), jax.tree.leaves(longer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert metrics[3]["error"] == metrics[-1]["error"]
    assert metrics[-1]["reached"] == 1


def sudden():
    """Nothing happens at first, and much after the middle."""
    exact = "1 + sin(pi*x)*(1 + tanh(20*(t - 0.6)))"
    forcing = "20*sin(pi*x)/cosh(20*(t - 0.6))**2 + 0.1*pi**2*sin(pi*x)*(1 + tanh(20*(t - 0.6)))"
    conditions = {"start": ("t=0", "u = 1 + sin(pi*x)*(1 + tanh(-12))"), "walls": ("boundary", "u = 1")}
    return problem_of(f"u_t = 0.1*u_xx + {forcing}", UNIT, conditions, exact=exact)


@pytest.mark.long
def test_slabs_are_as_long_as_the_error_lets_them(solve):
    network = {"counts": [5, 12], "slabs": 20, "beyond": [1, 2], "overlap": [3.0, 2.5]}
    options = {"error": 1e-4, "first": 0.3, "longest": 0.5}
    field, metrics = solve(sudden(), network, options, 18)
    edges = np.unique(field.field.edges)
    lengths, middles = np.diff(edges), (edges[1:] + edges[:-1]) / 2
    assert metrics[-1]["reached"] == edges[-1] == 1
    assert lengths[np.abs(middles - 0.6) < 0.05].max() < 0.3 * lengths[0]
    moved = [after["slab"] > before["slab"] for before, after in zip([{"slab": 0}, *metrics], metrics, strict=False)]
    accepted, rejected = (
        [m["error"] for m, flag in zip(metrics, moved, strict=True) if flag is kind] for kind in (True, False)
    )
    assert max(accepted) < 4e-4
    assert max(rejected) > 1e-3
    assert relative_error(field, sudden(), 101) < 1e-5


@pytest.mark.long
def test_metrics_tell_how_far_too_few_slabs_reached(solve):
    options = {"error": 1e-4, "first": 0.1, "longest": 0.1}
    field, metrics = solve(heat(), {"counts": [6, 12], "slabs": 3, "beyond": 2}, options, 5)
    assert metrics[-1]["reached"] == field.field.edges[-1] < 0.5
    np.testing.assert_allclose(metrics[-1]["reached"], 0.3, atol=0.05)
    with jax.enable_x64(True):
        points = jnp.array([[0.2, 0.3]])
        exact = jax.jit(heat().exact)(points)
    np.testing.assert_allclose(value_of(field, points), exact, atol=1e-3)


@pytest.mark.long
def test_gaussians_do_not_crowd_at_walls_for_nothing(solve):
    conditions = {"start": ("t=0", "u = exp(x)"), "walls": ("boundary", "u = exp(x + 0.1*t)")}
    problem = problem_of("u_t = 0.1*u_xx", UNIT, conditions, exact="exp(x + 0.1*t)")
    network, options = {"counts": [6, 12], "slabs": 2, "beyond": 2}, {"adaptive": "x", "fine": 501, "passes": 2}
    field, _ = solve(problem, network, options, 4)
    spacings = np.diff(field.field.centres[1])
    assert spacings.max() < 2 * spacings.min()
    assert relative_error(field, problem) < 1e-5


# ---- what is unusual, and what is refused


@pytest.mark.long
def test_a_start_that_is_stated_in_passing(solve):
    further = {"start": ("t=0", "2*u + u_x = 2*sin(pi*x) + pi*cos(pi*x)"), **WALLS}
    problem = problem_of("u_t = 0.1*u_xx", UNIT, further, exact="exp(-0.1*pi**2*t)*sin(pi*x)")
    field, _ = solve(problem, HEAT, {}, 4)
    assert relative_error(field, problem) < 1e-5


def test_a_start_stated_by_another_field_is_no_expression():
    start = {"start": ("t=0", ["u = sin(pi*x)", "v = u_x"]), **WALLS}
    problem = problem_of(["u_t = v", "v_t = u_xx"], UNIT, start, fields=("u", "v"))
    assert problem.start("u") is not None
    assert problem.start("v") is None


START = {"start": ("t=0", "u = sin(pi*x)")}
REFUSED = {
    "later": (
        lambda: problem_of("u_t = u_xx", UNIT, {**START, **WALLS, "end": ("t=1", "u = 0")}),
        {},
        "condition 'end' at t=1",
    ),
    "implicit": (
        lambda: problem_of("u_t = u_xx", UNIT, {"start": ("t=0", "u**3 = x"), **WALLS}),
        {},
        "'start' is nonlinear",
    ),
    "steady slabs": (helmholtz, {"counts": [5, 5], "slabs": 2}, "a steady problem has one"),
    "network": (heat, {"kind": "gaussians", "count": 5}, "take network=gaussian_lattice"),
}


@pytest.mark.parametrize(("problem", "network", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_solved_is_refused(problem, network, message, solve):
    network = {"counts": [5, 5], "kind": "gaussian_lattice", **network}
    if network["kind"] == "gaussians":
        network.pop("counts")
    with pytest.raises(ValueError, match=message):
        solve(problem(), network, {}, 1, kind=network.pop("kind"))


def test_unknown_parameters_are_refused(solve):
    equation = {"terms": ["u_t = nu*u_xx"], "parameters": {"nu": 1.0}}
    conditions = {"start": {"at": "t=0", "terms": "u = sin(pi*x)"}, "walls": {"at": "boundary", "terms": "u = 0"}}
    spec = {"equation": equation, "domain": UNIT, "conditions": conditions}
    problem = BoundaryValueProblem(**{**spec, "unknown": {"nu": 0.5}})
    with pytest.raises(ValueError, match="knows no unknown parameters"):
        solve(problem, {"counts": [5, 5]}, {}, 1)


def test_unused_slabs_leave_and_an_unfinished_march_is_told(key, x64):
    problem = problem_of("u_t = u_xx", UNIT, {"start": ("t=0", "u = sin(pi*x)"), **WALLS})
    spec = {"kind": "gaussian_lattice", "counts": [4, 5], "slabs": 4}
    build = lambda key: PhysicsInformed().build({**spec, "scale": 1.0}, ProblemCard(problem), key=key)
    model = eqx.filter_jit(build)(key)
    ends = jnp.array([0.0, 0.5, 1.0, 1.0, 1.0])
    model = eqx.tree_at(lambda m: m.field.edges, model, ends)
    points = jax.random.uniform(key, (20, 2))
    short = LatticeNewton().finish(model)
    assert short.field.slabs == 2
    assert sizes_of(short.field) == {"slabs": 2, "wide": True}
    np.testing.assert_array_equal(value_of(short, points), value_of(model, points))
    cut = eqx.tree_at(lambda m: m.field.weights, model, model.field.weights.at[1:].set(0))
    with pytest.raises(RuntimeError, match=r"came to t = 0.5 of 1 with network.slabs=4"):
        LatticeNewton().finish(cut)


def test_single_precision_is_refused(solve):
    problem = problem_of("u_xx + u_yy = 1", SQUARE, WALLS)
    with pytest.raises(ValueError, match=r"train.precision=float64"):
        solve(problem, {"counts": [6, 6]}, {}, 1, precision="float32")
