"""A boundary value problem: equations on a box, conditions on its faces, and what is known of the solution."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy

from pdejax.core import Grid, Periodic, Value, build, known, register
from pdejax.equations._catalogue import read_equation
from pdejax.equations._condition import check_conditions, read_conditions
from pdejax.equations._equation import Equation
from pdejax.equations._exact import Exact
from pdejax.equations._parity import check_parity
from pdejax.equations._residual import SYMBOLS, FunctionResidual, JetView, Residual, SymbolicResidual
from pdejax.equations._statement import Statement, read_statement
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import AXES, jet, jets

PARITIES = ("even", "odd")
NO_PARITY = "none"
# of an interval's distance from zero to its length: rounding is then a thousandth of the interval
SAMPLES = 64  # places at which a coefficient is looked at
FARTHEST = 1e4


@register("problem", "boundary_value")
@dataclasses.dataclass(frozen=True)
class BoundaryValueProblem:
    """Everything that defines a field u(t, x, ...) on a box by its equation and conditions.

    **Arguments:**

    - `equation`: the name of one in `EQUATIONS`, an `Equation`, a `Statement`, or a mapping of the entries of one.
    - `domain`: from letters of axes, `t` first, to their ends `(low, high)`.
    - `conditions`: `Condition`s, or by name the mappings of their entries.
    - `name`.
    - `parameters`: values of parameters; `unknown`: first guesses of those to be found. Kept complete.
    - `periodic`: letters of axes that are; kept as a `bool` for each axis.
    - `parity`: axes about whose middle all fields are `even` or `odd`; kept as a word for each axis.
    - `truth`: how the solution is known, if it is: `Exact` or a solver's, or its description.
    - `observations`: file of measured values to fit, see `read_observations`.
    - `function`: a Python function of the jet (see `FunctionResidual`) in place of the equation's terms.

    **Raises:** `ValueError` for names that are not known, with the nearest spelling, for terms that cannot be read, and
    for a parity that the problem does not have.
    """

    equation: Any
    domain: Mapping[str, Any] = dataclasses.field(hash=False)
    conditions: Any
    name: str = "problem"
    parameters: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    unknown: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    periodic: Any = ()
    parity: Any = dataclasses.field(default_factory=dict)
    truth: Any = dataclasses.field(default=None, hash=False)
    observations: Any = None
    function: Callable[[JetView], Any] | None = None

    def __post_init__(self) -> None:
        try:
            self._read()
        except ValueError as error:
            text = str(error)
            raise error if text.startswith("problem ") else ValueError(f"problem {self.name!r}: {text}") from None

    def _read(self) -> None:
        set_ = functools.partial(object.__setattr__, self)
        set_("equation", _equation(self.equation, self.function))
        set_("domain", _box(self.domain))
        set_("periodic", self._flags())
        set_("parity", self._parities())
        self._check_names()
        given = {**self._statement.parameters, **self.parameters, **self.unknown}
        set_("parameters", {name: float(value) for name, value in given.items()})
        set_("unknown", {name: self.parameters[name] for name in self.unknown})
        observed = self.observations
        set_("observations", observed["path"] if isinstance(observed, Mapping) else observed)
        set_("truth", build("truth", self.truth))
        _ = self.residual, self.exact  # report mistakes here
        on = lambda c: c.on(self.axes, self.box, self.periodic, self.read(c.terms))
        set_("conditions", tuple(on(c) for c in read_conditions(self.conditions)))
        check_conditions(self.conditions)
        check_parity(self.parity, self.axes, self.box, self.residual, self.conditions)
        self._check_determined()

    def _check_determined(self) -> None:
        """Whether as much is said along an axis as the highest derivative there takes; nobody else notices if not.

        Along space of derivatives of second order or more alone, whose coefficient vanishes nowhere: where it does, as
        in the middle of a disc, nothing need be said.
        """
        residual = self.residual
        if not self.conditions or self.observations is not None or not isinstance(residual, SymbolicResidual):
            return
        for i, (axis, periodic) in enumerate(zip(self.axes, tuple(self.periodic), strict=True)):
            order = max(residual.highest(field, i) for field in self.fields)
            said = sum(one.residual.equations for one in self.conditions for face in one.faces if axis in face)
            if periodic or said >= order or (axis != "t" and (order < 2 or not self._regular(residual, i, order))):
                continue
            if axis == "t" and not said:
                raise ValueError(f"conditions say nothing at an end of t, so that there are many solutions: one at "
                                 f"'t={self.box[0][0]:g}' is missing")  # fmt: skip
            ends = " and ".join(f"'{axis}={end:g}'" for end in self.box[i])
            raise ValueError(f"conditions say too little along {axis}, so that there are many solutions: derivatives "
                             f"of order {order} take {order} at the ends {ends}, got {said}")  # fmt: skip

    def _regular(self, residual: SymbolicResidual, axis: int, order: int) -> bool:
        """Whether the highest derivatives along an axis have coefficients of places alone that vanish nowhere."""
        random = np.random.default_rng(0)
        points = random.uniform(*np.array(self.box, float).T, size=(SAMPLES, len(self.axes)))
        points[:2, axis] = self.box[axis]
        for e in residual.expressions:
            for one in jets(e):
                highest, coefficient = residual.order(one)[axis] == order, sympy.diff(e, one)
                if jets(coefficient):
                    if highest:
                        return False
                    continue
                with np.errstate(all="ignore"):
                    found = _values(SymbolicResidual((coefficient,), self.fields, self.axes), self.parameters, points)
                small = 1e-9 * np.max(np.abs(found))
                if not np.all(np.isfinite(found)) or (
                    highest and not (np.all(found > small) or np.all(found < -small))
                ):
                    return False
        return True

    def _flags(self) -> tuple[bool, ...]:
        if all(isinstance(one, bool) for one in self.periodic) and len(self.periodic) == len(self.axes):
            return tuple(self.periodic)
        for axis in self.periodic:
            if axis not in self.axes or axis == "t":
                raise ValueError(known("periodic axis", axis, self.axes[self.timed :]))
        return tuple(axis in self.periodic for axis in self.axes)

    def _parities(self) -> tuple[str, ...]:
        if not isinstance(self.parity, Mapping):
            return tuple(self.parity)
        for axis, kind in self.parity.items():
            if axis not in self.axes:
                raise ValueError(known("axis with parity", axis, self.axes))
            if kind not in PARITIES:
                raise ValueError(known(f"parity of axis {axis!r}:", kind, PARITIES))
        return tuple(self.parity.get(axis, NO_PARITY) for axis in self.axes)

    def _check_names(self) -> None:
        for section in (self.parameters, self.unknown):
            for name in section:
                if name not in self._statement.parameters:
                    raise ValueError(known("parameter", name, self._statement.parameters))

    # ---- the box

    @property
    def axes(self) -> tuple[str, ...]:
        """Letters of the axes: `t` if there is time, then those of space."""
        return tuple(self.domain)

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """Both ends of every axis."""
        return tuple(self.domain.values())

    @property
    def timed(self) -> bool:
        """Whether there is an axis of time."""
        return "t" in self.domain

    @property
    def ndim(self) -> int:
        """Number of axes of space."""
        return len(self.axes) - self.timed

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
    def _statement(self) -> Statement:
        """The words that terms are made of."""
        one = self.equation
        return one if isinstance(one, Statement) else Statement(one.terms, one.fields, one.parameters)

    @functools.cached_property
    def evolution(self) -> Equation | None:
        """The equation as one of evolution, where it is one and all its terms are `FIELD_t = ...`."""
        values = lambda equation: {name: self.parameters[name] for name in equation.parameters}
        if isinstance(self.equation, Equation):
            return self.equation.with_parameters(values(self.equation))
        if self.function is not None or not self.timed or not self.equation.evolves:
            return None
        try:
            equation = Equation(self.equation.terms, self.equation.parameters, self.ndim)
        except ValueError:  # such as a second derivative in time on the right
            return None
        return equation.with_parameters(values(equation))

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields, in the order of the channels; a vorticity's channel is its stream function."""
        return self._statement.fields

    @property
    def channels(self) -> int:
        """Number of fields."""
        return len(self.fields)

    def read(self, terms: Sequence[str]) -> SymbolicResidual:
        """Left minus right sides of terms such as `"u_x = 0"`.

        **Raises:** `ValueError` naming the term, the bad word and the nearest valid spelling.
        """
        return self._statement.residual(terms, self.axes)

    @functools.cached_property
    def residual(self) -> Residual:
        """What must vanish inside the box."""
        if self.function is not None:
            return FunctionResidual(self.function, self.fields, self.axes, tuple(self.parameters))
        if isinstance(self.equation, Statement):
            return self.read(self.equation.terms)
        if not self.timed or self.ndim != self.equation.ndim:
            raise ValueError(f"the equation {list(self.equation.terms)} wants the axes "
                             f"{['t', *AXES[: self.equation.ndim]]}, domain has {list(self.axes)}")  # fmt: skip
        return self.equation.residual

    # ---- what is known

    @functools.cached_property
    def exact(self) -> Callable[[Any], Any] | None:
        """The solution as a function of points `(point, axis)`, where it is known as one; NumPy or JAX arrays."""
        if not isinstance(self.truth, Exact):
            return None
        expressions = tuple(map(self.exact_expression, self.fields))
        return functools.partial(_values, SymbolicResidual(expressions, self.fields, self.axes), self.parameters)

    def exact_expression(self, field: str) -> sympy.Expr:
        """The solution of a field in coordinates and parameters, where it is known as a formula.

        **Raises:** `ValueError` where it is not, or the formula holds a field.
        """
        given = getattr(self.truth, "fields", {})
        if field not in given:
            raise ValueError(f"truth.fields lacks {field!r}, got {sorted(given)}")
        expression = self._statement.side(f"{field} = {given[field]}", given[field], self.axes)
        if found := jets(expression):
            raise ValueError(f"truth.fields.{field} depends on {found[0]}, expected an expression in "
                             f"{', '.join(self.axes)} and parameters")  # fmt: skip
        return expression

    def start(self, field: str) -> sympy.Expr | None:
        """The expression of a field's initial value, where a condition states it as `FIELD = ...`."""
        low = self.box[0][0]
        for condition in self.conditions:
            if not self.timed or [dict(face) for face in condition.faces] != [{"t": low}]:
                continue
            for expression in condition.residual.expressions:
                value = jet(field) - expression
                if not jets(value):
                    return value
        return None


