"""Symbols for fields and their derivatives, and differential expressions in divergence form.

A *jet* is a symbol that stands for a derivative of a field, such as `u_xx`. A differential expression is then an
ordinary expression in jets, and differentiating it in space is algebra (the total derivative). What a point does not
know, such as the mean of an expression over the box, is a symbol too, which holds the expression.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import sympy

AXES = "xyz"
Alpha = tuple[int, int, int]
ZERO: Alpha = (0, 0, 0)
TIME = sympy.Symbol("t", real=True)
COORDINATES = tuple(sympy.Symbol(axis, real=True) for axis in AXES)
VOLUME = sympy.Symbol("|box|", positive=True)  # length, area or volume of the box
STREAM, HILBERT, MEAN = "~", "^", "-"  # marks of jets


def add_alpha(a: Alpha, b: Alpha) -> Alpha:
    """Sum of two multi-indices."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def unit(axis: int) -> Alpha:
    """The multi-index of one derivative along `axis`."""
    return (int(axis == 0), int(axis == 1), int(axis == 2))


class Jet(sympy.Symbol):
    """The derivative `alpha` of a field, or of what a mark before its name makes of the field, mode by mode.

    `~`: its stream function psi, with `lap(psi) = -field`; `^`: its Hilbert transform; `-`: its mean over the box.
    """

    __slots__ = ()

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Sorts fields after parameters, as one writes products."""
        return 2, 0, "Symbol, then jet"

    @property
    def mark(self) -> str:
        """What the field is replaced by; empty for the field itself."""
        return self.name[0] if self.name[0] in (STREAM, HILBERT, MEAN) else ""

    @property
    def field(self) -> str:
        """Name of the field this is a derivative of."""
        return self.name.removeprefix(self.mark).partition("_")[0]

    @property
    def potential(self) -> bool:
        """Whether it is a derivative of the field's stream function instead."""
        return self.mark == STREAM

    @property
    def alpha(self) -> Alpha:
        """Derivative orders along x, y and z."""
        suffix = self.name.partition("_")[2]
        return (suffix.count("x"), suffix.count("y"), suffix.count("z"))

    @property
    def time(self) -> int:
        """Order of the derivative in time."""
        return self.name.partition("_")[2].count("t")

    def shifted(self, alpha: Alpha) -> "Jet":
        """Its derivative by `alpha`."""
        return jet(self.field, add_alpha(self.alpha, alpha), self.mark, self.time)

    def rate(self) -> "Jet":
        """Its derivative in time."""
        return jet(self.field, self.alpha, self.mark, self.time + 1)


def jet(field: str, alpha: Alpha = ZERO, mark: str = "", time: int = 0) -> Jet:
    """The symbol of the derivative `alpha` of `field` (or of what `mark` makes of it), and of order `time` in time."""
    suffix = "t" * time + "".join(axis * n for axis, n in zip(AXES, alpha, strict=True))
    return Jet(mark + field + ("_" + suffix if suffix else ""), real=True)


