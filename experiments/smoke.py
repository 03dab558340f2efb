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
import gc
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
# a process has one core: to split a program between threads that compile it only costs
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_parallel_codegen_split_count=1")

SMOKE = ("--preset", "smoke")
# study and words of its command; the longest first, so that the processes end together
FORMS: Mapping[str, tuple[str, ...]] = {
    "pig": ("pig", *SMOKE, "--only", "pig_helmholtz", "pig_burgers"),
    "refiner_ks": ("refiner_ks", *SMOKE),
    "refiner_spectrum": ("refiner_spectrum", *SMOKE),
    "refiner_table": ("refiner_table", *SMOKE),
    "fno_benchmarks": ("fno_benchmarks", *SMOKE),
    "hybrid": ("hybrid", *SMOKE),
    "hybrid_fv": ("hybrid_fv", *SMOKE),
    "ks_fno": ("ks_fno", *SMOKE),
    "neural_ode": ("neural_ode", *SMOKE, "--only", "digits"),
    "lsm_benchmarks": ("lsm_benchmarks", *SMOKE),
    "online": ("online", *SMOKE),
    "samplers": ("samplers", *SMOKE),
    "robustness": ("robustness", *SMOKE),
}
# those of `make long`: the other tasks, and networks of published size, which are built and take one update
LONG: Mapping[str, tuple[str, ...]] = {
    "pig, Allen-Cahn": ("pig", *SMOKE, "--only", "pig_allen_cahn"),
    "lsm_benchmarks, published": ("lsm_benchmarks", "--preset", "paper"),
    "fno_benchmarks, published": ("fno_benchmarks", "--preset", "paper"),
    **{
        f"neural_ode, {task}": ("neural_ode", *SMOKE, "--only", task)
        for task in ("burgers", "sensors", "reaction", "spiral")
    },
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a form of a study ended: what it printed, with an error's traceback, and seconds by the clock and of CPU."""

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
    gc.set_threshold(100_000, 20, 50)  # a program that traces makes very many objects and little garbage


def _run(name: str, study: str, *words: str) -> Outcome:
    module, said, passed = f"experiments.{study}.run", io.StringIO(), True
    began, spent = time.perf_counter(), _cpu()
    with mock.patch("sys.argv", [module, *words]), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
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
    import jax

    jax.clear_caches()
    gc.collect()


def run(forms: Mapping[str, Sequence[str]]) -> list[Outcome]:
    """Runs forms of studies, by name, and tells of each as it ends."""
    context = multiprocessing.get_context("spawn")
    available = sorted(os.sched_getaffinity(0))
    cores = context.Queue()
    for core in available:
        cores.put(core)
    outcomes = []
    with concurrent.futures.ProcessPoolExecutor(len(available), context, _begin, (cores,)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(_run, name, *words) for name, words in forms.items()]):
            one = done.result()
            outcomes.append(one)
            claim = one.said.strip().splitlines()[-1:]
            told = " ".join(claim) if one.passed else one.said
            took = f"{one.seconds:.0f} s, {one.cpu:.0f} of CPU"
            print(f"{'ok' if one.passed else 'FAILED'} {one.name} ({took}): {told}", flush=True)
    return outcomes


def main() -> int:
    """Runs the forms that are named, or those of `make test`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forms", nargs="*", metavar="FORM", help=f"of {'; '.join((*FORMS, *LONG))}")
    names = parser.parse_args().forms or list(FORMS)
    every = {**FORMS, **LONG}
    if unknown := set(names) - set(every):
        parser.error(f"unknown form {sorted(unknown)[0]!r}: known are {'; '.join(every)}")
    outcomes = run({name: words for name, words in every.items() if name in names})
    failed = [one.name for one in outcomes if not one.passed]
    told = f"; failed: {'; '.join(failed)}" if failed else ""
    print(f"{len(outcomes)} forms of studies, {sum(one.cpu for one in outcomes):.0f} CPU s{told}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
