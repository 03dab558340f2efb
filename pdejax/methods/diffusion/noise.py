"""Noise levels: how much of the truth, and how much noise, a denoiser is shown."""

import abc
import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import band_indices, known

LARGEST_LOG_SNR = 12.0  # beyond it a level counts as noise alone, or as none; float32 resolves e^-12 of unit fields
SMALLEST_STD = 1e-5
GRIDS = ("trained", "log_snr", "karras")
FREQUENCIES = math.pi / 24 * 2.0 ** np.arange(0, 5.5, 0.5)


class NoiseLevels(eqx.Module):
    """Levels x = alpha y + sigma noise of a field y of unit mean square, the least informative first.

    The level (0, 0) shows neither truth nor noise: what is predicted there is a plain regression.

    **Arguments:** `alpha`, `sigma`; `preserving`: whether the levels lie on alpha^2 + sigma^2 = 1 rather than on
    alpha = 1.
    """

    alpha: Float[Array, "*level"]
    sigma: Float[Array, "*level"]
    preserving: bool = eqx.field(static=True)

    def __len__(self) -> int:
        return len(self.alpha)

    def __getitem__(self, index: Any) -> "NoiseLevels":
        return NoiseLevels(self.alpha[index], self.sigma[index], self.preserving)

    @property
    def log_snr(self) -> Float[Array, "*level"]:
        """Logarithm of alpha over sigma, see `log_snr`."""
        return log_snr(self.alpha, self.sigma)

    def at(self, log_snr: Float[Array, " new"]) -> "NoiseLevels":
        """Levels of the same kind with these logarithms of alpha over sigma."""
        ratio = jnp.exp(-log_snr)
        alpha = 1 / jnp.sqrt(1 + ratio**2) if self.preserving else jnp.ones_like(ratio)
        return NoiseLevels(alpha, alpha * ratio, self.preserving)

    def spread(self, steps: int, grid: str) -> "NoiseLevels":
        """`steps` levels between the first and the last of these.

        **Arguments:** `steps`; `grid`: `trained` takes every n-th of these, `log_snr` spaces them equally in log-SNR,
        `karras` as Karras et al. (2022), equation (5), with rho = 7.
        """
        if grid == "trained":
            return self[np.rint(np.linspace(0, len(self) - 1, steps)).astype(int)]
        if steps == 1:
            return self[:1]
        first, last = self.log_snr[0], self.log_snr[-1]
        part = jnp.linspace(0.0, 1.0, steps, dtype=self.alpha.dtype)
        if grid == "log_snr":
            levels = self.at(first + part * (last - first))
        else:
            a, b = jnp.exp(-first / 7), jnp.exp(-last / 7)
            levels = self.at(-7 * jnp.log(a + part * (b - a)))
        # the ends as they are: an infinite log-SNR does not survive the way there and back
        ends = lambda new, old: new.at[0].set(old[0]).at[-1].set(old[-1])
        return NoiseLevels(ends(levels.alpha, self.alpha), ends(levels.sigma, self.sigma), self.preserving)


