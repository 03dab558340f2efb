"""What finite volumes can trade: cells and the order of the reconstruction."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from pdejax.equations import Family
from pdejax.solvers._variants import Variant
from pdejax.solvers.volumes.reconstruct import WENO5, Minmod, VanLeer

COARSER = (1, 2, 4, 8)  # times fewer cells per axis
WORK = {Minmod: 1.0, VanLeer: 1.0, WENO5: 1.6}  # of a step, as measured on one core


def volume_variants(simulator: Any, family: Family) -> Iterator[Variant]:
    """Parts of the solver's grid whose cells hold those of the stored frames, or are whole ones of them."""
    whole = simulator.domain(family).shape
    for kind, work in WORK.items():
        for times in COARSER:
            shape = tuple(n // times for n in whole)
            if any(n % times for n in whole) or min(shape) < kind.ghosts:
                continue
            one = dataclasses.replace(simulator, shape=shape, reconstruction=kind())
            setting = {"points": list(shape), "reconstruction": kind.__name__}
            # a step is as long as a cell is wide
            yield Variant(one, setting, work * math.prod(shape) * max(shape), kind.__name__)
