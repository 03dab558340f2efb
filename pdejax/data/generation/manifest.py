"""The manifest: what a complete data set consists of, with the checksum of every file."""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pdejax.core import sha256
from pdejax.data.generation.former import current
from pdejax.data.generation.recipe import Recipe, difference
from pdejax.data.store.manifest import FORMAT, STATISTICS
from pdejax.data.store.well import open_shard, read_provenance
from pdejax.solvers import Resolving


def versions() -> dict[str, str]:
    """Versions of what computes and writes the numbers."""
    packages = ("pdejax", "jax", "jaxlib", "numpy", "h5py")
    found = {name: importlib.metadata.version(name) for name in packages}
    return {**found, "hdf5": h5py.version.hdf5_version}


def make_manifest(root: Path, recipe: Recipe) -> dict[str, Any]:
    """The manifest of a data set whose shards and statistics are all written."""
    family = recipe.family
    shards, rejects, used = [], [], []
    differences: dict[str, list[float]] = {}
    space: dict[str, list[tuple[float, float]]] = {}
    for shard in recipe.shards():
        with open_shard(root / shard.path) as file:
            provenance = read_provenance(file)
        if text := difference(current(provenance["recipe"]), recipe.plain):
            raise ValueError(f"{root / shard.path} was made with other settings: {text}; delete it and generate again")
        entry = {"split": shard.split, "first": shard.first, "trajectories": shard.trajectories}
        shards.append({**entry, "path": shard.path, "sha256": sha256(root / shard.path)})
        rejects += provenance["rejects"]
        used += [provenance["versions"]] if provenance["versions"] not in used else []
        differences.setdefault(shard.split, []).extend(provenance["self_difference"].tolist())
        if isinstance(recipe.simulator, Resolving):
            unknown = np.full(shard.trajectories, np.nan)  # in files of former versions
            found = (provenance.get(name, unknown) for name in ("tail", "space_error"))
            space.setdefault(shard.split, []).extend(zip(*found, strict=True))
    check = {s: {"median": float(np.median(v)), "max": float(np.max(v))} for s, v in differences.items()}
    return {
        "format": FORMAT,
        "name": family.name,
        "recipe": recipe.plain,
        "fields": list(family.fields),
        "inputs": list(family.inputs),
        "parameters": list(family.parameter_names),
        "shards": shards,
        "statistics": sha256(root / STATISTICS),
        "check": recipe.simulator.checks,
        "self_difference": check,
        "space": {split: _space(pairs) for split, pairs in space.items()},
        "rejects": rejects,
        "versions": used,
    }


def _space(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Of how many trajectories the grid was compared, or judged at all, and the largest difference and tail."""
    tails, errors = np.array(pairs, float).T
    largest = lambda x: float(np.nanmax(x)) if np.isfinite(x).any() else None
    compared = np.isfinite(errors)
    judged, compared = int((compared | np.isfinite(tails)).sum()), int(compared.sum())
    return {"of": len(errors), "judged": judged, "compared": compared, "max": largest(errors), "tail": largest(tails)}
