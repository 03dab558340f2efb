"""`pdejax export`."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pdejax._read import printable
from pdejax._record import unfinished


def run(arguments: argparse.Namespace) -> int:
    """Writes a trained model as a folder for others, and tells what is in it."""
    options = {name: value for name, value in _options(arguments).items() if value is not None}
    from pdejax.cli._runtime import start

    start()
    from pdejax.embedding import export

    data = _data(arguments) if arguments.range else None
    folder = export(arguments.run, arguments.into or Path(arguments.run) / "export", data=data, **options)
    for path in sorted(folder.iterdir()):
        print(f"  {path.name}  {path.stat().st_size:,} bytes")
    print(printable(f"{folder}: exported; {folder / 'README.md'} tells what it is and how to load it"))
    if (Path(arguments.run) / "config.yaml").exists() and (why := unfinished(Path(arguments.run))) is not None:
        print(f"{arguments.run} was {why}: this is what it can do so far")
    return 0


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the words say, none for what they leave out."""
    return {
        "formats": _names(arguments.formats),
        "steps": _numbers("--steps", arguments.steps),
        "shape": _numbers("--shape", arguments.shape),
        "batch": arguments.batch,
        "parameters": {name: _value(name, text) for name, text in _pairs("--bind", arguments.bind).items()} or None,
        "platforms": _names(arguments.platforms),
        "units": _pairs("--unit", arguments.unit),
        "plugins": arguments.plugins,
    }


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _numbers(flag: str, text: str | None) -> tuple[int, ...] | None:
    names = _names(text)
    if names is not None and not all(name.isdecimal() and len(name) <= 9 for name in names):
        raise ValueError(f"{flag} is a whole number, or several with commas, got {text}")
    return None if names is None else tuple(map(int, names))


def _pairs(flag: str, given: Sequence[str]) -> dict[str, str]:
    """Texts such as `nu=0.1` by their names.

    **Raises:** `ValueError` for one without an equal sign, and for a name that is there twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not (name and sign and value):
            raise ValueError(f"{flag} is written NAME=VALUE, got {text!r}")
        if name in found:
            raise ValueError(f"{flag} {name} is given twice")
        found[name] = value
    return found


def _value(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"--bind {name} should be a number, got {text!r}")
    return value


def _data(arguments: argparse.Namespace) -> Any:
    """The data that the run was trained on."""
    from pdejax.cli._data import data_of, run_config

    config = run_config(Path(arguments.run), [], arguments.plugins)
    if config.stated:
        raise ValueError("--range is of training data, and a problem stated by its conditions has none: leave it out")
    return data_of(config)