def log_snr(alpha: Float[Array, "*shape"], sigma: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Logarithm of alpha over sigma, between -12 and 12."""
    tiny = jnp.finfo(alpha.dtype).tiny
    value = jnp.log(jnp.maximum(alpha, tiny)) - jnp.log(jnp.maximum(sigma, tiny))
    return jnp.clip(jnp.where(alpha > 0, value, -LARGEST_LOG_SNR), -LARGEST_LOG_SNR, LARGEST_LOG_SNR)


def noise_features(log_snr: Float[Array, " batch"]) -> Float[Array, "batch features"]:
    """What a network is told of the noise: sines and cosines of the log-SNR, with periods of 48 down to 1.5."""
    angle = log_snr[:, None] * jnp.asarray(FREQUENCIES, log_snr.dtype)[None]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], -1)


NOISE_FEATURES = 2 * len(FREQUENCIES)


def _levels(alpha: Any, sigma: Any, preserving: bool) -> NoiseLevels:
    smallest = float(np.min(np.asarray(sigma)[1:])) if len(sigma) > 1 else 1.0
    if smallest < SMALLEST_STD:
        raise ValueError(
            f"the smallest noise would have a variance of {smallest**2:.3g} (standard deviation {smallest:.3g}) beside "
            f"fields of size 1, which float32 cannot resolve: at least {SMALLEST_STD**2:g} is needed"
        )
    return NoiseLevels(jnp.asarray(alpha, jnp.float32), jnp.asarray(sigma, jnp.float32), preserving)


def _from_betas(betas: np.ndarray) -> NoiseLevels:
    remaining = np.cumprod(1 - betas)[::-1]
    return _levels(np.sqrt(remaining), np.sqrt(1 - remaining), True)


class AbstractNoise(eqx.Module):
    """A choice of noise levels to train on."""

    adaptive: eqx.AbstractClassVar[bool]
    """Whether the levels depend on the error reached before noise is added."""

    @property
    @abc.abstractmethod
    def regresses(self) -> bool:
        """Whether the first level shows nothing, so that the prediction made there is a plain regression."""

    @property
    @abc.abstractmethod
    def rehearsed(self) -> int:
        """How many levels after a regression are trained on, but passed over in sampling."""

    @abc.abstractmethod
    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        """The levels.

        **Arguments:** `error`: root mean square of the error reached at the first level; `weakest`: standard
        deviation of noise as strong as the weakest wavenumber of the data, see `weakest_wavenumber`.
        """


class Exponential(AbstractNoise):
    """PDE-Refiner: a regression, then `refinements` levels with variances v^(k/K), v = `min_noise_var`.

    Without refinements it is the regression alone. With `start = "zeros"` the first level shows nothing and noise is
    added to the whole truth (the paper's algorithm 1); with `start = "noise"` it is pure noise and levels come from a
    diffusion schedule with betas v^(k/K), which is what the released program does. The value is a variance, although
    that program calls it a standard deviation.

    Source: Lippe et al., PDE-Refiner, NeurIPS 2023 (arXiv:2308.05732), section 3.1 and appendix.
    """

    refinements: int = eqx.field(static=True, default=3)
    min_noise_var: float = eqx.field(static=True, default=2e-7)
    start: Literal["zeros", "noise"] = eqx.field(static=True, default="zeros")
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if self.refinements < (self.start == "noise") or not 0 < self.min_noise_var < 1:
            raise ValueError(
                "an exponential noise needs refinements (at least 1 from noise) and a min_noise_var between "
                f"0 and 1, got {self.refinements} and {self.min_noise_var:g}"
            )
        self.levels()

    @property
    def regresses(self) -> bool:
        return self.start == "zeros"

    @property
    def rehearsed(self) -> int:
        return 0

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        variance = self.min_noise_var ** (np.arange(self.refinements + 1) / max(self.refinements, 1))
        if self.start == "noise":
            return _from_betas(variance[::-1])
        return _levels(np.r_[0.0, np.ones(self.refinements)], np.r_[0.0, np.sqrt(variance[1:])], False)


class Adaptive(AbstractNoise):
    """A regression, then `refinements` levels that start at the error which the regression has reached.

    The first has `ratio` times that error, each further one `decay` times the one before; with more than one, the last
    is low enough to leave the weakest wavenumber of the data visible. Noise far above the error already reached adds
    to it; noise far below leaves what a step is shown outside of what it was trained on.

    Noise that small is hard to see in fields of size 1: a network takes thousands of updates to find it. `rehearsals`
    levels above the first, each 1 / `decay` times the next, are trained on too, and passed over in sampling.
    """

    refinements: int = eqx.field(static=True, default=1)
    ratio: float = eqx.field(static=True, default=0.5)
    decay: float = eqx.field(static=True, default=0.3)
    rehearsals: int = eqx.field(static=True, default=2)
    adaptive: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if self.refinements < 1 or self.ratio <= 0 or not 0 < self.decay < 1 or self.rehearsals < 0:
            raise ValueError(
                "an adaptive noise needs refinements of at least 1, a positive ratio, a decay between 0 and 1 and "
                f"no negative rehearsals, got {self.refinements}, {self.ratio:g}, {self.decay:g} and {self.rehearsals}"
            )

    @property
    def regresses(self) -> bool:
        return True

    @property
    def rehearsed(self) -> int:
        return self.rehearsals

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        first = max(self.ratio * error, SMALLEST_STD)
        last = max(min(first * self.decay ** (self.refinements - 1), weakest), SMALLEST_STD)
        last = first if self.refinements == 1 else last
        larger = first * self.decay ** -np.arange(self.rehearsals, 0.0, -1.0)
        sigma = np.r_[larger, np.geomspace(first, last, self.refinements)]
        return _levels(np.r_[0.0, np.ones(len(sigma))], np.r_[0.0, sigma], False)


class Linear(AbstractNoise):
    """The schedule of DDPM: betas rise linearly, with `beta_min` and `beta_max` as they are for 1000 steps.

    Source: Ho et al., NeurIPS 2020 (arXiv:2006.11239); Kohl et al. (arXiv:2309.01745) for few steps, as ACDM.
    """

    steps: int = eqx.field(static=True, default=1000)
    beta_min: float = eqx.field(static=True, default=1e-4)
    beta_max: float = eqx.field(static=True, default=0.02)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if not 0 < self.beta_min <= self.beta_max < self.steps / 1000:
            raise ValueError(
                f"a linear noise of {self.steps} steps needs 0 < beta_min <= beta_max < {self.steps / 1000:g}, got "
                f"{self.beta_min:g} and {self.beta_max:g}: betas are given as for 1000 steps"
            )
        self.levels()

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        return _from_betas(np.linspace(self.beta_min, self.beta_max, self.steps) * 1000 / self.steps)


class Cosine(AbstractNoise):
    """The schedule of improved DDPM: the share of the signal falls as a squared cosine.

    Source: Nichol and Dhariwal, ICML 2021 (arXiv:2102.09672), equation (17).
    """

    steps: int = eqx.field(static=True, default=1000)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"a cosine noise needs at least 2 steps, got {self.steps}")
        self.levels()

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        share = np.cos((np.arange(self.steps + 1) / self.steps + 0.008) / 1.008 * np.pi / 2) ** 2
        return _from_betas(np.minimum(1 - share[1:] / share[:-1], 0.999))


class LogNormal(AbstractNoise):
    """The noise of EDM: standard deviations at equal quantiles of a log-normal distribution, added to the truth.

    Source: Karras et al., NeurIPS 2022 (arXiv:2206.00364), table 1.
    """

    steps: int = eqx.field(static=True, default=256)
    mean: float = eqx.field(static=True, default=-1.2)
    std: float = eqx.field(static=True, default=1.2)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        if self.steps < 2 or self.std <= 0:
            raise ValueError(
                f"a log_normal noise needs at least 2 steps and a positive std, got {self.steps}, {self.std}"
            )
        self.levels()

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        quantiles = (np.arange(self.steps) + 0.5) / self.steps
        normal = np.array([NormalDist().inv_cdf(float(q)) for q in quantiles])[::-1]
        return _levels(np.ones(self.steps), np.exp(self.mean + self.std * normal), False)


NOISES: Mapping[str, type[AbstractNoise]] = {
    "exponential": Exponential,
    "adaptive": Adaptive,
    "linear": Linear,
    "cosine": Cosine,
    "log_normal": LogNormal,
}


def build_noise(spec: Mapping[str, Any]) -> AbstractNoise:
    """The noise of a plain mapping such as `{"kind": "exponential", "refinements": 3}`.

    **Raises:** `ValueError` for an unknown kind, with the nearest spelling.
    """
    if spec["kind"] not in NOISES:
        raise ValueError(known("noise", spec["kind"], NOISES))
    return NOISES[spec["kind"]](**{k: v for k, v in spec.items() if k != "kind"})


def weakest_wavenumber(y: Float[Array, "batch *space channel"]) -> float:
    """Standard deviation of the white noise whose modes are as strong as the weakest modes of periodic fields.

    The smallest noise of a schedule should not be above it: what lies below the noise is not learned.

    **Arguments:** `y`: fields, of unit mean square.
    """
    space = y.shape[1:-1]
    power = np.abs(np.fft.fftn(np.asarray(y, np.float64), axes=tuple(range(1, y.ndim - 1)))) ** 2
    power = power[..., : space[-1] // 2 + 1, :].mean((0, -1)) / math.prod(space)
    shells = band_indices(space)
    mean = [power[shells == k].mean() for k in range(1, min(space) // 2)]
    return float(np.sqrt(min(mean)))
