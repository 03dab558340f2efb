import functools
import sys
import types
from typing import Annotated, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import pdejax.core as core
from pdejax.core import Count, Of, build, describe, factory_of, only_plugins, per_sample, rebuilt, register, structure


class Ring(eqx.Module):
    """An end for these tests."""

    turns: Count = 1
    word: Literal["a", "b"] = "a"


class Knot(eqx.Module):
    """A thing with parts."""

    inner: Annotated[Ring, Of("callback")] = Ring()
    sizes: tuple[int, ...] = (1, 2)
    network: Annotated[object, Of("network", later=True)] = None


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setattr(core._registry, "HOMES", dict.fromkeys(core._registry.HOMES, ()))
    tables = {group: {} for group in core._registry.HOMES}
    monkeypatch.setattr(core._registry, "_FACTORIES", tables)
    register("callback", "ring", Ring)
    register("method", "knot", Knot)


def test_an_object_is_built_from_its_description_and_described():
    plain = {"kind": "knot", "inner": {"kind": "ring", "turns": 3, "word": "b"}, "sizes": [4], "network": None}
    knot = build("method", plain)
    assert knot == Knot(Ring(3, "b"), (4,))
    assert describe(knot) == plain
    assert build("method", "knot") == Knot()
    assert build("method", knot) is knot


def test_what_is_built_later_stays_a_description():
    assert build("method", {"kind": "knot", "network": {"kind": "fno"}}).network == {"kind": "fno"}


def test_a_factory_gets_what_its_signature_has():
    register("network", "sum", lambda in_channels, *, width=2: in_channels + width)
    assert build("network", {"kind": "sum", "width": 5}, in_channels=1, out_channels=7) == 6


@pytest.mark.parametrize(
    ("plain", "sentence"),
    [
        ({"kind": "knott"}, "unknown method 'knott'. Did you mean 'knot'?"),
        ({"kind": "knot", "size": 3}, "unknown option of method 'knot': 'size'. Did you mean 'sizes'?"),
        ({"sizes": 3}, "a method is an object or a mapping with a 'kind', got {'sizes': 3}"),
        ({"kind": "json:nothing"}, "method 'json:nothing': module 'json' has no 'nothing'"),
        ({"kind": "nowhere_at_all:X"}, "method 'nowhere_at_all:X': there is no module 'nowhere_at_all'; is the package "
         "installed?"),
    ],
)  # fmt: skip
def test_mistakes(plain, sentence):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        build("method", plain)
    assert str(caught.value) == sentence


def test_code_is_imported_for_those_who_named_it_only(monkeypatch):
    module = types.ModuleType("somebodys")
    module.Mine = Ring
    monkeypatch.setitem(sys.modules, "somebodys", module)
    assert factory_of("callback", "somebodys:Mine") is Ring
    with only_plugins(()), pytest.raises(ValueError, match=r"allow it by plugins=\['somebodys'\]"):
        factory_of("callback", "somebodys:Mine")
    with only_plugins(("somebodys",)):
        assert factory_of("callback", "somebodys:Mine") is Ring


def test_a_name_belongs_to_one_factory():
    with pytest.raises(ValueError, match="'ring' is"):
        register("callback", "ring", Knot)
    register("callback", "ring", Ring)


def test_what_is_not_registered_cannot_be_described():
    class Hidden(eqx.Module):
        pass

    with pytest.raises(ValueError, match="Hidden cannot be saved: it is not registered"):
        describe(Knot(Hidden()))


def _sequential(key):
    first, second = jax.random.split(key)
    layers = [eqx.nn.Conv1d(1, 3, 3, padding="SAME", key=first), eqx.nn.Lambda(jax.nn.gelu)]
    return per_sample(eqx.nn.Sequential([*layers, eqx.nn.Conv1d(3, 2, 1, key=second)]))


def test_a_module_of_equinox_is_rebuilt_from_its_structure(key):
    network = _sequential(key)
    shapes = rebuilt(structure(network))
    is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    filled = jax.tree.map(lambda shape, leaf: leaf if is_shape(shape) else shape, shapes, network)
    x = jnp.linspace(0.0, 1.0, 16).reshape(2, 8, 1)
    assert jnp.array_equal(filled(x), network(x))
    assert network(x).shape == (2, 8, 2)


@pytest.mark.parametrize(
    "place",
    [
        "builtins:eval", "builtins:exec", "builtins:max", "builtins:open", "numpy:save", "numpy:apply_along_axis",
        "jax.numpy:save", "jax.numpy:load", "jax:tree_util.functools", "jax:pure_callback", "jax._src.lax.lax:partial",
        "equinox:tree_serialise_leaves", "equinox._serialisation:pathlib.Path", "pdejax.core:write_text",
        "pdejax.core._files:os.system", "diffrax:np.save", "jax.nn:gelu.__globals__",
    ],
)  # fmt: skip
def test_a_file_names_no_function_that_does_more_than_compute(place):
    """Half applied, it would be called with the network: `max(text, x, key=eval)` runs the text."""
    with pytest.raises(ValueError, match=r"a file may not name it|is not there"):
        rebuilt({"!": "name", "of": place})
    with pytest.raises(ValueError, match=r"a file may not name it|is not there"):
        rebuilt({"!": "object", "class": place, "fields": {}})


@pytest.mark.parametrize("value", [jax.nn.gelu, jnp.tanh, jnp.squeeze, jax.lax.stop_gradient, jnp.float32, float])
def test_functions_of_arrays_are_kept_by_name(value):
    assert rebuilt(structure(value)) is value


def test_what_a_file_may_not_name_is_not_written_either():
    with pytest.raises(ValueError, match="max cannot be saved"):
        structure(eqx.nn.Lambda(functools.partial(max, "1 + 1", key=eval)))


def test_a_function_without_a_name_has_no_structure():
    with pytest.raises(ValueError, match="cannot be saved"):
        structure(eqx.nn.Lambda(lambda x: x))
