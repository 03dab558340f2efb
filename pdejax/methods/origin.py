"""What a model was made of, as text that travels with it: so that a file can be written of the model alone."""

import json
from collections.abc import Mapping
from typing import Any

from pdejax.core import describe, spelt, structure
from pdejax.methods.cards import DataCard, ProblemCard


def origin_of(method: Any, network: Any, card: DataCard | ProblemCard) -> str:
    """The JSON text of a method, a network and what is known of the data; or why no file can hold one of them, beside
    the method where that is not it.

    **Arguments:** `method`; `network`: a description, or an object, of which the structure is kept; `card`.
    """
    plain: dict[str, Any] = {}
    try:
        plain["method"] = _plain(method)
        plain |= {"network": _plain_network(network), "data": card.to_json()}
    except ValueError as error:
        plain["unsaved"] = str(error)
    return json.dumps(plain)


def _plain(value: Any) -> Any:
    """A description where there is one, else the structure, whose arrays are in the model."""
    return describe(value, otherwise=structure)


def _plain_network(network: Any) -> Any:
    if isinstance(network, str):
        return {"kind": network}
    return _plain(network) if isinstance(network, Mapping) else structure(network)


def with_option(origin: str | None, name: str, value: Any) -> str | None:
    """The origin of a model whose method has another value of an option."""
    return _changed(origin, lambda plain: {**plain, "method": {**plain["method"], name: _plain(value)}})


def with_method(origin: str | None, method: Any) -> str | None:
    """The origin of a model that another method trains."""
    return _changed(origin, lambda plain: {**plain, "method": _plain(method)})


def _changed(origin: str | None, change: Any) -> str | None:
    plain = None if origin is None else json.loads(origin)
    if plain is None or "method" not in plain:
        return origin
    try:
        return json.dumps(change(plain))
    except ValueError as error:
        return json.dumps({"unsaved": str(error)})


@spelt
def why_unsaved(model: Any) -> str | None:
    """Why no file can hold a model, in one sentence; none if one can.

    **Arguments:** `model`: as a method has built it.
    """
    origin = getattr(model, "origin", None)
    if origin is None:
        return f"{type(model).__name__} does not know what it was made of: let a method build it"
    return json.loads(origin).get("unsaved")
