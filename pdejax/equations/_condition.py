"""Conditions: what must hold on faces of a box."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from pdejax.core import Positive, known, register
from pdejax.equations._residual import Residual
from pdejax.equations.language.jets import jets

TERMS = ("equation", "observations")  # names of other terms of a loss
ENTRIES = ("name", "at", "terms", "weight")

Face = Mapping[str, float]
"""Axes that are held fixed, and where."""


@register("condition", "faces")
@dataclasses.dataclass(frozen=True)
class Condition:
    """What must hold on faces of a box.

    **Arguments:**

    - `name`.
    - `at`: `"boundary"`, which is all ends of axes of space that are not periodic, or axes held fixed such as `"t=0"`
        or `"x=0, y=0"`; one or several.
    - `terms`: equations that hold there, such as `"u = sin(pi*x)"`, one or several.
    - `weight`: of their mean square in a loss, relative to that of the equation.

    A condition of a problem knows beside `faces`, mappings from letters of axes to the coordinates they are held at,
    and `residual`.
    """

    name: str
    at: Any
    terms: Any
    weight: Positive = 1.0
    faces: tuple[Face, ...] = dataclasses.field(init=False, compare=False, default=())
    residual: Any = dataclasses.field(init=False, compare=False, default=None)

    def __post_init__(self) -> None:
        for name in ("at", "terms"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(map(str, given)))
        object.__setattr__(self, "weight", float(self.weight))

    def on(
        self, axes: Sequence[str], box: Sequence[tuple[float, float]], periodic: Sequence[bool], residual: Residual
    ) -> "Condition":
        """The same condition with the faces it holds on, and its residual.

        **Raises:** `ValueError` for what is no face of the box.
        """
        bound = dataclasses.replace(self)
        faces = tuple(face for place in self.at for face in self._faces(place, axes, box, periodic))
        object.__setattr__(bound, "faces", faces)
        object.__setattr__(bound, "residual", residual)
        return bound

    def _faces(
        self, place: str, axes: Sequence[str], box: Sequence[tuple[float, float]], periodic: Sequence[bool]
    ) -> list[Face]:
        if place.strip() == "boundary":
            walls = [i for i, axis in enumerate(axes) if axis != "t" and not periodic[i]]
            if not walls:
                raise ValueError(f"conditions.{self.name} is at 'boundary', but all axes are periodic")
            return [{axes[i]: end} for i in walls for end in box[i]]
        face: dict[str, float] = {}
        for part in place.split(","):
            axis, equals, value = (p.strip() for p in part.partition("="))
            if not equals or axis not in axes:
                raise ValueError(f"conditions.{self.name}.at is {place!r}, expected 'boundary' or axes held fixed such "
                                 f"as '{axes[0]}={box[0][0]:g}'")  # fmt: skip
            if axis in face:
                raise ValueError(f"conditions.{self.name}.at is {place!r}, which holds {axis} fixed twice; several "
                                 "faces are a list")  # fmt: skip
            face[axis] = self._coordinate(axis, value, *box[list(axes).index(axis)])
        return [face]

    def _coordinate(self, axis: str, text: str, low: float, high: float) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"conditions.{self.name}.at: {axis}={text!r} is no number") from None
        if not low <= value <= high:
            raise ValueError(f"conditions.{self.name}.at: {axis}={value:g} is outside of domain.{axis} = "
                             f"[{low:g}, {high:g}]")  # fmt: skip
        return value


def read_conditions(given: Any) -> tuple[Condition, ...]:
    """Conditions of a mapping from names to their entries, or of a list of them, ready or as mappings.

    **Raises:** `ValueError` for unknown or missing entries and for names that other terms of a loss have.
    """
    listed = [{"name": name, **one} for name, one in given.items()] if isinstance(given, Mapping) else list(given)
    return tuple(one if isinstance(one, Condition) else _condition(one) for one in listed)


def _condition(given: Mapping[str, Any]) -> Condition:
    entries = {key: value for key, value in given.items() if key != "kind"}
    name = str(entries.get("name"))
    if name in TERMS:
        raise ValueError(f"a condition cannot be called {name!r}, a term of every loss is")
    for key in entries:
        if key not in ENTRIES:
            raise ValueError(known(f"entry of problem section 'conditions.{name}'", key, ENTRIES[1:]))
    for key in ENTRIES[:3]:
        if key not in entries:
            raise ValueError(f"conditions.{name} needs the entry {key!r}, got {sorted(entries)}")
    return Condition(**entries)


def check_conditions(conditions: Sequence[Condition]) -> None:
    """**Raises:** `ValueError` for a term without a field, and for two that cannot both hold on a face."""
    held: list[tuple[str, Face, Any]] = []
    for one in conditions:
        for expression in getattr(one.residual, "expressions", ()):
            if not jets(expression):
                raise ValueError(f"conditions.{one.name}.terms hold no field: nothing can make {expression} vanish")
            for name, face, other in held:
                rest = (expression - other).expand()
                if face in one.faces and rest.is_number and rest != 0:
                    where = ", ".join(f"{axis}={value:g}" for axis, value in face.items())
                    raise ValueError(f"conditions.{name} and conditions.{one.name} contradict each other at {where}: "
                                     f"they differ by {rest}")  # fmt: skip
            held += [(one.name, face, expression) for face in one.faces]
