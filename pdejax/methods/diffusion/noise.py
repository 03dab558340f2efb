"""Choices of noise levels to train on."""

import abc
from statistics import NormalDist
from typing import Annotated, ClassVar, Literal

import equinox as eqx
import numpy as np
from annotated_types import Ge

from pdejax.core import Count, Positive, Real, Whole, check_options, register
from pdejax.methods.diffusion.levels import SMALLEST_STD, NoiseLevels, Sizes, check_sizes, levels_of, sizes_from_betas


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

    @property
    def count(self) -> int:
        """Number of levels; ours know it without making arrays of JAX."""
        sizes = getattr(self, "_sizes", None)
        return len(self.levels()) if sizes is None else len(sizes()[0])

    @abc.abstractmethod
    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        """The levels.

        **Arguments:** `error`: root mean square of the error reached at the first level; `weakest`: standard
        deviation of noise as strong as the weakest wavenumber of the data, see `weakest_wavenumber`.
        """


@register("noise", "exponential")
class ExponentialNoise(AbstractNoise):
    """PDE-Refiner: a regression, then `refinements` levels with variances v^(k/K), v = `min_noise_var`.

    Without refinements it is the regression alone. With `start = "zeros"` the first level shows nothing and noise is
    added to the whole truth (the paper's algorithm 1); with `start = "noise"` it is pure noise and levels come from a
    diffusion schedule with betas v^(k/K), which is what the released program does. The value is a variance, although
    that program calls it a standard deviation.

    Source: Lippe et al., PDE-Refiner, NeurIPS 2023 (arXiv:2308.05732), section 3.1 and appendix.
    """

    refinements: Whole = eqx.field(static=True, default=3)
    min_noise_var: Positive = eqx.field(static=True, default=2e-7)
    start: Literal["zeros", "noise"] = eqx.field(static=True, default="zeros")
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_options(self)
        if self.start == "noise" and self.refinements < 1:
            raise ValueError("refinements should be at least 1 where start is noise, got 0")
        if self.min_noise_var >= 1:
            raise ValueError(f"min_noise_var should be less than 1, got {self.min_noise_var:g}")
        check_sizes(*self._sizes())  # no arrays of JAX: defaults are made while this is imported

    @property
    def regresses(self) -> bool:
        return self.start == "zeros"

    @property
    def rehearsed(self) -> int:
        return 0

    def _sizes(self) -> Sizes:
        variance = self.min_noise_var ** (np.arange(self.refinements + 1) / max(self.refinements, 1))
        if self.start == "noise":
            return sizes_from_betas(variance[::-1])
        return np.r_[0.0, np.ones(self.refinements)], np.r_[0.0, np.sqrt(variance[1:])], False

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        return levels_of(*self._sizes())


@register("noise", "adaptive")
class AdaptiveNoise(AbstractNoise):
    """A regression, then `refinements` levels that start at the error which the regression has reached.

    The first has `ratio` times that error, each further one `decay` times the one before; with more than one, the last
    is low enough to leave the weakest wavenumber of the data visible. Noise far above the error already reached adds
    to it; noise far below leaves what a step is shown outside of what it was trained on.

    Noise that small is hard to see in fields of size 1: a network takes thousands of updates to find it. `rehearsals`
    levels above the first, each 1 / `decay` times the next, are trained on too, and passed over in sampling.
    """

    refinements: Count = eqx.field(static=True, default=1)
    ratio: Positive = eqx.field(static=True, default=0.5)
    decay: Positive = eqx.field(static=True, default=0.3)
    rehearsals: Whole = eqx.field(static=True, default=2)
    adaptive: ClassVar[bool] = True

    def __check_init__(self) -> None:
        check_options(self)
        if self.decay >= 1:
            raise ValueError(f"decay should be less than 1, got {self.decay:g}")

    @property
    def regresses(self) -> bool:
        return True

    @property
    def rehearsed(self) -> int:
        return self.rehearsals

    @property
    def count(self) -> int:
        return 1 + self.rehearsals + self.refinements

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        first = max(self.ratio * error, SMALLEST_STD)
        last = max(min(first * self.decay ** (self.refinements - 1), weakest), SMALLEST_STD)
        last = first if self.refinements == 1 else last
        larger = first * self.decay ** -np.arange(self.rehearsals, 0.0, -1.0)
        sigma = np.r_[larger, np.geomspace(first, last, self.refinements)]
        return levels_of(np.r_[0.0, np.ones(len(sigma))], np.r_[0.0, sigma], False)


@register("noise", "linear")
class LinearNoise(AbstractNoise):
    """The schedule of DDPM: betas rise linearly, with `beta_min` and `beta_max` as they are for 1000 steps.

    Source: Ho et al., NeurIPS 2020 (arXiv:2006.11239); Kohl et al. (arXiv:2309.01745) for few steps, as ACDM.
    """

    steps: Count = eqx.field(static=True, default=1000)
    beta_min: Positive = eqx.field(static=True, default=1e-4)
    beta_max: Positive = eqx.field(static=True, default=0.02)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_options(self)
        if not self.beta_min <= self.beta_max < self.steps / 1000:
            raise ValueError(
                f"beta_max should lie between beta_min and steps/1000, {self.beta_min:g} and {self.steps / 1000:g}, "
                f"got {self.beta_max:g}: betas are given as for 1000 steps"
            )
        check_sizes(*self._sizes())  # no arrays of JAX: defaults are made while this is imported

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def _sizes(self) -> Sizes:
        return sizes_from_betas(np.linspace(self.beta_min, self.beta_max, self.steps) * 1000 / self.steps)

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        return levels_of(*self._sizes())


@register("noise", "cosine")
class CosineNoise(AbstractNoise):
    """The schedule of improved DDPM: the share of the signal falls as a squared cosine.

    Source: Nichol and Dhariwal, ICML 2021 (arXiv:2102.09672), equation (17).
    """

    steps: Annotated[int, Ge(2)] = eqx.field(static=True, default=1000)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_options(self)
        check_sizes(*self._sizes())  # no arrays of JAX: defaults are made while this is imported

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def _sizes(self) -> Sizes:
        share = np.cos((np.arange(self.steps + 1) / self.steps + 0.008) / 1.008 * np.pi / 2) ** 2
        return sizes_from_betas(np.minimum(1 - share[1:] / share[:-1], 0.999))

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        return levels_of(*self._sizes())


@register("noise", "log_normal")
class LogNormalNoise(AbstractNoise):
    """The noise of EDM: standard deviations at equal quantiles of a log-normal distribution, added to the truth.

    Source: Karras et al., NeurIPS 2022 (arXiv:2206.00364), table 1.
    """

    steps: Annotated[int, Ge(2)] = eqx.field(static=True, default=256)
    mean: Real = eqx.field(static=True, default=-1.2)
    std: Positive = eqx.field(static=True, default=1.2)
    adaptive: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_options(self)
        check_sizes(*self._sizes())  # no arrays of JAX: defaults are made while this is imported

    @property
    def regresses(self) -> bool:
        return False

    @property
    def rehearsed(self) -> int:
        return 0

    def _sizes(self) -> Sizes:
        quantiles = (np.arange(self.steps) + 0.5) / self.steps
        normal = np.array([NormalDist().inv_cdf(float(q)) for q in quantiles])[::-1]
        return np.ones(self.steps), np.exp(self.mean + self.std * normal), False

    def levels(self, error: float = 1.0, weakest: float = 1.0) -> NoiseLevels:
        return levels_of(*self._sizes())
