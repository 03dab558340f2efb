"""Fields fitted to equations: the loss, the vector of its rows, and what a fitted field answers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import TensorGrid, build
from pdejax.data import AdaptivePointFeed, AdaptivePoints, GridPoints, PointBatch, PointFeed, UniformPoints
from pdejax.equations import BoundaryValueProblem
from pdejax.methods import PhysicsField, PhysicsInformed, ProblemCard, load_model, save_model
from pdejax.methods.cards import card_from_json
from pdejax.methods.operators.coordinate import found_parameters
from pdejax.methods.physics.causal import Causal
from pdejax.networks import nested_jet
from pdejax.training.optimisers.least_squares import LevenbergMarquardt
from pdejax.training.optimisers.objective import SumOfSquares

DECAY = "exp(-nu*pi**2*t)*sin(pi*x)"
HEAT = {
    "name": "heat",
    "equation": {"terms": "u_t = nu*u_xx", "parameters": {"nu": 0.1}},
    "domain": {"t": [0.0, 1.0], "x": [-1.0, 1.0]},
    "conditions": {
        "start": {"at": "t=0", "terms": "u = sin(pi*x)", "weight": 4.0},
        "walls": {"at": "boundary", "terms": "u = 0"},
    },
    "truth": {"kind": "exact", "fields": {"u": DECAY}},
}
NETWORKS = {
    "gaussians": {"kind": "gaussians", "count": 5, "scale": 1.0},
    "gaussians-linear": {"kind": "gaussians", "count": [3, 4], "head": "linear", "scale": 1.0},
    "mlp": {"kind": "mlp", "width": 5, "depth": 2},
    "siren": {"kind": "siren", "width": 5, "depth": 2, "omega0": 3.0},
    "piratenet": {"kind": "piratenet", "width": 6, "depth": 1},
}
LINEAR = NETWORKS["gaussians-linear"]


def networks(*quick):
    """All of them by name, those that are not named marked as long."""
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=() if name in quick else pytest.mark.long) for name in NETWORKS]
    )


class Known(eqx.Module):
    """A field given by a function of points, with one parameter that is a factor."""

    factor: jnp.ndarray
    function: object = eqx.field(static=True)

    def __call__(self, points):
        return self.jet(points, ((0, 0),))[(0, 0)]

    def jet(self, points, orders):
        points = points.points() if isinstance(points, TensorGrid) else points
        return nested_jet(lambda x: self.factor * self.function(x), points, orders)


def problem_of(spec=HEAT, **sections):
    return BoundaryValueProblem(**{**spec, **sections})


def known_model(problem, function=None, lift=None):
    field = Known(jnp.ones(()), function or problem.exact)
    return PhysicsField(field, found_parameters(problem), problem, lift)


def batch_of(problem, kind="uniform", size=2, **options):
    sizes = {"counts": [4, 5]} if kind == "grid" else {"count": 20, "face_count": 6}
    feed = PointFeed(problem, build("points", {"kind": kind, **sizes}), size, **options)
    return jax.jit(feed.fetch)(jax.tree.map(jnp.asarray, feed.arrays), feed.next(feed.init())[1])


def built(method, network, problem, key):
    """A model, built in one program."""
    return eqx.filter_jit(lambda key: method.build(network, ProblemCard(problem), key=key))(key)


def keys_of(batch):
    return jax.vmap(lambda row: jax.random.fold_in(jax.random.key(3), row))(batch.row)


def loss_of(method, model, batch):
    return jax.jit(lambda batch: method.loss(model, batch, keys_of(batch)))(batch)


@pytest.fixture
def csv(tmp_path):
    """Some values of the decaying wave, one missing, for nu = 0.1."""
    points = np.random.default_rng(0).uniform([0, -1], [1, 1], (40, 2))
    values = problem_of().exact(points)[:, 0]
    rows = [f"{t},{x},{u}" for (t, x), u in zip(points, values, strict=True)]
    (tmp_path / "seen.csv").write_text("\n".join(["t,x,u", *rows, "0.5,0.5,"]) + "\n")
    return {"path": str(tmp_path / "seen.csv")}


# the loss


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        pytest.param({}, "grid", id="plain-grid"),
        pytest.param({}, "uniform", id="plain-uniform", marks=pytest.mark.long),
        pytest.param({}, "quasi_random", id="plain-quasi_random"),
        pytest.param({"causal": {"chunks": 4}}, "grid", id="causal-grid"),
        pytest.param({"causal": {"chunks": 4}}, "uniform", id="causal-uniform", marks=pytest.mark.long),
        pytest.param({"causal": {"chunks": 4}}, "quasi_random", id="causal-quasi_random", marks=pytest.mark.long),
        pytest.param({"adaptive": {}}, "grid", id="rad-grid", marks=pytest.mark.long),
        pytest.param({"adaptive": {}}, "uniform", id="rad-uniform"),
        pytest.param({"adaptive": {}}, "quasi_random", id="rad-quasi_random", marks=pytest.mark.long),
    ],
)
def test_the_loss_of_an_exact_solution_is_zero(kind, options, csv, x64):
    problem = problem_of(observations=csv)
    method, batch = build("method", {"kind": "physics_informed", **options}), batch_of(problem, kind)
    losses, metrics = loss_of(method, known_model(problem), batch)
    np.testing.assert_allclose(losses, 0, atol=1e-26)
    assert set(metrics) == {"equation", "start", "walls", "observations"}
    wrong = known_model(problem, lambda x: 0.5 * problem.exact(x))
    assert float(loss_of(PhysicsInformed(), wrong, batch_of(problem, kind))[0].min()) > 0.1


def hand_batch():
    """Two interior points, two at the start, one on each wall, three measured values of which one is missing."""
    array = lambda *rows: jnp.asarray(rows)[None]
    faces = {"start": (array([0.0, 0.5], [0.0, -0.25]),), "walls": (array([0.5, -1.0]), array([0.25, 1.0]))}
    observed, values = array([0.5, 0.5], [1.0, 0.0], [0.0, 1.0]), array([1.0], [np.nan], [-1.0])
    row = jnp.zeros(1, jnp.int32)
    return PointBatch(array([0.5, 0.5], [1.0, -1.0]), faces, observed, values, row, jnp.ones(1))


def test_terms_are_the_mean_squares_on_paper(csv, x64):
    """u = t x^2: u_t - nu u_xx = x^2 - 0.2 t."""
    problem = problem_of(observations=csv)
    model = known_model(problem, lambda p: (p[:, 0] * p[:, 1] ** 2)[:, None])
    method = PhysicsInformed(weights={"equation": 2.0, "observations": 10.0})
    losses, terms = loss_of(method, model, hand_batch())
    expected = {
        "equation": ((0.25 - 0.1) ** 2 + (1 - 0.2) ** 2) / 2,
        "start": (1 + 0.5) / 2,
        "walls": (0.5**2 + 0.25**2) / 2,
        "observations": ((0.125 - 1) ** 2 + (0 + 1) ** 2) / 2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-13)
    weighted = 2 * expected["equation"] + 4 * expected["start"] + expected["walls"] + 10 * expected["observations"]
    np.testing.assert_allclose(losses, weighted, rtol=1e-13)
    assert method.term_names(model) == ("equation", "start", "walls", "observations")


@networks("gaussians-linear", "mlp")
def test_a_grid_is_its_points(name, key, x64):
    problem, method = problem_of(), PhysicsInformed()
    model = built(method, NETWORKS[name], problem, key)
    grid = batch_of(problem, "grid")
    flat = jax.vmap(lambda points: points.points())
    is_grid = lambda x: isinstance(x, TensorGrid)
    scattered = jax.tree.map(lambda x: flat(x) if is_grid(x) else x, grid, is_leaf=is_grid)
    for a, b in zip(*(jax.tree.leaves(loss_of(method, model, x)) for x in (grid, scattered)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_causal_weights_wait_for_earlier_times(x64):
    causal, square = Causal(tolerance=2.0, chunks=3), jnp.asarray([0.1, 0.3, 0.2, 0.6, 1.0, 2.0])
    means = np.array([0.2, 0.4, 1.5])
    weights = np.exp(-2.0 * np.array([0.0, 0.2, 0.6]))
    grid = TensorGrid((jnp.arange(3.0), jnp.arange(2.0)))
    np.testing.assert_allclose(causal.mean(square, grid), np.mean(weights * means), rtol=1e-14)
    order = np.array([4, 0, 3, 5, 1, 2])
    np.testing.assert_allclose(causal.mean(square[order], grid.points()[order]), np.mean(weights * means), rtol=1e-14)
    slope = jax.grad(lambda s: causal.mean(s, grid))(square)
    np.testing.assert_allclose(slope, np.repeat(weights, 2) / 6, rtol=1e-14)  # weights are constants
    with pytest.raises(ValueError, match=r"causal.chunks=32 are more than the 6 points"):
        Causal().mean(square, grid.points())


def test_adaptive_points_follow_the_density(key, x64):
    points = jnp.stack([jnp.arange(4.0), jnp.zeros(4)], axis=1)
    residual = jnp.asarray([[0.0, 0.0], [0.6, 0.8], [3.0, 0.0], [0.0, -4.0]])
    many = jnp.tile(points, (3000, 1)), jnp.tile(residual, (3000, 1))
    chosen = AdaptivePoints(share=1.0, offset=0.5).select(many[1], many[0], key)
    density = np.array([0, 1, 3, 4]) / 2 + 0.5
    frequency = np.bincount(np.asarray(chosen[:, 0], int), minlength=4) / len(chosen)
    np.testing.assert_allclose(frequency, density / density.sum(), atol=0.015)
    assert AdaptivePoints(share=0.25).select(many[1], many[0], key).shape == (3000, 2)
    np.testing.assert_array_equal(jnp.isfinite(AdaptivePoints().select(0 * residual, points, key)), True)


def test_chosen_points_enter_the_loss(key, x64):
    """Where the residual is zero but on one side, the mean over chosen points is larger than over all."""
    problem = problem_of(truth=None)
    model = known_model(problem, lambda p: (jnp.maximum(p[:, 0] - 0.75, 0) ** 2)[:, None])
    found = []
    for options in ({}, {"adaptive": AdaptivePoints(offset=0.0)}):
        method = PhysicsInformed(points=UniformPoints(20, 6), **options)
        feed = method.feed(problem, 8)
        further = (feed.refresh(feed.state(), model, key),) if options else ()
        batch = jax.jit(feed.fetch)(feed.arrays, feed.next(feed.init())[1], *further)
        found.append(float(jnp.mean(loss_of(method, model, batch)[1]["equation"])))
    assert found[1] > 2 * found[0]


def test_the_feed_of_a_method_has_its_options(csv):
    problem = problem_of(observations=csv)
    feed = PhysicsInformed(points=UniformPoints(9, 2), redraw=3, observation_batch=2).feed(problem, 4, seed=7)
    assert isinstance(feed, PointFeed)
    assert (feed.sampler, feed.redraw, feed.observation_batch) == (UniformPoints(9, 2), 3, 2)
    assert (feed.batch_size, feed.seed) == (4, 7)
    adaptive = PhysicsInformed(adaptive=AdaptivePoints(0.5), redraw=3).feed(problem, 4)
    assert isinstance(adaptive, AdaptivePointFeed)
    assert (adaptive.adaptive, adaptive.every, adaptive.batch_size) == (AdaptivePoints(0.5), 3, 4)
    with pytest.raises(ValueError, match="adaptive chooses whenever points are drawn anew: redraw should be 1 or more"):
        PhysicsInformed(adaptive=AdaptivePoints(), redraw=0).feed(problem)


# rows


@pytest.mark.parametrize(
    ("name", "kind"), [("mlp", "uniform"), pytest.param("gaussians-linear", "grid", marks=pytest.mark.long)]
)
def test_the_squares_of_the_rows_add_up_to_the_loss(name, kind, csv, key, x64):
    problem = problem_of(observations=csv)
    method = PhysicsInformed(weights={"equation": 0.3, "observations": 7.0})
    model = built(method, NETWORKS[name], problem, key)
    for batch in (batch_of(problem, kind), batch_of(problem, kind, observation_batch=3, size=4)):
        blank = batch.values.at[0, 0].set(jnp.nan)  # sets may lack different numbers of values
        batch = eqx.tree_at(lambda b: b.values, batch, blank)
        said = []

        @jax.jit
        def squares_of(batch):
            groups = method.row_groups(model, batch)
            said.extend(g.weight for g in groups)  # noqa: B023
            return [jnp.sum(jnp.square(g.function(model, *g.arrays))) for g in groups]

        squares = squares_of(batch)
        losses, terms = loss_of(method, model, batch)
        weights = method.term_weights(problem)
        assert said == list(weights.values())
        for found, name in zip(squares, method.term_names(model), strict=True):
            np.testing.assert_allclose(found, weights[name] * np.sum(terms[name]), rtol=1e-11)
        np.testing.assert_allclose(np.sum(squares) / len(losses), np.mean(losses), rtol=1e-11)


# the field


@networks("gaussians", "piratenet")
def test_derivatives_are_those_of_the_values_with_a_lift_too(name, key, x64):
    method = build("method", {"kind": "physics_informed", "lift": {"u": "cos(x*t)*exp(nu*x) + 3"}})
    model = built(method, NETWORKS[name], problem_of(), key)
    points = jnp.asarray(np.random.default_rng(0).uniform(0.1, 0.9, (4, 2)))
    orders = ((0, 0), (1, 0), (0, 1), (0, 2), (1, 1))
    run = lambda x: (model.jet(x, orders), nested_jet(model, x, orders), model(x) - model.field(x))
    found, expected, lifted = jax.jit(run)(points)
    for order in orders:
        np.testing.assert_allclose(found[order], expected[order], rtol=1e-9, atol=1e-10)
    points = np.asarray(points)
    np.testing.assert_allclose(lifted[:, 0], np.cos(points[:, 0] * points[:, 1]) * np.exp(0.1 * points[:, 1]) + 3)


def test_a_lift_makes_conditions_exact(key, x64):
    """An odd field vanishes in the middle and, being periodic, at the ends; the lift brings the values there."""
    spec = {
        "equation": {"terms": ["u_t = u_xx", "v_t = v_xx"]},
        "domain": {"t": [0, 1], "x": [0, 2]},
        "periodic": ["x"],
        "parity": {"x": "odd"},
        "conditions": {},
    }
    method = build("method", {"kind": "physics_informed", "lift": {"v": "2 + t*x"}})
    model = built(method, NETWORKS["gaussians"], problem_of(spec), key)
    points = jnp.asarray([[0.3, 0.0], [0.4, 1.0], [0.5, 2.0]])
    np.testing.assert_allclose(jax.jit(lambda x: model(x))(points), [[0, 2], [0, 2.4], [0, 3]], atol=1e-12)


def test_a_lift_that_cannot_be_added_is_refused(key):
    made = lambda lift: build("method", {"kind": "physics_informed", "lift": lift}).build(
        LINEAR, ProblemCard(problem_of()), key=key
    )
    with pytest.raises(ValueError, match=r"lift: unknown field 'uu'. Did you mean 'u'|Known: u"):
        made({"uu": "x"})
    for text in ("u", "x*u_x"):
        with pytest.raises(ValueError, match=r"lift depends on the fields, expected expressions in t, x, nu"):
            made({"u": text})
    with pytest.raises(ValueError, match="unknown function 'sinn'"):
        made({"u": "sinn(x)"})


def test_predictions_are_values_on_a_grid(x64):
    problem = problem_of()
    model, x = known_model(problem), np.linspace(-1, 1, 5)
    expected = np.exp(-0.1 * np.pi**2 * np.array([0.0, 0.5]))[:, None, None] * np.sin(np.pi * x)[:, None]
    single = model.predict(jnp.zeros((5, 1)), jnp.asarray([0.0, 0.5]))
    np.testing.assert_allclose(single, expected, atol=1e-14)
    many = model.predict(jnp.zeros((2, 3, 5, 1)), jnp.asarray([0.0, 0.5]))
    assert many.shape == (2, 2, 3, 5, 1)
    np.testing.assert_array_equal(many[:, 1, 2], single)
    assert model.predict(jnp.zeros((5, 1), jnp.float32), [0.5]).dtype == jnp.float32


def test_predictions_on_rings_leave_the_end_out_and_start_at_the_beginning(x64):
    ring = problem_of(domain={"t": [2, 3], "x": [0, 2]}, periodic=["x"], conditions={}, truth=None)
    model = known_model(ring, lambda p: (10 * p[:, 0] + p[:, 1])[:, None])
    found = model.predict(jnp.zeros((4, 1)), jnp.asarray([0.0, 1.0]))[..., 0]
    np.testing.assert_allclose(found, [[20, 20.5, 21, 21.5], [30, 30.5, 31, 31.5]])


def test_predictions_of_steady_problems_have_one_time(x64):
    steady = problem_of(equation={"terms": "lap(u) = 0"}, domain={"x": [0, 1], "y": [0, 2]}, conditions={}, truth=None)
    found = known_model(steady, lambda p: (10 * p[:, 0] + p[:, 1])[:, None]).predict(jnp.zeros((2, 3, 1)), [0.0])
    np.testing.assert_allclose(found[..., 0], [[[0, 1, 2], [10, 11, 12]]])


@networks("gaussians", "siren")
def test_it_comes_back_from_disk(name, key, tmp_path):
    method = {"kind": "physics_informed", "lift": {"u": "x*t"}, "causal": {"chunks": 4}}
    model = built(build("method", method), NETWORKS[name], problem_of(unknown={"nu": 0.7}), key)
    model = eqx.tree_at(lambda m: m.found["nu"], model, jnp.asarray(0.25))
    save_model(tmp_path, model)
    back = load_model(tmp_path)
    points = jnp.asarray(np.random.default_rng(0).uniform(0, 1, (4, 2)), jnp.float32)
    np.testing.assert_array_equal(*jax.jit(lambda x: (back(x), model(x)))(points))
    assert (back.problem, float(back.parameters["nu"]), back.lift) == (model.problem, 0.25, model.lift)


def test_viscosity_is_found_from_noisy_observations(key, tmp_path, x64):
    rng = np.random.default_rng(0)
    points = rng.uniform([0, -1], [1, 1], (150, 2))
    values = problem_of(parameters={"nu": 0.17}).exact(points)[:, 0] + 0.02 * rng.normal(size=150)
    np.savez(tmp_path / "seen.npz", t=points[:, 0], x=points[:, 1], u=values)
    spec = {"conditions": {}, "unknown": {"nu": 0.05}, "observations": {"path": str(tmp_path / "seen.npz")}}
    problem, method = problem_of(**spec), PhysicsInformed()
    network = {"kind": "gaussians", "count": [5, 8], "head": "linear", "margin": 0.1}
    model = built(method, network, problem, key)
    assert jax.tree.leaves(method.trainable(model).found) == [True]
    feed = PointFeed(problem, GridPoints((10, 14)))
    batch = jax.jit(feed.fetch)(feed.arrays, jnp.zeros(1, jnp.int32))
    where = lambda m: (m.field.weights, m.found)
    assemble = lambda params: eqx.tree_at(where, model, params)

    def rows(params):
        model = assemble(params)
        return jnp.concatenate([g.function(model, *g.arrays).reshape(-1) for g in method.row_groups(model, batch)])

    optimiser, objective = LevenbergMarquardt(), SumOfSquares(rows)

    @jax.jit
    def run(params):
        step = lambda carry, _: (optimiser.step(objective, *carry)[:2], None)
        return jax.lax.scan(step, (params, optimiser.init(params)), length=30)[0][0]

    fitted = assemble(run(where(model)))
    assert float(fitted.parameters["nu"]) == pytest.approx(0.17, rel=0.05)
    error = jax.jit(lambda x: fitted(x))(jnp.asarray(points)) - problem_of(parameters={"nu": 0.17}).exact(points)
    assert np.sqrt(np.mean(error**2)) < 0.015
    assert float(loss_of(method, fitted, batch)[1]["found_nu"][0]) == float(fitted.parameters["nu"])


def test_a_card_comes_back_from_plain_values():
    card = ProblemCard(problem_of())
    assert card_from_json(card.to_json()) == card
