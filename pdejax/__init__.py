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
    from pdejax.equations import Family as Family
    from pdejax.equations import SteadyEquation as SteadyEquation
    from pdejax.equations import Times as Times
    from pdejax.solvers import ETDRK as ETDRK
    from pdejax.solvers import Elliptic as Elliptic
    from pdejax.solvers import Function as Function
    from pdejax.solvers import grid_residual as grid_residual
    from pdejax.solvers import solve_elliptic as solve_elliptic
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
    "Family": "equations",
    "SteadyEquation": "equations",
    "Times": "equations",
    "ETDRK": "solvers",
    "Elliptic": "solvers",
    "Function": "solvers",
    "grid_residual": "solvers",
    "solve_elliptic": "solvers",
    "spectral_stepper": "solvers",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'pdejax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"pdejax.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