def _equation(given: Any, function: Any) -> Equation | Statement:
    if isinstance(given, Mapping) and "kind" not in given:
        given = read_statement(given)
    elif isinstance(given, Mapping | str):
        given = build("equation", given) if isinstance(given, Mapping) else read_equation(given)
    if not isinstance(given, Equation | Statement):
        raise ValueError(f"the equation {list(given.terms)} is steady; write it in its own words, 'terms: [...]'")
    if not given.terms and function is None:
        raise ValueError("section 'equation' needs 'terms', for example ['u_t = nu*u_xx']")
    return given


def _box(given: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Both ends of every axis, `t` first."""
    wanted = ("t", *AXES)
    for axis in given:
        if axis not in wanted:
            raise ValueError(known("axis", axis, wanted))
    axes = [axis for axis in wanted if axis in given]
    space = [axis for axis in axes if axis != "t"]
    if not space or space != list(AXES[: len(space)]):
        raise ValueError(f"axes of space are x, then y, then z; domain has {list(given)}")
    return {axis: _ends(axis, given[axis]) for axis in axes}


def _ends(axis: str, given: Any) -> tuple[float, float]:
    ends = tuple(map(float, given)) if isinstance(given, Sequence) and all(map(_real, given)) else ()
    if len(ends) != 2 or not np.all(np.isfinite(ends)) or not ends[0] < ends[1]:
        shown = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else given
        raise ValueError(f"domain.{axis} must be [low, high], two finite numbers, got {shown}")
    extent, far = ends[1] - ends[0], max(map(abs, ends))
    if far > FARTHEST * extent:
        raise ValueError(f"domain.{axis} is {extent:g} long and {far:g} away from zero, where float32 cannot tell its "
                         f"points apart: let {axis} count from near its own start")  # fmt: skip
    return ends


def _real(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _values(residual: SymbolicResidual, parameters: Mapping[str, float], points: Any) -> Any:
    """The expressions of a residual without jets, in NumPy or JAX as the points are."""
    values: dict[Any, Any] = {sympy.Symbol(k, real=True): v for k, v in parameters.items()}
    values |= {SYMBOLS[axis]: points[:, i] for i, axis in enumerate(residual.axes)}
    columns = [evaluate(e, values) + 0 * points[:, 0] for e in residual.expressions]
    return (np if isinstance(points, np.ndarray) else jnp).stack(columns, -1)
