"""`pdejax evaluate`."""

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pdejax._read import entries, printable, read_json
from pdejax._record import unfinished
from pdejax._write import check_folder
from pdejax.cli._data import data_of, run_config
from pdejax.config import RunConfig


def run(arguments: argparse.Namespace) -> int:
    """Evaluates a run's model beside what it is compared with, prints the table and writes the report."""
    folder = Path(arguments.run)
    config = run_config(folder, arguments.words, arguments.plugins)
    check_folder(folder / "figures")  # before anything is measured
    from pdejax.cli._runtime import start

    start()
    import jax

    from pdejax.config._assemble import in_double
    from pdejax.embedding import load
    from pdejax.evaluation import evaluate, kind_for

    with jax.enable_x64(in_double(config)):
        model, data = load(folder, arguments.plugins), data_of(config)
        with _progress() if kind_for(model, data) != "coordinate" else contextlib.nullcontext({}) as further:
            result = evaluate(model, data, run=folder, **options_of(config), **further)
    result.save(folder)
    print(printable(result))
    print(f"report: {result.write_page(folder)}")
    for line in _others(folder, data, arguments.words):
        print(line)
    if (why := unfinished(folder)) is not None:
        print(f"{folder} was {why}: this is what it can do so far")
    return 0


def _others(folder: Path, data: Any, words: Sequence[str]) -> Iterator[str]:
    """A line where the data are not those of the training, and nobody asked for others."""
    record, found = folder / "data.json", getattr(data, "fingerprint", None)
    if found is None or not record.exists() or any(word.startswith(("problem", "data=")) for word in words):
        return
    known = entries(read_json(record), record, root=str, fingerprint=str)
    if known["fingerprint"] != found:
        yield f"{known['root']} holds other data than {folder} was trained on: they were changed or made anew since"


@contextlib.contextmanager
def _progress() -> Iterator[dict[str, Any]]:
    """A bar that tells which system is measured, and of how many trajectories."""
    from pdejax._progress import bar

    with bar(None, "measuring {task.description}") as shown:
        task = shown.add_task("model", total=None)
        tell = lambda name, done, total: shown.update(task, description=name, completed=done, total=total)
        yield {"progress": tell}


PRICE = ("price", "trials")
OPTIONS = ("trajectories", "steps", "chunk", "baselines", *PRICE)


def options_of(config: RunConfig, names: Sequence[str] = OPTIONS) -> dict[str, Any]:
    """What the configuration wants of the evaluation; what it leaves as it is, is left out."""
    import jax

    wanted, usual = config.evaluation, type(config.evaluation)()
    given = {name: getattr(wanted, name) for name in names if getattr(wanted, name) != getattr(usual, name)}
    return given | ({"seed": config.seed} if config.stated else {"key": jax.random.key(config.seed)})
