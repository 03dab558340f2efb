"""A predictor that a model is compared with."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A predictor with the words that explain it in a table.

    `double`: whether it is to compute in float64; the data are solved so, and a float32 solver would part from them
    by its own rounding in every step.
    """

    label: str
    meaning: str
    predictor: Any
    double: bool = False
