"""Symbols for fields and their derivatives, and differential expressions in divergence form.

A *jet* is a symbol that stands for a derivative of a field, such as `u_xx`. A differential expression is then an
ordinary expression in jets, and differentiating it in space is algebra (the total derivative).
"""

import dataclasses
from collections.abc import Mapping

import sympy

AXES = "xyz"
Alpha = tuple[int, int, int]
ZERO: Alpha = (0, 0, 0)
TIME = sympy.Symbol("t", real=True)
COORDINATES = tuple(sympy.Symbol(axis, real=True) for axis in AXES)


def add_alpha(a: Alpha, b: Alpha) -> Alpha:
    """Sum of two multi-indices."""
    return (a[0] + b[0], a[1] + b[1], a[2] + b[2])


def unit(axis: int) -> Alpha:
    """The multi-index of one derivative along `axis`."""
    return (int(axis == 0), int(axis == 1), int(axis == 2))


class Jet(sympy.Symbol):
    """The derivative `alpha` of a field, or of its stream function `psi` with `lap(psi) = -field` (name `~field`)."""

    __slots__ = ()

    @classmethod
    def class_key(cls) -> tuple[int, int, str]:
        """Sorts fields after parameters, as one writes products."""
        return 2, 0, "Symbol, then jet"

    @property
    def field(self) -> str:
        """Name of the field this is a derivative of."""
        return self.name.lstrip("~").partition("_")[0]

    @property
    def potential(self) -> bool:
        """Whether it is a derivative of the field's stream function instead."""
        return self.name.startswith("~")

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
        return jet(self.field, add_alpha(self.alpha, alpha), self.potential, self.time)

    def rate(self) -> "Jet":
        """Its derivative in time."""
        return jet(self.field, self.alpha, self.potential, self.time + 1)


def jet(field: str, alpha: Alpha = ZERO, potential: bool = False, time: int = 0) -> Jet:
    """The symbol of the derivative `alpha` of `field` (or of its stream function), and of order `time` in time."""
    suffix = "t" * time + "".join(axis * n for axis, n in zip(AXES, alpha, strict=True))
    return Jet(("~" if potential else "") + field + ("_" + suffix if suffix else ""), real=True)


def jets(expression: sympy.Expr) -> tuple[Jet, ...]:
    """All jets in an expression, in a reproducible order."""
    found = (s for s in expression.free_symbols if isinstance(s, Jet))
    return tuple(sorted(found, key=lambda s: (s.name, s.alpha)))


def varying(expression: sympy.Expr) -> tuple[sympy.Basic, ...]:
    """The symbols in an expression that change in space or time: jets, coordinates and the time."""
    moving = (*COORDINATES, TIME)
    return tuple(s for s in expression.free_symbols if isinstance(s, Jet) or s in moving)


def total_derivative(expression: sympy.Expr, axis: int) -> sympy.Expr:
    """D_axis of an expression: the chain rule over its jets and its explicit coordinate."""
    chain = [sympy.diff(expression, s) * s.shifted(unit(axis)) for s in jets(expression)]
    return sympy.Add(sympy.diff(expression, COORDINATES[axis]), *chain)


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
        return set(self.parts) == {ZERO} and not set(varying(self.parts[ZERO])) - {TIME}

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
