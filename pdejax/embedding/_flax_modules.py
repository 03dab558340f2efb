"""Modules of Flax around an operator: what its method trains are their parameters."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
from flax import linen, nnx

from pdejax.methods import weights_of, with_weights
from pdejax.methods.weights import name_of


class Fixed(nnx.Variable):
    """An array of an operator that is not trained."""


class Held:
    """An operator as a static attribute: equal to itself alone, as its arrays have no hash."""

    def __init__(self, operator: Any):
        """**Arguments:** `operator`: as built by a method."""
        self.operator = operator


class NNXOperator(nnx.Module):
    """An operator whose weights are `nnx.Param`s; see `as_nnx`."""

    def __init__(self, operator: Any):
        """**Arguments:** `operator`: as built by a method."""
        weights = weights_of(operator)
        arrays, rest = eqx.partition(operator, eqx.is_array)
        paths, self._tree = jax.tree_util.tree_flatten_with_path(arrays)
        self._names = tuple(name_of(path) for path, _ in paths)
        self._rest = Held(rest)
        self.weights = nnx.Dict({name: nnx.Param(leaf) for name, leaf in weights.items()})
        self.fixed = nnx.Dict({name_of(path): Fixed(leaf) for path, leaf in paths if name_of(path) not in weights})

    def operator(self) -> Any:
        """Our operator with the weights as they are now."""
        held = {**self.weights, **self.fixed}
        arrays = jax.tree.unflatten(self._tree, [held[name].get_value() for name in self._names])
        return eqx.combine(arrays, self._rest.operator)

    def __call__(self, u: Any, **keywords: Any) -> Any:
        """What the operator gives.

        **Arguments:** as of the operator, `u` and its keyword `key`.
        """
        return self.operator()(u, **keywords)


class LinenOperator(linen.Module):
    """An operator whose weights are the parameters of a Linen module; see `as_linen`.

    **Arguments:** `held`: the operator.
    """

    held: Held

    def operator(self, variables: Mapping[str, Any]) -> Any:
        """Our operator with the weights of variables.

        **Arguments:** `variables`: of `init`, trained or not.

        **Raises:** `ValueError` for parameters that are not all of its own.
        """
        if "params" not in variables:
            raise ValueError(f"variables are those of init, with 'params', got {sorted(variables)}")
        return with_weights(self.held.operator, variables["params"])

    @linen.compact
    def __call__(self, u: Any, **keywords: Any) -> Any:
        """What the operator gives.

        **Arguments:** as of the operator, `u` and its keyword `key`.
        """
        weights = weights_of(self.held.operator)
        params = {name: self.param(name, lambda _, leaf=leaf: leaf) for name, leaf in weights.items()}
        return with_weights(self.held.operator, params)(u, **keywords)
