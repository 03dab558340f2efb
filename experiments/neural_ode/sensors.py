"""A latent neural ODE behind sparse noisy sensors: a stand-in for clinical records, on a field whose truth is known.

Twelve sensors watch Burgers' equation; each reading is there with a probability of 0.3 and carries noise of 5 % of the
field's standard deviation. The encoder sees the readings of the first half of the time; the solution is compared with
all readings, and tested against the field itself at all sensors and times (Rubanova et al. 2019 on PhysioNet; here the
code is not random).
"""

from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from experiments.neural_ode.arms import PLAIN, Comparison, Goal, SampleFeed, Solving
from experiments.neural_ode.data import data_in_memory
from pdejax.data import SplitSize
from pdejax.methods import AbstractMethod, AbstractRegularization, SolverRegularization, solve
from pdejax.networks import Perceptron
from pdejax.solvers import Integrator, integrate
from pdejax.training import TrainSettings

FRAMES, SEEN, SENSORS, LATENT = 21, 11, 12, 16
SHOWN, NOISE = 0.3, 0.05
WEIGHTS = (0.01, 0.003)  # first and last
TIMES = np.linspace(0.0, 1.0, FRAMES, dtype=np.float32)
PROBLEM = {
    "name": "burgers",
    "equation": "burgers",
    "parameters": {"nu": 0.01},
    "domain": {"shape": [64], "lengths": [1.0]},
    "initial": {"kind": "truncated_fourier", "cutoff": 2, "max_one": False, "amplitude": 0.8},
    "time": {"step": 1.0 / (FRAMES - 1)},
    "solver": {"substeps": 16},
}
QUALITY, POLICY = "relative L2 error", "first output"
GOALS = {"local": Goal(nfe=0.73, quality=1.05, training=1.25), "global": Goal(training=1.5)}


class SensorModel(eqx.Module):
    """Encoder of readings, right-hand side and decoder to sensors."""

    encoder: Perceptron
    network: Perceptron
    decoder: Perceptron

    def __call__(self, t: Any, z: Any, args: Any) -> Any:
        """dz/dt."""
        return self.network(z)

    def start(self, readings: Any, shown: Any) -> Any:
        """The latent state at time 0, of readings `(batch, time, sensor)` and whether each is there."""
        seen = jnp.concatenate([readings * shown, shown], axis=-1)[:, :SEEN]
        return self.encoder(seen.reshape(len(seen), -1))


class Sense(Solving):
    """Mean square of what is left at all readings.

    **Arguments:** `integrator`; `regularization`.
    """

    integrator: Integrator
    regularization: AbstractRegularization | None = None

    def build(self, network: Mapping[str, Any], card: Any, *, key: Any) -> SensorModel:
        keys = jax.random.split(key, 3)
        part = lambda i, o, k: Perceptron(i, o, 0, **network, key=k)
        return SensorModel(
            part(2 * SEEN * SENSORS, LATENT, keys[0]), part(LATENT, LATENT, keys[1]), part(LATENT, SENSORS, keys[2])
        )

    def loss(self, model: SensorModel, batch: Any, keys: Any) -> tuple[Any, dict[str, Any]]:
        readings, shown = batch.arrays["readings"], batch.arrays["shown"]
        z = model.start(readings, shown)
        solved = solve(
            diffrax.ODETerm(model), jnp.asarray(TIMES), z, integrator=self.integrator,
            regularization=self.regularization, key=keys[0],
        )  # fmt: skip
        found = jax.vmap(model.decoder, 0, 1)(jnp.concatenate([z[None], solved.states]))
        losses = jnp.sum(jnp.square(found - readings) * shown, (1, 2)) / jnp.sum(shown, (1, 2))
        return self.penalised(losses, solved, misfit=jnp.mean(losses))


def observed(fields: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Readings of fields `(trajectory, time, point, 1)` in units of their standard deviation, and the truth there."""
    places = np.linspace(0, fields.shape[2], SENSORS, endpoint=False).astype(int)
    truth = fields[:, :, places, 0] / fields.std()
    random = np.random.default_rng(seed)
    shown = (random.random(truth.shape) < SHOWN).astype(np.float32)
    shown[:, 0, 0] = 1  # none is without a reading
    readings = truth + NOISE * random.standard_normal(truth.shape).astype(np.float32)
    return {"readings": readings.astype(np.float32), "shown": shown, "truth": truth.astype(np.float32)}


class Sensors(Comparison):
    """The task, `smoke` for seconds or `small` for minutes."""

    name = "sensors"

    def __init__(self, preset: str = "small", split: str = "test") -> None:
        self.first_steps = {"automatic": "automatic", "first output": 1.0}
        arm = lambda r=None: Sense(self._integrator(1.0, 64), r)
        # few updates show the effect of a large weight only
        weights = (0.1,) if preset == "smoke" else WEIGHTS
        self.arms = {PLAIN: arm(), "local": arm(SolverRegularization("error", "local", *weights))}
        if preset != "smoke":
            self.arms |= {
                "global": arm(SolverRegularization("error", "global", *WEIGHTS)),
                "local, over steps": arm(SolverRegularization("error", "local", *WEIGHTS, average="steps")),
            }
        updates = 300 if preset == "smoke" else 1200
        self.settings = TrainSettings(updates, 3e-3, final_learning_rate=6e-5, clip=1.0, updates_per_dispatch=50)
        many = 512 if preset == "smoke" else 4096
        sizes = {name: SplitSize(n, FRAMES) for name, n in {"train": many, "valid": 128, "test": 256}.items()}
        data = data_in_memory(PROBLEM, sizes)
        self.training = observed(np.asarray(data.split("train").states), 0)
        self.held_out = {k: jnp.asarray(x) for k, x in observed(np.asarray(data.split(split).states), 1).items()}

    @staticmethod
    def _integrator(first_step: Any, limit: int) -> Integrator:
        return Integrator(
            controller=diffrax.PIDController(rtol=1e-5, atol=1e-5), max_steps=limit, first_step=first_step
        )

    def model(self, method: AbstractMethod, seed: int) -> SensorModel:
        return method.build({"width": 128, "depth": 2}, None, key=jax.random.key(seed))  # type: ignore

    def feed(self, seed: int) -> SampleFeed:
        return SampleFeed({k: self.training[k] for k in ("readings", "shown")}, 64, seed=seed)

    def test(self, model: SensorModel, first_step: Any) -> dict[str, Any]:
        z = model.start(self.held_out["readings"], self.held_out["shown"])
        states, account = integrate(
            diffrax.ODETerm(model), jnp.asarray(TIMES), z, integrator=self._integrator(first_step, 256)
        )
        found = jax.vmap(model.decoder, 0, 1)(jnp.concatenate([z[None], states]))
        truth = self.held_out["truth"]
        error = jnp.linalg.norm((found - truth).ravel()) / jnp.linalg.norm(truth.ravel())
        return {"nfe": account.evaluations, "steps": account.accepted, QUALITY: error}
