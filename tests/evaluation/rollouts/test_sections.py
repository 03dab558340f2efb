import functools
import json
import re

import equinox as eqx
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.evaluation import Result, evaluate
from pdejax.evaluation.page.html import formula, interval, number, seconds, words
from pdejax.evaluation.page.record import PANELS
from pdejax.evaluation.rollouts.sections import sections
from pdejax.plot import training_figure

PNG = b"\x89PNG\r\n\x1a\n"


class Halve(eqx.Module):
    def __call__(self, u, *, key=None):
        return 0.5 * u


@pytest.fixture(scope="module")
def evaluated(diffusion):
    """`evaluated(shape)`: an evaluation, made once per shape."""

    @functools.cache
    def make(shape):
        dataset = diffusion(shape, trajectories=3, frames=7)
        predictor = StepperPredictor(lambda p: Halve(), dataset.step)
        return evaluate(predictor, dataset, baselines=["linear", "persistence"], price=False)

    return make


@pytest.fixture(scope="module")
def page(evaluated, tmp_path_factory):
    """The folder of a trained and evaluated run with its report."""
    folder = tmp_path_factory.mktemp("runs") / "run <1>"
    evaluated((16,)).save(folder)
    (folder / "config.yaml").write_text("network: {kind: fno}  # <script>alert(1)</script>\n")
    lines = [{"step": s, "loss": 1 / s, "learning_rate": 1e-3, "grad_norm": 1.0, "time": s} for s in (1, 2, 3)]
    lines += [{"step": 4, "loss": None, "valid/loss": 0.5, "time": 4.0}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 5, "lo')
    assert Result.load(folder).write_page(folder) == folder / "report.html"
    return folder


def test_the_page_is_whole_by_itself(page):
    text = (page / "report.html").read_text(encoding="utf-8")
    assert text.count("<svg") == text.count("</svg>") == 7  # two rollouts, errors, two of spectra, training, equation
    assert "data:image/png;base64," in text
    text = re.sub(r"base64,[A-Za-z0-9+/=\s]+", "", text)
    assert not re.search(r"https?:|//[a-z]", text)
    assert not re.search(r"<(script|link|iframe|object)\b|@import|url\((?!#)", text)
    identifiers = re.findall(r'\bid="([^"]+)"', text)
    assert len(identifiers) == len(set(identifiers))
    referred = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    assert referred <= set(identifiers)


def test_what_people_wrote_is_escaped(page):
    text = (page / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<title>run &lt;1&gt;: evaluation</title>" in text


def test_the_page_names_systems_metrics_and_data(page):
    text = (page / "report.html").read_text(encoding="utf-8")
    for expected in ("best linear propagator", "persistence", "first-frame nRMSE", "time to 0.8", "0" * 64, "jaxlib"):
        assert expected in text
    assert "3 of 3 trajectories never fell below 0.8" in text  # of the exact linear propagator


def test_pictures_are_saved(page):
    pictures = {path.stem: path.read_bytes() for path in (page / "figures").iterdir()}
    assert set(pictures) == {"rollout", "rollout_worst", "errors", "spectra", "mode_errors", "training"}
    assert all(content.startswith(PNG) and len(content) > 5000 for content in pictures.values())


def test_a_run_without_a_record_of_its_training_has_no_such_picture():
    drawn = lambda lines: training_figure([("", lines)], PANELS)
    assert drawn([]) is None
    assert drawn([{"step": 1, "loss": None}]) is None
    (axes,) = drawn([{"step": i, "nfe": 13.0 + i, "valid/nfe": 14.0} for i in range(3)]).axes
    assert (axes.get_ylabel(), axes.get_yscale()) == ("evaluations of a solve", "linear")
    assert drawn([{"step": 1, "nfe": -1.0}]) is None  # the solver does not tell


@pytest.mark.parametrize("shape", [pytest.param((8, 12), marks=pytest.mark.long), (6, 8, 10)])
def test_frames_in_two_and_slices_in_three_dimensions(evaluated, shape, tmp_path):
    evaluation = evaluated(shape)
    rollouts = next(one for one in sections(evaluation, tmp_path).sections if one.title == "Rollouts")
    truth = evaluation.arrays["example/truth"]
    assert truth.shape == (6, 2, *shape[:2], 1)
    axes = [ax for ax in rollouts.parts[0].figure.axes if ax.get_images()]
    assert len(axes) == 3 * 6
    np.testing.assert_allclose(axes[0].get_images()[0].get_array(), truth[0, 0, :, :, 0].T)
    difference = axes[-1].get_images()[0].get_array()
    np.testing.assert_allclose(difference, (evaluation.arrays["example/model"] - truth)[-1, 0, :, :, 0].T, atol=1e-6)


def test_a_run_that_was_not_evaluated_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no evaluation\.json: evaluate the run first"):
        Result.load(tmp_path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1234.5, "1234"), (99999.0, "99999"), (0.01234, "0.0123"), (-2.5, "−2.5"), (None, "n/a"),
        (3.21e-7, "3.21·10<sup>−7</sup>"), (-1e6, "−1.00·10<sup>6</sup>"), (float("nan"), "n/a"),
    ],
)  # fmt: skip
def test_numbers_for_people(value, text):
    assert number(value) == text


def test_words_for_people():
    assert interval(5.4e-7, 6.4e-7) == "(5.4 … 6.4)·10<sup>−7</sup>"
    assert interval(29.6, 40) == "29.6 … 40"
    assert [seconds(x) for x in (2.0, 3.5e-3, 4.21e-5)] == ["2 s", "3.5 ms", "42.1 µs"]
    assert words({"a": [1, 2], "b": {"c": None}, "d": "<"}) == "a = 1 … 2, b = (c = none), d = &lt;"


def test_a_formula_that_mathtext_does_not_know_falls_back():
    assert formula(r"\partial_t u = \nu u_{xx}", "f").startswith('<div class="equation"><svg')
    assert formula(r"\nosuchcommand{u}", "f") is None
