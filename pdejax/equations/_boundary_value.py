"""A boundary value problem: equations on a box, conditions on its faces, and what is known of the solution."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import sympy

from pdejax.core import Grid, Periodic, Value, known
from pdejax.equations._catalogue import EQUATIONS, read_equation
from pdejax.equations._equation import Equation
from pdejax.equations._parity import check_parity
from pdejax.equations._residual import FunctionResidual, JetView, Residual, SymbolicResidual
from pdejax.equations._spec import complete, known_keys
from pdejax.equations.language.jets import AXES, TIME, Form, jet, jets
from pdejax.equations.language.parse import RESERVED, Parser

PARITIES = ("even", "odd")
RESERVED_NAMES = ("equation", "observations")  # of conditions: terms of a loss go by the names of conditions
_PLAIN: Mapping[str, Any] = {
    "name": "problem",
    "equation": ...,
    "parameters": {},
    "unknown": {},
    "domain": ...,
    "periodic": [],
    "parity": {},
    "conditions": ...,
    "truth": None,
    "observations": None,
}
_EQUATION = ("terms", "fields", "parameters", "definitions")

Face = Mapping[str, float]
"""Axes that are held fixed, and where."""


@dataclasses.dataclass(frozen=True)
class Condition:
    """What must hold on faces of a box.

    **Arguments:** `name`; `faces`: each a mapping from the letters of axes to the coordinates they are held at;
    `residual`; `weight`: of its mean square in the loss, relative to that of the equation.
    """

    name: str
    faces: tuple[Face, ...]
    residual: Residual
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class BoundaryValueProblem:
    """Everything that defines a field u(t, x, ...) on a box by its equation and conditions.

    **Arguments:** `spec`: the complete mapping (`BoundaryValueProblem.from_spec` fills in defaults) with the entries

    - `name`; `domain`: from letters of axes, `t` first, to their ends `[low, high]`.
    - `equation`: the name of one in `EQUATIONS`, or `terms` such as `"u_t = nu*u_xx"` or
      `"u_tt - u_xx + u**2 = sin(x)"`, with `fields`, `parameters` and `definitions` (named expressions).
    - `parameters`: values of parameters; `unknown`: first guesses of those to be found.
    - `conditions`: by name `{at, terms, weight}`: `at` is `"boundary"` (all ends of axes of space that are not
      periodic), or axes held fixed such as `"t=0"` or `"x=0, y=0"`, or a list of these; `terms` as above.
    - `periodic`: axes that are; `parity`: axes about whose middle all fields are `even` or `odd`.
    - `truth`: how the solution is known, if it is; `observations`: measured values to fit.

    `function`: a Python function of the jet (see `FunctionResidual`) in place of the equation's terms.
    """

    spec: Mapping[str, Any] = dataclasses.field(hash=False)
    function: Callable[[JetView], Any] | None = None

    steady: ClassVar[bool] = False

    @classmethod
    def from_spec(
        cls, spec: Mapping[str, Any], function: Callable[[JetView], Any] | None = None
    ) -> "BoundaryValueProblem":
        """The problem of a plain mapping.

        **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling, for terms that cannot be
        read, and for a parity that the problem does not have.
        """
        problem = cls(complete(spec, _PLAIN, {}), function)
        _ = problem.residual, problem.conditions, problem.unknown, problem.exact  # report mistakes here
        check_parity(problem.parity, problem.axes, problem.box, problem.residual, problem.conditions)
        return problem

    def __hash__(self) -> int:
        return hash(json.dumps(self.spec, sort_keys=True))

    @property
    def name(self) -> str:
        """What the problem is called."""
        return self.spec["name"]

    # ---- the box

    @functools.cached_property
    def axes(self) -> tuple[str, ...]:
        """Letters of the axes: `t` if there is time, then those of space."""
        given = tuple(self.spec["domain"])
        wanted = ("t", *AXES)
        for axis in given:
            if axis not in wanted:
                raise ValueError(known(f"axis of problem {self.name!r}:", axis, wanted))
        axes = tuple(axis for axis in wanted if axis in given)
        space = [axis for axis in axes if axis != "t"]
        if not space or space != list(AXES[: len(space)]):
            raise ValueError(f"problem {self.name!r}: axes of space are x, then y, then z; domain has {list(given)}")
        return axes

    @functools.cached_property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Both ends of every axis."""
        ends = []
        for axis in self.axes:
            pair = self.spec["domain"][axis]
            if len(pair) != 2 or not pair[0] < pair[1]:
                raise ValueError(f"problem {self.name!r}: domain.{axis} must be [low, high], got {pair}")
            ends.append((float(pair[0]), float(pair[1])))
        return tuple(ends)

    @property
    def timed(self) -> bool:
        """Whether there is an axis of time."""
        return "t" in self.axes

    @property
    def ndim(self) -> int:
        """Number of axes of space."""
        return len(self.axes) - self.timed

    @functools.cached_property
    def periodic(self) -> tuple[bool, ...]:
        """Whether each axis is."""
        for axis in self.spec["periodic"]:
            if axis not in self.axes or axis == "t":
                raise ValueError(known(f"periodic axis of problem {self.name!r}:", axis, self.axes[self.timed :]))
        return tuple(axis in self.spec["periodic"] for axis in self.axes)

    @functools.cached_property
    def parity(self) -> tuple[str, ...]:
        """`even`, `odd` or `none` for each axis."""
        for axis, kind in self.spec["parity"].items():
            if axis not in self.axes:
                raise ValueError(known(f"axis with parity of problem {self.name!r}:", axis, self.axes))
            if kind not in PARITIES:
                raise ValueError(known(f"parity of axis {axis!r}:", kind, PARITIES))
        return tuple(self.spec["parity"].get(axis, "none") for axis in self.axes)

    @property
    def middle(self) -> tuple[float, ...]:
        """Middle of every axis."""
        return tuple((low + high) / 2 for low, high in self.box)

    def grid(self, shape: Sequence[int]) -> Grid:
        """A uniform grid on the axes of space, with both ends where they are not periodic."""
        space = slice(int(self.timed), None)
        ends, box = [Periodic() if p else Value() for p in self.periodic[space]], self.box[space]
        lengths, origin = tuple(high - low for low, high in box), tuple(low for low, _ in box)
        return Grid(tuple(shape), lengths, ends, origin)

    # ---- the equation

    @functools.cached_property
    def equation(self) -> Equation | None:
        """The equation as one of evolution, where the problem names one or its terms all are `FIELD_t = ...`."""
        name, given = self.spec["equation"], self._given
        if isinstance(name, str):
            found = read_equation(name, self.spec["parameters"])
            if not isinstance(found, Equation):
                raise ValueError(f"problem {self.name!r}: equation {name!r} is steady; write it in its own words, "
                                 f"'terms: [...]'")  # fmt: skip
            return found
        if given.get("definitions") or self.function is not None:
            return None
        if not self.timed or not all(t.split("=")[0].strip().endswith("_t") for t in self._terms):
            return None
        try:
            equation = Equation(self._terms, given.get("parameters"), self.ndim)
        except ValueError:  # such as a second derivative in time on the right
            return None
        values = {**self.spec["parameters"], **self.spec["unknown"]}
        return equation.with_parameters({k: v for k, v in values.items() if k in equation.parameters})

    @functools.cached_property
    def _given(self) -> Mapping[str, Any]:
        given = self.spec["equation"]
        if isinstance(given, str):
            return {}
        known_keys("equation", given, _EQUATION)
        if not given.get("terms") and self.function is None:
            raise ValueError(f"problem {self.name!r}: section 'equation' needs 'terms', for example ['u_t = nu*u_xx']")
        return given

    @functools.cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the channels; a vorticity's channel is its stream function."""
        if isinstance(self.spec["equation"], str):
            return EQUATIONS[self.spec["equation"]].fields if self.equation is not None else ()
        if given := self._given.get("fields"):
            for field in given:
                if re.fullmatch("[A-Za-z][A-Za-z0-9]*", field) is None or field in RESERVED:
                    raise ValueError(f"field name {field!r} is reserved or not a word of letters and digits")
            return tuple(given)
        left = [re.fullmatch(r"\s*([A-Za-z][A-Za-z0-9]*)_t\s*", str(t).partition("=")[0]) for t in self._terms]
        return tuple(m[1] for m in left if m) if left and all(left) else ("u",)

    @property
    def _terms(self) -> tuple[str, ...]:
        return tuple(_list(self._given.get("terms") or ()))

    @property
    def channels(self) -> int:
        """Number of fields."""
        return len(self.fields)

    @functools.cached_property
    def parameters(self) -> Mapping[str, float]:
        """Values of all parameters, first guesses for the unknown ones.

        **Raises:** `ValueError` for a name the equation does not have.
        """
        own = EQUATIONS[self.spec["equation"]].parameters if isinstance(self.spec["equation"], str) else {}
        own = {**own, **self._given.get("parameters", {})}
        for section in ("parameters", "unknown"):
            for name in self.spec[section]:
                if name not in own:
                    raise ValueError(known("parameter", name, own))
        for name in own:
            if not name.isidentifier() or name in RESERVED or name in self.fields:
                raise ValueError(f"parameter name {name!r} is reserved, a field, or not a word; choose another")
        return {k: float(v) for k, v in {**own, **self.spec["parameters"], **self.spec["unknown"]}.items()}

    @property
    def unknown(self) -> Mapping[str, float]:
        """First guesses of the parameters that are to be found with the field."""
        return {name: self.parameters[name] for name in self.spec["unknown"]}

    @functools.cached_property
    def _definitions(self) -> Mapping[str, Form]:
        found: dict[str, Form] = {}
        for name, text in self._given.get("definitions", {}).items():
            if not name.isidentifier() or name in (*RESERVED, *self.fields, *self.parameters):
                raise ValueError(f"definition {name!r} is reserved, a field, a parameter or not a word")
            found[name] = self._parser(found)(f"{name} = {text}", str(text))
        return found

    def _parser(self, definitions: Mapping[str, Form]) -> Parser:
        return Parser(self.fields, self.parameters, self.ndim, rates=self.timed, definitions=definitions)

    def _side(self, term: str, side: str) -> sympy.Expr:
        expression = self._parser(self._definitions)(term, side.strip()).flat()
        if not self.timed and expression.has(TIME):
            raise ValueError(f"problem {self.name!r}: t occurs in {term!r}, but the domain has no axis t")
        return expression

    def read(self, terms: Sequence[str]) -> SymbolicResidual:
        """Left minus right sides of terms such as `"u_x = 0"`.

        **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
        """
        expressions = []
        for term in terms:
            left, equals, right = str(term).partition("=")
            if not equals or "=" in right:
                raise ValueError(f"term {str(term)!r}: expected 'LEFT = RIGHT', for example 'u = sin(pi*x)'")
            expressions.append(self._side(term, left) - self._side(term, right))
        return SymbolicResidual(tuple(expressions), self.fields, self.axes)

    @functools.cached_property
    def residual(self) -> Residual:
        """What must vanish inside the box."""
        if self.function is not None:
            return FunctionResidual(self.function, self.fields, self.axes, tuple(self.parameters))
        if isinstance(self.spec["equation"], str):
            assert self.equation is not None
            if not self.timed or self.ndim != self.equation.ndim:
                axes = ["t", *AXES[: self.equation.ndim]]
                raise ValueError(f"problem {self.name!r}: equation {self.spec['equation']!r} wants the axes {axes}, "
                                 f"domain has {list(self.axes)}")  # fmt: skip
            return self.equation.residual
        return self.read(self._terms)

    # ---- conditions and what is known

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """What must hold on faces."""
        return tuple(self._condition(name, given) for name, given in self.spec["conditions"].items())

    def _condition(self, name: str, given: Mapping[str, Any]) -> Condition:
        if name in RESERVED_NAMES:
            raise ValueError(f"problem {self.name!r}: a condition cannot be called {name!r}, a term of every loss is")
        known_keys(f"conditions.{name}", given, ("at", "terms", "weight"))
        for key in ("at", "terms"):
            if key not in given:
                raise ValueError(
                    f"problem {self.name!r}: conditions.{name} needs the entry {key!r}, got {sorted(given)}"
                )
        faces = tuple(face for place in _list(given["at"]) for face in self._faces(name, place))
        return Condition(name, faces, self.read(_list(given["terms"])), float(given.get("weight", 1.0)))

    def _faces(self, name: str, place: str) -> list[Face]:
        if place.strip() == "boundary":
            walls = [i for i, axis in enumerate(self.axes) if axis != "t" and not self.periodic[i]]
            if not walls:
                raise ValueError(
                    f"problem {self.name!r}: conditions.{name} is at 'boundary', but all axes are periodic"
                )
            return [{self.axes[i]: end} for i in walls for end in self.box[i]]
        face: dict[str, float] = {}
        for part in place.split(","):
            axis, equals, value = (p.strip() for p in part.partition("="))
            if not equals or axis not in self.axes:
                raise ValueError(f"problem {self.name!r}: conditions.{name}.at is {place!r}, expected 'boundary' or "
                                 f"axes held fixed such as '{self.axes[0]}={self.box[0][0]:g}'")  # fmt: skip
            if axis in face:
                raise ValueError(f"problem {self.name!r}: conditions.{name}.at is {place!r}, which holds {axis} fixed "
                                 "twice; several faces are a list")  # fmt: skip
            face[axis] = self._coordinate(name, axis, value)
        return [face]

    def _coordinate(self, name: str, axis: str, text: str) -> float:
        low, high = self.box[self.axes.index(axis)]
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"problem {self.name!r}: conditions.{name}.at: {axis}={text!r} is no number") from None
        if not low <= value <= high:
            raise ValueError(f"problem {self.name!r}: conditions.{name}.at: {axis}={value:g} is outside of "
                             f"domain.{axis} = [{low:g}, {high:g}]")  # fmt: skip
        return value

    @functools.cached_property
    def exact(self) -> Callable[[Any], Any] | None:
        """The solution as a function of points `(point, axis)`, where `truth.kind` is `exact`; NumPy or JAX arrays."""
        truth = self.spec["truth"]
        if truth is None or truth["kind"] != "exact":
            return None
        for field in self.fields:
            if field not in truth["fields"]:
                raise ValueError(f"problem {self.name!r}: truth.fields lacks {field!r}, got {sorted(truth['fields'])}")
        expressions = [self._side(f"{f} = {truth['fields'][f]}", str(truth["fields"][f])) for f in self.fields]
        for field, expression in zip(self.fields, expressions, strict=True):
            if found := jets(expression):
                raise ValueError(f"problem {self.name!r}: truth.fields.{field} depends on {found[0]}, expected an "
                                 f"expression in {', '.join(self.axes)} and parameters")  # fmt: skip
        return functools.partial(_values, SymbolicResidual(tuple(expressions), self.fields, self.axes), self.parameters)

    def start(self, field: str) -> sympy.Expr | None:
        """The expression of a field's initial value, where a condition states it as `FIELD = ...`."""
        low = self.box[0][0]
        for condition in self.conditions:
            if not self.timed or [dict(face) for face in condition.faces] != [{"t": low}]:
                continue
            for expression in condition.residual.expressions:  # type: ignore[attr-defined]
                value = jet(field) - expression
                if not jets(value):
                    return value
        return None


def _list(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _values(residual: SymbolicResidual, parameters: Mapping[str, float], points: Any) -> Any:
    """The expressions of a residual without jets, in NumPy or JAX as the points are."""
    from pdejax.equations._residual import SYMBOLS
    from pdejax.equations.language.evaluate import evaluate

    values: dict[Any, Any] = {sympy.Symbol(k, real=True): v for k, v in parameters.items()}
    values |= {SYMBOLS[axis]: points[:, i] for i, axis in enumerate(residual.axes)}
    columns = [evaluate(e, values) + 0 * points[:, 0] for e in residual.expressions]
    return np.stack(columns, -1) if isinstance(points, np.ndarray) else _stack(columns)


def _stack(columns: Sequence[Any]) -> Any:
    import jax.numpy as jnp

    return jnp.stack(columns, -1)
