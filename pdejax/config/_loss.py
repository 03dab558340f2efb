"""Distances of fields: the types of `method.error`."""

from typing import Annotated, Literal

from pydantic import Field

from pdejax.config._types import Real, Section


class MeanSquared(Section):
    """Mean squared error."""

    kind: Literal["mse"] = "mse"


class RelativeL2(Section):
    """L2 norm of the error over the L2 norm of the true state."""

    kind: Literal["relative_l2"]


class Sobolev(Section):
    """Squared Sobolev norm of the error; `order` 0 is the mean squared error, 1 adds the gradient's."""

    kind: Literal["sobolev"]
    order: Real = 1.0


Loss = Annotated[MeanSquared | RelativeL2 | Sobolev, Field(discriminator="kind")]
