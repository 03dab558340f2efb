"""What a wall does to a state: the mirror symmetry of an equation along an axis."""

import functools
import itertools

import numpy as np
import sympy

from pdejax.equations import AXES, COORDINATES, Equation, evaluate
from pdejax.solvers.volumes.law import conservation_law

MOST = 10  # fields of which all signs are tried
SAMPLES = 16


@functools.lru_cache(maxsize=64)
def mirror(equation: Equation, axis: int) -> tuple[int, ...]:
    """The sign of each field in a mirror across the axis, such as -1 of the momentum along it.

    Of several symmetries that with the fewest signs changed is meant: the rest is of other symmetries beside.

    **Raises:** `ValueError` if there is none, or not one alone.
    """
    law, count = conservation_law(equation), equation.channels
    if count > MOST:
        raise ValueError(f"a wall is for at most {MOST} fields, the equation has {count}")
    fields = law.conserved.symbols
    rows = [*enumerate(law.conserved.fluxes), (None, law.sources)]
    good = [signs for signs in itertools.product((1, -1), repeat=count) if _holds(signs, axis, fields, rows)]
    fewest = min((signs.count(-1) for signs in good), default=0)
    best = [signs for signs in good if signs.count(-1) == fewest]
    if len(best) != 1:
        changing = lambda signs: ", ".join(str(f) for f, s in zip(fields, signs, strict=True) if s < 0) or "nothing"
        found = " and ".join(map(changing, best)) or "none"
        raise ValueError(f"a wall across {AXES[axis]} needs a mirror symmetry of the equation {list(equation.terms)}: "
                         f"fields that change sign are {found}; give an end for each field instead")  # fmt: skip
    return best[0]


def _holds(signs: tuple[int, ...], axis: int, fields: tuple[sympy.Symbol, ...], rows: list) -> bool:
    """Whether the flux along the axis turns round, and what is across it and the sources stay, where fields change."""
    random = np.random.default_rng(0)
    symbols = {s for _, expressions in rows for e in expressions for s in e.free_symbols}
    values = {s: random.uniform(0.5, 1.5, SAMPLES) for s in sorted(symbols | {*fields}, key=str)}
    changed = values | {f: s * values[f] for f, s in zip(fields, signs, strict=True)}
    for along, expressions in rows:
        for sign, e in zip(signs, expressions, strict=True):
            if e.has(COORDINATES[axis]):
                continue  # places are not mirrored here: what depends on them is taken to be as it is at the wall
            wanted = -sign if along == axis else sign
            with np.errstate(all="ignore"):
                here, there = (np.asarray(evaluate(e, v)) for v in (values, changed))
            if not np.allclose(there, wanted * here, rtol=1e-9, atol=1e-12, equal_nan=True):
                return False
    return True
