"""What an evaluation or a comparison gives: a document and arrays, of one of several kinds.

A kind is a folder of this package with `measure`, `rows`, `text` and `sections` in files of these names.
"""

import dataclasses
import importlib
import io
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError, as_path
from pdejax.core import known, read_pair, spelt, write_pair

SUMS = ("document", "arrays")  # names of the checksums of both files


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of result. What it does is imported when it is asked for: pages import matplotlib.

    **Arguments:** `schema`: version of its document; `home`: package with its functions; `stem`: of the files it is
    saved in; `page`: name of the page.
    """

    schema: int
    home: str
    stem: str = "evaluation"
    page: str = "report"

    def function(self, name: str, beside: str | None = None) -> Callable[..., Any]:
        """`measure`, `rows`, `text` or `sections` from the file of this name; or another one `beside` one of these."""
        return getattr(importlib.import_module(f"pdejax.evaluation.{self.home}.{beside or name}"), name)


KINDS: Mapping[str, Kind] = {
    "rollout": Kind(4, "rollouts"),
    "steady": Kind(4, "steady"),
    "coordinate": Kind(3, "coordinate"),
    "comparison": Kind(3, "comparison", stem="comparison", page="comparison"),
}

Row = dict[str, Any]
"""A number of a result: `system`, `metric`, `value` (or none with its `reason`), `interval`, `unit`, `better`, ...

A number of solves that repay, and the ends of its interval, may be the word "never"."""


@spelt
@dataclasses.dataclass(frozen=True)
class Result:
    """How good something is, in numbers.

    **Arguments:** `kind`: a key of `KINDS`; `document`: JSON-able, its layout is the `LAYOUT` of the kind's `measure`;
    `arrays`: for pictures and comparisons.
    """

    kind: str
    document: dict[str, Any]
    arrays: Mapping[str, np.ndarray]

    def rows(self) -> list[Row]:
        """Every number, a mapping each: system, metric, value, interval, unit, better, ..."""
        return [*KINDS[self.kind].function("rows")(self), *_evaluator_rows(self.document)]

    def metric(self, name: str, system: str = "model") -> Row:
        """Value, interval, unit, ... of one number.

        **Raises:** `ValueError` for an unknown metric or system.
        """
        found = {(row["system"], row["metric"]): row for row in self.rows()}
        systems = dict.fromkeys(one for one, _ in found)
        if system not in systems:
            raise ValueError(known("system", system, systems))
        names = [metric for one, metric in found if one == system]
        if name not in names:
            raise ValueError(known("metric", name, names))
        return found[system, name]

    def system(self, name: str) -> dict[str, Any]:
        """The section of one system.

        **Raises:** `ValueError` for an unknown one.
        """
        systems = self.document.get("systems", {})
        if name not in systems:
            raise ValueError(known("system", name, systems))
        return systems[name]

    def models(self) -> list[str]:
        """Names of the systems that are no baselines, in their order."""
        return [name for name, one in self.document.get("systems", {}).items() if one["kind"] == "model"]

    def curves(self, system: str = "model") -> dict[str, np.ndarray]:
        """Arrays of one system without its prefix, with the times."""
        prefix = f"{system}/"
        own = {name[len(prefix) :]: x for name, x in self.arrays.items() if name.startswith(prefix)}
        return {"times": self.arrays["times"], **own}

    def __str__(self) -> str:
        """The table that the command line prints."""
        return KINDS[self.kind].function("text")(self)

    def to_pandas(self) -> Any:
        """`rows` as a `pandas.DataFrame`; both ends of intervals are columns.

        **Raises:** `ModuleNotFoundError` without pandas, which is an extra.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("a table needs pandas: pip install 'pdejax[pandas]'") from error
        return pandas.DataFrame([flat(row) for row in self.rows()])

    def save(self, folder: str | Path) -> Path:
        """Writes `STEM.json` and `STEM.npz`, both or none; the former tells the checksums of both.

        **Returns:** the path of the former; STEM is `evaluation` or `comparison`.
        """
        kind, folder, packed = KINDS[self.kind], Path(folder), io.BytesIO()
        np.savez_compressed(packed, **{k: np.asarray(v) for k, v in self.arrays.items()})  # pyright: ignore
        plain = {"schema": kind.schema, "kind": self.kind, **self.document}
        path = folder / f"{kind.stem}.json"
        write_pair(path, plain, path.with_suffix(".npz"), packed.getvalue(), SUMS)
        return path

    @classmethod
    def load(cls, folder: str | Path) -> "Result":
        """The result that `save` wrote, also in the layout of an earlier version.

        **Arguments:** `folder`: with `evaluation.json` or `comparison.json`; or one of these files.

        **Raises:** `FileNotFoundError` if there is none; `ValueError` if it is of a version that is not read.
        """
        path = _file_in(as_path(folder))
        document, arrays = _of_one(path)
        return cls(*_upgraded(document, path), arrays)

    def write_page(self, folder: str | Path) -> Path:
        """Writes the page about this result and its pictures, see `pdejax.evaluation.page.write.write_page`."""
        from pdejax.evaluation.page.write import write_page

        return write_page(self, folder)


