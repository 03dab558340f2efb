"""Factors that stretch a domain and a time step."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import numpy as np


def _array(factor: Any) -> Any:
    return np.asarray(factor) if isinstance(factor, list | tuple) else factor


class Scaling(eqx.Module):
    """Factors on all lengths of a domain and on the time between frames, numbers or arrays `(batch,)`.

    Data sets store them as columns beside the parameters, by the names in `Scaling.columns`.
    """

    length: Any = eqx.field(default=1.0, converter=_array)
    step: Any = eqx.field(default=1.0, converter=_array)

    columns: ClassVar[tuple[str, str]] = ("length", "step")

    @classmethod
    def split(cls, parameters: Mapping[str, Any] | None) -> "tuple[dict[str, Any], Scaling]":
        """Stored columns by name, as the parameters of the equation and the scaling."""
        rest = dict(parameters or {})
        factors = {name: rest.pop(name) for name in cls.columns if name in rest}
        return rest, cls(**factors)
