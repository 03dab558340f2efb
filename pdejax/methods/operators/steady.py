"""A trained network that maps input fields to the solution of a steady problem, in physical units."""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from pdejax.core import Key, hashed_by_identity
from pdejax.methods.operators.normalisation import Normalisation, normalised_parameters, parameter_table


@hashed_by_identity
class SteadyOperator(eqx.Module):
    """A network from input fields to a solution, in physical units, on any grid of the domain.

    `operator(a)` can be jitted, differentiated and vmapped; `operator.predict(a, times)` makes it a Predictor.

    **Arguments:**

    - `network`: maps the normalised inputs `(batch, *space, input)` to the normalised solution.
    - `normalisation`: see there.
    - `lengths`, `input_names`, `field_names`, `parameter_names`: what the data were.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    """

    network: Any
    normalisation: Normalisation
    lengths: tuple[float, ...] = eqx.field(static=True)
    input_names: tuple[str, ...] = eqx.field(static=True)
    field_names: tuple[str, ...] = eqx.field(static=True)
    parameter_names: tuple[str, ...] = eqx.field(static=True)
    parameters: Float[Array, "batch parameter"] | None = None

    def bind(self, parameters: Mapping[str, Any]) -> "SteadyOperator":
        """The same operator for these physical parameters.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `parameter_names`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        table = parameter_table(parameters, self.parameter_names)
        return eqx.tree_at(lambda o: o.parameters, self, table, is_leaf=lambda x: x is None)

    def condition(self, batch: tuple[int, ...]) -> Float[Array, "all parameter"] | None:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return normalised_parameters(self.parameters, self.parameter_names, self.normalisation, batch)

    def scaled(
        self,
        inputs: Float[Array, "batch *space input"],
        condition: Float[Array, "batch parameter"] | None,
        *,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel"]:
        """The network's output for physical inputs: the solution less its mean, in units of its deviation."""
        n, expand = self.normalisation, lambda v: v.reshape((1,) * (inputs.ndim - 1) + (-1,))
        return self.network((inputs - expand(n.input_mean)) / expand(n.input_std), condition=condition, key=key)

    def __call__(
        self, inputs: Float[Array, "*batch_and_space input"], *, key: Key | None = None
    ) -> Float[Array, "*batch_and_space channel"]:
        """The solution for input fields.

        **Arguments:** `inputs`: `(*batch, *space, input)`, any number of batch axes, any float type.

        **Raises:** `ValueError` if the channels do not fit or physical parameters are not bound.
        """
        ndim, channels = len(self.lengths), len(self.input_names)
        if inputs.ndim < ndim + 1 or inputs.shape[-1] != channels:
            raise ValueError(
                f"expected inputs (*batch, {', '.join('xyz'[:ndim])}, {channels}) of {', '.join(self.input_names)}, "
                f"got shape {tuple(inputs.shape)}"
            )
        batch, n = inputs.shape[: -ndim - 1], self.normalisation
        flat = inputs.reshape(math.prod(batch), *inputs.shape[-ndim - 1 :]).astype(n.mean.dtype)
        row = lambda v: v.reshape((1,) * (flat.ndim - 1) + (-1,))
        u = row(n.mean) + row(n.std) * self.scaled(flat, self.condition(batch), key=key)
        return u.reshape(*inputs.shape[:-1], len(self.field_names)).astype(inputs.dtype)

    def predict(self, initial: Any, times: Any, *, key: Key | None = None) -> Any:
        """The solution as a trajectory of one frame, `(1, *batch, *space, channel)`.

        **Arguments:** `initial`: the inputs; `times`: of the one frame, not used; `key`: random key.
        """
        return self(initial, key=key)[None]
