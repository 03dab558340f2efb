"""Data sets of ours in The Well's own loader, bit for bit: WELL=/path/to/python pytest benchmarks/parity.

WELL is a Python of its own with the package the-well, which needs PyTorch; `make bench` makes one.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from pdejax.data import Dataset, SplitSize, convert, generate, read_problem
from tests.data.conftest import BURGERS, PLANE
from tests.data.store import _foreign as foreign

SCRIPT = Path(__file__).parents[1] / "_peer_well.py"
CODES = {"wall": 0, "outflow": 1, "periodic": 2}
STEPS = 3


def _varied(folder):
    splits = {"train": SplitSize(5, 6), "valid": SplitSize(2, 4)}
    return generate(*read_problem(BURGERS), folder / "burgers", splits, shard_size=2, batch_size=4)


def _plane(folder):
    return generate(*read_problem(PLANE), folder / "plane", {"train": SplitSize(3, 5)}, shard_size=2, batch_size=2)


def _converted(folder):
    foreign.well_folder(folder / "channel")
    return convert(folder / "channel", folder / "out", shard_size=3)


@pytest.mark.skipif("WELL" not in os.environ, reason="needs WELL=/path/to/python with the package the-well")
@pytest.mark.parametrize("write", [_varied, _plane, _converted])
def test_their_loader_gives_our_windows(tmp_path, write):
    data = Dataset.open(write(tmp_path))
    words = [
        os.environ["WELL"],
        str(SCRIPT),
        str(data.root),
        str(tmp_path / "theirs.npz"),
        str(STEPS),
        *data.split_names,
    ]
    subprocess.run(words, check=True)
    theirs = np.load(tmp_path / "theirs.npz")
    for name in data.split_names:
        split = data.split(name)
        starts = [(row, start) for row in range(len(split)) for start in range(split.frames - STEPS + 1)]
        mine = np.stack([split.window(row, start, STEPS).states for row, start in starts])
        assert theirs[f"{name}_states"].dtype == np.float32
        np.testing.assert_array_equal(theirs[f"{name}_states"], mine)
        ends = [[CODES[type(side).__name__.lower()] for side in pair] for pair in data.domain.ends]
        assert (theirs[f"{name}_ends"] == np.array(ends)).all()
        columns = {*map(float, split.parameter_array[0]), *map(np.float32, data.constants.values())}
        assert {*map(float, theirs[f"{name}_scalars"][0])} == {float(one) for one in columns}
