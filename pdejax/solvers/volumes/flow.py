"""Which fields of an equation are a density, its momentum and what they carry."""

import dataclasses
import functools

import sympy

from pdejax.equations import AXES, Equation
from pdejax.solvers.volumes.law import conservation_law


@dataclasses.dataclass(frozen=True)
class Flow:
    """Which fields of a flow are what, by number.

    - `density`; `momentum`: along the axis; `energy`: what pressure works on; all others are carried along.
    - `pressure`: in fields.
    - `still`: what stays where it is.
    """

    density: int
    momentum: int
    energy: tuple[int, ...]
    pressure: sympy.Expr
    still: tuple[int, ...] = ()


@functools.lru_cache(maxsize=64)
def flow(equation: Equation, axis: int) -> Flow:
    """What the fields are, seen from the fluxes along an axis.

    **Raises:** `ValueError` if the fluxes are not those of a density, its momentum and what they carry.
    """
    law = conservation_law(equation)
    q, fluxes = law.conserved.symbols, law.conserved.fluxes[axis]
    zero = lambda e: sympy.simplify(e) == 0
    above = (*equation.positive, *equation.nonnegative)
    for density, flux in enumerate(fluxes):
        if flux not in q or flux == q[density]:
            continue
        momentum = q.index(flux)
        velocity = q[momentum] / q[density]
        pressure = sympy.simplify(fluxes[momentum] - q[momentum] * velocity)
        rest = [i for i in range(len(q)) if i not in (density, momentum, *law.still)]
        carried = [i for i in rest if zero(fluxes[i] - q[i] * velocity)]
        energy = [i for i in rest if i not in carried and zero(fluxes[i] - (q[i] + pressure) * velocity)]
        barotropic = not energy and pressure.has(q[momentum])  # of the density alone, or there is an energy
        if len(carried) + len(energy) == len(rest) and not barotropic and str(q[density]) in above:
            return Flow(density, momentum, tuple(energy), pressure, law.still)
    raise ValueError(f"riemann hllc is for flows with a density that is declared positive, its momentum and a "
                     f"pressure, and the fluxes of {list(equation.terms)} along {AXES[axis]} are none; hll and llf "
                     "take any")  # fmt: skip
