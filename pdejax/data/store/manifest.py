"""Files of a complete data set, and whether they are as they were written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax.data.store.files import sha256

FORMAT = "pdejax-dataset-3"
MANIFEST, RECIPE, STATISTICS = "manifest.json", "recipe.json", "stats.yaml"


def damaged(root: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Files of a complete data set that are missing or differ from the manifest, relative to `root`."""
    expected = {entry["path"]: entry["sha256"] for entry in manifest["shards"]} | {STATISTICS: manifest["statistics"]}
    return [path for path, sum_ in expected.items() if not (root / path).exists() or sha256(root / path) != sum_]


def verify(root: Path, manifest: Mapping[str, Any]) -> None:
    """**Raises:** `ValueError` if a file of a complete data set is missing or differs from the manifest."""
    if bad := damaged(root, manifest):
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise ValueError(
            f"{root / bad[0]}{more} is missing or differs from its checksum in {MANIFEST}: "
            f"delete it, then generate again to mend it"
        )
