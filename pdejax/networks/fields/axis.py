"""One-dimensional Gaussian factors, and the rule an axis imposes on them: nothing, a period, a mirror, a wall.

A rule by images adds the factor's copies, shifted or reflected, of which each is a Gaussian again. A wall multiplies it
with a polynomial instead. Either way the condition is built in: nothing is left to a loss. Walls, and mirrors at one
end, hold for every value of the parameters. A period, and mirrors at both ends, have infinitely many images, of which
those are summed that a width needs (`covering`): they hold to double rounding for widths up to 1.5 times as large, and
in any case up to period / 8.5, twice the distance of two mirrors being a period too.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import known

PARITIES = {"none": 0.0, "even": 1.0, "odd": -1.0}
REACH = 13.0  # widths, 1.5 times the 8.5 at which exp(-z^2 / 2) comes below double rounding: widths may grow
Box = tuple[tuple[float, float], ...]
Image = tuple[float, Array]
Derivatives = tuple[Float[Array, "point n"], ...]


def gaussian(
    x: Float[Array, " point"], centre: Float[Array, " n"], width: Float[Array, " n"], order: int
) -> Derivatives:
    """exp(-z^2/2) with z = (x - centre) / width, and its derivatives in x up to `order`.

    By the recursion of the probabilists' Hermite polynomials, He_{m+1} = z He_m - m He_{m-1}.
    """
    inverse = 1 / width
    z = (x[:, None] - centre[None]) * inverse[None]
    out: list[Array] = [jnp.exp(-z * z / 2)]
    for m in range(order):
        out.append(-z * out[m] - m * out[m - 1] if m else -z * out[0])
    # units come last, once per order: each array (n,) spread over the points costs a sum over them in a gradient
    return tuple(inverse[None] ** m * d if m else d for m, d in enumerate(out))


def _by_images(images: Sequence[Image], x: Array, width: Array, order: int) -> Derivatives:
    """The signed sum of the images' factors."""
    terms = [[sign * d for d in gaussian(x, centre, width, order)] for sign, centre in images]
    return tuple(functools.reduce(jnp.add, column) for column in zip(*terms, strict=True))


def _times_line(factor: Derivatives, value: Array, slope: float) -> Derivatives:
    """Derivatives of a product with a linear function, by Leibniz' rule."""
    below = (0.0 * factor[0], *factor)
    return tuple(value * d + m * slope * below[m] for m, d in enumerate(factor))


@runtime_checkable
class AxisRule(Protocol):
    """What a field of Gaussians asks of the rule of an axis."""

    @property
    def image_count(self) -> int:
        """How many Gaussians make up a factor; zero if it is none of Gaussians."""
        ...

    @property
    def reflects(self) -> bool:
        """Whether some image is a reflection, which turns correlations with other axes around."""
        ...

    @property
    def half_cells(self) -> tuple[bool, bool]:
        """Whether a lattice keeps half a spacing from each end of its span."""
        ...

    def span(self, low: float, high: float, margin: float) -> tuple[float, float]:
        """Where centres belong on an axis from `low` to `high`, `margin` being how far they may lie outside."""
        ...

    def covering(self, width: float) -> "AxisRule":
        """The rule with as many images as Gaussians of 1.5 times a width need to satisfy it to double rounding."""
        ...

    def place(self, x: Array) -> Array:
        """Coordinates as the images expect them."""
        ...

    def images(self, centre: Array) -> tuple[Image, ...]:
        """Signs and centres of the Gaussians, of the same width, that make up a factor.

        **Raises:** `ValueError` if `image_count` is zero.
        """
        ...

    def factor(self, x: Array, centre: Array, width: Array, order: int) -> Derivatives:
        """Derivatives 0, 1, .., `order` at `x` (point,) of factors with `centre` and `width` (n,), each (point, n)."""
        ...


@dataclasses.dataclass(frozen=True)
class Free:
    """The Gaussian as it stands."""

    image_count = 1
    reflects = False
    half_cells = (False, False)

    def covering(self, width: float) -> "Free":
        return self

    def span(self, low: float, high: float, margin: float) -> tuple[float, float]:
        return low - margin, high + margin

    def place(self, x: Array) -> Array:
        return x

    def images(self, centre: Array) -> tuple[Image, ...]:
        return ((1.0, centre),)

    def factor(self, x: Array, centre: Array, width: Array, order: int) -> Derivatives:
        return gaussian(x, centre, width, order)


