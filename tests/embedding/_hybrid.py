"""An operator that drives a coarse solver of Burgers' equation, as the command line trains it; for tests of all places
that it is taken to, also where JAX's neighbours are not installed."""

from pathlib import Path

import pytest

from pdejax.cli import main

WORDS = (
    "problem=burgers",
    "problem.domain={shape: [32], lengths: [1.0]}",
    "problem.parameters={nu: 2e-3}",
    "problem.solver={kind: etdrk, substeps: 40, shape: [512]}",
    "problem.splits={train: {trajectories: 8, frames: 21}, valid: {trajectories: 2, frames: 11}, "
    "test: {trajectories: 4, frames: 11}}",
    "network.width=8",
    "network.modes=8",
    "network.depth=1",
    "train=smoke",
    "train.steps=150",
    "train.updates_per_dispatch=50",
    "train.log_every=50",
    "train.evaluate_every=150",
    "train.checkpoint_every=150",
    "train.learning_rate=5e-3",
    "evaluation.valid_steps=4",
    "method.base={kind: solver, simulator: {kind: etdrk, order: 2, substeps: 4}}",
    "method.role=tendency",
    "method.unroll=2",
    "train.devices=1",
    "name=hybrid",
)


def train(folder: Path) -> Path:
    """Makes the data and trains; the folder of the run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["generate", *WORDS]) == 0
        assert main(["train", *WORDS]) == 0
    return folder / "runs" / "hybrid"
