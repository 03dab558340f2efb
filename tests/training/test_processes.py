"""Two processes that meet through JAX's coordinator train like one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

HERE = Path(__file__).parent
WORKER = """
import sys
from pathlib import Path
import jax
from pdejax.core import build
from pdejax.cli._runtime import start
processes = int(sys.argv[2])
start(2 // processes, distributed=processes > 1)
assert jax.device_count() == 2 and jax.process_count() == processes
sys.path.insert(0, sys.argv[3])
from conftest import NETWORK, SineFeed
from pdejax.methods import DataCard, save_model
from pdejax.training import TrainSettings, train

statistics = {"mean": [0.0], "std": [0.7], "rms_delta": [0.3], "parameter_mean": [], "parameter_std": []}
card = DataCard((16,), (1.0,), 0.1, ("u",), (), statistics)
spec = {"kind": "supervised"}
method = build("method", spec)
model = method.build(NETWORK, card, key=jax.random.key(1))
settings = TrainSettings(steps=20, updates_per_dispatch=5, log_every=5, evaluate_every=10, checkpoint_every=10, ema=0.5,
                         schedule="constant")
folder = Path(sys.argv[1])
best = lambda m, s: save_model(folder / "model", m)
for steps in (10, 20):  # the second call continues from the checkpoint of the first
    train(method, model, SineFeed(), settings.__class__(**{**vars(settings), "steps": steps}), folder,
          evaluators=[lambda m: {"valid/loss": -float(m.normalisation.std[0]) - steps}], on_best=best, show=False)
"""


def _train(folder, processes):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for number in range(processes):
        environment = {
            **os.environ,
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(processes),
            "JAX_PROCESS_ID": str(number),
            "JAX_COMPILATION_CACHE_DIR": str(folder.parent / "cache"),
        }
        command = [sys.executable, "-c", WORKER, str(folder), str(processes), str(HERE)]
        running.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
    for process in running:
        _, err = process.communicate(timeout=200)
        assert process.returncode == 0, err.decode()
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    return [e["loss"] for e in entries if "loss" in e], load_file(folder / "model/weights.safetensors")


@pytest.mark.slow
def test_one_and_two_processes_train_the_same(tmp_path):
    one, weights = _train(tmp_path / "one", 1)
    two, others = _train(tmp_path / "two", 2)
    assert len(one) == 4
    np.testing.assert_allclose(two, one, rtol=1e-4)
    for name, value in weights.items():
        np.testing.assert_allclose(others[name], value, atol=2e-4)
