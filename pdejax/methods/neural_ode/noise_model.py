"""What makes a learned equation stochastic, and how its solutions are scored."""

from typing import Annotated, Any

import equinox as eqx
import jax.numpy as jnp
from annotated_types import Ge
from jaxtyping import Array, Float

from pdejax.core import Positive, check_options
from pdejax.methods.fitting import described_later
from pdejax.solvers import NoiseKind


class NoiseModel(eqx.Module):
    """Makes the equation stochastic; it is trained on the fair continuous ranked probability score of several paths.

    **Arguments:** `network`: one that gives the noise's size from state and condition, or its description, none for
    additive noise; `paths`: of each sample in training, at least 2; `initial`: size of the noise at first, in units of
    the data's increments over the root of a step.
    """

    network: Any = eqx.field(converter=described_later, default=None)
    paths: Annotated[int, Ge(2)] = eqx.field(static=True, default=2)
    initial: Positive = eqx.field(static=True, default=0.1)

    def __check_init__(self) -> None:
        check_options(self)

    @property
    def kind(self) -> NoiseKind:
        """Whether it depends on the state."""
        return "additive" if self.network is None else "multiplicative"


def fair_crps(paths: Float[Array, " path *rest"], truth: Float[Array, " *rest"]) -> Float[Array, " *rest"]:
    """The continuous ranked probability score of an ensemble, unbiased in its size.

    Mean distance to the truth minus half the mean distance of two different members (Ferro 2014, eq. 6).
    """
    members = paths.shape[0]
    between = jnp.sum(jnp.abs(paths[:, None] - paths[None]), axis=(0, 1)) / (2 * members * (members - 1))
    return jnp.mean(jnp.abs(paths - truth[None]), axis=0) - between
