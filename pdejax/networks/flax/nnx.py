"""Networks that are modules of Flax NNX."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Key, flax_class, flax_library, unsaved_nnx, wants
from pdejax.networks.flax.checks import check_pure, check_real

Path = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Definition:
    """What an NNX module is beside the values of its parameters.

    **Arguments:** `graph`: as `nnx.split` gives it; `paths`: of the parameters.
    """

    graph: Any
    paths: tuple[Path, ...]


@dataclasses.dataclass(frozen=True)
class Made:
    """A module told by its class and the arguments of its constructor but `rngs`, so that a file can tell it too."""

    cls: type
    options: tuple[tuple[str, Any], ...]

    def __hash__(self) -> int:  # options may hold lists
        return hash((self.cls, tuple(name for name, _ in self.options)))

    @property
    def definition(self) -> Definition:
        """Of what the constructor makes."""
        return _defined(self)


class Given:
    """A module that was there already: nobody knows what its constructor was given."""

    def __init__(self, cls: type, definition: Definition):
        """**Arguments:** `cls`: of the module; `definition`."""
        self.cls, self.definition = cls, definition

    @property
    def unsaved(self) -> str:
        """Why no file can hold it."""
        return unsaved_nnx(self.cls)

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Given) and (self.cls, self.definition) == (other.cls, other.definition)

    def __hash__(self) -> int:
        return hash(self.cls)


class NNXNetwork(eqx.Module):
    """An NNX module as a function of its parameters, which are trained; see `from_nnx`.

    **Arguments:** `params`: by the names of the module's attributes; `module`: everything else of it.
    """

    params: dict[str, Any]
    module: Made | Given = eqx.field(static=True)

    @property
    def flax_class(self) -> type:
        """The class whose call tells which keywords it has."""
        return self.module.cls

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
        module = self.to_flax()
        return module(x, **{name: value for name, value in extras.items() if wants(self, name)})

    def to_flax(self) -> Any:
        """A module of the user's class with the parameters as they are now."""
        from flax import nnx

        definition = self.module.definition
        held = lambda path: functools.reduce(lambda tree, part: tree[str(part)], path, self.params)
        return nnx.merge(definition.graph, nnx.from_flat_state({path: held(path) for path in definition.paths}))


def from_nnx(module: Any, options: Mapping[str, Any] | None = None) -> NNXNetwork:
    """An NNX module as a network, which is trained, saved and loaded as ours are. The module itself is left as it is.

    **Arguments:** `module`: from `(batch, *space, channel)` to the same with other channels; its call may have
    `condition` and `key`; `options`: what its constructor was given beside `rngs`, without which it cannot be saved.

    **Raises:** `ValueError` for variables that are no `nnx.Param`, for complex ones, and for options that make another
    module.
    """
    if flax_library(module) != "nnx":
        what = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise ValueError(f"from_nnx takes an object of a class of nnx.Module, got {what}")
    definition, params = _split(module)
    if options is None:
        return NNXNetwork(params, Given(type(module), definition))
    made = Made(type(module), tuple(sorted(options.items())))
    _check_alike(module, made)
    return NNXNetwork(params, made)


def constructed(cls: type, options: Mapping[str, Any], key: Key) -> NNXNetwork:
    """The network that a class of NNX modules makes with new parameters."""
    made = Made(cls, tuple(sorted(options.items())))
    return NNXNetwork(_split(_new(made, key))[1], made)


def _new(made: Made, key: Any) -> Any:
    """A module as its constructor makes it."""
    from flax import nnx

    if flax_class(made.cls) != "nnx":  # whatever else a file names is not called
        raise ValueError(f"{made.cls.__module__}:{made.cls.__qualname__} is no class of nnx.Module")
    rngs = {"rngs": nnx.Rngs(key)} if "rngs" in inspect.signature(made.cls.__init__).parameters else {}
    return made.cls(**dict(made.options), **rngs)


def _abstract(made: Made) -> Any:
    """What a constructor makes, with shapes in place of arrays."""
    from flax import nnx

    return nnx.eval_shape(lambda: _new(made, 0))


@functools.lru_cache(maxsize=64)
def _defined(made: Made) -> Definition:
    return _split(_abstract(made))[0]


def _split(module: Any) -> tuple[Definition, dict[str, Any]]:
    """Definition and parameters of a module, which are all that it may hold."""
    from flax import nnx
    from flax.traverse_util import unflatten_dict

    name = type(module).__name__
    graph, params, others = nnx.split(module, nnx.Param, ...)
    check_pure(name, {".".join(map(str, path)): _kind(one) for path, one in nnx.to_flat_state(others)})
    flat = {path: param.get_value() for path, param in nnx.to_flat_state(params)}
    check_real(name, [] if not flat else unflatten_dict(flat))
    return Definition(graph, tuple(flat)), unflatten_dict({tuple(map(str, path)): flat[path] for path in flat})


def _kind(variable: Any) -> str:
    from flax import nnx

    return type(variable).__name__ if isinstance(variable, nnx.Variable) else "plain array"


def _check_alike(module: Any, made: Made) -> None:
    """Whether a constructor's options make a module like this one, as far as its attributes tell."""
    found, expected = _facts(_abstract(made)), _facts(module)
    for path in sorted({*found, *expected}):
        here, there = (facts.get(path, "nothing") for facts in (found, expected))
        if here != there:
            raise ValueError(f"{made.cls.__name__} with the options {dict(made.options)} has {here} at {path}, the "
                             f"module given has {there}")  # fmt: skip


def _facts(module: Any) -> dict[str, Any]:
    """Plain attributes of a module and of those inside of it, and the shapes of its parameters, by path."""
    from flax import nnx

    attributes = {
        ".".join(map(str, (*path, name))): _fact(value)
        for path, part in nnx.iter_modules(module)
        for name, value in vars(part).items()
        if not name.startswith("_")
    }
    shapes = {
        ".".join(map(str, path)): _shape(param) for path, param in nnx.to_flat_state(nnx.state(module, nnx.Param))
    }
    return {name: value for name, value in (attributes | shapes).items() if value is not None}


def _shape(param: Any) -> str:
    value = param.get_value()
    return f"{jnp.dtype(value.dtype).name}{list(value.shape)}"


def _fact(value: Any) -> str | None:
    """What of an attribute can be compared: numbers and words, functions by name; none of the rest."""
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}:{value.__qualname__}"
    parts = value if isinstance(value, tuple | list) else (value,)
    return repr(value) if all(isinstance(one, bool | int | float | str | tuple) for one in parts) else None
