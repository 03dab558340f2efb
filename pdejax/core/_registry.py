"""What can be brought from outside: factories by group and name, imported when they are asked for and not before."""

import contextlib
import contextvars
import importlib
import importlib.metadata
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar, overload

from pdejax._suggest import known
from pdejax.core._foreign import as_factory
from pdejax.core._spelt import spelt

Factory = Callable[..., Any]
_Factory = TypeVar("_Factory", bound=Factory)
HOMES: Mapping[str, tuple[str, ...]] = {
    "end": ("pdejax.core",),
    "domain": ("pdejax.core",),
    "equation": ("pdejax.equations.catalogue",),
    "law": ("pdejax.equations.laws",),
    "sampler": ("pdejax.equations.sampling",),
    "problem": ("pdejax.equations",),
    "condition": ("pdejax.equations",),
    "truth": ("pdejax.equations", "pdejax.solvers"),
    "simulator": ("pdejax.solvers",),
    "reconstruction": ("pdejax.solvers",),
    "riemann": ("pdejax.solvers",),
    "reader": ("pdejax.data.store",),
    "points": ("pdejax.data.points",),
    "feed": ("pdejax.data.feeds",),
    "activation": ("pdejax.networks.layers",),
    "network": ("pdejax.networks.operators",),
    "field": ("pdejax.networks.fields",),
    "method": ("pdejax.methods",),
    "loss": ("pdejax.methods",),
    "base": ("pdejax.methods.operators",),
    "role": ("pdejax.methods.operators",),
    "noise": ("pdejax.methods.diffusion",),
    "diffusion_sampler": ("pdejax.methods.diffusion",),
    "regularization": ("pdejax.methods.neural_ode",),
    "optimiser": ("pdejax.training.optimisers",),
    "schedule": ("pdejax.training.optimisers",),
    "sink": ("pdejax.training.store",),
    "callback": ("pdejax.training",),
    "evaluator": ("pdejax.evaluation",),
}
"""The packages whose modules register what pdejax itself has: a new file there needs no list to be in."""

CONTEXT: Mapping[str, tuple[str, ...]] = {
    "sampler": ("channels",),
    "feed": ("source", "batch_size", "window", "seed", "rows"),
    "network": ("in_channels", "out_channels", "ndim", "condition_features", "key"),
    "field": ("channels", "box", "periodic", "parity", "rules", "key"),
}
"""Arguments of a group's factories that are no options: whoever builds the object gives those the signature has."""

_OTHERS = {
    "network": ("field", "a network of coordinates, for problems that are stated by their conditions"),
    "field": ("network", "a network of whole fields, for problems that give data"),
}

ENTRY_POINTS = "pdejax.plugins"

_FACTORIES: dict[str, dict[str, Factory]] = {group: {} for group in HOMES}
_visited: set[str] = set()
# None: code may be named by whoever wrote the description; else only what these packages hold
_plugins: contextvars.ContextVar[frozenset[str] | None] = contextvars.ContextVar("plugins", default=None)


@overload
def register(group: str, name: str) -> Callable[[_Factory], _Factory]: ...


@overload
def register(group: str, name: str, factory: _Factory) -> _Factory: ...


@spelt
def register(group: str, name: str, factory: Any = None) -> Any:
    """Makes a factory known by a name, so that configurations and saved models can ask for it.

    **Arguments:**

    - `group`: what it makes, a key of `HOMES`: `"network"`, `"method"`, `"sampler"`, ...
    - `name`: the `kind` it goes by.
    - `factory`: a class or function; its signature declares the options. A decorator is returned when omitted.

    **Returns:** the factory.

    **Raises:** `ValueError` for an unknown group, or a name that another factory has.
    """
    if factory is None:
        return lambda one: register(group, name, one)
    table = _table(group)
    if _place(table.get(name, factory)) != _place(factory):
        raise ValueError(f"{group} {name!r} is {_place(table[name])} already: register {_place(factory)} as another")
    own = getattr(factory, "__module__", "").partition(".")[0] == "pdejax"  # classes of others stay as they are
    table[name] = spelt(factory) if own and isinstance(factory, type) else factory
    return factory


