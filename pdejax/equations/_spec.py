"""What the specifications of all problems share: defaults, boundaries, and what varies between samples."""

import copy
import json
from collections.abc import Mapping
from typing import Any

from pdejax.core import known


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
