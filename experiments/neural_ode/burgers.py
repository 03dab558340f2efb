"""A latent neural ODE as a solution operator: Burgers' equation from time 0 to time 1.

Only the initial and the final field are given, so that between them the latent state may go the way that is easiest to
solve (latent space of 16 numbers; nu = 0.02, two random modes on 64 points).
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from experiments.neural_ode.arms import PLAIN, Comparison, Goal
from experiments.neural_ode.data import data_in_memory
from pdejax.data import SplitSize, WindowFeed
from pdejax.methods import (
    AbstractMethod,
    ContinuousOperator,
    DataCard,
    Latent,
    NeuralODE,
    RelativeL2,
    SolverRegularization,
)
from pdejax.solvers import Integrator
from pdejax.training import TrainSettings

FIELD = {"kind": "perceptron", "width": 128, "depth": 2}
ENCODER = {"kind": "perceptron", "width": 64, "depth": 2}
WEIGHTS = (0.03, 0.01)  # first and last
PROBLEM = {
    "name": "burgers",
    "equation": "burgers",
    "parameters": {"nu": 0.02},
    "domain": {"shape": [64], "lengths": [1.0]},
    "initial": {"kind": "truncated_fourier", "cutoff": 2, "max_one": False, "amplitude": 0.8},
    "time": {"step": 1.0},
    "solver": {"substeps": 200},
}
TRAIN, HELD_OUT = 2048, 256


class Burgers(Comparison):
    """The task, `smoke` for seconds or `small` for minutes."""

    name = "burgers"

    def __init__(self, preset: str = "small") -> None:
        self.first_steps = {"automatic": "automatic", "whole interval": 1.0}
        arm = self._arm
        self.arms = {PLAIN: arm(), "local": arm(SolverRegularization("error", "local", *WEIGHTS))}
        if preset != "smoke":
            self.arms |= {
                "global": arm(SolverRegularization("error", "global", *WEIGHTS)),
                "local, over steps": arm(SolverRegularization("error", "local", *WEIGHTS, average="steps")),
                "stiffness, local": arm(SolverRegularization("stiffness", "local", *WEIGHTS)),
            }
        updates = 300 if preset == "smoke" else 1500
        self.settings = TrainSettings(updates, 3e-3, final_learning_rate=6e-5, clip=1.0, updates_per_dispatch=50)
        sizes = {"train": SplitSize(TRAIN, 2), "valid": SplitSize(HELD_OUT, 2), "test": SplitSize(HELD_OUT, 2)}
        self.data = data_in_memory(PROBLEM, sizes)
        self.held_out = jnp.asarray(self.data.split("test").states)

    @staticmethod
    def _arm(regularization: Any = None, first_step: Any = "automatic") -> NeuralODE:
        controller = diffrax.PIDController(rtol=1e-6, atol=1e-6)
        integrator = Integrator(controller=controller, max_steps=64, first_step=first_step)
        latent = Latent("vector", 16, ENCODER)
        return NeuralODE(1, RelativeL2(), integrator, regularization, latent)

    def model(self, method: AbstractMethod, seed: int) -> ContinuousOperator:
        return method.build(FIELD, DataCard.of(self.data), key=jax.random.key(seed))

    def feed(self, seed: int) -> WindowFeed:
        return WindowFeed(self.data.split("train"), 2, 64, seed=seed)

    def test(self, model: ContinuousOperator, first_step: Any) -> dict[str, Any]:
        controller = diffrax.PIDController(rtol=1e-6, atol=1e-6)
        operator = model.solved_by(Integrator(controller=controller, max_steps=256, first_step=first_step))
        first, last = self.held_out[:, 0], self.held_out[:, 1]
        states, account = operator.solve(first, np.array([operator.step_size]))
        errors = RelativeL2()(states[0] - last, last, operator.info.lengths)
        return {"nfe": account.evaluations, "steps": account.accepted, QUALITY: jnp.mean(errors)}


QUALITY, POLICY = "relative L2 error", "whole interval"
GOALS = {
    "local": Goal(nfe=0.55, quality=1.05, speed=1.4, training=1.25),
    "global": Goal(training=1.5),
}
