"""Several devices and several processes by the words of the command line, as users start them."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests._command import run

WORDS = (
    "problem=burgers",
    "problem.domain.shape=[32]",
    "problem.parameters.nu=0.05",
    "problem.splits={train: {trajectories: 4, frames: 9}, valid: {trajectories: 2, frames: 5}, "
    "test: {trajectories: 2, frames: 5}}",
    "network.width=4",
    "network.modes=4",
    "network.depth=1",
    "train=smoke",
    "train.schedule=constant",
    "train.warmup=0",
    "train.batch_size=4",
    "train.updates_per_dispatch=5",
    "train.log_every=5",
    "train.evaluate_every=10",
    "train.checkpoint_every=10",
    "evaluation.valid_steps=2",
)


def _together(folder, *words):
    """Two processes of one training that meet through JAX's coordinator."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pdejax.cli", "train", *WORDS, *words, "train.distributed=true", "train.devices=1"]
    running = []
    for number in range(2):
        own = {"JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": str(number)}
        environment = {**os.environ, **own}
        running.append(subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE))
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()


def _losses(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(one["step"], one["loss"]) for one in lines if "loss" in one]


@pytest.mark.slow
def test_two_processes_train_together(tmp_path):
    """By the words alone: one folder, one log, and what two processes were is told."""
    run(tmp_path, "generate", *WORDS)
    _together(tmp_path, "name=both", "train.steps=10")
    assert [step for step, loss in _losses(tmp_path / "runs/both") if np.isfinite(loss)] == [5, 10]
    history = json.loads((tmp_path / "runs/both/environment.json").read_text())
    assert [one["processes"] for one in history] == [2]


@pytest.mark.long
def test_two_devices_two_processes_and_from_one_to_the_other(tmp_path):
    """A run of two processes goes on in one with two devices, and back, with the losses of either alone."""
    run(tmp_path, "generate", *WORDS)
    run(tmp_path, "train", *WORDS, "name=whole", "train.devices=2", "train.steps=30")
    _together(tmp_path, "name=mixed", "train.steps=10")
    run(tmp_path, "train", *WORDS, "name=mixed", "train.devices=2", "train.steps=20")
    _together(tmp_path, "name=mixed", "train.steps=30")
    whole, mixed = (np.array(_losses(tmp_path / "runs" / name)) for name in ("whole", "mixed"))
    np.testing.assert_array_equal(mixed[:, 0], [5, 10, 15, 20, 25, 30])
    np.testing.assert_allclose(mixed, whole, rtol=1e-3)
    history = json.loads((tmp_path / "runs/mixed/environment.json").read_text())
    assert [one["processes"] for one in history] == [2, 1, 2]
