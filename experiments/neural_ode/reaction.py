"""Method of lines: the Kuramoto-Sivashinsky equation's right-hand side as a small FNO, unrolled.

Five frames of the field itself are given, so the data say nearly everywhere where the solution goes: a control for the
latent tasks. How many evaluations the true right-hand side needs, and how many its dealiased non-stiff part, tells what
there is to gain.
"""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.results import Row, row
from experiments.neural_ode.arms import PLAIN, Comparison, Goal
from experiments.neural_ode.data import data_in_memory
from pdejax.data import SplitSize, WindowFeed
from pdejax.methods import AbstractMethod, ContinuousOperator, DataCard, NeuralODE, SolverRegularization
from pdejax.solvers import Integrator, integrate, rhs
from pdejax.training import TrainSettings

UNROLL, BATCH = 5, 32
NETWORK = {"kind": "fno", "modes": 16, "width": 24, "depth": 2}
PROBLEM = {
    "name": "ks",
    "equation": "kuramoto_sivashinsky",
    "domain": {"shape": [64], "lengths": [22.0]},
    "initial": {"kind": "sum_of_sines", "count": 10, "wavenumbers": [1, 2], "amplitude": 0.5},
    "time": {"step": 0.25, "burn_in": 400},
    "solver": {"substeps": 5},
}
QUALITY, POLICY = "relative L2 error", "first output"
GOALS = {"local": Goal(nfe=0.73, quality=1.05, training=1.25), "global": Goal(training=1.5)}


class Reaction(Comparison):
    """The task, `smoke` for seconds or `small` for minutes."""

    name = "reaction"

    def __init__(self, preset: str = "small", split: str = "test") -> None:
        self.first_steps = {"automatic": "automatic", "first output": 1.0}
        self.arms = {PLAIN: self._arm(), "local": self._arm(SolverRegularization("error", "local", 0.03))}
        if preset != "smoke":
            self.arms |= {
                "local, 0.3": self._arm(SolverRegularization("error", "local", 0.3)),
                "stiffness, local": self._arm(SolverRegularization("stiffness", "local", 0.03)),
            }
        updates = 60 if preset == "smoke" else 300
        self.settings = TrainSettings(updates, 3e-3, final_learning_rate=6e-5, clip=1.0, updates_per_dispatch=20)
        frames = 41
        sizes = {"train": SplitSize(128, frames), "valid": SplitSize(64, 6), "test": SplitSize(64, 6)}
        self.data = data_in_memory(PROBLEM, sizes)
        self.held_out = jnp.asarray(self.data.split(split).states)

    @staticmethod
    def _integrator(first_step: Any, limit: int) -> Integrator:
        controller = diffrax.PIDController(rtol=1e-6, atol=1e-6)
        return Integrator(controller=controller, max_steps=limit, first_step=first_step)

    def _arm(self, regularization: Any = None) -> NeuralODE:
        return NeuralODE(unroll=UNROLL, solver=self._integrator(1.0, 128), regularization=regularization)

    def model(self, method: AbstractMethod, seed: int) -> ContinuousOperator:
        return method.build(NETWORK, DataCard.of(self.data), key=jax.random.key(seed))

    def feed(self, seed: int) -> WindowFeed:
        return WindowFeed(self.data.split("train"), UNROLL + 1, BATCH, seed=seed)

    def test(self, model: ContinuousOperator, first_step: Any) -> dict[str, Any]:
        operator = model.solved_by(self._integrator(first_step, 512))
        times = operator.step_size * np.arange(1, UNROLL + 1)
        states, account = operator.solve(self.held_out[:, 0], times)
        truth = jnp.moveaxis(self.held_out[:, 1:], 1, 0)
        error = jnp.linalg.norm((states - truth).ravel()) / jnp.linalg.norm(truth.ravel())
        return {"nfe": account.evaluations, "steps": account.accepted, QUALITY: error}

    def extra_rows(self, found: Any, seeds: list[int]) -> list[Row]:
        """What the declared right-hand side needs at the same tolerance."""
        equation, grid, std = self.data.family.equation, self.data.domain, float(self.data.statistics["std"][0])
        rate = lambda t, z, args: rhs(equation, z * std, grid, dealias=2 / 3) / std
        times = jnp.asarray(self.data.step * np.arange(UNROLL + 1), jnp.float32)
        solve = jax.jit(
            lambda z: integrate(diffrax.ODETerm(rate), times, z, integrator=self._integrator(1.0, 4096))[1].evaluations
        )
        value = float(solve(self.held_out[:, 0] / std))
        return [row(f"{self.name}, true right-hand side", f"evaluations, first step {POLICY}", value, better="lower")]
