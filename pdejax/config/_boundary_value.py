"""A problem stated by its conditions: the types of its `problem` section."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from pdejax._suggest import suggestion
from pdejax.config._types import Count, Name, Place, Positive, Real, Section, Text, fault
from pdejax.equations import EQUATIONS

AXES = ("t", "x", "y", "z")


def _list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _some(terms: tuple[str, ...]) -> tuple[str, ...]:
    if not terms:
        raise fault("should have at least one term, for example ['u_xx + u_yy = 1']")
    return terms


Terms = Annotated[tuple[str, ...], BeforeValidator(_list), AfterValidator(_some)]


def _known(name: str) -> str:
    if name not in EQUATIONS:
        raise fault(f"is the unknown equation {name!r}.{suggestion(name, EQUATIONS)}")
    return name


class FieldEquation(Section):
    """Terms `LEFT = RIGHT` in fields and their derivatives `u_t u_tt u_x ...`; `definitions` name expressions."""

    terms: Terms
    fields: tuple[str, ...] | None = None
    parameters: dict[str, Real] = Field(default={})
    definitions: dict[str, Text] = Field(default={})


Equation = Annotated[
    Annotated[str, BeforeValidator(_known), Tag("(name)")] | Annotated[FieldEquation, Tag("(terms)")],
    Discriminator(lambda value: "(name)" if isinstance(value, str) else "(terms)"),
]


class Condition(Section):
    """What holds on faces: `at` is `boundary`, or axes held fixed such as `t=0` or `x=0, y=0`, or a list of these."""

    at: Annotated[tuple[str, ...], BeforeValidator(_list)]
    terms: Terms
    weight: Positive = 1.0


class Known(Section):
    """What every truth may say: points per axis on which errors are measured, and values of unknown parameters."""

    shape: tuple[Count, ...] | None = None
    parameters: dict[str, Real] = Field(default={})


class Exact(Known):
    """The solution as an expression per field."""

    kind: Literal["exact"]
    fields: dict[str, Text]


class Spectral(Known):
    """Solved by the pseudo-spectral method with this many points per axis of space and time steps."""

    kind: Literal["spectral"]
    points: Count | tuple[Count, ...]
    steps: Count
    dealias: Positive = 2 / 3


class Chebyshev(Known):
    """Solved by collocation on Chebyshev points, this many per axis of space, and an integrator of this tolerance.

    `clustered` names axes whose points shall crowd even more at the ends, `integrator` the kind of the time steps; see
    `pdejax.solvers.collocate`.
    """

    kind: Literal["chebyshev"]
    points: Count | tuple[Count, ...]
    tolerance: Positive = 1e-10
    clustered: tuple[str, ...] = ()
    integrator: Literal["implicit", "explicit"] = "implicit"


TRUTHS = ("exact", "spectral", "chebyshev")


def _of_a_kind(value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" not in value:
        raise PydanticCustomError("no_kind", "refused", {"known": list(TRUTHS)})
    return value


Truth = Annotated[Exact | Spectral | Chebyshev, Field(discriminator="kind"), BeforeValidator(_of_a_kind)]


class Observations(Section):
    """Measured values: a CSV or NPZ file with a column per axis and per measured field."""

    path: Place


class BoundaryValueConfig(Section):
    """Equations on a box and conditions on its faces, solved for one field; see `pdejax.BoundaryValueProblem`."""

    name: Name
    equation: Equation
    parameters: dict[str, Real] = Field(default={})
    unknown: dict[str, Real] = Field(default={})
    domain: dict[str, tuple[Real, Real]]
    periodic: tuple[str, ...] = ()
    parity: dict[str, Literal["even", "odd"]] = Field(default={})
    conditions: dict[str, Condition]
    truth: Truth | None = None
    observations: Observations | None = None

    @model_validator(mode="after")
    def _axes(self) -> "BoundaryValueConfig":
        for axis, (low, high) in self.domain.items():
            if axis not in AXES:
                raise fault(f"is no axis.{suggestion(axis, AXES)}", "domain", axis)
            if low >= high:
                raise fault(f"should be [low, high], got [{low:g}, {high:g}]", "domain", axis)
        for section in ("periodic", "parity"):
            for axis in getattr(self, section):
                if axis not in self.domain:
                    raise fault(f"names {axis!r}, no axis of problem.domain ({', '.join(self.domain)})", section)
        bounded = [axis for axis in self.domain if axis not in self.periodic and axis not in self.parity]
        if bounded and not self.conditions and self.observations is None:
            raise fault(f"is empty, and nothing else says what holds at the ends of {', '.join(bounded)}", "conditions")
        return self

    @property
    def ndim(self) -> int:
        """Number of axes of the box."""
        return len(self.domain)

    def spec(self) -> dict[str, Any]:
        """The options of `pdejax.BoundaryValueProblem`."""
        plain = self.model_dump(mode="json")
        if isinstance(plain["equation"], dict) and plain["equation"]["fields"] is None:
            del plain["equation"]["fields"]
        return plain