class Nonlocal(sympy.Symbol):
    """What one must know the whole field for: the mean, or the Hilbert transform, of the expression `inner`.

    **Arguments:** `word`: `"mean"` or `"hilbert"`; `inner`: a pointwise expression.
    """

    __slots__ = ("inner", "word")

    def __new__(cls, word: str, inner: sympy.Expr) -> "Nonlocal":
        made = sympy.Symbol.__xnew__(cls, f"{word}({inner})", real=True)
        made.word, made.inner = word, inner
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str, sympy.Expr], dict[str, Any]]:
        return (self.word, self.inner), {}

    def _hashable_content(self) -> tuple[Any, ...]:
        return (*super()._hashable_content(), self.inner)

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Sorts it after fields."""
        return 2, 0, "Symbol, then of the whole box"

    @property
    def uniform(self) -> bool:
        """Whether it is the same everywhere in space."""
        return self.word == "mean"


def symbols(expression: sympy.Expr) -> set[sympy.Symbol]:
    """All symbols in an expression, also those in what it holds means and transforms of."""
    found: set[Any] = set(expression.free_symbols)
    return found.union(*(symbols(s.inner) for s in found if isinstance(s, Nonlocal)))


def nonlocals(expression: sympy.Expr) -> tuple[Nonlocal, ...]:
    """All `Nonlocal`s in an expression, each after those in it."""
    found = (s for s in expression.free_symbols if isinstance(s, Nonlocal))
    return tuple(dict.fromkeys(n for s in sorted(found, key=str) for n in (*nonlocals(s.inner), s)))


def jets(expression: sympy.Expr) -> tuple[Jet, ...]:
    """All jets in an expression, also in what it holds means and transforms of, in a reproducible order."""
    found = (s for s in symbols(expression) if isinstance(s, Jet))
    return tuple(sorted(found, key=lambda s: (s.name, s.alpha)))


def varying(expression: sympy.Expr) -> tuple[sympy.Basic, ...]:
    """The symbols in an expression that change in space or time: jets, means, transforms, coordinates and the time."""
    moving = (*COORDINATES, TIME)
    return tuple(s for s in expression.free_symbols if isinstance(s, Jet | Nonlocal) or s in moving)


def varying_in_space(expression: sympy.Expr) -> tuple[sympy.Basic, ...]:
    """Those that change in space."""
    return tuple(s for s in varying(expression) if s != TIME and not (isinstance(s, Nonlocal) and s.uniform))


def total_derivative(expression: sympy.Expr, axis: int) -> sympy.Expr:
    """D_axis of an expression: the chain rule over its jets, its transforms and its explicit coordinate."""
    return sympy.Add(*(sympy.diff(expression, s) * _derivative(s, axis) for s in varying_in_space(expression)))


def _derivative(symbol: sympy.Basic, axis: int) -> sympy.Expr:
    if isinstance(symbol, Jet):
        return symbol.shifted(unit(axis))
    if isinstance(symbol, Nonlocal):  # transforms commute with derivatives
        return Nonlocal(symbol.word, total_derivative(symbol.inner, axis))
    return sympy.S.One if symbol == COORDINATES[axis] else sympy.S.Zero


@dataclasses.dataclass(frozen=True)
class Form:
    """A differential expression in divergence form: a sum of derivatives `alpha` of pointwise expressions."""

    parts: Mapping[Alpha, sympy.Expr]

    @classmethod
    def of(cls, expression: sympy.Expr) -> "Form":
        """A pointwise expression."""
        return cls({ZERO: expression})

    def flat(self) -> sympy.Expr:
        """The same with all outer derivatives carried out."""
        total = sympy.S.Zero
        for alpha, expression in self.parts.items():
            for axis in range(3):
                for _ in range(alpha[axis]):
                    expression = total_derivative(expression, axis)
            total += expression
        return total

    def uniform(self) -> bool:
        """Whether it is the same everywhere in space, so that it commutes with derivatives."""
        return set(self.parts) == {ZERO} and not varying_in_space(self.parts[ZERO])

    def plus(self, other: "Form") -> "Form":
        """Sum."""
        parts = dict(self.parts)
        for alpha, expression in other.parts.items():
            parts[alpha] = parts.get(alpha, sympy.S.Zero) + expression
        return Form(parts)

    def times(self, other: "Form") -> "Form":
        """Product; keeps outer derivatives where a factor is uniform in space."""
        if self.uniform():
            return Form({alpha: self.parts[ZERO] * e for alpha, e in other.parts.items()})
        return other.times(self) if other.uniform() else Form.of(self.flat() * other.flat())

    def derivative(self, axis: int) -> "Form":
        """Derivative along `axis`, kept as an outer one."""
        return Form({add_alpha(alpha, unit(axis)): e for alpha, e in self.parts.items()})
