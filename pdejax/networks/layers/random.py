"""Random initial weights."""

from collections.abc import Sequence
from math import prod

import jax
from jaxtyping import Array

from pdejax.core import Key


def normal(key: Key, shape: Sequence[int], deviation: float) -> Array:
    """Normal numbers of mean zero, `deviation` being their standard deviation.

    Drawn as a vector: XLA takes seconds to compile the generator for an array of many axes, tenths for one of one.
    """
    return deviation * jax.random.normal(key, (prod(shape),)).reshape(tuple(shape))
