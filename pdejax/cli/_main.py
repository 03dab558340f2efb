"""The entry point: which command, with what words, and what its mistakes mean to the shell.

Nothing here imports JAX or the configuration; a command's module is imported when it runs.
"""

import argparse
import dataclasses
import difflib
import functools
import importlib
import io
import os
import sys
from collections.abc import Mapping, Sequence

import pdejax
from pdejax._interrupt import Interrupted
from pdejax._read import is_ours, printable

OK, FAILED, MISTAKE = 0, 1, 2
INTERRUPTED = 75  # EX_TEMPFAIL of sysexits.h: schedulers take it for "run me again"


@dataclasses.dataclass(frozen=True)
class Command:
    """What a command is called in the help, which module runs it, and which arguments it takes."""

    summary: str
    module: str
    arguments: tuple[str, ...] = ()


COMMANDS: Mapping[str, Command] = {
    "list": Command("what there is: problems, networks, methods, experiments, data sets, runs", "_list", ("folders",)),
    "generate": Command("solve a problem for many initial states and store the data set", "_generate",
                        ("config", "part")),
    "inspect": Command("what a data set, a run or a released model holds", "_inspect", ("path",)),
    "convert": Command("write data of others as a data set in The Well's layout, with checksums", "_convert",
                       ("convert",)),
    "train": Command("train a network by a method on a problem's data set", "_train", ("config",)),
    "evaluate": Command("measure a trained model beside the baselines, write the table and the report", "_evaluate",
                        ("run", "words")),
    "compare": Command("compare runs on the same truth: errors, times, spectra, cost, stability, seeds", "_compare",
                       ("runs",)),
    "export": Command("write a trained model as files that others load: by pdejax, by JAX alone, as ONNX", "_export",
                      ("run", "export")),
    "report": Command("write the page of an evaluated run or of a comparison again", "_report", ("run",)),
    "doctor": Command("versions, devices, and whether the compiler computes right numbers", "_doctor"),
}  # fmt: skip

WORDS_HELP = """\
words are those of Hydra:
  group=name          choose a file: problem= network= method= train= experiment=
  key.below=value     set a value: train.steps=100 network.width=64
  with -m, key=1,2,3  one run for every combination
a word given twice: the last one counts
`pdejax list` shows the groups' files; files in ./configs and --config-dir are found before the shipped ones."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise SystemExit(_complain(f"{message} (see pdejax {self.prog.split()[-1]} --help)"))


def _complain(message: object, code: int = MISTAKE) -> int:
    print(f"pdejax: {printable(message)}", file=sys.stderr)
    return code


def _whole(text: str) -> int:
    """A number of things, or a seed, of which JAX would cut a longer one."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"a whole number from 0 is expected, got {text[:40]!r}")
    if len(text) > 10 or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"a whole number below {2**32} is expected, got {text[:40]}")
    return int(text)


