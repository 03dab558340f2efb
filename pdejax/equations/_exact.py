"""A solution that is known as a formula."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from pdejax.core import Count, register


@register("truth", "exact")
@dataclasses.dataclass(frozen=True)
class Exact:
    """The solution as an expression per field, in coordinates and parameters.

    **Arguments:** `fields`: expressions by the names of the fields; `shape`: points per axis of the grid it is wanted
    on, `t` first; `parameters`: values of those that are unknown to the problem.
    """

    fields: Mapping[str, Any] = dataclasses.field(hash=False)
    shape: tuple[Count, ...] | None = None
    parameters: Mapping[str, float] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", {name: str(text) for name, text in self.fields.items()})
