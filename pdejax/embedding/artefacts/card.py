"""The signature card of an export: what its numbers mean, where they come from, how far they can be trusted."""

import importlib.metadata
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import read_plain_yaml
from pdejax._record import updates_of
from pdejax.core import known
from pdejax.data import Trajectories
from pdejax.embedding.artefacts.programs import Program
from pdejax.methods import ContinuousOperator, Operator, PhysicsField, SteadyOperator

VERSION = 1
PACKAGES = ("pdejax", "jax", "jaxlib", "equinox", "jax2onnx", "onnx")
SPACE, TIME = "length", "time"  # names of units beside those of fields and parameters


def card_of(
    model: Any,
    programs: Sequence[Program],
    *,
    name: str,
    units: Mapping[str, str],
    run: Path | None = None,
    data: Trajectories | None = None,
) -> dict[str, Any]:
    """The card of a model, without what is known only when its files are written.

    **Arguments:** `model`; `programs`; `name`: of the export; `units`: by the name of a field, an input or a
    parameter, or of `length` and `time`; `run`: folder of the run it comes from; `data`: that it was trained on.

    **Raises:** `ValueError` for a unit of nothing, or other data than the model was trained on.
    """
    described = json.loads(model.origin or "{}")
    card = _problem_facts(model) if isinstance(model, PhysicsField) else _operator_facts(model, described, data)
    _name_units(card, units)
    return {
        "card": VERSION,
        "name": name,
        "kind": _kind(model),
        **card,
        "training": _training(described, run),
        "accuracy": _accuracy(run),
        "limits": [*_limits(model, programs)],
        "versions": _versions(),
    }


def _kind(model: Any) -> str:
    if isinstance(model, PhysicsField):
        return "field"
    if isinstance(model, SteadyOperator):
        return "steady operator"
    return "continuous operator" if isinstance(model, ContinuousOperator) else "operator"


def _operator_facts(model: Any, described: Mapping[str, Any], data: Trajectories | None) -> dict[str, Any]:
    info, n = model.info, model.normalisation
    bound = None if model.parameters is None else np.asarray(model.parameters)[0]
    entries = lambda names, mean, std: [
        {"name": name, "mean": float(m), "std": float(s)} for name, m, s in zip(names, mean, std, strict=True)
    ]
    fields = entries(info.fields, n.mean, n.std)
    parameters = entries(info.parameters, n.parameter_mean, n.parameter_std)
    for field, span in zip(fields, _ranges(data, described, len(fields)), strict=True):
        field["range"] = span
    for i, parameter in enumerate(parameters):
        parameter["bound"] = None if bound is None else float(bound[i])
    grid = {"shape": list(info.shape), "lengths": list(info.lengths)}
    return {
        "equation": list(info.equation),
        "fields": fields,
        "inputs": entries(info.inputs, n.input_mean, n.input_std),
        "parameters": parameters,
        "grid": {**grid, "periodic": described.get("data", {}).get("periodic", [])},
        "step": None if isinstance(model, SteadyOperator) else info.step,
        "role": model.role.verb if isinstance(model, Operator) else None,
        "history": info.history,
        "normalisation": "inside: states go in and come out in physical units; mean and std are of the training data",
    }


def _ranges(data: Trajectories | None, described: Mapping[str, Any], fields: int) -> Sequence[list[float] | None]:
    """Least and largest value of each field in the training states, where the data are given."""
    if data is None:
        return [None] * fields
    fingerprint = described.get("data", {}).get("fingerprint", "")
    if data.fingerprint != fingerprint:
        found = f"with the fingerprint {data.fingerprint[:12]}"
        raise ValueError(f"the model was trained on data with the fingerprint {fingerprint[:12]}, got data {found}")
    split = data.split("train")
    least, most = np.full(fields, math.inf), np.full(fields, -math.inf)
    for number in range(len(split)):  # one trajectory in memory at a time
        states = split.window(number, 0, split.frames).states.reshape(-1, fields)
        least, most = np.minimum(least, states.min(0)), np.maximum(most, states.max(0))
    return [[float(a), float(b)] for a, b in zip(least, most, strict=True)]


def _problem_facts(model: PhysicsField) -> dict[str, Any]:
    problem = model.problem
    terms = getattr(problem.equation, "terms", ())
    return {
        "equation": [terms] if isinstance(terms, str) else [str(term) for term in terms],
        "fields": [{"name": name} for name in problem.fields],
        "inputs": [],
        "parameters": [{"name": name, "bound": float(value)} for name, value in model.parameters.items()],
        "domain": {axis: list(ends) for axis, ends in zip(problem.axes, problem.box, strict=True)},
        "normalisation": "inside: points go in and values come out in physical units",
    }


def _name_units(card: dict[str, Any], units: Mapping[str, str]) -> None:
    """Gives every field, input and parameter its unit, or none."""
    named = [*card["fields"], *card["inputs"], *card["parameters"]]
    names = [one["name"] for one in named]
    for name in units:
        if name not in (*names, SPACE, TIME):
            raise ValueError(known("unit of", name, (*names, SPACE, TIME)))
    for one in named:
        one["unit"] = units.get(one["name"])
    card["units"] = {SPACE: units.get(SPACE), TIME: units.get(TIME)}


def _training(described: Mapping[str, Any], run: Path | None) -> dict[str, Any]:
    data, method, network = (described.get(name, {}) for name in ("data", "method", "network"))
    facts = {"method": method.get("kind"), "network": network.get("kind"), "fingerprint": data.get("fingerprint")}
    if "problem" in data:
        return {**facts, "problem": data["problem"]["name"]}
    if run is None:
        return facts
    config = read_plain_yaml(run / "config.yaml")
    problem = config.get("problem")
    done, steps = updates_of(run)
    updates = done if steps in (None, done) else f"{done} of {steps}"
    return {**facts, "run": run.name, "problem": problem.get("name") if isinstance(problem, dict) else problem,
            "data": config.get("data"), "seed": config.get("seed"), "updates": updates}  # fmt: skip


def _accuracy(run: Path | None) -> list[dict[str, Any]]:
    """What the evaluation of a run says about its model."""
    if run is None or not (run / "evaluation.json").exists():
        return []
    from pdejax.evaluation import Result

    wanted = ("metric", "value", "interval", "unit", "reason")
    rows = [row for row in Result.load(run).rows() if row["system"] == "model"]
    told = lambda row: {name: row[name] for name in wanted if row.get(name) is not None}
    return [{"value": None, **told(row)} for row in rows]


def _limits(model: Any, programs: Sequence[Program]) -> Iterator[str]:
    """Sentences about what the programs are for."""
    field = isinstance(model, PhysicsField)
    yield "Learned from the data or the problem named here; nothing is known of states that are unlike them."
    if programs and not field:
        grid = " x ".join(map(str, programs[0].inputs[0].shape[1:-1]))
        yield f"One resolution: the programs are for {grid} points, another grid needs another export."
    for size in dict.fromkeys(size for one in programs for size in one.open_sizes):
        yield f"{size}, the number of {'points' if field else 'samples'}, is whatever a call has; one such axis."
    if any(one.name == "key" for program in programs for one in program.inputs):
        yield "Draws noise: the same key data give the same states."


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
