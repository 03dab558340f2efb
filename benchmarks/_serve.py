"""One side of a comparison between two Pythons: a process that runs on request, so that runs of both can alternate."""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def peak() -> float:
    """Most memory this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def serve(runs: Mapping[str, Callable[[], Any]], **facts: Any) -> None:
    """Prints the facts, then answers each request `{"run": name, "count": n}` on standard input with the wall and CPU
    seconds of every run, and the peak memory by now.
    """
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        request, seconds = json.loads(line), []
        for _ in range(request["count"]):
            cpu, wall = time.process_time(), time.perf_counter()
            runs[request["run"]]()
            seconds.append([time.perf_counter() - wall, time.process_time() - cpu])
        print(json.dumps({"seconds": seconds, "peak": peak()}), flush=True)


class Side:
    """A process that serves."""

    def __init__(self, python: str, module: str, *arguments: str):
        """**Arguments:** `python`: interpreter; `module`: of this package, which serves; `arguments`: of its own."""
        command = [python, "-m", module, *arguments]
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.facts = self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the process {self.process.args} ended with code {self.process.wait()}")
        return json.loads(line)

    def run(self, name: str, count: int) -> list[tuple[float, float]]:
        """Wall and CPU seconds of `count` runs."""
        assert self.process.stdin is not None
        print(json.dumps({"run": name, "count": count}), file=self.process.stdin, flush=True)
        answer = self._answer()
        self.peak = answer["peak"]
        return [(wall, cpu) for wall, cpu in answer["seconds"]]

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def alternate(sides: Sequence[Side], name: str, rounds: int, count: int = 2) -> list[list[tuple[float, float]]]:
    """For every side the wall and CPU seconds of its runs: after a warm-up, `count` in each of `rounds` turns."""
    for side in sides:
        side.run(name, 2)
    turns = [[side.run(name, count) for side in sides] for _ in range(rounds)]
    return [[pair for turn in turns for pair in turn[i]] for i in range(len(sides))]
