"""The way of a batch from the command line to the first update is a straight line that a reader can follow."""

import sys
from pathlib import Path

import pytest

import pdejax
from tests._command import run

STATIONS = (
    ("cli/_main.py", "main"),
    ("cli/_main.py", "_run"),
    ("cli/_train.py", "run"),
    ("training/run.py", "train"),
    ("training/plan.py", "train"),
    ("training/fit.py", "train"),
    ("training/fit.py", "train_here"),
    ("training/steps.py", "advance"),
    ("training/update.py", "dispatch"),
    ("training/update.py", "one"),
    ("training/optimisers/gradient.py", "step"),
    ("training/optimisers/batch_objective.py", "value_and_grad"),
    ("training/optimisers/batch_objective.py", "_loss"),
    ("methods/supervised/supervised.py", "loss"),
)
"""File and function, each called within the one before; CONTRIBUTING tells what each does."""
SMALL = ("problem.splits.train.trajectories=4", "problem.splits.valid.trajectories=2", "train.batch_size=2",
         "problem.splits.test.trajectories=2", "problem.splits.train.frames=4", "problem.splits.valid.frames=4",
         "problem.splits.test.frames=4", "problem.domain.shape=[16]", "network.width=4", "network.modes=3",
         "network.depth=1", "train.steps=2", "train.updates_per_dispatch=2", "train.log_every=2", "train.warmup=0",
         "train.evaluate_every=2", "train.checkpoint_every=2", "evaluation.valid_steps=2")  # fmt: skip


@pytest.mark.long
def test_the_stations_of_a_batch_follow_each_other(tmp_path):
    home, seen = str(Path(pdejax.__file__).parent) + "/", []
    place = lambda frame: (frame.f_code.co_filename.removeprefix(home), frame.f_code.co_name)

    def above(frame):
        while frame is not None:
            yield place(frame)
            frame = frame.f_back

    def note(frame, event, argument):
        due = event == "call" and len(seen) < len(STATIONS) and place(frame) == STATIONS[len(seen)]
        if due and set(seen) <= set(above(frame)):  # within all those before it
            seen.append(place(frame))

    run(tmp_path, "generate", "problem=advection", *SMALL)
    sys.setprofile(note)
    try:
        run(tmp_path, "train", "problem=advection", *SMALL)
    finally:
        sys.setprofile(None)
    assert tuple(seen) == STATIONS
    text = (Path(pdejax.__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = [text.index(f"`{file}` `{name}`") for file, name in STATIONS]
    assert places == sorted(places)
