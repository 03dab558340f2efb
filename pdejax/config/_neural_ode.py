"""Learning a differential equation by solving it: the types of a `method` section of kind neural_ode."""

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from pdejax._suggest import suggestion
from pdejax.config._loss import Loss, MeanSquared
from pdejax.config._networks import Network
from pdejax.config._types import Count, Flag, NotNegative, Positive, Real, Section, fault

# A copy of what `pdejax.solvers.fitting` says of Diffrax, so that a misspelt name is found without importing JAX; a
# test compares the two.
ORDINARY = (
    "Bosh3", "Dopri5", "Dopri8", "Euler", "Heun", "ImplicitEuler", "Kvaerno3", "Kvaerno4", "Kvaerno5",
    "LeapfrogMidpoint", "Midpoint", "Ralston", "ReversibleHeun", "Tsit5",
)  # fmt: skip
MULTIPLICATIVE = (
    "Euler", "EulerHeun", "GeneralShARK", "Heun", "ItoMilstein", "Midpoint", "Ralston", "ReversibleHeun", "SPaRK",
    "SlowRK", "StratonovichMilstein",
)  # fmt: skip
ADDITIVE = (*MULTIPLICATIVE, "SEA", "SRA1", "ShARK")
FIXED_ONLY = (
    "Euler", "EulerHeun", "GeneralShARK", "ItoMilstein", "LeapfrogMidpoint", "SEA", "SlowRK", "StratonovichMilstein",
)  # fmt: skip
# those that solve equations with noise backwards, too
BACKWARDS = ("Heun", "Midpoint", "Ralston", "ReversibleHeun")
# those whose stages are found by the tolerances of adaptive steps
IMPLICIT = ("ImplicitEuler", "Kvaerno3", "Kvaerno4", "Kvaerno5")
# those with a pair of stages that sees stiffness
STIFFNESS = ("Dopri5", "Dopri8", "Tsit5")
ADAPTIVE = ("rtol", "atol", "first_step")  # options of a solver that mean nothing where steps are fixed


def _known_solver(name: Any) -> Any:
    names = {*ORDINARY, *ADDITIVE}
    if name not in names:
        raise fault(f"is the unknown solver {name!r}.{suggestion(name, names)}")
    return name


def _number_or(*words: str | None) -> Any:
    """A validator of positive numbers and these words."""
    shown = [str("null" if word is None else word) for word in words]

    def check(value: Any) -> Any:
        if value is None or isinstance(value, str):
            fits = value in words
        else:
            fits = type(value) in (int, float) and 0 < value < math.inf
        if not fits:
            raise fault(f"should be a positive number or {' or '.join(shown)}, got {value!r}")
        return float(value) if type(value) is int else value

    return PlainValidator(check)


