"""Networks that are modules of Flax Linen."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, flax_library, wants
from pdejax.networks.flax.checks import check_pure, check_real


@dataclasses.dataclass(frozen=True)
class Settings:
    """A Linen module as a static field: lists in it have no hash."""

    module: Any

    def __hash__(self) -> int:
        return hash(type(self.module))


class LinenNetwork(eqx.Module):
    """A Linen module with its parameters, which are trained; see `from_linen`.

    **Arguments:** `params`: the collection of that name; `settings`: the module.
    """

    params: dict[str, Any]
    settings: Settings = eqx.field(static=True)

    @property
    def flax_class(self) -> type:
        """The class whose call tells which keywords it has."""
        return type(self.settings.module)

    @property
    def __name__(self) -> str:
        return self.flax_class.__name__

    def __call__(
        self,
        x: Float[Array, "batch *space channel_in"],
        *,
        geometry: Any = None,
        query: Any = None,
        condition: Any = None,
        key: Key | None = None,
    ) -> Float[Array, "batch *space channel_out"]:
        """The module's output; it is given those of the keywords that its call has."""
        extras = {"geometry": geometry, "query": query, "condition": condition, "key": key}
        wanted = {name: value for name, value in extras.items() if wants(self, name)}
        return self.settings.module.apply({"params": self.params}, x, **wanted)

    def to_flax(self) -> Any:
        """The module bound to the parameters as they are now; `.unbind()` gives both."""
        return self.settings.module.bind({"params": self.params})


def from_linen(module: Any, variables: Mapping[str, Any]) -> LinenNetwork:
    """A Linen module as a network, which is trained, saved and loaded as ours are.

    **Arguments:** `module`: from `(batch, *space, channel)` to the same with other channels; its call may have
    `condition` and `key`; `variables`: of `module.init`, the collection `params` alone.

    **Raises:** `ValueError` for other collections, and complex parameters.
    """
    from flax.core import meta, unfreeze

    if flax_library(module) != "linen":
        raise ValueError(f"from_linen takes a module of Flax Linen, got {_what(module)}")
    name = type(module).__name__
    check_pure(name, {_first(kind, held): kind for kind, held in variables.items() if kind != "params"})
    params = jax.tree.map(jnp.asarray, unfreeze(meta.unbox(variables.get("params", {}))))
    check_real(name, params)
    return LinenNetwork(params, Settings(module))


def _what(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _first(kind: str, held: Any) -> str:
    """The name of a variable of a collection."""
    (path, _), *_ = jax.tree_util.tree_leaves_with_path({kind: held})
    return jax.tree_util.keystr(path, simple=True, separator=".")


def initialised(module: Any, x: jax.ShapeDtypeStruct, *, key: Key, **extras: Any) -> LinenNetwork:
    """A Linen module with new parameters, for inputs like `x` and shapes of what else its call is given."""
    from flax.errors import InvalidRngError

    given = {name: like for name, like in extras.items() if wants(module, name)}

    def init(key: Key) -> Any:
        zeros = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), (x, given))
        if wants(module, "key"):
            zeros[1]["key"] = key
        return module.init(key, zeros[0], **zeros[1])

    made = from_linen(module, jax.jit(init)(key))
    try:
        jax.eval_shape(lambda net, x, extras, key: net(x, **extras, key=key), made, x, extras, key)
    except InvalidRngError as error:
        said = str(error).partition(" (")[0]
        raise ValueError(f"{type(module).__name__} draws random numbers ({said}), and no method draws for a network: "
                         "take Dropout with deterministic=True") from None  # fmt: skip
    return made
