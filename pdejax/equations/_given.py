"""What users give an equation: terms, and values of its parameters."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jax.core import Tracer

from pdejax.core import as_real


def term_list(terms: Any) -> tuple[str, ...]:
    """Equations as a tuple of texts.

    **Raises:** `ValueError` for what is neither a text nor several.
    """
    given = (terms,) if isinstance(terms, str) else terms
    if not isinstance(given, Sequence) or not all(isinstance(term, str) for term in given):
        raise ValueError(f"terms are one text such as 'u_t = nu*u_xx' or a list of them, got {str(terms)[:80]}")
    return tuple(given)


def default_values(parameters: Any) -> dict[str, float]:
    """Parameters of an equation, each with a number.

    **Raises:** `ValueError` for what is no mapping of names to finite numbers.
    """
    plain = {str(name): value for name, value in check_parameters(parameters).items()}
    for name, value in plain.items():
        if np.ndim(value):
            raise ValueError(f"parameter {name!r} of an equation is one number, got {value!r:.80}")
    return {name: float(value) for name, value in plain.items()}


def definition_texts(definitions: Any) -> dict[str, str]:
    """Named expressions, each a text.

    **Raises:** `ValueError` for what is no mapping of names to expressions.
    """
    if definitions is not None and not isinstance(definitions, Mapping):
        raise ValueError(f"definitions map names to texts, such as {{'p': 'g*h**2/2'}}, got {str(definitions)[:80]}")
    found = {str(name): str(text) for name, text in (definitions or {}).items()}
    for name, text in found.items():
        if "=" in text:
            raise ValueError(f"definition {name!r} is an expression without an equal sign, got {text!r:.80}: give "
                             f"{text.partition('=')[2].strip()!r:.80}")  # fmt: skip
    return found


def check_parameters(parameters: Any) -> Mapping[str, Any]:
    """Names and their numbers or arrays, as they are; nothing for none.

    **Raises:** `ValueError` for what is no mapping, and values that are no finite real numbers, unless traced.
    """
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise ValueError(f"parameters map names to numbers, such as {{'nu': 0.1}}, got {str(parameters)[:80]}")
    for name, value in parameters.items():
        if isinstance(value, Tracer) or (isinstance(value, int | float) and abs(value) <= sys.float_info.max):
            continue
        if np.ndim(value) > 1:
            raise ValueError(f"parameter {name!r} is a number or an array (batch,), got the shape {np.shape(value)}")
        if isinstance(value, str | int) or not np.all(np.isfinite(as_real(value, f"parameter {name!r}"))):
            raise ValueError(f"parameter {name!r} should be a finite number, got {value!r:.80}")
    return parameters
