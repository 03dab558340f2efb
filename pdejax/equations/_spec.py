"""What the specifications of all problems share: defaults, boundaries, and what varies between samples."""

import copy
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from pdejax.core import Boundary, Grid, known


def complete(
    spec: Mapping[str, Any], plain: Mapping[str, Any], sections: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """A deep copy with all defaults filled in, lists instead of tuples, so that JSON gives it back unchanged.

    **Arguments:** `spec`: as given; `plain`, `sections`: defaults of entries and of entries of sections, `...` where
    there is none.

    **Raises:** `ValueError` for unknown or missing entries.
    """
    options = (*plain, *sections)
    for key in spec:
        if key not in options:
            raise ValueError(known("problem section", key, options))
    out = {key: _given(spec, key, default, "problem") for key, default in plain.items()}
    for section, defaults in sections.items():
        given = spec.get(section, {})
        known_keys(section, given, defaults)
        out[section] = {key: _given(given, key, default, section) for key, default in defaults.items()}
    return json.loads(json.dumps(out))


def known_keys(section: str, given: Mapping[str, Any], options: Any) -> None:
    """**Raises:** `ValueError` for a key of a section that is not among the options."""
    for key in given:
        if key not in options:
            raise ValueError(known(f"entry of problem section {section!r}", key, options))


def _given(given: Mapping[str, Any], key: str, default: Any, section: str) -> Any:
    if key not in given and default is ...:
        raise ValueError(f"the {section} section of the problem needs the entry {key!r}, got {sorted(given)}")
    value = given.get(key, default)
    return copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)


def grid_of(domain: Mapping[str, Any]) -> Grid:
    """The grid of a `domain` section, whose `boundary` is one name or one per axis."""
    names = domain["boundary"]
    names = [names] * len(domain["shape"]) if isinstance(names, str) else list(names)
    options = [b.value for b in Boundary]
    for name in names:
        if name not in options:
            raise ValueError(known("boundary", name, options))
    return Grid(tuple(domain["shape"]), tuple(domain["lengths"]), tuple(Boundary(name) for name in names))


def ranges(name: str, vary: Mapping[str, Any], options: Iterable[str]) -> dict[str, tuple[float, float]]:
    """The range of each parameter that differs between samples of the problem `name`.

    **Raises:** `ValueError` for an unknown parameter or what is no range.
    """
    options, out = list(options), {}
    for key, bounds in vary.items():
        if key not in options:
            raise ValueError(known("varying parameter", key, options))
        if len(bounds) != 2 or not bounds[0] <= bounds[1]:
            raise ValueError(f"problem {name!r}: vary.{key} must be [low, high], got {bounds}")
        out[key] = (float(bounds[0]), float(bounds[1]))
    return out


def sample_key(seed: Any, index: Any) -> Any:
    """The random key of sample `index`, the same on every machine."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), index)


def draw_parameters(key: Any, vary: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Uniform values of what varies.

    Drawn in float32 whatever the precision, so that float64 and float32 see the same and storage in float32 is exact.
    """
    real, values = jnp.result_type(float), {}
    for name in sorted(vary):
        low, high = vary[name]
        subkey = jax.random.fold_in(key, zlib.crc32(name.encode()))
        values[name] = jax.random.uniform(subkey, (), jnp.float32, low, high).astype(real)
    return values
