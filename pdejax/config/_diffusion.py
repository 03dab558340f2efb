"""Learning by denoising: the types of a `method` section of kind diffusion."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pdejax.config._types import Count, Flag, NotNegative, Positive, Real, Section, Whole, fault


class Exponential(Section):
    """PDE-Refiner's levels; `min_noise_var` is the variance of the last one."""

    kind: Literal["exponential"]
    refinements: Whole = 3
    min_noise_var: Positive = 2e-7
    start: Literal["zeros", "noise"] = "zeros"


class Adaptive(Section):
    """Levels that start at `ratio` times the error which the first phase has reached and fall by `decay`."""

    kind: Literal["adaptive"]
    refinements: Count = 1
    ratio: Positive = 0.5
    decay: Positive = 0.3
    rehearsals: Whole = 2

    @model_validator(mode="after")
    def _falls(self) -> "Adaptive":
        if self.decay >= 1:
            raise fault(f"should be less than 1, got {self.decay:g}", "decay")
        return self


class Linear(Section):
    """DDPM's levels, with betas as they are for 1000 steps."""

    kind: Literal["linear"]
    steps: Count = 1000
    beta_min: Positive = 1e-4
    beta_max: Positive = 0.02

    @model_validator(mode="after")
    def _rises(self) -> "Linear":
        if not self.beta_min <= self.beta_max < self.steps / 1000:
            raise fault(f"should lie between beta_min and steps/1000, got {self.beta_max:g}", "beta_max")
        return self


class Cosine(Section):
    """Improved DDPM's levels."""

    kind: Literal["cosine"]
    steps: Count = 1000


class LogNormal(Section):
    """EDM's levels."""

    kind: Literal["log_normal"]
    steps: Count = 256
    mean: Real = -1.2
    std: Positive = 1.2


class Renoise(Section):
    """PDE-Refiner's chain."""

    kind: Literal["renoise"]
    noise: Flag = True


class Ancestral(Section):
    """DDPM's steps, or with `eta` 0 those of DDIM."""

    kind: Literal["ancestral"]
    eta: NotNegative = 1.0

    @model_validator(mode="after")
    def _share(self) -> "Ancestral":
        if self.eta > 1:
            raise fault(f"should be at most 1, got {self.eta:g}", "eta")
        return self


class Heun(Section):
    """EDM's steps."""

    kind: Literal["heun"]


class DPMSolver(Section):
    """DPM-Solver of order 1 or 2."""

    kind: Literal["dpm_solver"]
    order: Literal[1, 2] = 2


class DPMSolverPP(Section):
    """DPM-Solver++ of order 1, 2 or 3, stochastic of order 1 or 2."""

    kind: Literal["dpm_solver_pp"]
    order: Literal[1, 2, 3] = 2
    stochastic: Flag = False

    @model_validator(mode="after")
    def _exists(self) -> "DPMSolverPP":
        if self.stochastic and self.order == 3:
            raise fault("should be 1 or 2 for the stochastic form, got 3", "order")
        return self


Noise = Annotated[Exponential | Adaptive | Linear | Cosine | LogNormal, Field(discriminator="kind")]
Sampler = Annotated[Renoise | Ancestral | Heun | DPMSolver | DPMSolverPP, Field(discriminator="kind")]


class Diffusion(Section):
    """Denoising at several noise levels; the options are explained at `pdejax.methods.Diffusion`."""

    kind: Literal["diffusion"]
    noise: Noise = Exponential(kind="exponential")
    sampler: Sampler = Renoise(kind="renoise")
    parametrisation: Literal["x0", "eps", "v"] = "eps"
    predict: Literal["state", "increment"] = "increment"
    history: Count = 1
    conserve_mean: Flag = False
    regressor: Literal["shared", "own", "subtracted"] = "shared"
    first_share: Positive | None = None
    balance: Literal["none", "learned", "min_snr"] = "none"
    pretrain: NotNegative = 0.0
    corruption: Literal["noise", "prediction"] = "noise"
    samples: Count = 1
    steps: Count | None = None
    grid: Literal["trained", "log_snr", "karras"] = "trained"
    passes: Annotated[tuple[Count, ...], Field(min_length=1)] | None = None
    noisy_known: Flag = False

    # a sample is one frame after the known ones
    unroll: ClassVar[int] = 1

    @property
    def _regresses(self) -> bool:
        return isinstance(self.noise, Adaptive) or (isinstance(self.noise, Exponential) and self.noise.start == "zeros")

    @model_validator(mode="after")
    def _fits(self) -> "Diffusion":
        if self.conserve_mean and self.predict != "increment":
            raise fault("needs method.predict=increment: the mean of a predicted state is free", "conserve_mean")
        if self.pretrain >= 1:
            raise fault(f"is a share of the updates, less than 1, got {self.pretrain:g}", "pretrain")
        if self.first_share is not None and self.first_share >= 1:
            raise fault(f"is a share of the samples, less than 1, got {self.first_share:g}", "first_share")
        if self.first_share is not None and self.regressor == "own":
            raise fault("has no meaning with method.regressor=own, whose first level is trained before", "first_share")
        if self.pretrain > 0 and not self._regresses:
            raise fault("needs a method.noise that starts with zeros, whose first level is a regression", "pretrain")
        chain = self.sampler.kind == "renoise"
        if (self.corruption == "prediction") != (isinstance(self.sampler, Renoise) and not self.sampler.noise):
            raise fault("is prediction exactly with method.sampler={kind: renoise, noise: false}", "corruption")
        if self.passes is not None and not chain:
            raise fault("are for method.sampler.kind=renoise", "passes")
        if self.pretrain == 0 and (self.noise.kind == "adaptive" or self.regressor != "shared"):
            raise fault(
                "should be above 0: noise.kind=adaptive and a regressor that is not shared need a first phase",
                "pretrain",
            )
        return self

    def spec(self) -> dict[str, Any]:
        """The plain mapping of the method."""
        return self.model_dump(mode="json")
