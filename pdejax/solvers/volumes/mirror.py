"""What a wall does to a state: the mirror symmetry of an equation along an axis."""

import functools
import itertools
from typing import Any

import numpy as np
import sympy

from pdejax.equations import AXES, COORDINATES, Equation, Jet, evaluate, jet, unit
from pdejax.solvers.volumes.induction import magnetic_fields
from pdejax.solvers.volumes.law import conservation_law

MOST = 10  # fields of which all signs are tried
SAMPLES = 16


@functools.lru_cache(maxsize=64)
def mirror(equation: Equation, axis: int) -> tuple[int, ...]:
    """The sign of each field in a mirror across the axis, such as -1 of the momentum along it.

    Of several symmetries that with the fewest signs changed is meant: the rest is of other symmetries beside. A wall
    conducts, so that a magnetic field is along it.

    **Raises:** `ValueError` if there is none, or not one alone.
    """
    count, fields = equation.channels, equation.fields
    if count > MOST:
        raise ValueError(f"a wall is for at most {MOST} fields, the equation has {count}")
    good = [signs for signs in itertools.product((1, -1), repeat=count) if is_mirror(equation, axis, signs)]
    fewest = min((signs.count(-1) for signs in good), default=0)
    best = [signs for signs in good if signs.count(-1) == fewest]
    # a wall conducts: of a magnetic field there is none through it
    best = [signs for signs in best if all(signs[one[axis]] < 0 for one in magnetic_fields(equation))] or best
    if len(best) != 1:
        changing = lambda signs: ", ".join(str(f) for f, s in zip(fields, signs, strict=True) if s < 0) or "nothing"
        found = " and ".join(map(changing, best)) or "none"
        raise ValueError(f"a wall across {AXES[axis]} needs a mirror symmetry of the equation {list(equation.terms)}: "
                         f"fields that change sign are {found}; say wall of the fields that vanish there and slope of "
                         "the others")  # fmt: skip
    return best[0]


def vectors(equation: Any) -> tuple[tuple[str, ...], ...]:
    """Fields that are the components of a vector, in the order of axes: each turns round in the mirror across its own.

    There are none in one dimension, and of an equation that is of no conservation law or has no such mirrors.
    """
    if not isinstance(equation, Equation) or equation.ndim == 1:
        return ()
    if equation.solenoidal:
        return (equation.solenoidal,)
    try:
        signs = [mirror(equation, axis) for axis in range(equation.ndim)]
    except ValueError:
        return ()
    turning = [[f for f, sign in zip(equation.fields, one, strict=True) if sign < 0] for one in signs]
    if len({field for one in turning for field in one}) < sum(map(len, turning)) or len({*map(len, turning)}) > 1:
        return ()  # such as a vorticity, which turns round in all of them
    return tuple(zip(*turning, strict=True))


def is_mirror(equation: Equation, axis: int, signs: tuple[int, ...]) -> bool:
    """Whether these signs of the fields are a mirror symmetry of an equation, where a wall stands.

    The flux along the axis turns round, and what is across it and the sources stay, where fields change.
    """
    law, random = conservation_law(equation), np.random.default_rng(0)
    rows: list[Any] = [
        (a, [f - v for f, v in zip(law.conserved.fluxes[a], law.viscous[a], strict=True)]) for a in range(law.ndim)
    ]
    # a source that depends on the place is another one behind the wall, as it is before it
    rows.append((None, [0 * e if e.has(COORDINATES[axis]) else e for e in law.sources]))
    rows += [(None, [sum((c * jet(equation.fields[i], unit(a)) for i, c in row), sympy.S.Zero) for row in axis])
             for a, axis in enumerate(law.products)]  # fmt: skip
    symbols = {s for _, expressions in rows for e in expressions for s in e.free_symbols}
    values: dict[Any, Any] = {s: random.uniform(0.5, 1.5, SAMPLES) for s in sorted(symbols, key=str)}
    sign_of = dict(zip(equation.fields, signs, strict=True))
    turned = lambda s: sign_of[s.field] * (-1) ** s.alpha[axis] if isinstance(s, Jet) else 1
    changed: dict[Any, Any] = {s: turned(s) * v for s, v in values.items()}
    for along, expressions in rows:
        for sign, e in zip(signs, expressions, strict=True):
            with np.errstate(all="ignore"):
                here, there = (np.asarray(evaluate(e, v)) for v in (values, changed))
            known = np.isfinite(here) & np.isfinite(there)
            wanted = -sign if along == axis else sign
            if not np.any(known) or not np.allclose(
                np.where(known, there, 0), np.where(known, wanted * here, 0), rtol=1e-9, atol=1e-12
            ):
                return False
    return True
