"""Packages that not everybody needs."""

import importlib
from typing import Any


def optional(package: str, extra: str, what: str) -> Any:
    """A package that comes with an extra of ours.

    **Arguments:** `package`; `extra`: which brings it; `what`: needs it, the beginning of the message.

    **Raises:** `ValueError` that says how to install it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ValueError(f'{what}, which is not installed: pip install "pdejax[{extra}]"') from None
