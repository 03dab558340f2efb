"""Learning a conditional distribution by denoising: PDE-Refiner and its relatives."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from annotated_types import Gt, Lt
from jaxtyping import Array, Float

from pdejax.core import Count, Counts, Fraction, Key, Keys, Of, check_options, checked, per_channel, register
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.diffusion.denoiser import Denoiser, Parametrisation
from pdejax.methods.diffusion.generative import Generative
from pdejax.methods.diffusion.levels import NOISE_FEATURES, LevelGrid, log_snr, weakest_wavenumber
from pdejax.methods.diffusion.noise import AbstractNoise, ExponentialNoise
from pdejax.methods.diffusion.sampler import AbstractSampler
from pdejax.methods.diffusion.samplers import Renoise
from pdejax.methods.diffusion.shares import by_level, drawn_levels, level_shares
from pdejax.methods.fitting import fitted_network
from pdejax.methods.method import AbstractMethod, only
from pdejax.methods.operators.bases import base_of
from pdejax.methods.operators.binding import with_table
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.stepping import Operator
from pdejax.methods.origin import origin_of, with_method
from pdejax.methods.supervised.losses import nrmse

# Adam moves a number by the learning rate at most: the logarithms, which span ten and more, are numbers times this
LOG_LOSS_UNIT = 30.0
Share = Annotated[float, Gt(0), Lt(1)]


@register("method", "diffusion")
class Diffusion(AbstractMethod):
    """Learns to denoise the next state at several noise levels; a step draws it by denoising.

    **Arguments:**

    - `noise`: the levels. One that starts with zeros begins with a regression, as PDE-Refiner does.
    - `sampler`: the way through them; `steps`, `grid`: on other levels than the trained ones (`NoiseLevels.spread`).
    - `parametrisation`: what the network's output stands for, see `Denoiser`.
    - `predict`, `history`, `conserve_mean`: as of `Supervised`.
    - `regressor`: whether the first level's network is `shared` with the others or its `own`; or whether a network of
        its own is `subtracted`: then all levels, the first included, are about what it leaves, in units of its error.
    - `first_share`: share of the samples that train the first level; none draws all levels equally often.
    - `balance`: `none` weighs the losses of levels equally; `learned` divides each by a learned estimate of its
        size, so that the sum of their logarithms is minimised; `min_snr` weighs as Hang et al. (arXiv:2303.09556).
    - `pretrain`: share of the updates that train the first level alone, before all (or, with a regressor of its own,
        all the others) are trained; an adaptive noise needs it.
    - `corruption`: `noise`, or `prediction` to learn from the network's own error instead (error prediction with
        `eps`, error correction with `x0`).
    - `samples`: how many are averaged in a step.
    - `passes`: how often each level is passed in sampling by `Renoise`, see `Generative`; once if there is none.
    - `noisy_known`: whether the known frames are noised too, and their noise learned (ACDM).
    - `stage`: `first` trains and uses the first level alone; see `first_phase`.

    Source: Lippe et al., PDE-Refiner, NeurIPS 2023 (arXiv:2308.05732); Kohl et al., ACDM (arXiv:2309.01745); Karras et
    al., EDM2 (arXiv:2312.02696), section 2.3 for learned balance.
    """

    noise: Annotated[AbstractNoise, Of("noise")] = ExponentialNoise()
    sampler: Annotated[AbstractSampler, Of("diffusion_sampler")] = Renoise()
    parametrisation: Parametrisation = eqx.field(static=True, default="eps")
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    history: Count = eqx.field(static=True, default=1)
    conserve_mean: bool = eqx.field(static=True, default=False)
    regressor: Literal["shared", "own", "subtracted"] = eqx.field(static=True, default="shared")
    first_share: Share | None = eqx.field(static=True, default=None)
    balance: Literal["none", "learned", "min_snr"] = eqx.field(static=True, default="none")
    pretrain: Fraction = eqx.field(static=True, default=0.0)
    corruption: Literal["noise", "prediction"] = eqx.field(static=True, default="noise")
    samples: Count = eqx.field(static=True, default=1)
    steps: Count | None = eqx.field(static=True, default=None)
    grid: LevelGrid = eqx.field(static=True, default="trained")
    passes: Counts | None = eqx.field(static=True, default=None)
    noisy_known: bool = eqx.field(static=True, default=False)
    stage: Literal["all", "first"] = eqx.field(static=True, default="all")

    def __check_init__(self) -> None:
        check_options(self)
        self._check_shares()
        self._check_levels()
        if self.conserve_mean and self.predict != "increment":
            raise ValueError("conserve_mean needs predict=increment: the mean of a predicted state is free")
        if self.regressor == "subtracted" and (self.noise.adaptive or self.corruption == "prediction"):
            raise ValueError(
                "regressor=subtracted has units of its own: it goes neither with adaptive noise nor with "
                "corruption=prediction"
            )
        if self.corruption == "prediction" and (not self.noise.regresses or self.sampler.draws):
            raise ValueError(
                "corruption=prediction needs a noise that starts with zeros, and the sampler renoise without noise"
            )
        if self.corruption == "noise" and not self.sampler.draws:
            raise ValueError("a sampler without noise goes with corruption=prediction only")
        if self.noisy_known and (self.noise.regresses or self.parametrisation == "x0"):
            raise ValueError("noisy_known needs a noise that starts with noise, and parametrisation eps or v")

    def _check_shares(self) -> None:
        if self.pretrain > 0 and not self.noise.regresses:
            raise ValueError(
                f"pretrain needs a noise that starts with zeros, whose first level is a regression, got "
                f"{type(self.noise).__name__}"
            )
        if self.pretrain == 0 and self.noise.adaptive:
            raise ValueError("pretrain should be above 0: an adaptive noise follows the error of a first phase")
        if self.pretrain == 0 and self.regressor != "shared":
            raise ValueError("pretrain should be above 0: a regressor that is not shared is trained in a first phase")
        if self.first_share is not None and self.regressor == "own":
            raise ValueError("first_share has no meaning with regressor=own, whose first level is trained before")

    def _check_levels(self) -> None:
        left = self.noise.count - self.noise.regresses - self.noise.rehearsed
        if self.steps is not None and (left == 0 or self.steps < 2 or (self.grid == "trained" and self.steps > left)):
            raise ValueError(
                f"steps lie between 2 and the {left} levels that are trained and sampled, got {self.steps}"
            )
        count = self.steps or left
        if self.passes is not None and (not isinstance(self.sampler, Renoise) or count != len(self.passes)):
            raise ValueError(
                f"passes are for the sampler renoise, one number for each of {count} levels, got "
                f"{list(self.passes)} and {type(self.sampler).__name__}"
            )

    @property
    def window(self) -> int:
        return self.history + 1

    @property
    def first_phase(self) -> tuple["Diffusion", float] | None:
        """The method that trains first, and its share of the updates; see `continued`."""
        return (
            (dataclasses.replace(self, stage="first", pretrain=self.pretrain), self.pretrain) if self.pretrain else None
        )

    @checked
    def build(self, network: Any, card: DataCard, *, key: Key) -> Operator:
        channels, known = len(card.field_names), self.history * len(card.field_names)
        if card.input_names:
            raise ValueError(f"diffusion steps in time, but the data map {', '.join(card.input_names)}: take steady")
        fit = lambda key: Denoiser(
            fitted_network(
                network,
                card,
                known + channels * (2 if self.regressor == "subtracted" else 1),
                out_channels=channels + (known if self.noisy_known else 0),
                extra_features=NOISE_FEATURES,
                told="how noisy its input is",
                key=key,
            ),
            self.parametrisation,
        )
        keys, levels = jax.random.split(key), self.noise.levels()
        generative = Generative(
            denoiser=fit(keys[0]),
            regressor=None if self.regressor == "shared" else fit(keys[1]),
            unit=jnp.ones(()) if self.regressor == "subtracted" else None,
            levels=levels,
            log_losses=jnp.zeros(len(levels)) if self.balance == "learned" else None,
            sampler=self.sampler,
            steps=self.steps,
            grid=self.grid,
            samples=self.samples,
            noisy_known=self.noisy_known,
            channels=channels,
            starts_with_regression=self.noise.regresses,
            rehearsed=self.noise.rehearsed,
            passes=None if self.passes is None else tuple(self.passes),
            refine=self.stage == "all",
        )
        return Operator(
            network=generative,
            normalisation=Normalisation.of(card),
            base=base_of(self.predict, None, card),
            info=OperatorInfo.of(card, self.history),
            conserve_mean=self.conserve_mean,
            origin=origin_of(self, network, card),
        )

    def trainable(self, model: Operator) -> Any:
        first = self.regressor != "shared" and self.stage == "first"
        part = (lambda m: m.network.regressor) if first else (lambda m: m.network.denoiser)
        sizes = [lambda m: m.network.log_losses] if self.balance == "learned" and self.stage == "all" else []
        return only(model, part, *sizes)

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        model = with_table(model, batch.parameters)
        generative, condition = model.network, model.condition(batch.states.shape[:1])
        known, y, target = _seen(model, batch.states)
        if self.regressor == "subtracted":
            known, y = self._left(generative, known, y, condition)
        shares = self.shares(len(generative.levels))
        level = drawn_levels(batch.row, shares)
        alpha, sigma = generative.levels.alpha[level], generative.levels.sigma[level]
        over = lambda a: a.reshape(a.shape[0], *(1,) * (y.ndim - 1))

        noise = self._noise(generative, known, y, keys, condition, sigma)
        noisy, denoiser, seen, truth = over(alpha) * y + over(sigma) * noise, generative.denoiser, known, y
        if self.regressor != "shared" and self.stage == "first":
            denoiser = generative.regressor
        if self.noisy_known:
            other = jax.vmap(lambda k: jax.random.normal(jax.random.fold_in(k, 1), known.shape[1:], known.dtype))(keys)
            seen = over(alpha) * known + over(sigma) * other
            noise, truth = jnp.concatenate([other, noise], -1), jnp.concatenate([known, y], -1)
        output = denoiser.output(noisy, seen, alpha, sigma, condition)
        space = tuple(range(1, y.ndim))
        raw = jnp.mean(jnp.square(output - denoiser.target(truth, noise, alpha, sigma)), space)

        clean = denoiser.clean(output[..., -y.shape[-1] :], noisy, alpha, sigma)
        scale = per_channel(model.output_scale, target)
        scale = scale * generative.unit if self.regressor == "subtracted" and self.stage == "all" else scale
        losses = self._balanced(raw, level, generative, alpha, sigma)
        return losses, {"nrmse_denoised": nrmse(scale * (clean - y), target), **by_level(raw, level, shares)}

    def shares(self, count: int) -> np.ndarray:
        """Share of the samples that each of `count` levels gets."""
        first = 0.0 if self.regressor == "own" else self.first_share
        return level_shares(count, 1.0 if self.stage == "first" else first)

    def _left(self, generative: Any, known: Array, y: Array, condition: Any) -> tuple[Array, Array]:
        """What the denoiser is shown and is to learn where a regressor is subtracted."""
        if self.stage == "first":
            return jnp.concatenate([known, jnp.zeros_like(y)], -1), y
        base = jax.lax.stop_gradient(generative.regression(known, condition))
        return jnp.concatenate([known, base], -1), (y - base) / generative.unit

    def _noise(self, generative: Any, known: Array, y: Array, keys: Keys, condition: Any, sigma: Array) -> Array:
        if self.corruption == "noise" or self.stage == "first":
            return jax.vmap(lambda k: jax.random.normal(k, y.shape[1:], y.dtype))(keys)
        own = jax.lax.stop_gradient(generative.regression(known, condition))
        return (own - y) / jnp.where(sigma > 0, sigma, 1.0).reshape(-1, *(1,) * (y.ndim - 1))

    def _balanced(self, raw: Array, level: Array, generative: Any, alpha: Array, sigma: Array) -> Array:
        if self.balance == "learned" and self.stage == "all":
            size = LOG_LOSS_UNIT * generative.log_losses[level]
            return raw * jnp.exp(-size) + size
        if self.balance == "min_snr":
            snr = jnp.exp(2 * log_snr(alpha, sigma))
            over = {"x0": jnp.ones_like(snr), "eps": 1 / snr, "v": 1 / (snr + 1)}[self.parametrisation]
            return raw * jnp.where((alpha > 0) & (sigma > 0), jnp.minimum(snr, 5.0) * over, 1.0)
        return raw

    def continued(self, model: Operator, batches: Iterable[Batch]) -> Operator:
        """The model with which training goes on after the first phase.

        A regressor of its own lends the others its weights; an adaptive noise takes the error it has reached; learned
        balance starts from it.

        **Arguments:** `model`: of the first phase; `batches`: held-out data to measure on.
        """
        errors, targets = [], []
        for batch in batches:
            one = with_table(model, batch.parameters)
            known, y, _ = _seen(one, batch.states)
            guess = one.network.regression(known, one.condition(batch.states.shape[:1]))
            errors.append(float(jnp.mean(jnp.square(guess - y))))
            targets.append(y)
        error = math.sqrt(float(np.mean(errors)))
        network = dataclasses.replace(model.network, refine=True)
        if self.regressor == "subtracted":
            network = eqx.tree_at(lambda n: n.unit, network, jnp.asarray(error, jnp.float32))
        if self.regressor != "shared":
            network = eqx.tree_at(lambda n: n.denoiser, network, network.regressor)
        if self.noise.adaptive:
            levels = self.noise.levels(error, weakest_wavenumber(jnp.concatenate(targets)))
            network = eqx.tree_at(lambda n: n.levels, network, levels)
        if self.balance == "learned" and self.regressor == "shared":
            start = jnp.zeros_like(network.log_losses).at[0].set(2 * math.log(error) / LOG_LOSS_UNIT)
            network = eqx.tree_at(lambda n: n.log_losses, network, start)
        return dataclasses.replace(model, network=network, origin=with_method(model.origin, self))


def _seen(model: Operator, frames: Array) -> tuple[Array, Array, Array]:
    """The normalised known frames, the normalised target, and the target itself."""
    u, target = jnp.concatenate([frames[:, i] for i in range(model.history)], -1), frames[:, model.history]
    return model.normalised(u), (target - model.base_frame(u)) / per_channel(model.output_scale, u), target
