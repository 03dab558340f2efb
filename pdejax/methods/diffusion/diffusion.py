"""Learning a conditional distribution by denoising: PDE-Refiner and its relatives."""

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, Keys, known
from pdejax.data import Batch
from pdejax.methods.cards import DataCard
from pdejax.methods.diffusion.denoiser import PARAMETRISATIONS, Denoiser
from pdejax.methods.diffusion.generative import Generative
from pdejax.methods.diffusion.noise import (
    GRIDS,
    NOISE_FEATURES,
    AbstractNoise,
    Exponential,
    log_snr,
    weakest_wavenumber,
)
from pdejax.methods.diffusion.samplers import AbstractSampler, Renoise
from pdejax.methods.method import AbstractMethod, fitted_network
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.methods.operators.stepping import Operator

REGRESSORS = ("shared", "own", "subtracted")
MOST_LOGGED = 8
# Adam moves a number by the learning rate at most: the logarithms, which span ten and more, are numbers times this
LOG_LOSS_UNIT = 30.0
GOLDEN = 2654435769  # 2^32 over the golden ratio: multiples of it, modulo 2^32, fill an interval evenly


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

    noise: AbstractNoise = Exponential()
    sampler: AbstractSampler = Renoise()
    parametrisation: Literal["x0", "eps", "v"] = eqx.field(static=True, default="eps")
    predict: Literal["state", "increment"] = eqx.field(static=True, default="increment")
    history: int = eqx.field(static=True, default=1)
    conserve_mean: bool = eqx.field(static=True, default=False)
    regressor: Literal["shared", "own", "subtracted"] = eqx.field(static=True, default="shared")
    first_share: float | None = eqx.field(static=True, default=None)
    balance: Literal["none", "learned", "min_snr"] = eqx.field(static=True, default="none")
    pretrain: float = eqx.field(static=True, default=0.0)
    corruption: Literal["noise", "prediction"] = eqx.field(static=True, default="noise")
    samples: int = eqx.field(static=True, default=1)
    steps: int | None = eqx.field(static=True, default=None)
    grid: Literal["trained", "log_snr", "karras"] = eqx.field(static=True, default="trained")
    passes: tuple[int, ...] | None = eqx.field(static=True, default=None)
    noisy_known: bool = eqx.field(static=True, default=False)
    stage: Literal["all", "first"] = eqx.field(static=True, default="all")

    def __check_init__(self) -> None:
        for name, value, choices in (
            ("parametrisation", self.parametrisation, PARAMETRISATIONS),
            ("grid", self.grid, GRIDS),
            ("regressor", self.regressor, REGRESSORS),
        ):
            if value not in choices:
                raise ValueError(known(name, value, choices))
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
        if not 0 <= self.pretrain < 1:
            raise ValueError(f"pretrain is a share of the updates, from 0 to less than 1, got {self.pretrain:g}")
        if self.pretrain > 0 and not self.noise.regresses:
            raise ValueError(
                f"pretrain needs a noise that starts with zeros, whose first level is a regression, got "
                f"{type(self.noise).__name__}"
            )
        if self.pretrain == 0 and self.noise.adaptive:
            raise ValueError("an adaptive noise follows the error of a first phase: set pretrain above 0")
        if self.pretrain == 0 and self.regressor != "shared":
            raise ValueError("a regressor that is not shared is trained in the first phase: set pretrain above 0")
        if self.first_share is not None and (not 0 < self.first_share < 1 or self.regressor == "own"):
            raise ValueError(
                f"first_share is a share of the samples, between 0 and 1, and none for regressor=own, got "
                f"{self.first_share:g}"
            )
        if self.samples < 1 or self.history < 1:
            raise ValueError(f"samples and history are at least 1, got {self.samples} and {self.history}")

    def _check_levels(self) -> None:
        left = len(self.noise.levels()) - self.noise.regresses - self.noise.rehearsed
        if self.steps is not None and (left == 0 or self.steps < 2 or (self.grid == "trained" and self.steps > left)):
            raise ValueError(
                f"steps lie between 2 and the {left} levels that are trained and sampled, got {self.steps}"
            )
        count = self.steps or left
        if self.passes is not None and (
            not isinstance(self.sampler, Renoise) or count != len(self.passes) or min(self.passes) < 1
        ):
            raise ValueError(
                f"passes are for the sampler renoise, one positive number for each of {count} levels, got "
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

    def build(self, network: Mapping[str, Any], card: DataCard, *, key: Key) -> Operator:
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
            passes=self.passes,
            refine=self.stage == "all",
        )
        return Operator(
            network=generative,
            normalisation=Normalisation.of(card),
            increment=self.predict == "increment",
            conserve_mean=self.conserve_mean,
            history=self.history,
            step_size=card.step,
            lengths=card.lengths,
            field_names=card.field_names,
            parameter_names=card.parameter_names,
        )

    def trainable(self, model: Operator) -> Any:
        nothing = jax.tree.map(lambda _: False, model)
        trained = lambda tree: jax.tree.map(eqx.is_inexact_array, tree)
        if self.regressor != "shared":
            part = (lambda m: m.network.regressor) if self.stage == "first" else (lambda m: m.network.denoiser)
        else:
            part = lambda m: m.network.denoiser
        mask = eqx.tree_at(part, nothing, trained(part(model)))
        if self.balance == "learned" and self.stage == "all":
            mask = eqx.tree_at(lambda m: m.network.log_losses, mask, True)
        return mask

    def _shares(self, count: int) -> np.ndarray:
        """Share of the samples that each level gets."""
        if self.stage == "first" or count == 1:
            return np.eye(count)[0]
        if self.regressor == "own":
            return np.r_[0.0, np.full(count - 1, 1 / (count - 1))]
        if self.first_share is None:
            return np.full(count, 1 / count)
        return np.r_[self.first_share, np.full(count - 1, (1 - self.first_share) / (count - 1))]

    def _drawn(self, row: Array, shares: np.ndarray) -> Array:
        """The level of each sample: as evenly spread over a batch as its numbers of draws are."""
        # 24 bits are what float32 holds: more would round up to 1, where there is no level
        place = ((row.astype(jnp.uint32) * jnp.uint32(GOLDEN)) >> 8).astype(jnp.float32) * jnp.float32(2.0**-24)
        level = jnp.searchsorted(jnp.asarray(np.cumsum(shares)[:-1], jnp.float32), place, side="right")
        return level.astype(jnp.int32)

    def loss(
        self, model: Operator, batch: Batch, keys: Keys
    ) -> tuple[Float[Array, " batch"], dict[str, Float[Array, " batch"]]]:
        if model.parameter_names:
            model = eqx.tree_at(lambda m: m.parameters, model, batch.parameters, is_leaf=lambda x: x is None)
        generative, condition = model.network, model.condition(batch.states.shape[:1])
        known, y, target = _seen(model, batch.states)
        if self.regressor == "subtracted":
            known, y = self._left(generative, known, y, condition)
        shares = self._shares(len(generative.levels))
        level = self._drawn(batch.row, shares)
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
        scale = model.output_scale.reshape((1,) * (target.ndim - 1) + (-1,))
        scale = scale * generative.unit if self.regressor == "subtracted" and self.stage == "all" else scale
        nrmse = jnp.sqrt(jnp.sum(jnp.square(scale * (clean - y)), space) / jnp.sum(jnp.square(target), space))
        losses = self._balanced(raw, level, generative, alpha, sigma)
        return losses, {"nrmse_denoised": nrmse, **_by_level(raw, level, shares)}

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
            one = model
            if model.parameter_names:
                one = eqx.tree_at(lambda m: m.parameters, model, batch.parameters, is_leaf=lambda x: x is None)
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
        return eqx.tree_at(lambda m: m.network, model, network)


def _seen(model: Operator, frames: Array) -> tuple[Array, Array, Array]:
    """The normalised known frames, the normalised target, and the target itself."""
    history, n = model.history, model.normalisation
    u, target = jnp.concatenate([frames[:, i] for i in range(history)], -1), frames[:, history]
    row = lambda v: v.reshape((1,) * (u.ndim - 1) + (-1,))
    known = (u - row(jnp.tile(n.mean, history))) / row(jnp.tile(n.std, history))
    return known, (target - model.base(u)) / row(model.output_scale), target


def _by_level(raw: Array, level: Array, shares: np.ndarray) -> dict[str, Array]:
    """Numbers per sample whose means are the losses of the levels, or of equal groups of many levels."""
    groups = np.minimum(np.arange(len(shares)) * MOST_LOGGED // max(len(shares), MOST_LOGGED), MOST_LOGGED - 1)
    groups = np.arange(len(shares)) if len(shares) <= MOST_LOGGED else groups
    mine, out = jnp.asarray(groups)[level], {}
    for group in np.unique(groups):
        share = float(shares[groups == group].sum())
        if share > 0:
            out[f"loss_level_{group}"] = jnp.where(mine == group, raw, 0.0) / share
    return out
