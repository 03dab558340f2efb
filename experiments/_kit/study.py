"""The command of a study: runs and what is collected from them, a smoke form, published sizes, pictures."""

import argparse
import contextlib
import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments._kit.results import Record, Row, record, write_study
from experiments._runs import pdejax, run_jobs, training

Options = argparse.Namespace


def _nothing(*_: Any) -> None:
    pass


@dataclasses.dataclass(frozen=True)
class Study:
    """What a study asks and does; every function gets the options of the command line, among them `preset`.

    **Arguments:** `folder`: of the study, whose name is its own; `question`; `run`: makes data and runs below a base
    folder, in `data/` and `runs/`; `check`: raises `SystemExit` where the smoke form's claim does not hold; `rows`:
    what finished runs hold; `draw`: pictures of runs and record; `presets`: that `run` knows; `published`: experiments
    of published size, of which the preset `paper` takes one update each; `arguments`: adds options of the study's own
    to the parser; `words`: the part of the command line that the record tells beside the preset.
    """

    folder: Path
    question: str
    run: Callable[[Options, Path], None]
    check: Callable[[Options, Path], None]
    rows: Callable[[Options, Path], list[Row]]
    draw: Callable[[Options, Path, Record], None] = _nothing
    presets: tuple[str, ...] = ("small", "smoke")
    published: tuple[str, ...] = ()
    arguments: Callable[[argparse.ArgumentParser], None] = _nothing
    words: Callable[[Options], str] = lambda options: ""

    def main(self, description: str | None, words: Sequence[str] | None = None) -> None:
        """Runs a preset; the smoke form leaves nothing behind, others write results and pictures."""
        form = argparse.RawDescriptionHelpFormatter
        parser = argparse.ArgumentParser(description=description, formatter_class=form)
        presets = (*self.presets, *(("paper",) if self.published else ()))
        parser.add_argument("--preset", choices=presets, default="small")
        parser.add_argument("--collect", action="store_true", help="only gather what finished runs hold")
        self.arguments(parser)
        options = parser.parse_args(words)
        if options.preset == "paper" and self.published:
            self._published()
        elif options.preset == "smoke":
            with tempfile.TemporaryDirectory() as scratch:
                self.run(options, Path(scratch))
                self.check(options, Path(scratch))
        else:
            self._full(options)

    def _published(self) -> None:
        from experiments._paper import check

        for name in self.published:
            print(name, check(name, update=True), flush=True)

    def _full(self, options: Options) -> None:
        if not options.collect:
            self.run(options, Path())
        name = self.folder.name
        command = f"python -m experiments.{name}.run --preset {options.preset}{self.words(options)}"
        made = record(name, self.question, command, options.preset, self.rows(options, Path()))
        write_study(self.folder, made)
        self.draw(options, Path(), made)


def train_arms(words: Sequence[str], arms: Mapping[str, Sequence[str]], base: Path, *, evaluated: bool = True) -> None:
    """Makes the data, then trains and evaluates every run, one process a core.

    **Arguments:** `words`: of all commands; `arms`: name of each run to the words of its training; `base`: data go to
    its folder `data/`, runs to `runs/`; `evaluated`: not where the study compares the models itself.
    """
    shared = (*words, f"data_dir={base / 'data'}", f"runs_dir={base / 'runs'}")
    pdejax("generate", *shared)
    job = lambda name, own: training((*shared, *own, f"name={name}"), base / "runs" / name, evaluated=evaluated)
    run_jobs([job(name, own) for name, own in arms.items()])


@contextlib.contextmanager
def picture(path: Path, *shape: int, dpi: int = 130, **options: Any) -> Iterator[tuple[Any, Any]]:
    """A figure and its axes, written to a PNG file at the end.

    **Arguments:** `shape`: rows and columns of axes; `options`: of `matplotlib.pyplot.subplots`.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(*shape, layout="constrained", **options)
    yield figure, axes
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=dpi)
    plt.close(figure)
