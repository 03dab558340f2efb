"""The studies' smoke forms: every one asserts its claim. One process a core takes one study after another.

    python -m experiments.smoke               # all of them
    python -m experiments.smoke pig samplers  # some

A study runs as its own command does, with all commands of the package inside of its process: what is imported and
compiled once serves all of them. The exit code is 1 if a study fails; what it said is printed whole.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import io
import multiprocessing
import os
import resource
import runpy
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from unittest import mock

# before anything imports JAX or Equinox, as the command line does
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("EQX_ON_ERROR", "nan")

STUDIES: Mapping[str, tuple[str, ...]] = {  # with further words; the longest first, so that the processes end together
    "pig": (),
    "refiner_ks": (),
    "refiner_spectrum": (),
    "refiner_table": (),
    "fno_benchmarks": (),
    "ks_fno": (),
    "neural_ode": ("--only", "digits"),
    "lsm_benchmarks": (),
    "samplers": (),
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a study ended: what it printed, with the traceback of an error, and seconds by the clock and of CPU."""

    name: str
    passed: bool
    said: str
    seconds: float
    cpu: float


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _begin(cores: "multiprocessing.Queue[int]") -> None:
    """Gives a new process its core, and the cache of compiled programs."""
    os.sched_setaffinity(0, {cores.get()})
    from pdejax.cli._runtime import start

    start(1)


def _run(name: str) -> Outcome:
    words, said, passed = [f"experiments.{name}.run", "--preset", "smoke", *STUDIES[name]], io.StringIO(), True
    began, spent = time.perf_counter(), _cpu()
    with mock.patch("sys.argv", words), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module(words[0], run_name="__main__", alter_sys=True)
        except SystemExit as end:
            passed = not end.code
            print(end.code or "")
        except BaseException:
            passed = False
            traceback.print_exc()
    _release()
    return Outcome(name, passed, said.getvalue(), time.perf_counter() - began, _cpu() - spent)


def _release() -> None:
    """Lets go of a study's programs."""
    import gc

    import jax

    jax.clear_caches()
    gc.collect()


def run(names: Sequence[str]) -> list[Outcome]:
    """Runs studies and tells of each as it ends."""
    context = multiprocessing.get_context("spawn")
    available = sorted(os.sched_getaffinity(0))
    cores = context.Queue()
    for core in available:
        cores.put(core)
    outcomes = []
    with concurrent.futures.ProcessPoolExecutor(len(available), context, _begin, (cores,)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(_run, name) for name in names]):
            one = done.result()
            outcomes.append(one)
            claims = [line for line in one.said.splitlines() if line.startswith(("smoke:", "orders hold"))]
            told = "\n  ".join(claims) if one.passed else one.said
            print(f"{'ok' if one.passed else 'FAILED'} {one.name} ({one.seconds:.0f} s): {told}", flush=True)
    return outcomes


def main() -> int:
    """Runs the studies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)} (default: all)")
    names = parser.parse_args().studies or list(STUDIES)
    if unknown := set(names) - set(STUDIES):
        parser.error(f"unknown study {sorted(unknown)[0]!r}: known are {', '.join(STUDIES)}")
    outcomes = run([name for name in STUDIES if name in names])
    failed = [one.name for one in outcomes if not one.passed]
    print(
        f"{len(outcomes)} studies, {sum(one.cpu for one in outcomes):.0f} CPU s" + f"; failed: {failed}" * bool(failed)
    )
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
