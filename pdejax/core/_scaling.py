"""Factors that stretch a domain and a time step."""

from collections.abc import Mapping
from typing import Any, ClassVar

import equinox as eqx
import numpy as np

from pdejax.core._spelt import spelt
from pdejax.core._state import check_positive


def _array(factor: Any) -> Any:
    return np.asarray(factor) if isinstance(factor, list | tuple) else factor


@spelt
class Scaling(eqx.Module):
    """Factors on all lengths of a domain and on the time between frames, numbers or arrays `(batch,)`.

    Data sets store them as columns beside the parameters, by the names in `Scaling.columns`.

    **Raises:** `ValueError` for a factor that is not positive and finite.
    """

    length: Any = eqx.field(default=1.0, converter=_array)
    step: Any = eqx.field(default=1.0, converter=_array)

    columns: ClassVar[tuple[str, str]] = ("length", "step")

    def __check_init__(self) -> None:
        for name in self.columns:
            check_positive(f"scaling.{name}", getattr(self, name))

    @classmethod
    def split(cls, parameters: Mapping[str, Any] | None) -> "tuple[dict[str, Any], Scaling]":
        """Stored columns by name, as the parameters of the equation and the scaling."""
        rest = dict(parameters or {})
        factors = {name: rest.pop(name) for name in cls.columns if name in rest}
        return rest, cls(**factors)
