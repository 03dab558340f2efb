"""Records what the command line computes, for comparison after the program is changed.

python -m tests.golden.record                     # all cases into tests/golden/values.json, some minutes
python -m tests.golden.record --only 'data/*'     # these anew; the others stay as they were
python -m tests.golden.record --missing           # go on where it was interrupted, or with new cases
python -m tests.golden.record --into FILE         # elsewhere
"""

import argparse
import contextlib
import fnmatch
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.golden.cases import DATA, FORMER, TRAINING

VALUES = Path(__file__).with_name("values.json")
# groups of a file that hold what was computed, not how
_COMPUTED = ("t0_fields", "scalars", "dimensions", "axes", "fields")
INTERRUPTED = 75  # what a training that was stopped by a signal returns
_OF_THE_CLOCK = ("time", "cpu_time", "samples_per_second")


def names() -> tuple[str, ...]:
    """All cases."""
    groups = {"data": DATA, "training": TRAINING, "former": FORMER}
    return tuple(f"{group}/{name}" for group, cases in groups.items() for name in cases)


def fingerprint() -> str:
    """On what the same program gives the same bits: the processor, how many cores share the work, who compiled."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    processor = f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
    versions = (f"{name} {importlib.metadata.version(name)}" for name in ("jax", "jaxlib", "numpy", "scipy"))
    return ", ".join((processor, f"{os.cpu_count()} cores", *versions))


def _summary(values: np.ndarray) -> dict[str, Any]:
    """A digest of an array, and some numbers that tell how far another one is from it."""
    values = np.ascontiguousarray(values)
    wide = values.astype(np.float64).ravel()
    return {
        "shape": list(values.shape),
        "dtype": str(values.dtype),
        "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
        "mean": float(wide.mean()),
        "rms": float(np.sqrt(np.mean(wide**2))),
        "entries": [float(v) for v in wide[:: max(1, wide.size // 7)][:8]],
    }


def _arrays(folder: Path) -> dict[str, Any]:
    """All computed arrays of a data set, by the folder and the group they are in."""
    found: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".hdf5", ".h5")):
        with h5py.File(path, "r") as file:

            def visit(name: str, item: Any, path: Path = path) -> None:
                if isinstance(item, h5py.Dataset) and name.split("/")[0] in _COMPUTED:
                    found[f"{path.parent.relative_to(folder)}/{name}".removeprefix("./")] = _summary(item[()])

            file.visititems(visit)
    return found


def _lines(folder: Path) -> list[dict[str, float]]:
    """The record of a run, all its parts in the order in which they were trained."""
    paths = sorted(folder.rglob("metrics.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


class Recorder:
    """Runs cases in a folder, each once and after those it needs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: dict[str, Any] = {}

    def __call__(self, name: str) -> dict[str, Any]:
        """What a case computes, JSON-able."""
        if name not in self._done:
            group, key = name.split("/")
            self._done[name] = {"data": self._data, "training": self._training, "former": self._former}[group](key)
        return self._done[name]

    def words(self, name: str) -> tuple[str, ...]:
        """All words of a case."""
        group, key = name.split("/")
        problem, words, after = (key, (), None) if group == "data" else TRAINING[key]
        teacher = () if after is None else (f"method.teacher={self._folder}/runs/{after}",)
        places = (f"data_dir={self._folder}/data", f"runs_dir={self._folder}/runs", f"name={key}")
        return (f"problem={problem}", f"problem.name={problem}", *DATA[problem], *words, *teacher, *places)

    def _data(self, key: str) -> dict[str, Any]:
        self._command("generate", f"data/{key}", *_closed(key))
        return _arrays(self._folder / "data" / key)

    def _training(self, key: str) -> dict[str, Any]:
        case = TRAINING[key]
        self(f"data/{case.problem}")
        if case.after:
            self(f"training/{case.after}")
        self._command("train", f"training/{key}")
        lines = _lines(self._folder / "runs" / key)
        measured = [{k: v for k, v in line.items() if k.startswith("valid/")} for line in lines]
        last = {k: v for k, v in lines[-1].items() if k not in _OF_THE_CLOCK}
        before = next(values for values in measured if values)
        return {"losses": [line["loss"] for line in lines if "loss" in line], "before": before, "last": last}

    def _former(self, key: str) -> dict[str, Any]:
        """What a run that was trained before the program was rebuilt says of a sine, or of a row of points."""
        import jax

        import pdejax

        trained = pdejax.load(Path(__file__).with_name("former") / "runs" / key)
        numbers = np.linspace(0, 1, int(np.prod(FORMER[key])), endpoint=False, dtype=np.float32)
        values = (numbers if key == "field" else np.sin(2 * np.pi * numbers)).reshape(FORMER[key])
        given = {"key": jax.random.key(0)} if key == "two_phases" else {}
        return {"output": _summary(np.asarray(trained(jax.numpy.asarray(values), **given)))}

    def _command(self, command: str, name: str, *more: str) -> None:
        from pdejax.cli import main

        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = main([command, *self.words(name), *more])
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise RuntimeError(f"{name}: pdejax {command} gave {code}: {said.getvalue().strip()}")


def _closed(key: str) -> Iterable[str]:
    """Generation composes a whole run, though it needs the problem alone: what a field leaves open is closed."""
    return ("network.count=9",) if key.startswith("pig_") else ()


def read(path: Path = VALUES) -> dict[str, Any]:
    """The recorded values."""
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Writes values, a case a line, so that a difference shows which cases changed."""
    cases = ",\n".join(f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in values["cases"].items())
    path.write_text(
        f'{{\n "recorded_on": {json.dumps(values["recorded_on"])},\n "cases": {{\n{cases}\n }}\n}}\n', encoding="utf-8"
    )


def main() -> None:
    """Records and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=VALUES)
    parser.add_argument("--only", default="*", metavar="PATTERN", help="of the names of cases, such as training/*")
    parser.add_argument("--missing", action="store_true", help="only what is not recorded yet")
    options = parser.parse_args()
    known = read(options.into) if options.into.exists() else {"recorded_on": fingerprint(), "cases": {}}
    if known["recorded_on"] != fingerprint():
        parser.error(f"{options.into} was recorded on {known['recorded_on']}, this is {fingerprint()}: delete it first")
    wanted = [n for n in fnmatch.filter(names(), options.only) if not (options.missing and n in known["cases"])]
    failed = {}
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(Path(folder))
        for name in wanted:
            begun = time.process_time()
            try:
                known["cases"][name] = recorder(name)
            except Exception as error:
                failed[name] = error
            print(f"{time.process_time() - begun:6.1f} CPU s  {name} {failed.get(name, '')}", flush=True)
            cases = {name: known["cases"][name] for name in names() if name in known["cases"]}
            write(options.into, {**known, "cases": cases})
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
