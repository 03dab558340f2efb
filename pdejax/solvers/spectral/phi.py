"""The functions of exponential integrators, accurate for every argument."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

_SERIES = 17  # terms after which a series on the unit disc is below float64's rounding


def phi_functions(z: Any, order: int) -> list[Any]:
    """phi_1 ... phi_order with phi_k(z) = sum_n z^n / (n + k)!, as phi_1 = (e^z - 1) / z.

    The recurrence phi_{k+1} = (phi_k - 1/k!) / z loses digits only inside the unit disc, where the series takes over.
    Unlike a contour integral (Kassam and Trefethen 2005, the same functions) this needs no complex numbers for a real
    argument and cannot come near a pole.

    **Arguments:** `z`: NumPy or JAX array, real or complex; `order`: one to three.
    """
    where = jnp.where if isinstance(z, jax.Array) else np.where
    exp = jnp.exp if isinstance(z, jax.Array) else np.exp
    inside = abs(z) < 1
    near, far = where(inside, z, 0 * z), where(inside, 0 * z + 1, z)  # each branch gets harmless arguments
    out, value = [], exp(far)
    for k in range(1, order + 1):
        value = (value - 1 / math.factorial(k - 1)) / far
        out.append(where(inside, _series(near, k), value))
    return out


def _series(z: Any, k: int) -> Any:
    total = 0 * z + 1 / math.factorial(_SERIES + k)
    for n in range(_SERIES - 1, -1, -1):
        total = total * z + 1 / math.factorial(n + k)
    return total
