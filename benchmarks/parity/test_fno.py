"""An imported FNO against neuraloperator itself, each in its own Python: PEER=/path/to/python pytest benchmarks/parity.

Without PEER the peer runs in this Python, which then needs torch and neuraloperator.
"""

import os
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import numpy as np
import pytest

from pdejax.networks import load_neuraloperator

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    python = os.environ.get("PEER", sys.executable)
    subprocess.run([python, "-m", "benchmarks._peer_fno", "write", str(folder)], cwd=ROOT, check=True)
    return folder


def test_every_network_gives_what_the_peer_gives(folder):
    names = sorted(path.stem for path in folder.glob("*.pt"))
    assert {"1d", "2d", "3d"} <= set(names)
    for name in names:
        expected = np.load(folder / f"{name}.npz")
        y = eqx.filter_jit(load_neuraloperator(folder / f"{name}.pt"))(expected["x"])
        scale = float(np.max(np.abs(expected["y"])))
        np.testing.assert_allclose(y, expected["y"], atol=1e-5 * scale, err_msg=name)
