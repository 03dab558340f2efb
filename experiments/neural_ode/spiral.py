"""A neural stochastic differential equation on a spiral: the task of Pal et al. 2021 whose loss is of moments.

Data are the means and variances, over many paths, of a cubic spiral with multiplicative noise, du = A u^3 dt + 0.2 u dW
(Ito). The model has a perceptron of u^3 for its drift (a hidden layer of 50) and a linear function of u for its noise,
and reads its noise in the sense of Stratonovich, as the solver does: its drift differs from that of the data by 0.02 u.

There is little to save here. Means and variances at thirty times leave the equation hardly any freedom, and the data's
own equation costs nearly as much as what is learned: the weight trades evaluations for errors of the variance.
"""

from collections.abc import Mapping
from typing import Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import lineax
from jaxtyping import Array, Float

from experiments.neural_ode.arms import PLAIN, Comparison, Goal, SampleFeed, Solving
from pdejax.core import Keys
from pdejax.methods import (
    AbstractMethod,
    AbstractRegularization,
    SolverRegularization,
    sampled_brownian,
    solve,
)
from pdejax.networks import Linear, Perceptron
from pdejax.solvers import Integrator, integrate
from pdejax.training import TrainSettings

TIMES = jnp.linspace(0.0, 1.0, 30)
START = jnp.array([2.0, 0.0])
RATES = jnp.array([[-0.1, -2.0], [2.0, -0.1]])
NOISE = 0.2
TOLERANCE = 0.05
WEIGHT = 0.05


def moments(paths: Float[Array, "time path entry"]) -> Float[Array, "moment time entry"]:
    """Means and variances over paths."""
    return jnp.stack([jnp.mean(paths, axis=1), jnp.var(paths, axis=1)])


def spiral(paths: int, *, key: Any, substeps: int = 40) -> Float[Array, "time path entry"]:
    """Paths of the data at `TIMES[1:]`, by Milstein's method with fixed steps."""
    step = (TIMES[1] - TIMES[0]) / substeps

    def advance(u: Any, key: Any) -> tuple[Any, None]:
        dw = jnp.sqrt(step) * jax.random.normal(key, u.shape)
        return u + step * u**3 @ RATES.T + NOISE * u * dw + NOISE**2 / 2 * u * (dw**2 - step), None

    def frame(u: Any, key: Any) -> tuple[Any, Any]:
        u, _ = jax.lax.scan(advance, u, jax.random.split(key, substeps))
        return u, u

    start = jnp.broadcast_to(START, (paths, 2))
    return jax.lax.scan(frame, start, jax.random.split(key, len(TIMES) - 1))[1]


class SpiralModel(eqx.Module):
    """A stochastic equation for a batch of paths."""

    drift: Perceptron
    noise: Linear

    def terms(self, keys: Keys, start: Any, solver: diffrax.AbstractSolver) -> diffrax.MultiTerm:
        """What Diffrax solves, with a Brownian path for each key."""
        drift = lambda t, u, args: self.drift(u**3)
        noise = lambda t, u, args: lineax.DiagonalLinearOperator(self.noise(u))
        path = sampled_brownian(keys, TIMES[0], TIMES[-1], start, solver=solver, tolerance=1e-3)
        return diffrax.MultiTerm(diffrax.ODETerm(drift), diffrax.ControlTerm(noise, path))


class MatchMoments(Solving):
    """Mean square difference of means and of variances; a sample is a path, the loss is one of the whole batch.

    **Arguments:** `integrator`; `target`: moments of the data; `regularization`.
    """

    integrator: Integrator
    target: Float[Array, "moment time entry"]
    regularization: AbstractRegularization | None = None

    def build(self, network: Mapping[str, Any], card: Any, *, key: Any) -> SpiralModel:
        keys = jax.random.split(key)
        return SpiralModel(Perceptron(2, 2, 0, **network, key=keys[0]), Linear(2, 2, gain=NOISE, key=keys[1]))

    def loss(self, model: SpiralModel, batch: Any, keys: Any) -> tuple[Any, dict[str, Any]]:
        start = jnp.broadcast_to(START, (len(keys), 2))
        solved = solve(
            model.terms(keys, start, self.integrator.solver), TIMES, start, integrator=self.integrator,
            regularization=self.regularization, key=jax.random.fold_in(keys[0], 1),
        )  # fmt: skip
        # a solve that was cut short teaches nothing but its penalty
        paths = jnp.where(solved.account.finished, solved.states, START)
        difference = jnp.sum(jnp.mean(jnp.square(moments(paths) - self.target), axis=(1, 2)))
        losses = jnp.broadcast_to(difference, len(keys))
        return self.penalised(losses, solved, moments=difference, unfinished=1.0 - solved.account.finished)


def _integrator(first_step: float, max_steps: int) -> Integrator:
    # errors of stochastic steps jump: a controller that follows each of them refuses a third of its steps
    controller = diffrax.PIDController(rtol=TOLERANCE, atol=TOLERANCE, pcoeff=0.1, icoeff=0.3)
    return Integrator(diffrax.SPaRK(), controller, max_steps=max_steps, first_step=first_step)


class Spiral(Comparison):
    """The task, `smoke` for seconds or `small` for minutes."""

    name = "spiral"

    def __init__(self, preset: str = "small") -> None:
        smoke = preset == "smoke"  # mostly compilation: one policy and a weight whose effect shows at once
        self.first_steps = {"first output": 1.0} if smoke else {"first output": 1.0, "a tenth of it": 0.1}
        self.target = moments(jax.jit(lambda: spiral(8192, key=jax.random.key(0)))())
        arm = lambda r=None: MatchMoments(_integrator(1.0, 256), self.target, r)
        penalty = lambda scope: SolverRegularization("error", scope, 0.1 if smoke else WEIGHT, average="steps")
        self.arms = {PLAIN: arm(), "local": arm(penalty("local"))}
        if not smoke:
            self.arms |= {"global": arm(penalty("global"))}
        updates, test_paths = (100, 100) if smoke else (250, 1000)
        self.test_keys = jax.random.split(jax.random.key(2**20), test_paths)
        self.settings = TrainSettings(updates, 3e-2, final_learning_rate=3e-4, clip=1.0, updates_per_dispatch=50)

    def model(self, method: AbstractMethod, seed: int) -> SpiralModel:
        return method.build({"width": 50, "depth": 1}, None, key=jax.random.key(seed))  # type: ignore

    def feed(self, seed: int) -> SampleFeed:
        return SampleFeed({"path": jnp.arange(100)}, 100, seed=seed)

    def test(self, model: SpiralModel, first_step: Any) -> dict[str, Any]:
        integrator = _integrator(first_step, 1024)
        start = jnp.broadcast_to(START, (len(self.test_keys), 2))
        terms = model.terms(self.test_keys, start, integrator.solver)
        paths, account = integrate(terms, TIMES, start, integrator=integrator)
        norm = lambda x: jnp.sqrt(jnp.sum(jnp.square(x), axis=(1, 2)))
        mean, variance = norm(moments(paths) - self.target) / norm(self.target)
        return {
            "nfe": account.evaluations,
            "steps": account.accepted,
            "moment error": (mean + variance) / 2,
            "error of the mean": mean,
            "error of the variance": variance,
        }


QUALITY, POLICY = "moment error", "first output"
GOALS = {"local": Goal(nfe=0.75, quality=1.05), "global": Goal(nfe=0.75, quality=1.05)}
