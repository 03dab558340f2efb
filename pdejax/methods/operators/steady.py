"""A trained network that maps input fields to the solution of a steady problem, in physical units."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from pdejax.core import AnyState, Key, call, hashed_by_identity, per_channel
from pdejax.methods.operators.binding import Condition, bound, condition_of, entered, flat
from pdejax.methods.operators.info import OperatorInfo
from pdejax.methods.operators.meshes import on_any_mesh
from pdejax.methods.operators.normalisation import Normalisation


@hashed_by_identity
class SteadyOperator(eqx.Module):
    """A network from input fields to a solution, in physical units, on any grid of the domain.

    `operator(a)` can be jitted, differentiated and vmapped; `operator.predict(a, times)` makes it a Predictor.

    **Arguments:**

    - `network`: maps the normalised inputs `(batch, *space, input)` to the normalised solution.
    - `normalisation`: see there.
    - `info`: what it is for.
    - `parameters`: bound physical parameters `(batch or 1, parameter)`, see `bind`.
    - `origin`: what it was made of, as JSON, see `pdejax.save`.
    """

    network: Any
    normalisation: Normalisation
    info: OperatorInfo = eqx.field(static=True)
    parameters: Float[Array, "batch parameter"] | None = None
    origin: str | None = eqx.field(static=True, default=None, repr=False)

    def bind(self, parameters: Mapping[str, Any]) -> "SteadyOperator":
        """The same operator for these physical parameters.

        **Arguments:** `parameters`: name to a number or an array `(batch,)`, for every name in `info.parameters`.

        **Raises:** `ValueError` if a name is unknown or missing.
        """
        return bound(self, parameters)

    def condition(self, batch: tuple[Any, ...]) -> Condition:
        """The normalised parameters of every sample; a set belongs to an entry of the last batch axis."""
        return condition_of(self, batch)

    def scaled(
        self, inputs: Float[Array, "batch *space input"], condition: Condition, *, key: Key | None = None
    ) -> Float[Array, "batch *space channel"]:
        """The network's output for physical inputs: the solution less its mean, in units of its deviation."""
        n = self.normalisation
        shown = (inputs - per_channel(n.input_mean, inputs)) / per_channel(n.input_std, inputs)
        return call(self.network, shown, condition=condition, key=key)

    def __call__(self, inputs: AnyState, *, key: Key | None = None) -> Float[Array, "*batch_and_space field"]:
        """The solution for input fields.

        **Arguments:** `inputs`: `(*batch, *space, input)`, any number of batch axes, any real type.

        **Raises:** `ValueError` if the channels do not fit or physical parameters are not bound.
        """
        return on_any_mesh(self._solve, entered(inputs, self.info), key)

    def _solve(self, inputs: Float[Array, "*batch_and_space input"], key: Key | None) -> Array:
        n = self.normalisation
        given, batch = flat(inputs, self.info, n.mean.dtype)
        y = self.scaled(given, self.condition(batch), key=key)
        u = per_channel(n.mean, given) + per_channel(n.std, given) * y
        return u.reshape(*inputs.shape[:-1], len(self.info.fields)).astype(inputs.dtype)

    def predict(self, initial: AnyState, times: Any, *, key: Key | None = None) -> Any:
        """The solution as a trajectory of one frame, `(1, *batch, *space, channel)`.

        **Arguments:** `initial`: the inputs; `times`: of the one frame, not used; `key`: random key.
        """
        return self(initial, key=key)[None]
