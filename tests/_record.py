"""What every test takes: CPU seconds with its children's, programs compiled or fetched, memory.

Written to `build/test_times.json`, the dearest first, and told in short at the end of a run.
"""

import json
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax
import pytest

PATH = Path(__file__).parent.parent / "build" / "test_times.json"
DEAREST = 10
SLOW = 1.0  # CPU seconds of a test that `make quick` leaves out
EVENTS = {
    "/jax/core/compile/backend_compile_duration": "programs",
    "/jax/compilation_cache/cache_hits": "cached",
}


def cpu_seconds() -> float:
    """CPU time of this process and of the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def memory_gib() -> float:
    """Resident memory of this process now; its peak where the system tells no more."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**30 if sys.platform == "darwin" else peak / 2**20
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


class Meter:
    """Measures the phases of tests, each from where the last one ended, in the process that runs them."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(EVENTS.values(), 0)
        self.since = (0.0, dict(self.counts))
        jax.monitoring.register_event_listener(self._count)
        jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: self._count(event))

    def _count(self, event: str, **_: object) -> None:
        if event in EVENTS:
            self.counts[EVENTS[event]] += 1

    def phase(self) -> dict[str, float]:
        """CPU seconds and programs since the last call, and memory now."""
        cpu, counts = cpu_seconds(), dict(self.counts)
        before, counted = self.since
        self.since = (cpu, counts)
        return {"cpu": cpu - before, **{k: counts[k] - counted[k] for k in counts}, "memory": memory_gib()}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[None]:
        """Puts the cost on a report, which travels to the process that collects them."""
        report = yield
        report.cost = self.phase()
        return report

    def pytest_collection_finish(self) -> None:
        """Imports are no test's."""
        self.phase()

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The whole of this process, imports and all."""
        if (output := getattr(session.config, "workeroutput", None)) is not None:
            output["cpu"] = cpu_seconds()


class Ledger:
    """Collects what all processes have measured."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, float]] = {}
        self.workers: list[float] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds a phase to its test."""
        cost: Mapping[str, float] = getattr(report, "cost", {})
        one = self.tests.setdefault(report.nodeid, {"seconds": 0.0})
        one["seconds"] += report.duration
        for name, value in cost.items():
            one[name] = max(one.get(name, 0), value) if name == "memory" else one.get(name, 0) + value

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        """A process of xdist has ended."""
        self.workers.append(getattr(node, "workeroutput", {}).get("cpu", 0.0))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Writes the file and tells the totals and the dearest tests."""
        if not self.tests:
            return
        ordered = sorted(self.tests.items(), key=lambda item: -item[1].get("cpu", 0))
        total = lambda name: sum(one.get(name, 0) for one in self.tests.values())
        whole = sum(self.workers) or cpu_seconds()
        programs, cached = total("programs"), total("cached")
        memory = max(one.get("memory", 0) for one in self.tests.values())
        document = {"cpu": whole, "programs": programs, "cached": cached, "memory": memory, "tests": dict(ordered)}
        PATH.parent.mkdir(exist_ok=True)
        PATH.write_text(json.dumps(document, indent=1))
        terminalreporter.section("cost")
        terminalreporter.line(
            f"{whole:.0f} CPU s, of which tests {total('cpu'):.0f}; {programs} programs, {cached} of them from the "
            f"cache; at most {memory:.1f} GiB a process; all in {PATH.relative_to(Path(__file__).parent.parent)}"
        )
        for name, one in ordered[:DEAREST]:
            terminalreporter.line(f"{one.get('cpu', 0):6.1f} s  {one.get('programs', 0):4d} programs  {name}")


def register(config: pytest.Config) -> None:
    """Measures where tests run and collects where they are told."""
    worker = hasattr(config, "workerinput")
    distributed = bool(getattr(config.option, "numprocesses", None))
    if worker or not distributed:
        config.pluginmanager.register(Meter(), "meter")
    if not worker:
        config.pluginmanager.register(Ledger(), "ledger")


def main() -> None:
    """Writes `slow.txt` from the times of the last whole run."""
    tests = json.loads(PATH.read_text())["tests"]
    slow = {name.partition("[")[0] for name, one in tests.items() if one["cpu"] >= SLOW}
    (Path(__file__).parent / "slow.txt").write_text("\n".join(sorted(slow)) + "\n")


if __name__ == "__main__":
    main()
