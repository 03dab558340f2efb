"""What is solved and how much data of it is made: the types of the `problem` section."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Strict, Tag, model_validator

from pdejax._suggest import suggestion
from pdejax.config._boundary_value import BoundaryValueConfig
from pdejax.config._catalogue import CATALOGUE, STEADY_CATALOGUE
from pdejax.config._initial import Initial
from pdejax.config._types import Count, Name, Positive, Real, Section, Whole, fault


def _one_to_three(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not 1 <= len(shape) <= 3:
        raise fault(f"should have one to three axes, got {list(shape)}")
    return shape


def _some(terms: tuple[str, ...]) -> tuple[str, ...]:
    if not terms:
        raise fault("should have at least one term, for example ['u_t = nu*u_xx']")
    return terms


Shape = Annotated[tuple[Count, ...], AfterValidator(_one_to_three)]
# special names in `vary`: factors on all domain lengths and on the time step
SCALES = ("length", "step")


def _known_equation(name: str) -> str:
    if name not in CATALOGUE:
        raise fault(f"is the unknown equation {name!r}.{suggestion(name, [*CATALOGUE, *STEADY_CATALOGUE])}")
    return name


class Terms(Section):
    """An equation in its own words: `u_t = ...`, one term list per field."""

    terms: Annotated[
        tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v), AfterValidator(_some)
    ]
    parameters: dict[str, Real] = Field(default={})
    ndim: Annotated[int, Field(ge=1, le=3), Strict()] | None = None


Equation = Annotated[
    Annotated[str, BeforeValidator(_known_equation), Tag("(name)")] | Annotated[Terms, Tag("(terms)")],
    Discriminator(lambda value: "(name)" if isinstance(value, str) else "(terms)"),
]


def _same_axes(domain: Any) -> Any:
    if len(domain.lengths) != len(domain.shape):
        shape = list(domain.shape)
        raise fault(f"should have as many values as shape={shape}, got {list(domain.lengths)}", "lengths")
    return domain


class Domain(Section):
    """A periodic box: points and extent per axis."""

    shape: Shape
    lengths: tuple[Positive, ...]
    ends: Literal["periodic"] = "periodic"

    _axes = model_validator(mode="after")(_same_axes)


class BoundedDomain(Section):
    """A box with values zero on its boundary: points, both ends included, and extent per axis."""

    shape: Annotated[tuple[Annotated[int, Field(ge=3), Strict()], ...], AfterValidator(_one_to_three)]
    lengths: tuple[Positive, ...]
    ends: Literal["value"] = "value"

    _axes = model_validator(mode="after")(_same_axes)


class Time(Section):
    """`step` between frames, and `burn_in` frames thrown away at the start."""

    step: Positive
    burn_in: Whole = 0


class Solver(Section):
    """Order of the exponential Runge-Kutta method, its steps per frame, and a finer grid to solve on."""

    kind: Literal["etdrk"] = "etdrk"
    order: Literal[2, 4] = 4
    substeps: Count = 1
    shape: Shape | None = None


class SteadySolver(Section):
    """A finer grid to solve on, the relative residual to reach, and the preconditioner."""

    kind: Literal["elliptic"] = "elliptic"
    shape: Shape | None = None
    tolerance: Positive = 1e-10
    preconditioner: Literal["auto", "poisson", "multigrid"] = "auto"


class Split(Section):
    """How much a part of the data set holds."""

    trajectories: Count
    frames: Annotated[int, Field(ge=2), Strict()]


class Splits(Section):
    """The three parts of a data set."""

    train: Split
    valid: Split
    test: Split


class SteadySplit(Section):
    """How many input fields with their solutions a part of the data set holds."""

    trajectories: Count
    frames: Literal[1] = 1


class SteadySplits(Section):
    """The three parts of a data set of steady solutions."""

    train: SteadySplit
    valid: SteadySplit
    test: SteadySplit


def _known_parameters(problem: Any, parameters: Any, varying: Any) -> None:
    for section, known in (("parameters", parameters), ("vary", varying)):
        for name in getattr(problem, section):
            if name not in known:
                raise fault(f"is no parameter of the equation.{suggestion(name, known)}", section, name)


def _ordered_ranges(vary: Mapping[str, tuple[float, float]]) -> None:
    for name, (low, high) in vary.items():
        if low > high or (name in SCALES and low <= 0):
            raise fault(f"should be a range [low, high], got [{low:g}, {high:g}]", "vary", name)


class ProblemConfig(Section):
    """An equation with its domain, initial states and times, and the data set that is made of it.

    `vary` draws parameters per trajectory, uniformly; `tolerance` is the largest relative difference, over one
    frame, to the solver with half the step that the generator accepts.
    """

    name: Name
    equation: Equation
    parameters: dict[str, Real] = Field(default={})
    vary: dict[str, tuple[Real, Real]] = Field(default={})
    domain: Domain
    initial: Initial
    time: Time
    solver: Solver = Solver()
    splits: Splits
    seed: Whole = 0
    shard_size: Count = 64
    batch_size: Count = 16
    tolerance: Positive = 1e-4

    steady: ClassVar[bool] = False
    stated: ClassVar[bool] = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.domain.shape)

    @property
    def _ndim_and_parameters(self) -> tuple[int, tuple[str, ...]]:
        if isinstance(self.equation, str):
            return CATALOGUE[self.equation]
        return self.equation.ndim or len(self.domain.shape), tuple(self.equation.parameters)

    @model_validator(mode="after")
    def _equation_fits(self) -> "ProblemConfig":
        ndim, parameters = self._ndim_and_parameters
        if len(self.domain.shape) != ndim:
            sentence = f"should have {ndim} axes as the equation has, got {list(self.domain.shape)}"
            raise fault(sentence, "domain", "shape")
        _known_parameters(self, parameters, (*parameters, *SCALES))
        _ordered_ranges(self.vary)
        return self

    @model_validator(mode="after")
    def _solver_shape(self) -> "ProblemConfig":
        finer, shape = self.solver.shape, self.domain.shape
        if finer is not None and (len(finer) != len(shape) or any(f < s for f, s in zip(finer, shape, strict=False))):
            raise fault(f"should be at least problem.domain.shape={list(shape)}, got {list(finer)}", "solver", "shape")
        return self


class SteadyProblemConfig(Section):
    """A steady equation with its domain and input fields, and the data set that is made of it.

    `vary` draws parameters per sample, uniformly; `tolerance` is the largest relative residual that the generator
    accepts.
    """

    name: Name
    equation: str
    parameters: dict[str, Real] = Field(default={})
    vary: dict[str, tuple[Real, Real]] = Field(default={})
    domain: BoundedDomain
    input: Initial
    solver: SteadySolver = SteadySolver()
    splits: SteadySplits
    seed: Whole = 0
    shard_size: Count = 64
    batch_size: Count = 16
    tolerance: Positive = 1e-8

    steady: ClassVar[bool] = True
    stated: ClassVar[bool] = False

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.domain.shape)

    @model_validator(mode="after")
    def _equation_fits(self) -> "SteadyProblemConfig":
        parameters = STEADY_CATALOGUE[self.equation]
        _known_parameters(self, parameters, parameters)
        _ordered_ranges(self.vary)
        return self

    @model_validator(mode="after")
    def _solver_shape(self) -> "SteadyProblemConfig":
        finer, shape = self.solver.shape, self.domain.shape
        fits = lambda f, s: f >= s and (f - 1) % (s - 1) == 0
        if finer is not None and (len(finer) != len(shape) or not all(map(fits, finer, shape))):
            example = [5 * (n - 1) + 1 for n in shape]
            sentence = f"should have a multiple of the intervals of problem.domain.shape={list(shape)}, "
            raise fault(f"{sentence}for example {example}, got {list(finer)}", "solver", "shape")
        return self


def _kind(value: Any) -> str:
    if isinstance(value, BoundaryValueConfig) or (isinstance(value, Mapping) and "conditions" in value):
        return "(conditions)"
    equation = value.get("equation") if isinstance(value, Mapping) else getattr(value, "equation", None)
    return "(steady)" if isinstance(equation, str) and equation in STEADY_CATALOGUE else "(in time)"


AnyProblem = Annotated[
    Annotated[ProblemConfig, Tag("(in time)")]
    | Annotated[SteadyProblemConfig, Tag("(steady)")]
    | Annotated[BoundaryValueConfig, Tag("(conditions)")],
    Discriminator(_kind),
]
