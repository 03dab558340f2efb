"""Learning the right-hand side of a differential equation by solving it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import (
    Count,
    Frozen,
    Key,
    Keys,
    Of,
    Real,
    Scalar,
    check_options,
    checked,
    frozen,
    per_channel,
    register,
)
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.fitting import fitted_network
from pdejax.methods.method import AbstractMethod, only
from pdejax.methods.neural_ode.latent import Latent, vector_network
from pdejax.methods.neural_ode.noise_model import NoiseModel, fair_crps
from pdejax.methods.neural_ode.regularization import AbstractRegularization, solve
from pdejax.methods.neural_ode.solver import Solver
from pdejax.methods.neural_ode.solver_regularization import SolverRegularization
from pdejax.methods.neural_ode.spaces import PhysicalSpace
from pdejax.methods.neural_ode.taylor_regularization import TaylorRegularization
from pdejax.methods.neural_ode.tendency import Diffusivity, KnownPhysics, Tendency, check_integrator
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.continuous import ContinuousOperator
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.origin import origin_of
from pdejax.methods.supervised.losses import AbstractLoss, MeanSquared, check_loss, nrmse
from pdejax.solvers import Integrator, check_solver, goes_back


def _values(given: Mapping[str, Real]) -> Mapping[str, Real]:
    return frozen(given)


@register("method", "neural_ode")
class NeuralODE(AbstractMethod):
    """Trains the right-hand side of an ordinary or stochastic differential equation through its solution.

    The solution from the first frame of a window is compared with all later ones (and, where a decoder could be wrong
    there too, with the first), in units of the data's increment over one step.

    Sources: Chen, Rubanova, Bettencourt, Duvenaud 2018 (arXiv 1806.07366); regularisation: see `SolverRegularization`.

    **Arguments:**

    - `unroll`: steps of the data that a solve covers.
    - `error`: distance of fields, of an equation without noise.
    - `solver`: how the equation is solved, in training and afterwards: in words, or an `Integrator`.
    - `regularization`: penalty on the solve; error, stiffness and calls of the network are recorded without one too.
    - `latent`: where the equation lives; none for the field itself.
    - `terms`, `parameters`: the known part of the right-hand side, as of an `Equation`; the network corrects it.
    - `noise`: makes the equation stochastic.
    - `time_dependent`: whether the network sees the time since the beginning, in data steps. The operator is then no
        longer one whose steps add up.
    - `conserve_mean`: whether the network's part keeps each field's spatial mean.
    """

    unroll: Count = eqx.field(static=True, default=1)
    error: Annotated[AbstractLoss, Of("loss")] = MeanSquared()
    solver: Solver | Integrator = Solver()
    regularization: Annotated[AbstractRegularization | None, Of("regularization")] = None
    latent: Latent | None = None
    terms: str | tuple[str, ...] = eqx.field(static=True, default=())
    parameters: Mapping[str, Real] = eqx.field(static=True, converter=_values, default=Frozen())
    noise: NoiseModel | None = None
    time_dependent: bool = eqx.field(static=True, default=False)
    conserve_mean: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_options(self)
        check_loss(self.error)
        if self.latent is not None and (self.terms or self.conserve_mean):
            what = "terms" if self.terms else "conserve_mean"
            raise ValueError(f"{what} speaks of the field, which a latent equation does not advance: leave one out")
        if self.parameters and not self.terms:
            raise ValueError(f"parameters {', '.join(self.parameters)} are those of terms, but there are none")
        check_integrator(self.integrator, None if self.noise is None else self.noise.kind)
        self._check_training()
        if self.regularization is not None:
            self.regularization.check(self.integrator)
        if self.noise is not None:
            self._check_noise(self.noise)

    def _check_training(self) -> None:
        """Whether a solve that is trained through is long enough, and can be differentiated."""
        integrator = self.integrator
        if isinstance(integrator.adjoint, diffrax.ForwardMode | diffrax.ImplicitAdjoint):
            raise ValueError(
                f"{type(integrator.adjoint).__name__} is not for training, whose gradients go back in time: take "
                "RecursiveCheckpointAdjoint, DirectAdjoint or BacksolveAdjoint"
            )
        if integrator.fixed and isinstance(integrator.first_step, int | float):
            needed = math.ceil(self.unroll / integrator.first_step - 1e-6)
            if needed > integrator.max_steps:
                raise ValueError(
                    f"max_steps should be at least {needed} for unroll={self.unroll} with fixed steps of "
                    f"{integrator.first_step:g} of a data step, got {integrator.max_steps}"
                )

    def _check_noise(self, noise: NoiseModel) -> None:
        """Whether the loss and the penalty are for stochastic equations."""
        penalty: Any = self.regularization
        if not isinstance(self.error, MeanSquared):
            raise ValueError(
                f"{type(self.error).__name__} is not for equations with noise, which are scored by the continuous "
                "ranked probability score: leave the loss out"
            )
        if isinstance(self.integrator.adjoint, diffrax.BacksolveAdjoint):
            solver = self.integrator.solver
            if not goes_back(solver, noise.kind):
                raise ValueError(
                    f"{type(solver).__name__} does not solve equations with noise backwards: take "
                    "RecursiveCheckpointAdjoint instead of BacksolveAdjoint, or Heun or ReversibleHeun"
                )
        if isinstance(penalty, TaylorRegularization):
            raise ValueError("solutions with noise have no derivatives in time: take SolverRegularization")
        if isinstance(penalty, SolverRegularization) and penalty.scope == "local":
            if penalty.step == "automatic":
                raise ValueError("an automatic step is known for equations without noise only: take step='accepted'")
            if penalty.solver is not None:
                check_solver(penalty.solver, noise.kind, adaptive=True)

    @property
    def integrator(self) -> Integrator:
        """How the equation is solved."""
        return self.solver.integrator() if isinstance(self.solver, Solver) else self.solver

    @property
    def window(self) -> int:
        return self.history + self.unroll

    @property
    def history(self) -> int:
        """Known frames of a sample: a solve begins at one."""
        return 1

    @property
    def coupled(self) -> bool:
        """Samples share the steps of one solve."""
        return True

    def at(self, progress: Scalar) -> "NeuralODE":
        """The method at a moment of training, from 0 to 1."""
        if self.regularization is None:
            return self
        return eqx.tree_at(lambda m: m.regularization, self, self.regularization.at(progress))

    # ---- the model

    @checked
    def build(self, network: Any, card: DataCard, *, key: Key) -> ContinuousOperator:
        if card.input_names:
            raise ValueError(f"a neural_ode moves in time, but the data map {', '.join(card.input_names)}: take steady")
        self.error.check(card)
        key_field, key_space, key_noise = jax.random.split(key, 3)
        normalisation = Normalisation.of(card)
        space = PhysicalSpace() if self.latent is None else self.latent.build(card, key=key_space)
        channels = len(card.field_names) if self.latent is None else self.latent.channels
        network_of = lambda network, extra, k: self._network(network, card, channels, extra, k)
        return ContinuousOperator(
            tendency=Tendency(
                network_of(network, int(self.time_dependent), key_field),
                self._scale(normalisation, card, channels, 1.0),
                self._known(card, normalisation),
                card.step if self.time_dependent else None,
                self.conserve_mean,
            ),
            space=space,
            noise=None if self.noise is None else self._noise(network_of, normalisation, card, channels, key_noise),
            normalisation=normalisation,
            integrator=self.integrator,
            info=OperatorInfo.of(card),
            origin=origin_of(self, network, card),
        )

    def _network(self, network: Any, card: DataCard, channels: int, extra: int, key: Key) -> Any:
        more: dict[str, Any] = {"extra_features": extra, "told": "the time", "key": key}
        if self.latent is not None and self.latent.kind == "vector":
            return vector_network(network, card, channels, channels, **more)
        return fitted_network(network, card, channels, out_channels=channels, **more)

    def _scale(self, n: Normalisation, card: DataCard, channels: int, power: float) -> Float[Array, " channel"]:
        """What the state changes by in a step, over a power of its duration."""
        change = n.increment / n.std if self.latent is None else jnp.ones(channels)
        return change / card.step**power

    def _known(self, card: DataCard, normalisation: Normalisation) -> KnownPhysics | None:
        if not self.terms:
            return None
        if not all(card.periodic):
            raise ValueError("the known part of a right-hand side needs a periodic grid, but this problem has walls")
        terms = (self.terms,) if isinstance(self.terms, str) else self.terms
        known = KnownPhysics(terms, tuple(self.parameters.items()), card.lengths, card.parameter_names, normalisation)
        if known.equation.fields != card.field_names:
            raise ValueError(
                f"terms give {', '.join(known.equation.fields)}, but the data hold {', '.join(card.field_names)}"
            )
        if not known.equation.autonomous:
            raise ValueError(
                "terms depend on t, which the data do not tell: leave those out, or take time_dependent, "
                "which is the time since the beginning of a prediction"
            )
        return known

    def _noise(self, network_of: Any, n: Normalisation, card: DataCard, channels: int, key: Key) -> Diffusivity:
        assert self.noise is not None
        given = self.noise.network
        network = None if given is None else network_of(given, 0, key)
        level = jnp.full(channels, jnp.log(jnp.expm1(self.noise.initial)))
        return Diffusivity(network, level, self._scale(n, card, channels, 0.5))

    def trainable(self, model: ContinuousOperator) -> Any:
        noise = [] if model.noise is None else [lambda m: m.noise.network, lambda m: m.noise.level]
        return only(model, lambda m: m.tendency.network, lambda m: m.space, *noise)

    # ---- the loss

    def loss(
        self, model: ContinuousOperator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        model = with_table(model, batch.parameters)
        frames = jnp.moveaxis(batch.states, 1, 0)
        times = jnp.arange(self.window, dtype=frames.dtype) * jnp.asarray(model.step_size, frames.dtype)
        predicted, penalty, metrics = self._solve(model, frames[0], times, keys)
        if self.latent is None:
            frames = frames[1:]
        losses = jnp.mean(self._distances(model, predicted, frames), axis=0)
        mean = jnp.mean(predicted, axis=0)
        errors = nrmse(mean - frames, frames, 2)
        every = {"nrmse": errors[-self.unroll], "nrmse_last": errors[-1]}
        spread = {name: jnp.broadcast_to(value, losses.shape) for name, value in metrics.items()}
        return losses + penalty.astype(losses.dtype), every | spread

    def _solve(
        self, model: ContinuousOperator, first: Array, times: Array, keys: Keys
    ) -> tuple[Float[Array, "path time batch *space channel"], Scalar, dict[str, Scalar]]:
        """Predicted frames, the weighted penalty, and what the solve took."""
        paths = 1 if self.noise is None else self.noise.paths
        count, condition = len(first), model.condition(first.shape[:1])
        own = jax.vmap(lambda k: jax.random.split(k, paths), out_axes=1)(keys).reshape(-1)
        many = lambda x: jnp.tile(x, (paths,) + (1,) * (x.ndim - 1))
        z, condition = many(model.encode(first, condition)), None if condition is None else many(condition)
        terms = model.equation(z, times[0], times[-1], own)
        solved = solve(
            terms, times, z, condition, integrator=model.integrator, regularization=self.regularization,
            key=jax.random.fold_in(keys[0], 1),
        )  # fmt: skip
        # a solve that was cut short teaches nothing but its penalty, and a decoder nothing of infinities
        instead = lambda x, y: jnp.where(solved.account.finished, x, jax.lax.stop_gradient(y[None]))
        states = instead(solved.states, z)
        states = states if self.latent is None else jnp.concatenate([z[None], states])
        frames = instead(model.decode(states, condition), many(first))
        frames = jnp.moveaxis(frames.reshape(len(frames), paths, count, *frames.shape[2:]), 1, 0)
        weight = jnp.zeros((), frames.dtype) if self.regularization is None else self.regularization.factor
        average: Any = getattr(self.regularization, "average", "time")
        metrics = {
            **solved.account.measures(average),
            "unfinished": 1 - solved.account.finished.astype(frames.dtype),
            "penalty": jax.lax.stop_gradient(solved.penalty),
            "penalty_weight": weight,
        }
        return frames, weight.astype(frames.dtype) * solved.penalty.astype(frames.dtype), metrics

    def _distances(
        self, model: ContinuousOperator, predicted: Array, frames: Float[Array, "time batch *space channel"]
    ) -> Float[Array, "time batch"]:
        scale = per_channel(model.normalisation.increment, frames)
        if self.noise is not None:
            score = fair_crps(predicted, frames) / scale
            return jnp.mean(score, axis=tuple(range(2, frames.ndim)))
        return jax.vmap(lambda p, f: self.error((p - f) / scale[0], f / scale[0], model.info.lengths))(
            predicted[0], frames
        )
