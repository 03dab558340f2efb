"""What the training data were like."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.methods.cards import DataCard


class Normalisation(eqx.Module):
    """Moments of the training data, carried by the model and never trained.

    **Arguments:** `mean`, `std`: of the fields; `increment`: root mean square of their change over one step;
    `input_mean`, `input_std`: of fields given beside them; `parameter_mean`, `parameter_std`: of the physical
    parameters.
    """

    mean: Float[Array, " channel"]
    std: Float[Array, " channel"]
    increment: Float[Array, " channel"]
    input_mean: Float[Array, " input"]
    input_std: Float[Array, " input"]
    parameter_mean: Float[Array, " parameter"]
    parameter_std: Float[Array, " parameter"]

    @classmethod
    def of(cls, card: DataCard) -> "Normalisation":
        """From the statistics of a data set; a constant field or parameter is only shifted."""
        moment = lambda name: jnp.asarray(card.statistics.get(name, []), jnp.float32)
        positive = lambda x: jnp.where(x > 0, x, jnp.ones_like(x))
        return cls(
            moment("mean"),
            positive(moment("std")),
            positive(moment("rms_delta")),
            moment("input_mean"),
            positive(moment("input_std")),
            moment("parameter_mean"),
            positive(moment("parameter_std")),
        )