@dataclasses.dataclass(frozen=True)
class Periodic:
    """The sum over shifts by multiples of the period, and over reflections about a point if a parity is asked for.

    **Arguments:**

    - `low`, `high`: ends of one period.
    - `parity`: `"none"`, `"even"` or `"odd"` about the point `about`, and thereby about the one half a period away.
    - `about`: the middle of the period if omitted.
    - `copies`: shifts to either side that are summed. What is left out is below exp(-(copies period / width)^2 / 2):
        one copy is exact to double rounding for widths up to period / 8.5, to single for period / 5.8.

    **Raises:** `ValueError` for an unknown parity.
    """

    low: float
    high: float
    parity: str = "none"
    about: float | None = None
    copies: int = 1
    half_cells = (True, True)

    def __post_init__(self) -> None:
        _check(self.low, self.high, parity=self.parity)

    @property
    def period(self) -> float:
        """After which the field repeats."""
        return self.high - self.low

    @property
    def middle(self) -> float:
        """About which the field is even or odd."""
        return (self.low + self.high) / 2 if self.about is None else self.about

    @property
    def reflects(self) -> bool:
        return self.parity != "none"

    @property
    def image_count(self) -> int:
        return (2 * self.copies + 1) * (1 + self.reflects)

    def covering(self, width: float) -> "Periodic":
        return dataclasses.replace(self, copies=max(self.copies, math.ceil(REACH * width / self.period)))

    def span(self, low: float, high: float, margin: float) -> tuple[float, float]:
        half = self.period / 2
        return (self.middle, self.middle + half) if self.reflects else (self.middle - half, self.middle + half)

    def place(self, x: Array) -> Array:
        turns = (x - self.middle) / self.period
        return x - self.period * jnp.floor(turns + 0.5)

    def images(self, centre: Array) -> tuple[Image, ...]:
        centre = self.place(centre)
        shifts = [n * self.period for n in range(-self.copies, self.copies + 1)]
        straight = [(1.0, centre + shift) for shift in shifts]
        mirrored = [(PARITIES[self.parity], 2 * self.middle - centre + shift) for shift in shifts if self.reflects]
        return (*straight, *mirrored)

    def factor(self, x: Array, centre: Array, width: Array, order: int) -> Derivatives:
        return _by_images(self.images(centre), self.place(x), width, order)


@dataclasses.dataclass(frozen=True)
class Mirror:
    """The sum over reflections about one end or both: an even end has no slope, an odd one no value.

    **Arguments:**

    - `low`, `high`: ends of the axis.
    - `left`, `right`: `"none"`, `"even"` or `"odd"`.
    - `copies`: with two mirrors, shifts by twice the length to either side that are summed; the left mirror is exact,
        the right one up to exp(-(2 copies length / width)^2 / 2).

    **Raises:** `ValueError` for an unknown parity.
    """

    low: float
    high: float
    left: str = "none"
    right: str = "none"
    copies: int = 1

    def __post_init__(self) -> None:
        _check(self.low, self.high, left=self.left, right=self.right)

    @property
    def half_cells(self) -> tuple[bool, bool]:
        return self.left != "none", self.right != "none"

    @property
    def reflects(self) -> bool:
        return any(self.half_cells)

    @property
    def image_count(self) -> int:
        return 2 * (2 * self.copies + 1) if all(self.half_cells) else 1 + self.reflects

    def covering(self, width: float) -> "Mirror":
        copies = math.ceil(REACH * width / (2 * (self.high - self.low)))
        return dataclasses.replace(self, copies=max(self.copies, copies)) if all(self.half_cells) else self

    def span(self, low: float, high: float, margin: float) -> tuple[float, float]:
        left, right = self.half_cells
        return self.low - margin * (not left), self.high + margin * (not right)

    def place(self, x: Array) -> Array:
        return x

    def images(self, centre: Array) -> tuple[Image, ...]:
        left, right = PARITIES[self.left], PARITIES[self.right]
        if not all(self.half_cells):
            ends = [(s, 2 * end - centre) for s, end in ((left, self.low), (right, self.high)) if s]
            return ((1.0, centre), *ends)
        turns = range(-self.copies, self.copies + 1)
        shifts = [((left * right) ** abs(n), 2 * n * (self.high - self.low)) for n in turns]
        both = lambda s, shift: ((s, centre + shift), (s * left, 2 * self.low - centre + shift))
        return tuple(image for s, shift in shifts for image in both(s, shift))

    def factor(self, x: Array, centre: Array, width: Array, order: int) -> Derivatives:
        return _by_images(self.images(centre), x, width, order)


