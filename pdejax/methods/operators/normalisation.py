"""What the training data were like, and the physical parameters a model is bound to."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import known
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


def parameter_table(parameters: Mapping[str, Any], names: Sequence[str]) -> Float[Array, "batch parameter"] | None:
    """Physical parameters as one array, none if a model depends on none.

    **Arguments:** `parameters`: name to a number or an array `(batch,)`; `names`: what the model was trained with.

    **Raises:** `ValueError` if a name is unknown or missing.
    """
    for name in parameters:
        if name not in names:
            raise ValueError(known("parameter", name, names))
    missing = [n for n in names if n not in parameters]
    if missing:
        raise ValueError(f"this operator was trained with varying {', '.join(missing)}: give it to bind()")
    if not names:
        return None
    columns = [jnp.atleast_1d(jnp.asarray(parameters[n], jnp.float32)) for n in names]
    size = max(c.size for c in columns)
    return jnp.stack([jnp.broadcast_to(c, (size,)) for c in columns], axis=-1)


def normalised_parameters(
    table: Float[Array, "sets parameter"] | None, names: Sequence[str], n: Normalisation, batch: tuple[int, ...]
) -> Float[Array, "all parameter"] | None:
    """The normalised parameters of every sample; a set belongs to an entry of the last batch axis.

    **Raises:** `ValueError` if none are bound, or another number than there are samples.
    """
    if not names:
        return None
    if table is None:
        raise ValueError(f"this operator depends on {', '.join(names)}: call bind() with them first")
    sets = len(table)
    if sets not in (1, *batch[-1:]):
        raise ValueError(f"{sets} parameter sets are bound, which do not fit a state with batch axes {batch}")
    table = (table - n.parameter_mean[None]) / n.parameter_std[None]
    columns = table.shape[1]
    table = table.reshape((1,) * (len(batch) - 1) + (sets, columns)) if batch else table
    return jnp.broadcast_to(table, (*batch, columns)).reshape(-1, columns) if batch else table