def _table(group: str) -> dict[str, Factory]:
    if group not in _FACTORIES:
        raise ValueError(known("group", group, _FACTORIES))
    return _FACTORIES[group]


def _place(factory: Any) -> str:
    return f"{getattr(factory, '__module__', '?')}:{getattr(factory, '__qualname__', repr(factory))}"


@spelt
def registered(group: str) -> Mapping[str, Factory]:
    """All factories of a group by name: those of pdejax and those that were registered.

    **Raises:** `ValueError` for an unknown group.
    """
    table = _table(group)
    for home in HOMES[group]:
        _visit(home)
    return table


def _visit(home: str) -> None:
    """Imports all modules of a package, each of which registers what it has."""
    if home in _visited:
        return
    package = importlib.import_module(home)
    for module in pkgutil.walk_packages(getattr(package, "__path__", ()), home + "."):
        importlib.import_module(module.name)
    _visited.add(home)


@contextlib.contextmanager
def only_plugins(packages: Collection[str]) -> Iterator[None]:
    """While descriptions are read that the user did not write: code they name is refused unless it is in `packages`.

    **Arguments:** `packages`: top-level names, such as `("mypackage",)`; none for nothing but what is registered.
    """
    token = _plugins.set(frozenset(packages))
    try:
        yield
    finally:
        _plugins.reset(token)


@contextlib.contextmanager
def foreign() -> Iterator[None]:
    """While a file is read that somebody else may have written: `only_plugins` with those allowed around it, if any."""
    with only_plugins(_plugins.get() or ()):
        yield


def factory_of(group: str, kind: str) -> Factory:
    """The factory that a `kind` names: a registered one, one of an installed plugin, or `package.module:Name`.

    **Returns:** as it was registered; of a class of Flax what makes networks of it, see `as_factory`.

    **Raises:** `ValueError` for a kind that is not known, with the nearest spelling; for a dotted one that may not be
    imported (see `only_plugins`) or does not exist.
    """
    if not isinstance(kind, str):
        raise ValueError(f"the kind of a {group} is a word, got {kind!r}")
    return as_factory(_found(group, kind))


def _found(group: str, kind: str) -> Factory:
    table = _table(group)
    if ":" in kind:  # from now on what is made by it can be described
        table[kind] = named_code(kind, f"{group} {kind!r}")
        return table[kind]
    if kind in table:
        return table[kind]
    if kind in registered(group):
        return table[kind]
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=kind):
        entry.load()
        if kind in table:
            return table[kind]
    other, what = _OTHERS.get(group, ("", ""))
    if other and kind in registered(other):
        raise ValueError(f"no {group} {kind!r}. It is {what}. Known: {', '.join(sorted(table))}.")
    raise ValueError(known(group, kind, table))


def named_code(place: str, what: str) -> Any:
    """The object at `package.module:Name`.

    **Raises:** `ValueError` if it may not be imported (see `only_plugins`), is not installed or does not exist.
    """
    module, _, name = place.partition(":")
    top, allowed = module.partition(".")[0], _plugins.get()
    if allowed is not None and top not in allowed:
        raise ValueError(f"{what} is code of the package {top!r}, which a file may not import by itself: "
                         f"allow it by plugins=[{top!r}], or --plugins {top}")  # fmt: skip
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{what}: there is no module {error.name!r}; is the package installed?") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise ValueError(f"{what}: module {module!r} has no {name!r}")
        found = getattr(found, part)
    return found


def options_of(factory: Factory, group: str | None = None) -> Mapping[str, inspect.Parameter]:
    """The arguments of a factory by name, with what their annotations say; of a group's those that are options."""
    signature = inspect.signature(factory, eval_str=True)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    given = CONTEXT.get(group or "", ())
    return {name: p for name, p in signature.parameters.items() if p.kind in named and name not in given}


def kind_of(value: object) -> tuple[str, str] | None:
    """Group and name under which the class of an object was registered; none if it was not."""
    for group, table in _FACTORIES.items():
        for name, factory in table.items():
            if type(value) is factory:
                return group, name
    return None