@dataclasses.dataclass(frozen=True)
class Wall:
    """The Gaussian times a polynomial, one in the middle of the axis, that vanishes at one end or both.

    **Arguments:** `low`, `high`: ends of the axis; `left`, `right`: whether the field is zero there.
    """

    low: float
    high: float
    left: bool = True
    right: bool = True
    image_count = 0
    reflects = False
    half_cells = (False, False)

    def __post_init__(self) -> None:
        _check(self.low, self.high)

    def covering(self, width: float) -> "Wall":
        return self

    def span(self, low: float, high: float, margin: float) -> tuple[float, float]:
        return self.low - margin, self.high + margin

    def place(self, x: Array) -> Array:
        return x

    def images(self, centre: Array) -> tuple[Image, ...]:
        raise ValueError("a factor with a Wall is no sum of Gaussians: ask for another path, or for an odd Mirror")

    def factor(self, x: Array, centre: Array, width: Array, order: int) -> Derivatives:
        slope = 2 / (self.high - self.low)
        out = gaussian(x, centre, width, order)
        out = _times_line(out, slope * (x - self.low)[:, None], slope) if self.left else out
        return _times_line(out, slope * (self.high - x)[:, None], -slope) if self.right else out


def axis_rules(
    box: Sequence[tuple[float, float]], periodic: Sequence[bool], parity: Sequence[str]
) -> tuple[AxisRule, ...]:
    """The rule of each axis of a box, from whether it is periodic and its parity about the middle."""
    return tuple(_rule(*ends, wraps, sign) for ends, wraps, sign in zip(box, periodic, parity, strict=True))


Walls = Literal["none", "left", "right", "both"]


def walled(rules: Sequence[AxisRule], box: Box, walls: Sequence[Walls]) -> tuple[AxisRule, ...]:
    """The rules with walls at the ends that are named.

    **Raises:** `ValueError` for an unknown name, or walls on a periodic axis.
    """
    ends = {"none": (False, False), "left": (True, False), "right": (False, True), "both": (True, True)}
    found = []
    for rule, (low, high), name in zip(rules, box, walls, strict=True):
        if name not in ends:
            raise ValueError(known("walls", name, ends))
        if name != "none" and not isinstance(rule, Free):
            raise ValueError("walls are for axes that are neither periodic nor have a parity")
        found.append(rule if name == "none" else Wall(low, high, *ends[name]))
    return tuple(found)


def _rule(low: float, high: float, periodic: bool, parity: str) -> AxisRule:
    if periodic:
        return Periodic(low, high, parity)
    return Free() if parity == "none" else Mirror((low + high) / 2, high, parity)


def spread(rule: AxisRule, low: float, high: float, margin: float, count: int) -> tuple[np.ndarray, float]:
    """Equidistant centres on an axis, and their spacing.

    **Arguments:** `low`, `high`: ends of the axis; `margin`: how far centres reach beyond; `count`: how many.
    """
    start, stop = rule.span(low, high, margin)
    left, right = (h / 2 for h in (rule.half_cells if count > 1 else (True, True)))
    spacing = (stop - start) / (count - 1 + left + right)
    return start + spacing * (left + np.arange(count)), spacing


def check_box(box: Sequence[Sequence[float]]) -> Box:
    """The box as pairs of numbers.

    **Raises:** `ValueError` if an axis has not two ends in rising order.
    """
    if not box or any(len(ends) != 2 or ends[0] >= ends[1] for ends in box):
        raise ValueError(f"a box is a pair (low, high) for each axis, got {box}")
    return tuple((float(low), float(high)) for low, high in box)


def _check(low: float, high: float, **parities: str) -> None:
    if low >= high:
        raise ValueError(f"an axis runs upwards, got low {low} and high {high}")
    for name, parity in parities.items():
        if parity not in PARITIES:
            raise ValueError(known(name, parity, PARITIES))
