"""The way from a trained model to its page is a straight line that a reader can follow."""

import ast
import sys
from pathlib import Path

import equinox as eqx

import pdejax
from pdejax.evaluation import evaluate

STATIONS = (
    ("evaluation/run.py", "evaluate"),
    ("evaluation/rollouts/measure.py", "measure"),
    ("evaluation/reference.py", "select"),
    ("evaluation/baselines/baseline.py", "build_baselines"),
    ("evaluation/systems.py", "measured"),
    ("evaluation/rollouts/rollout.py", "rollout"),
    ("evaluation/rollouts/curves.py", "curves_of"),
    ("evaluation/page/write.py", "write_page"),
    ("evaluation/rollouts/sections.py", "sections"),
    ("plot/rollouts.py", "space_time_figure"),
)
"""File and function, in the order of their first call; above them `cli/_evaluate.py` parses, calls and prints."""


class Keep(eqx.Module):
    def __call__(self, u, *, key=None):
        return u


def test_the_stations_of_an_evaluation_follow_each_other(diffusion, tmp_path):
    home, seen = str(Path(pdejax.__file__).parent) + "/", []

    def note(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(home):
            place = frame.f_code.co_filename.removeprefix(home), frame.f_code.co_name
            if place in STATIONS and place not in seen:
                seen.append(place)
                if len(seen) == len(STATIONS):  # only first calls count, so nothing can follow
                    sys.setprofile(None)

    data = diffusion(trajectories=2, frames=4)
    sys.setprofile(note)
    try:
        evaluate(Keep(), data, baselines=["persistence"], price=False).write_page(tmp_path)
    finally:
        sys.setprofile(None)
    assert tuple(seen) == STATIONS


def imported(module):
    """Modules of the package that come with one, by what stands at the top of their files."""
    path = Path(pdejax.__file__).parents[1] / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def test_nothing_is_drawn_before_a_page_is_asked_for():
    reached, ahead = set(), ["pdejax.evaluation"]
    while ahead:
        module = ahead.pop()
        if module not in reached:
            reached.add(module)
            ahead += [one for one in imported(module) if one.startswith("pdejax.evaluation")]
    others = {name.partition(".")[0] for module in reached for name in imported(module)}
    assert "pdejax.evaluation.rollouts.rollout" in reached
    assert not others & {"matplotlib", "pandas", "rich"}
    assert not any(name.startswith("pdejax.plot") for module in reached for name in imported(module))
