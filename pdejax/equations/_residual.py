"""What must vanish at a point, as a function of a field's derivatives there: from expressions or a Python function."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import sympy
from jaxtyping import Array, Float

from pdejax.core import known
from pdejax.equations.language.evaluate import evaluate
from pdejax.equations.language.jets import COORDINATES, STREAM, TIME, Alpha, Jet, jet, jets
from pdejax.equations.language.whole import whole_word
from pdejax.equations.language.words import ASKS_THE_BOX, JUMPS

Order = tuple[int, ...]
"""Derivative order along each axis of a box."""

Jets = Mapping[Order, Float[Array, "point channel"]]
SYMBOLS: Mapping[str, sympy.Symbol] = {"t": TIME, **{str(s): s for s in COORDINATES}}


@runtime_checkable
class Residual(Protocol):
    """Equations that hold at points, as a pure function of the derivatives of all fields there.

    - `orders`: the derivatives it wants to know.
    - `equations`: how many equations hold.
    """

    @property
    def orders(self) -> tuple[Order, ...]: ...

    @property
    def equations(self) -> int: ...

    def __call__(
        self, derivatives: Jets, points: Float[Array, "point axis"], parameters: Mapping[str, Any]
    ) -> Float[Array, "point equation"]:
        """Left minus right side of every equation."""
        ...


def linearised(
    residual: Residual,
    derivatives: Jets,
    points: Float[Array, "point axis"],
    parameters: Mapping[str, Any],
) -> tuple[Float[Array, "point equation"], dict[Order, Float[Array, "point equation channel"]]]:
    """A residual and its partial derivatives with respect to the entries of the jet.

    A residual is pointwise, so that one forward sweep with ones gives a partial derivative at all points at once.
    """
    value = lambda d: residual(d, points, parameters)
    channels = next(iter(derivatives.values())).shape[1]
    zeros = jax.tree.map(jnp.zeros_like, dict(derivatives))
    slopes = {}
    for order in derivatives:
        columns = []
        for channel in range(channels):
            tangent = {**zeros, order: zeros[order].at[:, channel].set(1)}
            columns.append(jax.jvp(value, (dict(derivatives),), (tangent,))[1])
        slopes[order] = jnp.stack(columns, axis=-1)
    return value(dict(derivatives)), slopes


@dataclasses.dataclass(frozen=True)
class SymbolicResidual:
    """Expressions in jets, coordinates and parameters that must vanish.

    **Arguments:** `expressions`; `fields`: in the order of the channels; `axes`: letters of the box's axes, `t` first
    if there is time.

    **Raises:** `ValueError` for what a point does not know, and for derivatives of what jumps.
    """

    expressions: tuple[sympy.Expr, ...]
    fields: tuple[str, ...]
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        for expression in self.expressions:
            if word := whole_word(expression):
                raise ValueError(f"the residual at points: {word}(...) {ASKS_THE_BOX}")
            if expression.has(sympy.DiracDelta):
                raise ValueError(f"the residual at points {JUMPS}")

    @functools.cached_property
    def _jets(self) -> tuple[Jet, ...]:
        return tuple(dict.fromkeys(itertools.chain.from_iterable(jets(e) for e in self.expressions)))

    @property
    def orders(self) -> tuple[Order, ...]:
        """The derivatives that occur, and the value itself."""
        return tuple(dict.fromkeys([(0,) * len(self.axes), *(self.order(j) for j in self._jets)]))

    @property
    def equations(self) -> int:
        """How many expressions there are."""
        return len(self.expressions)

    @property
    def linear(self) -> bool:
        """Whether the fields and their derivatives occur linearly."""
        return not any(jets(e.diff(j)) for e in self.expressions for j in jets(e))

    def order(self, j: Jet) -> Order:
        """The derivative a jet stands for, along the axes of the box."""
        along = {"t": j.time, "x": j.alpha[0], "y": j.alpha[1], "z": j.alpha[2]}
        return tuple(along[axis] for axis in self.axes)

    def highest(self, field: str, axis: int) -> int:
        """The highest derivative of a field along an axis that occurs."""
        return max((self.order(j)[axis] for j in self._jets if j.field == field), default=0)

    def __call__(
        self, derivatives: Jets, points: Float[Array, "point axis"], parameters: Mapping[str, Any]
    ) -> Float[Array, "point equation"]:
        values: dict[sympy.Symbol, Any] = {sympy.Symbol(k, real=True): v for k, v in parameters.items()}
        values |= {SYMBOLS[axis]: points[:, i] for i, axis in enumerate(self.axes)}
        values |= {j: derivatives[self.order(j)][:, self.fields.index(j.field)] for j in self._jets}
        full = lambda v: jnp.broadcast_to(jnp.asarray(v, points.dtype), points.shape[:1])
        return jnp.stack([full(evaluate(e, values)) for e in self.expressions], axis=-1)


class JetView:
    """The derivatives of all fields at points by the names they have in equations: `jet.u_xx`, `jet.x`, `jet.nu`.

    **Arguments:** `fields`, `axes`: names; `derivatives`: by order; `points`; `parameters`: by name.
    """

    def __init__(
        self,
        fields: Sequence[str],
        axes: Sequence[str],
        derivatives: Callable[[Order], Any],
        points: Any,
        parameters: Mapping[str, Any],
    ) -> None:
        self._fields, self._axes, self._derivatives = tuple(fields), tuple(axes), derivatives
        self._given = {**parameters, **{axis: points[:, i] for i, axis in enumerate(axes)}}

    def __getattr__(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        field, _, suffix = name.partition("_")
        if field not in self._fields or not set(suffix) <= set(self._axes):
            raise AttributeError(known("derivative", name, [*self._fields, *self._given, *self._examples()]))
        order = tuple(suffix.count(axis) for axis in self._axes)
        return self._derivatives(order)[:, self._fields.index(field)]

    def _examples(self) -> list[str]:
        return [f"{f}_{a * n}" for f in self._fields for a in self._axes for n in (1, 2)]


@dataclasses.dataclass(frozen=True)
class FunctionResidual:
    """A Python function of the jet, `lambda jet: jet.u_t + jet.u * jet.u_x - jet.nu * jet.u_xx`.

    **Arguments:** `function`: from a `JetView` to an array `(point,)` or a tuple of them; `fields`; `axes`;
    `parameters`: names it may ask for.

    **Raises:** `AttributeError` at construction for a name that is none.
    """

    function: Callable[[JetView], Any]
    fields: tuple[str, ...]
    axes: tuple[str, ...]
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ValueError(f"function should be a function of the jets of the fields, got {self.function!r}: what is "
                             "written goes into `terms`")  # fmt: skip
        _ = self._found  # asks the function once, so that mistakes are reported where they are made

    @functools.cached_property
    def _found(self) -> tuple[tuple[Order, ...], int]:
        asked: dict[Order, None] = {(0,) * len(self.axes): None}

        def trace(points: Array) -> Any:
            def remember(order: Order) -> Array:
                asked[order] = None
                return jnp.ones((1, len(self.fields)), points.dtype)

            view = JetView(self.fields, self.axes, remember, points, dict.fromkeys(self.parameters, points[:, 0]))
            return self._stacked(self.function(view))

        shape = jax.eval_shape(trace, jax.ShapeDtypeStruct((1, len(self.axes)), jnp.result_type(float))).shape
        return tuple(asked), shape[1]

    @staticmethod
    def _stacked(found: Any) -> Array:
        return jnp.stack(found if isinstance(found, tuple | list) else (found,), axis=-1)

    @property
    def orders(self) -> tuple[Order, ...]:
        """The derivatives the function asked for, and the value itself."""
        return self._found[0]

    @property
    def equations(self) -> int:
        """How many arrays it gives."""
        return self._found[1]

    def __call__(
        self, derivatives: Jets, points: Float[Array, "point axis"], parameters: Mapping[str, Any]
    ) -> Float[Array, "point equation"]:
        view = JetView(self.fields, self.axes, lambda order: derivatives[order], points, parameters)
        return self._stacked(self.function(view))


def in_streams(expression: sympy.Expr, streams: Sequence[str]) -> sympy.Expr:
    """Rewrites jets of the vorticities in `streams` as jets of their stream functions, w = -lap(psi)."""
    replaced = {}
    for j in jets(expression):
        if j.field in streams and not j.potential:
            replaced[j] = -_stream(j, (2, 0, 0)) - _stream(j, (0, 2, 0))
    return expression.xreplace(replaced)  # type: ignore


def _stream(j: Jet, alpha: Alpha) -> Jet:
    return jet(j.field, j.alpha, STREAM).shifted(alpha)


def evolution_residuals(
    expressions: Sequence[sympy.Expr], fields: Sequence[str], streams: Sequence[str]
) -> tuple[sympy.Expr, ...]:
    """u_t minus the right-hand sides, both after `in_streams`."""
    states = [in_streams(jet(f), streams) for f in fields]
    rate = lambda e: e.xreplace({j: j.rate() for j in jets(e)})
    return tuple(rate(s) - e for s, e in zip(states, expressions, strict=True))
