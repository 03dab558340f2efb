"""The card of an export as a page for people, with what loads each of its files."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pdejax.embedding.artefacts import onnx, stablehlo

_MODEL = """\
## With pdejax

```python
import pdejax

model = pdejax.load("."){bound}  # JSON and safetensors; no training code, nothing is unpickled
```

Where its network is code of another package, name that: `pdejax.load(".", plugins=["package"])`.
"""

_JAX = """\
## With JAX alone

```python
from pathlib import Path
from jax import export

{name} = export.deserialize(bytearray(Path("{file}").read_bytes()))
{result} = {name}.call({arguments})
```

`{name}.call` works under `jax.jit`, in `jax.lax.scan` and, once, under `jax.grad`; not under `jax.vmap` (the batch is
there for that), nor forwards (`jax.jvp`). Deserialising needs `flatbuffers`. JAX promises to run an artefact with
versions up to 6 months newer and 3 weeks older than the one that made it, {jax}; since 0.11.1 it refuses older ones.
`pdejax.load` of the folder has no such limit: export again from it.
"""

_ONNX = """\
## With ONNX

```python
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
({result},) = session.run(None, {{{arguments}}})
```

Real arithmetic, weights inside, no derivative.
"""


def readme(card: Mapping[str, Any]) -> str:
    """The page of a card."""
    parts = [f"# {card['name']}\n", _summary(card), _table(card), _files(card), _accuracy(card), _limits(card)]
    return "\n".join([*filter(None, parts), *_loading(card)])


def _summary(card: Mapping[str, Any]) -> str:
    rows = {
        "equation": "; ".join(f"`{term}`" for term in card["equation"]),
        "grid": _grid(card.get("grid")),
        "domain": ", ".join(f"{axis} in {ends}" for axis, ends in card.get("domain", {}).items()),
        "step": card.get("step"),
        "trained to": card.get("role"),
        "frames in a state": card.get("history") if card.get("history", 1) > 1 else None,
        **{f"unit of {name}": unit for name, unit in card["units"].items()},
        **{f"trained: {name}": value for name, value in card["training"].items()},
        "normalisation": card["normalisation"],
    }
    lines = [f"- {name}: {value}" for name, value in rows.items() if value not in (None, "")]
    return "\n".join([f"A {card['kind']} of pdejax. `card.json` says the same to programs.\n", *lines, ""])


def _grid(grid: Mapping[str, Any] | None) -> str | None:
    if grid is None:
        return None
    return f"{' x '.join(map(str, grid['shape']))} points on {grid['lengths']}, periodic: {grid['periodic']}"


def _table(card: Mapping[str, Any]) -> str:
    lines = ["|  | name | unit | mean | std | range in training | value |", "|---|---|---|---|---|---|---|"]
    for kind in ("fields", "inputs", "parameters"):
        for one in card[kind]:
            cells = [one["name"], *(_shown(one.get(key)) for key in ("unit", "mean", "std", "range", "bound"))]
            lines.append(f"| {kind.removesuffix('s')} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _shown(value: Any) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _files(card: Mapping[str, Any]) -> str:
    lines = ["| file | gives | of | result |", "|---|---|---|---|"]
    array = lambda one: f"`{one['name']}` {one['dtype']}({', '.join(map(str, one['shape']))}), {one['axes']}"
    for name, one in card["programs"].items():
        lines.append(f"| `{name}` | {one['does']} | {'; '.join(map(array, one['inputs']))} | {array(one['output'])} |")
    return "\n".join([*lines, ""]) if card["programs"] else ""


def _accuracy(card: Mapping[str, Any]) -> str:
    if not card["accuracy"]:
        return "Accuracy: not measured when this was written.\n"
    lines = ["| measured | value | interval | unit |", "|---|---|---|---|"]
    for row in card["accuracy"]:
        cells = (row["metric"], _shown(row.get("value")), _shown(row.get("interval")), row.get("unit", ""))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def _limits(card: Mapping[str, Any]) -> str:
    return "\n".join(["## Limits\n", *(f"- {one}" for one in card["limits"]), ""])


def _loading(card: Mapping[str, Any]) -> Iterator[str]:
    if "model.json" in card["files"]:
        values = {one["name"]: one["bound"] for one in card["parameters"] if one.get("bound") is not None}
        bind = values and card["kind"] != "field"
        yield _MODEL.format(bound=f".bind({json.dumps(values)})" if bind else "")
    for suffix, text in ((stablehlo.SUFFIX, _JAX), (onnx.SUFFIX, _ONNX)):
        first = next((name for name in card["programs"] if name.endswith(suffix)), None)
        if first is None:
            continue
        one = card["programs"][first]
        names = [given["name"] for given in one["inputs"]]
        arguments = ", ".join(names if suffix == stablehlo.SUFFIX else [f'"{name}": {name}' for name in names])
        yield text.format(
            name=first.removesuffix(suffix),
            file=first,
            result=one["output"]["name"],
            arguments=arguments,
            jax=card["versions"]["jax"],
        )
