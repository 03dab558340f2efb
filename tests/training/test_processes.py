"""Two processes that meet through JAX's coordinator train like one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from pdejax.core import build
from pdejax.methods import DataCard, save_model
from pdejax.training import TrainSettings, train
from tests.training.conftest import NETWORK, SineFeed

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
import jax
from pdejax.cli._runtime import start
start(1, distributed=True)
assert jax.device_count() == 2 and jax.process_count() == 2
sys.path.insert(0, sys.argv[2])
from tests.training.test_processes import learn
learn(Path(sys.argv[1]), None)
"""


def learn(folder, devices):
    """Trains twice in the same folder: the second call continues from the checkpoint of the first."""
    statistics = {"mean": [0.0], "std": [0.7], "rms_delta": [0.3], "parameter_mean": [], "parameter_std": []}
    card = DataCard((16,), (1.0,), 0.1, ("u",), (), statistics)
    method = build("method", {"kind": "supervised"})
    model = method.build(NETWORK, card, key=jax.random.key(1))
    for steps in (10, 20):
        settings = TrainSettings(
            steps=steps, updates_per_dispatch=5, log_every=5, evaluate_every=10, checkpoint_every=10, ema=0.5,
            schedule="constant", devices=devices,
        )  # fmt: skip
        evaluator = lambda m, steps=steps: {"valid/loss": -float(m.normalisation.std[0]) - steps}
        best = lambda m, s: save_model(folder / "model", m)
        train(method, model, SineFeed(), settings, folder, evaluators=[evaluator], on_best=best, show=False)


def _in_two_processes(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for number in range(2):
        environment = {
            **os.environ,
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(number),
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "cache"),
        }
        command = [sys.executable, "-c", WORKER, str(folder), str(ROOT)]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    for process in running:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err.decode()


def _found(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [e["loss"] for e in entries if "loss" in e], load_file(folder / "model/weights.safetensors")


@pytest.mark.long  # tests/cli/test_processes.py does the same from the command line
def test_one_and_two_processes_train_the_same(tmp_path):
    learn(tmp_path / "one", 2)
    _in_two_processes(tmp_path / "two")
    (one, weights), (two, others) = (_found(tmp_path / name) for name in ("one", "two"))
    assert len(one) == 4
    np.testing.assert_allclose(two, one, rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(others[name], value, atol=2e-4)
