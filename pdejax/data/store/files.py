"""The spelling of JSON."""

import json
from collections.abc import Mapping
from typing import Any


def to_json(value: Mapping[str, Any]) -> str:
    """The one spelling of a mapping that files and checksums use: sorted keys, two spaces, no NaN."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"
