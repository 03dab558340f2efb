import dataclasses
import functools
import itertools
import json
import re

import equinox as eqx
import jax
import numpy as np
import pytest
from matplotlib.text import Text

from pdejax.equations import BoundaryValueProblem
from pdejax.evaluation import Result, evaluate
from pdejax.evaluation.coordinate.sections import field_figure, made_of_figure, panels_of, time_figure
from pdejax.evaluation.page.record import stages_of
from pdejax.methods import PhysicsInformed, ProblemCard
from pdejax.plot import settle, style, training_figure
from pdejax.solvers import Truth, solve_truth

PNG = b"\x89PNG\r\n\x1a\n"
DOMAINS = {"t": [0, 1], "x": [-1, 1], "y": [-1, 1], "z": [-1, 1]}
WALL = {"walls": {"at": "boundary", "terms": "u = 0"}}


def a_problem(axes):
    """Diffusion on the axes, or Poisson's equation without time."""
    space = [a for a in axes if a != "t"]
    product = "*".join(f"sin(pi*{a})" for a in space)
    if axes[0] == "t":
        term = f"u_t = nu*({'+'.join(f'u_{a}{a}' for a in space)})"
        solution = f"exp(-{len(space)}*0.05*pi**2*t)*{product}"
        conditions = {"start": {"at": "t=0", "terms": f"u = {product}"}, **WALL}
    else:
        term, solution = f"{'+'.join(f'u_{a}{a}' for a in space)} = -{len(space)}*pi**2*{product}", product
        conditions = WALL
    return BoundaryValueProblem(
        **{
            "name": "a <problem>",
            "equation": {"terms": [term], "parameters": {"nu": 0.05} if axes[0] == "t" else {}},
            "domain": {axis: DOMAINS[axis] for axis in axes},
            "unknown": {"nu": 0.1} if axes == "tx" else {},
            "conditions": conditions,
            "truth": {
                "kind": "exact",
                "fields": {"u": solution},
                "shape": [9] * len(axes),
                "parameters": {"nu": 0.05} if axes[0] == "t" else {},
            },
        }
    )


NETWORKS = {
    "few": {"kind": "gaussians", "count": 20, "scale": 0.1},
    "many": {"kind": "gaussians", "count": 320, "scale": 0.1},
    "dense": {"kind": "gaussians", "count": 20, "covariance": "dense", "scale": 0.1},
    "lattice": {"kind": "gaussian_lattice", "counts": None, "scale": 0.1},
    "slabs": {"kind": "gaussian_lattice", "counts": None, "slabs": 3, "scale": 0.1},
    "mlp": {"kind": "mlp"},
}


def build(spec, problem):
    """An untrained field, in one program."""
    return eqx.filter_jit(lambda key: PhysicsInformed().build(spec, ProblemCard(problem), key=key))(jax.random.key(0))


@pytest.fixture(scope="module")
def evaluated():
    """`evaluated(axes, network)`: an evaluation of an untrained field, made once each."""

    @functools.cache
    def make(axes, network):
        problem = a_problem(axes)
        spec = {**NETWORKS[network]}
        if "counts" in spec:
            spec["counts"] = [6] * len(axes)
        model = build(spec, problem)
        exact = solve_truth(problem)
        truth = Truth(exact.axes, exact.values, 0.5, {"kind": "spectral", "floors": {"u": 0.5}, "points": [8, 4]})
        return evaluate(model, truth, points=300, price=False)

    return make


def overlapping(figure):
    """Pairs of texts that lie on each other in a laid-out figure, and texts that its edge cuts."""
    settle(figure)
    renderer = figure.canvas.get_renderer()
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    of = lambda ticks: {id(label) for tick in ticks for label in (tick.label1, tick.label2)}
    drawn = set().union(*(of(axis._update_ticks()) for axis in axes))
    ticks = set().union(*(of([*axis.get_major_ticks(), *axis.get_minor_ticks()]) for axis in axes))
    texts = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    texts = [t for t in texts if id(t) in drawn or id(t) not in ticks]  # others lie beyond the ends of their axis
    shown = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
    width, height = figure.canvas.get_width_height()
    outside = [(name, "edge") for name, box in shown if min(*box.p0) < -1 or box.x1 > width + 1 or box.y1 > height + 1]
    close = lambda p, q: p.shrunk(0.95, 0.95).overlaps(q.shrunk(0.95, 0.95))
    return outside + [(a, b) for (a, p), (b, q) in itertools.combinations(shown, 2) if close(p, q)]


def lines(steps, **values):
    entry = lambda s: {"step": s, "loss": 1 / (s + 1), "equation": 0.5, "walls": 0.1, "found_nu": 0.05 + 0.01 / (s + 1)}
    return "".join(json.dumps({**entry(s), **values}) + "\n" for s in range(0, steps + 1, 10))


