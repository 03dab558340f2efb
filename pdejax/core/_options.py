"""How constructors declare their options, for people and for the sections of a configuration made from them."""

import dataclasses
from collections.abc import Sequence
from typing import Annotated

from annotated_types import Ge, Gt, Interval, IsFinite, Le, Lt, MinLen


@dataclasses.dataclass(frozen=True)
class Of:
    """Marks an option that is an object of a group: `error: Annotated[AbstractLoss, Of("loss")]`.

    A configuration says it as a section with a `kind`. What is built `later` stays a description until somebody knows
    its sizes, as a method does those of its networks.
    """

    group: str
    later: bool = False


@dataclasses.dataclass(frozen=True)
class NameOf:
    """Marks an option that is the name of what is registered in a group, or such a thing itself: an activation."""

    group: str


@dataclasses.dataclass(frozen=True)
class PerAxis:
    """Marks an option that is one value for all axes of space or one per axis, whose number is then checked."""


@dataclasses.dataclass(frozen=True)
class Given:
    """Marks an argument that is not an option: whoever builds the object gives it, such as sizes of the data."""


@dataclasses.dataclass(frozen=True)
class Noted:
    """Marks an option that the constructor finds where it is none, and a configuration keeps: the digest of a file."""


MOST = 10**12  # of anything that is counted
Count = Annotated[int, Ge(1), Le(MOST)]
Axes = Annotated[int, Ge(1), Le(3)]  # of space
Depth = Annotated[int, Ge(1), Le(128)]  # of layers after one another, each of which takes its time to build
Whole = Annotated[int, Ge(0), Le(MOST)]
Real = Annotated[float, IsFinite]
Positive = Annotated[float, Gt(0), IsFinite]
NotNegative = Annotated[float, Ge(0), IsFinite]
Seed = Annotated[int, Ge(0), Lt(2**32)]  # JAX cuts longer ones, so that two of them would be one
Fraction = Annotated[float, Interval(ge=0, lt=1)]
Share = Annotated[float, Interval(gt=0, le=1)]
Counts = Annotated[Sequence[Count], MinLen(1)]