def _path(text: str) -> str:
    """A path, or a word; an empty one would mean the current folder."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("a path is expected, got an empty text")
    return text


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()]
    commands = "\n".join(lines)
    return (
        f"usage: pdejax COMMAND [words]\n\n{pdejax.__doc__}\n\ncommands:\n{commands}\n\n"
        "pdejax COMMAND --help tells more; pdejax --version.\n\n"
        "first steps:\n  pdejax generate experiment=ks_demo\n  pdejax train experiment=ks_demo\n"
        "  pdejax evaluate runs/ks_demo"
    )


def _comparison_arguments(parser: argparse.ArgumentParser) -> None:
    add_path = functools.partial(parser.add_argument, type=_path)
    add_path("runs", nargs="+", metavar="RUN", help="folders of runs, or quoted patterns of such, and "
             "changes for all of them such as evaluation.steps=100")  # fmt: skip
    parser.add_argument("--reference", metavar="RUN", help="the run that gains are measured against (default: first)")
    parser.add_argument(
        "--members", type=_whole, default=0, metavar="N", help="of the ensemble of every stochastic run"
    )
    parser.add_argument("--together", action="append", default=[], metavar="RUN,RUN", help="runs that differ by their "
                        "seed: mean and spread, of trajectories also an ensemble; may be given again; a quoted "
                        "pattern such as 'runs/ks_*' says the same")  # fmt: skip
    parser.add_argument(
        "--long", type=_whole, default=0, metavar="STEPS", help="steps of a rollout far beyond the data"
    )
    parser.add_argument("--seed", type=_whole, default=0, help="of stochastic runs (default: 0)")
    add_path("--into", metavar="DIR", help="where to write (default: comparison, beside the first run)")


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--into", metavar="DIR", help="where to write (default: export, in the folder of the run)")
    parser.add_argument("--formats", metavar="LIST", help="some of model,jax,onnx (default: model,jax)")
    parser.add_argument("--steps", metavar="LIST", help="lengths of the rollouts (default: 16)")
    parser.add_argument("--shape", metavar="LIST", help="points per axis (default: those of the data)")
    parser.add_argument("--batch", type=_whole, metavar="N", help="samples of every call (default: any number)")
    parser.add_argument("--platforms", metavar="LIST", help="of jax's artefacts (default: cpu,cuda,tpu)")
    parser.add_argument("--bind", action="append", default=[], metavar="NAME=VALUE", help="fixes a physical parameter, "
                        "which is an input otherwise; may be given again")  # fmt: skip
    parser.add_argument("--unit", action="append", default=[], metavar="NAME=UNIT", help="of a field, a parameter, "
                        "length or time, for the card; may be given again")  # fmt: skip
    parser.add_argument("--range", action="store_true", help="tell the range of the training states, which reads them")


def _parser(name: str, command: Command) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"pdejax {name}",
        description=command.summary[0].upper() + command.summary[1:] + ".",
        epilog=WORDS_HELP if "config" in command.arguments else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_path = functools.partial(parser.add_argument, type=_path)
    parser.add_argument("--traceback", action="store_true", help="of an error, tell where it was raised")
    if "folders" in command.arguments:
        add_path("what", nargs="?", help="one of these alone, such as problems, of which there is a table")
        add_path("--data-dir", default="data", metavar="DIR", help="where data sets are (default: data)")
        add_path("--runs-dir", default="runs", metavar="DIR", help="where runs are (default: runs)")
    if {"folders", "config"} & set(command.arguments):
        add_path("--config-dir", metavar="DIR", help="a folder of configurations to search first")
    if "path" in command.arguments:
        add_path("path", help="folder of a data set, a run or a model; or a file of data")
        add_path("--picture", metavar="FILE", help="draw trajectories of a data set into this picture")
        parser.add_argument("--split", help="which split to draw (default: train)")
        parser.add_argument("--trajectory", type=_whole, metavar="N", help="the first one to draw (default: 0)")
    if "convert" in command.arguments:
        add_path("path", help="file or folder of data that a reader opens, see `pdejax inspect`")
        add_path("into", metavar="DIR", help="folder of the new data set, or of one that was not finished")
        parser.add_argument(
            "--shard-size", type=_whole, metavar="N", help="trajectories a file (default: 64 MiB of them)"
        )
    if {"run", "runs"} & set(command.arguments):
        parser.add_argument("--plugins", action="append", default=[], metavar="PACKAGE", help="a package whose code a "
                            "run may name, such as that of its network; may be given again")  # fmt: skip
    if "run" in command.arguments:
        add_path("run", help="folder of a run, e.g. runs/ks_demo")
    if "runs" in command.arguments:
        _comparison_arguments(parser)
    if "export" in command.arguments:
        _export_arguments(parser)
    if "words" in command.arguments:
        parser.add_argument("words", nargs="*", default=[], help="changes of it, e.g. evaluation.steps=100")
    if "config" in command.arguments:
        parser.add_argument("words", nargs="*", default=[], help="see below")
        parser.add_argument("-m", "--multirun", action="store_true", help="run every combination of comma lists")
        parser.add_argument("--print-config", action="store_true", help="print the whole configuration and stop")
    if "part" in command.arguments:
        parser.add_argument("--part", metavar="i/N", help="write this of N parts only, from 0/N to (N-1)/N, beside "
                            "others; the same words without it complete the set")  # fmt: skip
    return parser


def _run(name: str, arguments: argparse.Namespace) -> int:
    """Runs a command; every failure is told in a sentence, with a traceback where that was asked for."""
    # XLA calls every program from its cache unsafe over two features that are preferences (openxla/xla issue 44565)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # checks inside of differential equation solvers call Python otherwise, and XLA keeps no program that does
    os.environ.setdefault("EQX_ON_ERROR", "nan")
    try:
        return importlib.import_module(f"pdejax.cli.{COMMANDS[name].module}").run(arguments)
    except Interrupted as stopped:
        return _complain(stopped, INTERRUPTED)
    except KeyboardInterrupt:
        return _complain("interrupted", FAILED)
    except BrokenPipeError:  # the reader of the output went away, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if arguments.traceback:
            raise
        return _told(error)


def _no_device() -> str | None:
    """Why nothing can be computed, where the user's variable names a device that is not there.

    JAX says so wherever it is asked for one first, and it may not be asked before a training says how many it takes.
    """
    given, jax = os.environ.get("JAX_PLATFORMS"), sys.modules.get("jax")
    if not given or jax is None:
        return None
    try:
        jax.devices()
    except Exception:
        return f"JAX_PLATFORMS={given} names no device that JAX finds here: leave it out, or say JAX_PLATFORMS=cpu"
    return None


def _told(error: Exception) -> int:
    """Says what went wrong: a mistake in the words that were chosen for it, else what and where it was."""
    if (reason := _no_device()) is not None:
        return _complain(reason)
    ours = is_ours(error)
    if isinstance(error, OSError):
        return _complain(error, MISTAKE if ours else FAILED)
    if isinstance(error, ValueError) and ours:
        return _complain(error)
    if isinstance(error, RuntimeError) and ours:
        return _complain(error, FAILED)
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return _complain("there is not enough memory for this: take fewer points, a smaller batch or network", FAILED)
    first = next(iter(str(error).strip().splitlines()), "")
    what = f"{type(error).__name__}{f': {first[:300]}' if first else ''}"
    return _complain(
        f"a fault of pdejax or of what it calls: {what} (--traceback tells where; please report it)", FAILED
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    **Arguments:** `argv`: words after the program's name; those of the process when omitted.

    **Returns:** 0; 2 for a mistake of the user's, told in a sentence on standard error; 75 for work that was
    stopped by a signal and can go on; 1 for anything else.
    """
    if argv is None:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # where a character cannot be shown, another one stands
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return OK
    if words[0] in ("-V", "--version"):
        print(f"pdejax {pdejax.__version__}")
        return OK
    name, *rest = words
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
        meant = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(COMMANDS)}."
        return _complain(f"unknown command {name!r}. {meant}")
    return _run(name, _parser(name, COMMANDS[name]).parse_intermixed_args(rest))
