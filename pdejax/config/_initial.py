"""Distributions of initial states: the types of `problem.initial`, one per kind of `pdejax.equations.INITIAL`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pdejax.config._types import Count, Flag, Positive, Real, Section, Whole, fault


class TruncatedFourier(Section):
    """Random Fourier series with equally strong modes up to `cutoff`."""

    kind: Literal["truncated_fourier"]
    cutoff: Count = 5
    zero_mean: Flag = True
    max_one: Flag = True
    amplitude: Real = 1.0
    mean: Real = 0.0


class GaussianRandomField(Section):
    """Gaussian field with covariance `2 sigma^2 (4 pi^2 |m|^2 + tau^2)^-alpha`."""

    kind: Literal["gaussian_random_field"]
    alpha: Positive = 2.5
    tau: Positive = 7.0
    sigma: Positive | None = None
    cutoff: Count = 64
    mean: Real = 0.0


class Matern(Section):
    """Gaussian field with Matern spectrum, correlation length `length`."""

    kind: Literal["matern"]
    nu: Positive = 2.5
    length: Positive = 0.1
    sigma: Positive = 1.0
    cutoff: Count = 64
    mean: Real = 0.0


class SumOfSines(Section):
    """Sines with random amplitude, phase and integer wavenumbers between two bounds."""

    kind: Literal["sum_of_sines"]
    count: Count = 10
    wavenumbers: tuple[Whole, Whole] = (1, 2)
    amplitude: Positive = 0.5
    mean: Real = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> "SumOfSines":
        if self.wavenumbers[0] > self.wavenumbers[1]:
            raise fault(f"should be [smallest, largest], got {list(self.wavenumbers)}", "wavenumbers")
        return self


class GaussianBlobs(Section):
    """A uniform state with `count` smooth patches of another state; one value per field."""

    kind: Literal["gaussian_blobs"]
    count: Count = 10
    background: tuple[Real, ...] = (1.0, 0.0)
    peak: tuple[Real, ...] = (0.5, 0.25)
    widths: tuple[Positive, Positive] = (0.02, 0.05)

    @model_validator(mode="after")
    def _same_fields(self) -> "GaussianBlobs":
        if len(self.background) != len(self.peak):
            raise fault(f"should have {len(self.background)} values as background, got {len(self.peak)}", "peak")
        return self


class NeumannRandomField(Section):
    """Gaussian field of cosines for bounded boxes, `(-lap + tau^2)^-alpha`, and a map of its values."""

    kind: Literal["neumann_random_field"]
    alpha: Positive = 2.0
    tau: Positive = 3.0
    sigma: Positive | None = None
    cutoff: Count = 64
    map: Literal["identity", "exponential", "threshold"] = "identity"
    levels: tuple[Real, Real] = (3.0, 12.0)


Initial = Annotated[
    TruncatedFourier | GaussianRandomField | Matern | SumOfSines | GaussianBlobs | NeumannRandomField,
    Field(discriminator="kind"),
]
