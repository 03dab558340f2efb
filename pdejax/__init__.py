"""pdejax: neural PDE solvers in JAX. Declare an equation once; solver, data, loss and operator follow."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdejax.core import Alternating as Alternating
    from pdejax.core import Average as Average
    from pdejax.core import Grid as Grid
    from pdejax.core import repeated as repeated
    from pdejax.core import trajectory as trajectory
    from pdejax.embedding import load as load
    from pdejax.equations import EQUATIONS as EQUATIONS
    from pdejax.equations import BoundaryValueProblem as BoundaryValueProblem
    from pdejax.equations import Equation as Equation
    from pdejax.equations import Problem as Problem
    from pdejax.equations import SteadyProblem as SteadyProblem
    from pdejax.solvers import problem_stepper as problem_stepper
    from pdejax.solvers import solve_elliptic as solve_elliptic
    from pdejax.solvers import solve_problem as solve_problem
    from pdejax.solvers import spectral_stepper as spectral_stepper

__version__ = "0.1.0"

# resolved on first use, so that the command line answers --help without importing JAX
_HOME = {
    "Alternating": "core",
    "Average": "core",
    "Grid": "core",
    "repeated": "core",
    "trajectory": "core",
    "load": "embedding",
    "BoundaryValueProblem": "equations",
    "EQUATIONS": "equations",
    "Equation": "equations",
    "Problem": "equations",
    "SteadyProblem": "equations",
    "problem_stepper": "solvers",
    "solve_elliptic": "solvers",
    "solve_problem": "solvers",
    "spectral_stepper": "solvers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdejax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pdejax.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
