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


def _together(folder, *words, count=2):
    """The processes of one training, which meet through JAX's coordinator."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pdejax.cli", "train", *words, "train.distributed=true", "train.devices=1"]
    running = []
    for number in range(count):
        own = {
            "JAX_COORDINATOR_ADDRESS": f"127.0.0.1:{port}",
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(number),
        }
        environment = {**os.environ, **own}
        running.append(subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE))
    for process in running:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err.decode()


def _losses(folder):
    lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [(one["step"], one["loss"]) for one in lines if "loss" in one]


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 2])
def test_processes_train_together(tmp_path, count):
    """By the words alone, before anything has asked JAX for a device: one folder, one log, and how many they were."""
    states = np.random.default_rng(0).normal(size=(8, 6, 16, 1)).cumsum(1)
    np.savez(tmp_path / "waves.npz", **{"train": states[:4], "valid": states[4:6], "test": states[6:]})
    words = [word for word in WORDS if not word.startswith("problem")]
    _together(
        tmp_path, *words, "data=waves.npz", "method=one_step", "network=fno", "name=both", "train.steps=10", count=count
    )
    assert [step for step, loss in _losses(tmp_path / "runs/both") if np.isfinite(loss)] == [5, 10]
    history = json.loads((tmp_path / "runs/both/environment.json").read_text())
    assert [one["processes"] for one in history] == [count]


@pytest.mark.long
def test_two_devices_two_processes_and_from_one_to_the_other(tmp_path):
    """A run of two processes goes on in one with two devices, and back, with the losses of either alone."""
    run(tmp_path, "generate", *WORDS)
    run(tmp_path, "train", *WORDS, "name=whole", "train.devices=2", "train.steps=30")
    _together(tmp_path, *WORDS, "name=mixed", "train.steps=10")
    run(tmp_path, "train", *WORDS, "name=mixed", "train.devices=2", "train.steps=20")
    _together(tmp_path, *WORDS, "name=mixed", "train.steps=30")
    whole, mixed = (np.array(_losses(tmp_path / "runs" / name)) for name in ("whole", "mixed"))
    np.testing.assert_array_equal(mixed[:, 0], [5, 10, 15, 20, 25, 30])
    np.testing.assert_allclose(mixed, whole, rtol=1e-3)
    history = json.loads((tmp_path / "runs/mixed/environment.json").read_text())
    assert [one["processes"] for one in history] == [2, 1, 2]