def flat(row: Row) -> Row:
    """A row whose interval is two numbers, `low` and `high`."""
    low, high = row.get("interval") or (None, None)
    return {k: v for k, v in row.items() if k != "interval"} | {"low": low, "high": high}


def _evaluator_rows(document: Mapping[str, Any]) -> list[Row]:
    return [{"system": "model", "metric": name, **entry} for name, entry in document.get("evaluators", {}).items()]


def _file_in(path: Path) -> Path:
    """The file of a result."""
    if path.suffix == ".json":
        return path
    stems = dict.fromkeys(kind.stem for kind in KINDS.values())
    for stem in stems:
        if (path / f"{stem}.json").exists():
            return path / f"{stem}.json"
    raise FileNotFoundError(f"{path} holds no evaluation.json: evaluate the run first (nor a comparison.json)")


# schemas that are read too: the first ones differ in the heading, the second ones hold no price
_FORMER = {"rollout": (2, 3), "steady": (2, 3), "coordinate": (1, 2), "comparison": (1, 2)}


def _of_one(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays that were written together; while they are being written anew, one may be the older one.

    **Raises:** `FileError` for files that are damaged, or of two evaluations.
    """
    beside = path.with_suffix(".npz")
    document, content = read_pair(path, beside, SUMS, "evaluate again")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return document, dict(arrays)
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(f"{beside} is damaged ({error}): evaluate again") from None


def _upgraded(document: dict[str, Any], path: Path) -> tuple[str, dict[str, Any]]:
    """Kind and document of a file.

    **Raises:** `ValueError` for a kind or version that is not read.
    """
    schema, kind = document.pop("schema", None), document.pop("kind", None)
    if kind in (None, "field"):
        kind = _former_kind(document, kind)
    if kind not in KINDS:
        raise ValueError(f"{path}: {known('kind of result', str(kind), KINDS)}")
    if schema not in (KINDS[kind].schema, *_FORMER[kind]):
        raise ValueError(f"{path} has schema {schema}, this pdejax reads {KINDS[kind].schema}: evaluate the run again")
    if "problem" in document.get("dataset", {}):
        document["dataset"] |= _former_family(document["dataset"])
    return kind, document


def _former_family(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """What earlier versions called the problem, as a family and its simulator."""
    problem = dataset["problem"]
    draws = {name: problem[name] for name in ("initial", "input") if problem.get(name)}
    family = {
        "vary": problem.get("vary") or {},
        "equation": {"parameters": problem.get("parameters") or {}},
        "draws": draws,
        "times": problem.get("time"),
    }
    return {"family": family, "simulator": problem.get("solver") or {}}


def _former_kind(document: Mapping[str, Any], kind: str | None) -> str:
    """The kind of a file that calls it otherwise, or not at all."""
    if kind == "field":
        return "coordinate"
    if "ensembles" in document:
        return "comparison"
    return "steady" if document.get("dataset", {}).get("steady") else "rollout"
