"""Which fields of an equation are a gas that conducts, and its magnetic field."""

import dataclasses
import functools
from typing import Any

import sympy

from pdejax.equations import AXES, Equation
from pdejax.solvers.volumes.law import Variables, conservation_law

LEAST = sympy.Float(1e-14)  # share of a square below which it is none


@dataclasses.dataclass(frozen=True)
class Plasma:
    """Which fields are what, by number, seen along an axis.

    - `density`; `momentum`: along the axis; `energy`: of gas and field; all that is not named is carried along.
    - `across`: momentum and magnetic field along each other direction.
    - `through`: the magnetic field along the axis, a constant or a field that has no flux there; `kept`: that field.
    - `pressure`: of the gas; `total`: and of the field; `sound`: the square of the speed of sound without a field.
    """

    density: int
    momentum: int
    energy: int
    across: tuple[tuple[int, int], ...]
    through: sympy.Expr
    kept: tuple[int, ...]
    pressure: sympy.Expr
    total: sympy.Expr
    sound: sympy.Expr


def plasma(equation: Equation, axis: int) -> Plasma:
    """What the fields are, seen from the fluxes along an axis.

    **Raises:** `ValueError` if the fluxes are not those of ideal magnetohydrodynamics.
    """
    if (found := find_plasma(equation, axis)) is not None:
        return found
    raise ValueError(f"riemann hlld is for ideal magnetohydrodynamics: a density that is declared positive, its "
                     f"momentum, an energy and a magnetic field with half of its square as pressure, and the fluxes of "
                     f"{list(equation.terms)} along {AXES[axis]} are none; hll and llf take any")  # fmt: skip


@functools.lru_cache(maxsize=64)
def find_plasma(equation: Equation, axis: int) -> Plasma | None:
    """What the fields are, or none where they are something else."""
    q, fluxes = _conserved(equation).symbols, _conserved(equation).fluxes[axis]
    for density, flux in enumerate(fluxes):
        if flux in q and flux != q[density] and str(q[density]) in equation.positive:
            return _seen_from(q, fluxes, density, q.index(flux))
    return None


def fast_waves(equation: Equation, axis: int, variables: Variables) -> tuple[sympy.Expr, ...] | None:
    """The slowest and the fastest speed, those of magnetosonic waves, or none where that is no such gas.

    The field along the axis, which stands still, is no wave.
    """
    if (found := find_plasma(equation, axis)) is None:
        return None
    q = _conserved(equation).symbols
    density, square = q[found.density], lambda names: sum((b**2 for b in names), sympy.S.Zero)
    inserted = dict(zip(q, variables.fields, strict=True))
    there: Any = lambda e: _short(e.xreplace(inserted))
    sound, through = there(found.sound), there(found.through**2 / density)
    turned = there(square(q[b] for _, b in found.across) / density)
    both = sound + through + turned
    # what both squares differ by, as a sum, which does not cancel; the last term keeps its root from having no slope
    inner = (sound - through - turned) ** 2 + 4 * sound * turned + LEAST * both**2
    speed, velocity = sympy.sqrt((both + sympy.sqrt(inner)) / 2), there(q[found.momentum] / density)
    return velocity - speed, velocity + speed


def _conserved(equation: Equation) -> Variables:
    return conservation_law(equation).conserved


def _seen_from(q: Any, fluxes: Any, density: int, momentum: int) -> Plasma | None:
    """What the others are, if one is the density and one its momentum."""
    velocity = q[momentum] / q[density]
    rest = [i for i in range(len(q)) if i not in (density, momentum)]
    # beside what is carried along
    beside = {i: _short(fluxes[i] - q[i] * velocity) for i in rest}
    across, through = _pairs(q, density, beside, still={q[i] for i in rest if fluxes[i] == 0})
    if through is None:
        return None
    own = {i for pair in across for i in pair}
    kept = tuple(i for i in rest if q[i] == through)
    energy = [i for i in rest if i not in own and i not in kept and beside[i] != 0]
    if len(energy) != 1:
        return None
    total = _short(fluxes[momentum] - q[momentum] * velocity + through**2)
    work = total * velocity - through * (through * velocity + sum(q[b] * q[m] / q[density] for m, b in across))
    if not _zero(beside[energy[0]] - work):
        return None
    pressure = _short(total - (through**2 + sum(q[b] ** 2 for _, b in across)) / 2)
    sound = _sound(q, density, energy[0], total, pressure, [momentum, *(m for m, _ in across)])
    return Plasma(density, momentum, energy[0], across, through, kept, pressure, total, sound)


def _pairs(q: Any, density: int, beside: Any, still: set[Any]) -> tuple[tuple[tuple[int, int], ...], Any]:
    """Momenta and fields across, and the field through that makes one of the other: `-B b` and `-B m/rho`."""
    found, through = [], None
    for m, pull in beside.items():
        for b, drag in beside.items():
            if m == b or pull == 0 or drag == 0:
                continue
            strength = _short(-pull / q[b])
            known = strength.free_symbols & {*q} <= still and _zero(drag + strength * q[m] / q[density])
            if known and (through is None or _zero(through - strength)):
                found.append((m, b))
                through = strength
    return tuple(found), through


def _sound(q: Any, density: int, energy: int, total: Any, pressure: Any, momenta: list[int]) -> Any:
    """How the pressure changes with the density where no heat is exchanged, at the same velocity and field."""
    work = (q[energy] + total) / q[density]
    by_momentum = sum(sympy.diff(pressure, q[m]) * q[m] / q[density] for m in momenta)
    field = 2 * (total - pressure)  # the energy of the field does not grow with the gas, nor does its pressure work
    by_energy = sympy.diff(pressure, q[energy]) * (work - field / q[density])
    return _short(sympy.diff(pressure, q[density]) + by_momentum + by_energy)


def _short(expression: Any) -> Any:
    return sympy.expand(sympy.cancel(expression))


def _zero(expression: Any) -> bool:
    return sympy.cancel(expression) == 0
