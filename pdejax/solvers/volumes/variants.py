"""What finite volumes can trade: cells and the order of the reconstruction."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from pdejax.core import describe
from pdejax.equations import Family
from pdejax.solvers._twin import shares
from pdejax.solvers._variants import Variant
from pdejax.solvers.volumes.reconstruct import WENO5, Minmod, VanLeer

SMALLEST = 8  # cells per axis


def volume_variants(simulator: Any, family: Family) -> Iterator[Variant]:
    """Parts of the solver's grid whose cells hold those of the stored frames, or are whole ones of them."""
    whole = simulator.domain(family).shape
    schemes = {describe(one)["kind"]: one for one in (Minmod(), VanLeer(), WENO5(), simulator.reconstruction)}
    for name, scheme in schemes.items():
        for shape in shares(whole, SMALLEST):
            one = dataclasses.replace(simulator, shape=shape, reconstruction=scheme)
            work = scheme.work * math.prod(shape) * max(shape)  # a step is as long as a cell is wide
            yield Variant(one, {"points": list(shape), "reconstruction": name}, work, name)
