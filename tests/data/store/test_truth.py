"""Truths on the disk: reused, remade, and never half there."""

import json
import signal
import subprocess
import sys

import h5py
import numpy as np
import pytest

from pdejax.data import stored_truth
from pdejax.data.store.truth import truth_recipe, write_truth
from pdejax.equations._boundary_value import BoundaryValueProblem
from pdejax.solvers import Truth, truth_axes

SPEC = {
    "name": "heat",
    "domain": {"t": [0, 0.1], "x": [0, 1]},
    "equation": {"fields": ["u"], "terms": ["u_t = nu*u_xx"], "parameters": {"nu": 1.0}},
    "conditions": {
        "start": {"at": "t=0", "terms": ["u = sin(pi*x)"]},
        "ends": {"at": "boundary", "terms": ["u = 0"]},
    },
    "truth": {"kind": "chebyshev", "points": [12], "tolerance": 1e-6, "shape": [5, 9]},
}


def heat(**changes):
    return BoundaryValueProblem(**{**SPEC, **changes})


class Counter:
    """A progress callable that knows whether anything was solved."""

    def __init__(self):
        self.calls = []

    def __call__(self, done, total):
        self.calls.append((done, total))


def test_a_truth_is_solved_once_and_read_afterwards(tmp_path):
    first, again = Counter(), Counter()
    solved = stored_truth(heat(), tmp_path, progress=first)
    read = stored_truth(heat(), tmp_path, progress=again)
    assert first.calls
    assert not again.calls
    np.testing.assert_array_equal(solved.values, read.values)
    assert all((a == b).all() for a, b in zip(solved.axes, read.axes, strict=True))
    assert (solved.floor, dict(solved.how)) == (read.floor, dict(read.how))
    assert 0 < read.floor < 1e-3
    assert read.values.dtype == np.float64
    with h5py.File(tmp_path / "truth.h5") as file:
        assert file["fields/u"].shape == (5, 9)
        assert file["axes/t"][-1] == 0.1
        assert file.attrs["floor"] == read.floor


def test_another_specification_or_grid_is_solved_anew(tmp_path):
    stored_truth(heat(), tmp_path)
    slower = {"fields": ["u"], "terms": ["u_t = nu*u_xx"], "parameters": {"nu": 0.5}}
    for one, shape in (
        (heat(equation=slower), None),
        (heat(), (3, 9)),
        (heat(truth=SPEC["truth"] | {"points": [13]}), None),
    ):
        counter = Counter()
        truth = stored_truth(one, tmp_path, shape, counter)
        assert counter.calls
        nu = one.parameters["nu"]
        expected = np.exp(-nu * np.pi**2 * truth.axes[0])[:, None] * np.sin(np.pi * truth.axes[1])
        np.testing.assert_allclose(truth.values[..., 0], expected, atol=1e-4)


def test_a_truth_that_cannot_be_read_says_why(tmp_path):
    path = tmp_path / "truth.h5"
    path.mkdir()
    with pytest.raises(ValueError, match=r"truth.h5 is a folder, expected a file"):
        stored_truth(heat(), tmp_path)
    path.rmdir()
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match=r"truth.h5 is damaged, it is no file of HDF5: delete it, and it is made"):
        stored_truth(heat(), tmp_path)
    path.unlink()
    stored_truth(heat(), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["fields"]
    with pytest.raises(ValueError, match=r"truth.h5 is damaged \(.*\): delete it, and it is made again"):
        stored_truth(heat(), tmp_path)


def test_a_truth_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="needs a condition"):
        stored_truth(heat(conditions={**SPEC["conditions"], "start": {"at": "t=0", "terms": "2*u = 0"}}), tmp_path)
    assert not [p for p in tmp_path.iterdir() if p.name != ".lock"]


def test_a_python_function_is_refused(tmp_path):
    one = BoundaryValueProblem(**SPEC, function=lambda jet: jet.u_t - jet.u_xx)
    with pytest.raises(ValueError, match="solve_truth"):
        stored_truth(one, tmp_path)


SCRIPT = """
import os, signal, sys
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # all is written, but not renamed
sys.path.insert(0, sys.argv[2])
from pdejax.data.store.truth import truth_recipe, write_truth
from pdejax.equations._boundary_value import BoundaryValueProblem
from pdejax.solvers import Truth, truth_axes
import json, numpy, pathlib
problem = BoundaryValueProblem(**json.loads(sys.argv[3]))
axes = truth_axes(problem)
truth = Truth(axes, numpy.zeros((5, 9, 1)), 0.0, {})
write_truth(pathlib.Path(sys.argv[1]) / "truth.h5", truth, problem, truth_recipe(problem))
"""


def test_an_interrupted_writer_leaves_no_half_file(tmp_path, monkeypatch):
    class Stop(BaseException):
        pass

    def stop(*_):
        raise Stop  # all is written, but not renamed

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", stop)
        with pytest.raises(Stop):
            stored_truth(heat(), tmp_path)
    assert not (tmp_path / "truth.h5").exists()
    assert stored_truth(heat(), tmp_path).floor > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "truth.h5"]


@pytest.mark.long  # a process that imports everything anew
def test_a_killed_writer_leaves_no_half_file(tmp_path):
    arguments = [sys.executable, "-c", SCRIPT, tmp_path, ".", json.dumps(SPEC)]
    done = subprocess.run(list(map(str, arguments)), timeout=100, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert [p.suffix for p in tmp_path.iterdir()] == [".pdejax-partial"]
    assert stored_truth(heat(), tmp_path).floor > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "truth.h5"]


def test_a_damaged_file_is_said(tmp_path):
    one = heat()
    axes = truth_axes(one)
    write_truth(tmp_path / "truth.h5", Truth(axes, np.zeros((5, 9, 1)), 0.0, {}), one, truth_recipe(one))
    assert stored_truth(one, tmp_path).floor == 0.0
    content = (tmp_path / "truth.h5").read_bytes()
    (tmp_path / "truth.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged"):
        stored_truth(one, tmp_path)
