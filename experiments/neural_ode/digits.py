"""Handwritten digits told apart by a neural ODE: the task of both papers on a set that comes with scikit-learn.

The image is the state at time 0, its class a linear function of the state at time 1; the right-hand side is a
perceptron that sees the time (Pal et al. 2021, section 4.1, on MNIST: 784 pixels, a hidden layer of 100).
"""

from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits

from experiments.neural_ode.arms import PLAIN, Comparison, Goal, SampleFeed, Solving
from pdejax.methods import (
    AbstractMethod,
    AbstractRegularization,
    RandomEndTime,
    SolverRegularization,
    TaylorRegularization,
    solve,
)
from pdejax.networks import Linear, Perceptron
from pdejax.solvers import Integrator, integrate
from pdejax.training import TrainSettings

TEST = 297
TIMES = jnp.array([0.0, 1.0])


class Classifier(eqx.Module):
    """A right-hand side and what is read off the final state."""

    network: Perceptron
    head: Linear

    def __call__(self, t: Any, y: Any, args: Any) -> Any:
        """dy/dt; the last entry of the condition is the time."""
        return self.network(y, condition=jnp.broadcast_to(jnp.asarray(t, y.dtype), (len(y), 1)))


class Classify(Solving):
    """Cross entropy of the final state's classes.

    **Arguments:** `integrator`; `regularization`.
    """

    integrator: Integrator
    regularization: AbstractRegularization | None = None

    def build(self, network: Mapping[str, Any], card: Any, *, key: Any) -> Classifier:
        keys = jax.random.split(key)
        return Classifier(
            Perceptron(64, 64, 0, **network, condition_features=1, key=keys[0]), Linear(64, 10, key=keys[1])
        )

    def loss(self, model: Classifier, batch: Any, keys: Any) -> tuple[Any, dict[str, Any]]:
        solved = solve(
            diffrax.ODETerm(model), TIMES, batch.arrays["image"], integrator=self.integrator,
            regularization=self.regularization, key=keys[0],
        )  # fmt: skip
        losses = optax.softmax_cross_entropy_with_integer_labels(model.head(solved.states[0]), batch.arrays["label"])
        return self.penalised(losses, solved, cross_entropy=jnp.mean(losses))


class Digits(Comparison):
    """The task, `smoke` for seconds or `small` for minutes."""

    name = "digits"

    def __init__(self, preset: str = "small") -> None:
        self.first_steps = {"automatic": "automatic", "whole interval": 1.0}
        integrator = Integrator(
            controller=diffrax.PIDController(rtol=1e-6, atol=1e-6), max_steps=64, first_step="automatic"
        )
        arm = lambda r=None: Classify(integrator, r)
        self.arms = {PLAIN: arm(), "local": arm(SolverRegularization("error", "local", 0.3))}
        if preset != "smoke":
            self.arms |= {
                "global": arm(SolverRegularization("error", "global", 0.3)),
                "local, over steps": arm(SolverRegularization("error", "local", 0.3, average="steps")),
                "local, automatic step": arm(SolverRegularization("error", "local", 1e3, step="automatic")),
                "stiffness, local": arm(SolverRegularization("stiffness", "local", 0.1)),
                "TayNODE": arm(TaylorRegularization(2, 0.01)),
                "STEER": arm(RandomEndTime(1.0)),
            }
        updates = 150 if preset == "smoke" else 400
        self.settings = TrainSettings(updates, 3e-3, final_learning_rate=6e-5, clip=1.0, updates_per_dispatch=50)
        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(labels))
        images, labels = images[order].astype(np.float32) / 16, labels[order].astype(np.int32)
        self.training = {"image": images[:-TEST], "label": labels[:-TEST]}
        self.held_out = {"image": jnp.asarray(images[-TEST:]), "label": jnp.asarray(labels[-TEST:])}

    def model(self, method: AbstractMethod, seed: int) -> Classifier:
        return method.build({"width": 32, "depth": 1}, None, key=jax.random.key(seed))  # type: ignore

    def feed(self, seed: int) -> SampleFeed:
        return SampleFeed(self.training, 128, seed=seed)

    def test(self, model: Classifier, first_step: Any) -> dict[str, Any]:
        integrator = Integrator(
            controller=diffrax.PIDController(rtol=1e-6, atol=1e-6), max_steps=256, first_step=first_step
        )
        states, account = integrate(diffrax.ODETerm(model), TIMES, self.held_out["image"], integrator=integrator)
        right = jnp.argmax(model.head(states[0]), axis=-1) == self.held_out["label"]
        return {
            "nfe": account.evaluations,
            "steps": account.accepted,
            "accuracy": 100 * jnp.mean(right.astype(float)),
        }


QUALITY, UNIT, POLICY, DIFFERENCE = "accuracy", "%", "whole interval", True
GOALS = {
    "local": Goal(nfe=0.57, quality=-0.5, speed=1.8, training=1.25),
    "global": Goal(training=1.5),
}
