"""How far a network of coordinates is from the known solution, during training."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pdejax.core import register
from pdejax.evaluation.coordinate.errors import CHUNK, on_axes, relative_l2, values_at
from pdejax.solvers import Truth


@register("evaluator", "coordinate")
class CoordinateValidation:
    """An evaluator for the training loop: the distance of a network of coordinates to the known solution.

    It is the bare distance, which says nothing below the floor of the truth: claims are those of `evaluate`.

    **Arguments:** `data`: the known solution; `limit`: points of its grid that are used at most: axes are thinned;
    `chunk`: points computed at once.
    """

    def __init__(self, data: Truth, *, limit: int = 100_000, chunk: int = CHUNK) -> None:
        axes, values = data.axes, data.values
        while np.prod([len(x) for x in axes], dtype=np.int64) > limit:
            longest = int(np.argmax([len(x) for x in axes]))
            axes = tuple(x[::2] if i == longest else x for i, x in enumerate(axes))
            values = values[(slice(None),) * longest + (slice(None, None, 2),)]
        self._axes, self._values, self._chunk = axes, values, chunk

    def __call__(self, model: Any) -> Mapping[str, float]:
        """`valid/relative_l2`: norm of the error over norm of the solution, over all points and fields."""
        found = on_axes(values_at, model, self._axes, self._chunk)
        return {"valid/relative_l2": relative_l2(found - self._values, self._values)}
