"""A whole steady problem: equation, domain, the distribution of its input field, and what varies between samples."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
from jaxtyping import Array, Float

from pdejax.core import Boundary, Grid, known
from pdejax.equations._boundary_value import BoundaryValueProblem
from pdejax.equations._problem import Problem
from pdejax.equations._spec import complete, draw_parameters, grid_of, ranges, sample_key
from pdejax.equations._steady import STEADY_EQUATIONS, SteadyEquation
from pdejax.equations.sampling.initial import InitialSampler, build_initial

PRECONDITIONERS = ("auto", "poisson", "multigrid")
_PLAIN: Mapping[str, Any] = {"name": "problem", "equation": ..., "parameters": {}, "vary": {}, "input": ...}
_SECTIONS: Mapping[str, Mapping[str, Any]] = {
    "domain": {"shape": ..., "lengths": ..., "boundary": "dirichlet"},
    "solver": {"shape": None, "tolerance": 1e-10, "preconditioner": "auto"},
}


@dataclasses.dataclass(frozen=True)
class SteadyProblem:
    """Everything that defines a data set of input fields and steady solutions, from and back to a plain mapping.

    **Arguments:** `spec`: the complete mapping (`SteadyProblem.from_spec` fills in defaults), with the sections
    `name`, `equation`, `parameters`, `vary`, `domain`, `input`, `solver`. A `solver.shape` finer than `domain.shape`
    is thinned out for storage, so its intervals must be a multiple of the stored ones.
    """

    spec: Mapping[str, Any] = dataclasses.field(hash=False)

    steady: ClassVar[bool] = True
    check: ClassVar[str] = "relative residual of the discrete equations"
    remedy: ClassVar[str] = "choose another solver.preconditioner or a larger tolerance of the problem"
    step: ClassVar[float] = 0.0  # there is no time: one frame, at zero
    burn_in: ClassVar[int] = 0

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "SteadyProblem":
        """The problem of a plain mapping.

        **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling.
        """
        problem = cls(complete(spec, _PLAIN, _SECTIONS))
        _ = problem.grid, problem.stride, problem.input, problem.vary, problem.preconditioner  # report mistakes here
        return problem

    def __hash__(self) -> int:
        return hash(json.dumps(self.spec, sort_keys=True))

    @property
    def name(self) -> str:
        """What the problem is called."""
        return self.spec["name"]

    @functools.cached_property
    def equation(self) -> SteadyEquation:
        """The equation, with the problem's values as its defaults."""
        name = self.spec["equation"]
        if name not in STEADY_EQUATIONS:
            raise ValueError(known("steady equation", name, STEADY_EQUATIONS))
        return STEADY_EQUATIONS[name].with_parameters(self.spec["parameters"])

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the fields that are given."""
        return self.equation.inputs

    @functools.cached_property
    def grid(self) -> Grid:
        """The grid fields are stored on; its end points lie on the boundary."""
        grid = grid_of(self.spec["domain"])
        if any(b is not Boundary.DIRICHLET for b in grid.boundaries):
            raise ValueError(f"problem {self.name!r}: a steady problem needs domain.boundary dirichlet")
        return grid

    @functools.cached_property
    def solve_grid(self) -> Grid:
        """The grid the solver works on."""
        shape = self.spec["solver"]["shape"]
        return self.grid if shape is None else self.grid.with_shape(tuple(shape))

    @functools.cached_property
    def stride(self) -> tuple[int, ...]:
        """Intervals of the solver's grid in one of the stored grid, per axis."""
        fine, coarse = self.solve_grid.shape, self.grid.shape
        if len(fine) != len(coarse) or any((f - 1) % (c - 1) for f, c in zip(fine, coarse, strict=True)):
            raise ValueError(
                f"problem {self.name!r}: solver.shape {list(fine)} should have a multiple of the intervals of "
                f"domain.shape {list(coarse)}, for example {[5 * (c - 1) + 1 for c in coarse]}"
            )
        return tuple((f - 1) // (c - 1) for f, c in zip(fine, coarse, strict=True))

    @functools.cached_property
    def input(self) -> InitialSampler:
        """Sampler of the input fields."""
        return build_initial(self.spec["input"], len(self.input_names))

    @property
    def tolerance(self) -> float:
        """Relative residual at which the solver stops."""
        return float(self.spec["solver"]["tolerance"])

    @property
    def preconditioner(self) -> str:
        """Of the conjugate gradients."""
        name = self.spec["solver"]["preconditioner"]
        if name not in PRECONDITIONERS:
            raise ValueError(known("preconditioner", name, PRECONDITIONERS))
        return name

    @property
    def parameters(self) -> Mapping[str, float]:
        """All parameters of the equation, with the problem's values."""
        return self.equation.parameters

    @functools.cached_property
    def vary(self) -> Mapping[str, tuple[float, float]]:
        """Range of each parameter that differs between samples."""
        return ranges(self.name, self.spec["vary"], self.parameters)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Sorted names of what varies."""
        return tuple(sorted(self.vary))

    @property
    def numerics(self) -> dict[str, Any]:
        """How it is solved, for the provenance of data."""
        return {
            "solver": "preconditioned conjugate gradients",
            "preconditioner": self.preconditioner,
            "solver_tolerance": self.tolerance,
        }

    def coefficients(self, inputs: Float[Array, "*batch_and_space input"], parameters: Mapping[str, Any]) -> Any:
        """The equation's (a, c, f) for input fields on any grid and parameters, numbers or `(batch,)`."""
        fields = {name: inputs[..., i] for i, name in enumerate(self.input_names)}
        return self.equation.coefficients({**self.parameters, **parameters, **fields})

    def draw(self, seed: Any, index: Any) -> tuple[Float[Array, "*space input"], dict[str, Float[Array, ""]]]:
        """Input fields on `solve_grid` and varying parameters of sample `index`; no other number matters."""
        key = sample_key(seed, index)
        return self.input(jax.random.fold_in(key, 0), self.solve_grid), draw_parameters(key, self.vary)


def build_problem(spec: Mapping[str, Any]) -> Problem | SteadyProblem | BoundaryValueProblem:
    """The problem of a plain mapping: one with `conditions`, or a family in time or steady, as its `equation` is.

    **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling.
    """
    if "conditions" in spec:
        return BoundaryValueProblem.from_spec(spec)
    name = spec.get("equation")
    steady = isinstance(name, str) and name in STEADY_EQUATIONS
    return (SteadyProblem if steady else Problem).from_spec(spec)