@pytest.fixture(scope="module")
def page(evaluated, tmp_path_factory):
    """The folder of a trained and evaluated run of two stages with its report."""
    folder = tmp_path_factory.mktemp("runs") / "run <1>"
    evaluated("tx", "few").save(folder)
    (folder / "config.yaml").write_text("network: {kind: gaussians}  # <script>alert(1)</script>\n")
    (folder / "stages" / "00-adam").mkdir(parents=True)
    (folder / "stages" / "00-adam" / "metrics.jsonl").write_text(lines(100, learning_rate=1e-3))
    (folder / "metrics.jsonl").write_text(lines(40, **{"valid/relative_l2": 0.1}) + '{"step": 50, "lo')
    assert Result.load(folder).write_page(folder) == folder / "report.html"
    return folder


@pytest.mark.long
def test_the_page_is_whole_by_itself(page):
    text = (page / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == text.count("</svg>") == 5 + 3  # figures; the equation and two conditions
    text = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text)
    assert not re.search(r"https?:|//[a-z]", text)
    assert not re.search(r"<(script|link|iframe|object)\b|@import|url\((?!#)", text)
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', text)) <= set(identifiers)


def test_the_page_says_what_was_found_and_what_is_claimed(page):
    text = (page / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &lt;problem&gt;" in text
    for expected in ("&lt; 1.5", "floor of the truth: 0.5", "relative residual", "found nu", "true value 0.05"):
        assert expected in text
    assert "below three times the reference&#x27;s floor of 0.5" in text
    assert "pseudo-spectral" in text
    assert "jaxlib" in text


def test_pictures_are_saved(page):
    pictures = {path.stem: path.read_bytes() for path in (page / "figures").iterdir()}
    assert set(pictures) == {"field", "errors", "gaussians", "training", "found"}
    assert all(content.startswith(PNG) and len(content) > 5000 for content in pictures.values())


def test_stages_follow_each_other(page, evaluated):
    stages = stages_of(page)
    assert [(name, len(record)) for name, record in stages] == [("adam", 11), ("last", 5)]
    with style():
        training = training_figure(stages, panels_of(evaluated("tx", "few").document))
        found = training_figure(stages, {"nu": ["found_nu"]}, {"nu": 0.05})
        assert not overlapping(training)
        assert not overlapping(found)
    labels = [ax.get_ylabel() for ax in training.axes]
    assert labels == ["loss", "terms of the loss", "validation", "learning rate"]
    steps = training.axes[0].get_lines()[0].get_xdata()
    assert np.nanmax(steps) == 140
    assert found.axes[0].get_lines()[-1].get_ydata()[0] == 0.05


@pytest.mark.long
@pytest.mark.parametrize(
    ("axes", "network", "panels"),
    [
        ("x", "few", None), ("xy", "dense", 1), ("txy", "few", 2), ("tx", "mlp", None),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("tx", "many", 2), ("tx", "slabs", 1), ("xy", "few", 1), ("xy", "many", 2),
                ("xy", "lattice", 1), ("tx", "few", 1),
                ("txy", "many", 4), ("txy", "slabs", 4), ("txy", "dense", 2),
                ("xyz", "few", 1), ("txyz", "few", 2),
            )
        ),
    ],
)  # fmt: skip
def test_pictures_of_every_kind(evaluated, axes, network, panels):
    evaluation = evaluated(axes, network)
    with style():
        field, gaussians, time = field_figure(evaluation), made_of_figure(evaluation), time_figure(evaluation)
        for made in filter(None, (field, gaussians, time)):
            assert not overlapping(made)
    pictures = sum(len(ax.get_images()) for ax in field.axes)
    assert pictures == (0 if axes == "x" else 16 if axes.startswith("txy") else 4)
    assert (time is None) == (axes[0] != "t")
    assert (gaussians is None) == (panels is None)
    if gaussians is not None:
        assert sum(ax.get_xlabel() != "" for ax in gaussians.axes) == panels


def test_pictures_hold_the_numbers(evaluated):
    evaluation = evaluated("txy", "few")
    with style():
        images = [ax.get_images()[0] for ax in field_figure(evaluation).axes if ax.get_images()]
    for start, name in ((0, "field"), (4, "truth"), (8, "error"), (12, "residual")):
        given = np.abs(evaluation.arrays[f"plot/{name}"]) if start >= 8 else evaluation.arrays[f"plot/{name}"]
        for frame in range(4):
            np.testing.assert_allclose(images[start + frame].get_array(), given[frame, ..., 0].T)


def test_slabs_are_parted(evaluated):
    with style():
        made = made_of_figure(evaluated("tx", "slabs"))
    lines = [line.get_xdata()[0] for line in made.axes[0].get_lines()]
    np.testing.assert_allclose(lines, [0, 1 / 3, 2 / 3, 1], atol=1e-6)


def test_a_run_without_truth_and_training_has_a_report(undrawn, tmp_path):
    problem = dataclasses.replace(a_problem("tx"), truth=None)
    model = build({"kind": "mlp"}, problem)
    evaluation = evaluate(model, None, points=300)
    text = evaluation.write_page(tmp_path).read_text(encoding="utf-8")
    assert "does not say how its solution is known" in text
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {"field"}
    assert "error: not measured" in str(evaluation)
