"""Results on disk: a JSON document with the arrays beside it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def save_result(folder: str | Path, stem: str, document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes `STEM.npz`, then `STEM.json`, each whole or not at all; returns the path of the latter."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{stem}.tmp.npz"
    np.savez_compressed(partial, **{k: np.asarray(v) for k, v in arrays.items()})  # pyright: ignore
    os.replace(partial, folder / f"{stem}.npz")
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    partial = folder / f"{stem}.tmp.json"
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, folder / f"{stem}.json")
    return folder / f"{stem}.json"
