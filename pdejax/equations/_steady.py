"""Steady equations on a box: -div(a grad u) + c u = f, with u = 0 on the boundary."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pdejax.core import known

Coefficients = tuple[Any, Any, Any]


@dataclasses.dataclass(frozen=True)
class SteadyEquation:
    """An elliptic equation, -div(a grad u) + c u = f, whose coefficients come from input fields and parameters.

    **Arguments:**

    - `terms`: the equation in plain text, for people; `formula`: in LaTeX.
    - `inputs`: names of the fields that are given.
    - `coefficients`: from a mapping of all inputs and parameters by name to (a, c, f); `None` for an a of one.
    - `parameters`: numbers and their defaults.
    """

    terms: tuple[str, ...]
    formula: str
    inputs: tuple[str, ...]
    coefficients: Callable[[Mapping[str, Any]], Coefficients]
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of what is solved for."""
        return ("u",)

    def with_parameters(self, parameters: Mapping[str, float]) -> "SteadyEquation":
        """The same equation with other defaults.

        **Raises:** `ValueError` for a name the equation does not have.
        """
        for name in parameters:
            if name not in self.parameters:
                raise ValueError(known("parameter", name, self.parameters))
        values = {name: float(value) for name, value in parameters.items()}
        return dataclasses.replace(self, parameters={**self.parameters, **values})

    def latex(self) -> str:
        """The equation as LaTeX."""
        return self.formula


STEADY_EQUATIONS: Mapping[str, SteadyEquation] = {
    "darcy": SteadyEquation(
        terms=("-div(a grad u) = f",),
        formula=r"-\nabla \cdot \left(a \nabla u\right) = f",
        inputs=("a",),
        coefficients=lambda v: (v["a"], 0.0, v["f"]),
        parameters={"f": 1.0},
    ),
    "poisson": SteadyEquation(
        terms=("-lap(u) = f",),
        formula=r"-\Delta u = f",
        inputs=("f",),
        coefficients=lambda v: (None, 0.0, v["f"]),
    ),
    "helmholtz": SteadyEquation(
        terms=("-lap(u) - k**2*u = f",),
        formula=r"-\Delta u - k^2 u = f",
        inputs=("f",),
        coefficients=lambda v: (None, -(v["k"] ** 2), v["f"]),
        parameters={"k": 10.0},
    ),
}
"""The steady equations by name."""