class Solver(Section):
    """How the equation is solved: `name` and `adjoint` are classes of Diffrax.

    Steps adapt to the tolerances `rtol` and `atol`, beginning with `first_step` (a share of the interval to the first
    output, `automatic`, or null for what Diffrax takes); or there are `fixed_steps` of equal size from one frame to the
    next. `max_steps` bounds the steps of a solve in training; see `pdejax.solvers.Integrator`.
    """

    name: Annotated[str, BeforeValidator(_known_solver)] = "Tsit5"
    rtol: Positive | None = 1e-4
    atol: Positive | None = 1e-6
    fixed_steps: Count | None = None
    adjoint: Literal["RecursiveCheckpointAdjoint", "DirectAdjoint", "BacksolveAdjoint"] = "RecursiveCheckpointAdjoint"
    max_steps: Count = 256
    first_step: Annotated[float | Literal["automatic"] | None, _number_or("automatic", None)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or values.get("fixed_steps") is None:
            return values
        for name in ADAPTIVE:
            if values.get(name) is not None:
                raise fault(f"is for steps that adapt: leave it out with fixed_steps, got {values[name]!r}", name)
        return {**dict.fromkeys(ADAPTIVE), **values}

    @model_validator(mode="after")
    def _adapts(self) -> "Solver":
        if self.fixed_steps is not None:
            if self.name in IMPLICIT:
                raise fault(f"is {self.name!r}, whose steps adapt: leave out fixed_steps, or take Tsit5", "name")
            return self
        for name in ("rtol", "atol"):
            if getattr(self, name) is None:
                raise fault("is a tolerance that adaptive steps need: give a number, or fixed_steps", name)
        if self.name in FIXED_ONLY:
            other = "Tsit5" if self.name in ORDINARY else "SPaRK"
            sentence = f"is {self.name!r}, which does not estimate its error: set fixed_steps, or take {other}"
            raise fault(sentence, "name")
        return self


class SolverPenalty(Section):
    """A penalty on the solver's own estimates of its error, of the equation's stiffness, or of both.

    See `pdejax.methods.SolverRegularization`: `scope` local makes one step anew, which is an accepted one of the solve
    drawn at random, or as long as `step` says; global is the mean over all steps. The weight goes from `weight` to
    `final_weight`.
    """

    kind: Literal["solver"]
    estimate: Literal["error", "stiffness", "both"] = "error"
    scope: Literal["local", "global"] = "local"
    weight: NotNegative = 0.1
    final_weight: NotNegative | None = None
    average: Literal["time", "steps"] = "time"
    step: Annotated[float | Literal["accepted", "automatic"], _number_or("accepted", "automatic")] = "accepted"

    @model_validator(mode="after")
    def _share(self) -> "SolverPenalty":
        if isinstance(self.step, float) and self.step > 1:
            raise fault(f"is a share of the time of the solve, at most 1, got {self.step:g}", "step")
        return self


class TaylorPenalty(Section):
    """A penalty on a high derivative of the solution in time; see `pdejax.methods.TaylorRegularization`."""

    kind: Literal["taylor"]
    order: Count = 3
    weight: NotNegative = 0.01
    final_weight: NotNegative | None = None


class EndTime(Section):
    """Times of the solve that are moved at random; see `pdejax.methods.RandomEndTime`."""

    kind: Literal["end_time"]
    width: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0


Regularization = Annotated[SolverPenalty | TaylorPenalty | EndTime, Field(discriminator="kind")]


class Latent(Section):
    """Where the equation lives: on the grid with other `channels`, or one vector for a field.

    `decoder` is of the kind of the `encoder` where it is left out.
    """

    kind: Literal["field", "vector"]
    channels: Count
    encoder: Network
    decoder: Network | None = None


class Noise(Section):
    """Makes the equation stochastic: `network` gives the noise's size from the state, none for additive noise.

    Training scores `paths` for each sample; `initial` is the size at first, in units of the data's increments.
    """

    network: Network | None = None
    paths: Annotated[int, Field(ge=2, strict=True)] = 2
    initial: Positive = 0.1


class NeuralODE(Section):
    """Learning the right-hand side of a differential equation; the options are explained at `pdejax.methods.NeuralODE`.

    `unroll` is how many steps of the data a solve covers; `terms` and `parameters` are the known part of the equation.
    """

    kind: Literal["neural_ode"]
    unroll: Count = 1
    error: Loss = MeanSquared()
    solver: Solver = Solver()
    regularization: Regularization | None = None
    latent: Latent | None = None
    terms: Annotated[tuple[str, ...], BeforeValidator(lambda v: (v,) if isinstance(v, str) else v)] = ()
    parameters: dict[str, Real] = Field(default={})
    noise: Noise | None = None
    time_dependent: Flag = False
    conserve_mean: Flag = False

    # a solve begins at one frame
    history: ClassVar[int] = 1

    def networks(self) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The networks beside `network`, and where they stand below the method."""
        for section, name in (("latent", "encoder"), ("latent", "decoder"), ("noise", "network")):
            one = getattr(getattr(self, section), name, None)
            if one is not None:
                yield (section, name), one

    @model_validator(mode="after")
    def _latent_fits(self) -> "NeuralODE":
        for name in ("terms", "conserve_mean"):
            if self.latent is not None and getattr(self, name):
                raise fault("speaks of the field, but method.latent is set: leave one of them out", name)
        if self.parameters and not self.terms:
            raise fault("are those of method.terms, but there are none", "parameters")
        return self

    @model_validator(mode="after")
    def _solver_fits(self) -> "NeuralODE":
        name, solver, noise = self.solver.name, self.solver, self.noise
        if noise is None and name not in ORDINARY:
            raise fault(f"is {name!r}, which needs method.noise: take Tsit5 without", "solver", "name")
        if noise is not None and name not in ADDITIVE:
            other = "ShARK or SRA1" if noise.network is None else "SPaRK"
            raise fault(f"is {name!r}, which knows no noise: take {other}", "solver", "name")
        if noise is not None and noise.network is not None and name not in MULTIPLICATIVE:
            raise fault(f"is {name!r}, which is for additive noise: take SPaRK for noise.network", "solver", "name")
        if noise is not None and solver.adjoint == "BacksolveAdjoint" and name not in BACKWARDS:
            raise fault(
                f"is BacksolveAdjoint, which solves noise by {' or '.join(BACKWARDS)} only", "solver", "adjoint"
            )
        needed = (solver.fixed_steps or 1) * self.unroll
        if solver.fixed_steps is not None and needed > solver.max_steps:
            sentence = f"should be at least fixed_steps * unroll = {needed}, got {solver.max_steps}"
            raise fault(sentence, "solver", "max_steps")
        return self

    @model_validator(mode="after")
    def _noise_fits(self) -> "NeuralODE":
        if self.noise is None:
            return self
        if self.solver.first_step == "automatic":
            raise fault("is automatic for equations without noise only: give a number", "solver", "first_step")
        if self.error.kind != "mse":
            raise fault("is not for equations with noise, which are scored by CRPS: leave it out", "error")
        if isinstance(self.regularization, TaylorPenalty):
            raise fault("is taylor, but noise has no derivatives in time: take solver", "regularization", "kind")
        if isinstance(self.regularization, SolverPenalty) and self.regularization.step == "automatic":
            raise fault("is automatic for equations without noise only: take accepted", "regularization", "step")
        return self

    @model_validator(mode="after")
    def _penalty_fits(self) -> "NeuralODE":
        solver, penalty = self.solver, self.regularization
        if not isinstance(penalty, SolverPenalty):
            return self
        if solver.fixed_steps is not None:
            sentence = "is in units of tolerances, which solver.fixed_steps do not have"
            raise fault(f"{sentence}: leave one of them out, or take kind taylor", "regularization")
        if penalty.scope == "global" and solver.adjoint == "BacksolveAdjoint":
            sentence = "is global, whose gradient solver.adjoint=BacksolveAdjoint does not see: take local"
            raise fault(sentence, "regularization", "scope")
        if penalty.estimate != "error" and solver.name not in STIFFNESS:
            sentence = f"is {penalty.estimate}, which solver {solver.name!r} does not see: take {', '.join(STIFFNESS)}"
            raise fault(sentence, "regularization", "estimate")
        return self

    def spec(self) -> dict[str, Any]:
        """The plain mapping of the method."""
        return self.model_dump(mode="json")
