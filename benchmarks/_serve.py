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


def serve(runs: Mapping[str, Callable[[], Any]], steps: int = 1, **facts: Any) -> None:
    """Prints the facts, then answers each request `{"run": name, "count": n}` on standard input: the mean wall and CPU
    seconds of a step, of which each of the `n` runs takes `steps`, what the last run gave, and the peak memory by now.
    """
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(request["count"]):
            result = runs[request["run"]]()
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        mean = [s / request["count"] / steps for s in seconds]
        print(json.dumps({"seconds": mean, "peak": peak(), "result": result}), flush=True)


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

    def _request(self, name: str, count: int) -> dict[str, Any]:
        assert self.process.stdin is not None
        print(json.dumps({"run": name, "count": count}), file=self.process.stdin, flush=True)
        answer = self._answer()
        self.peak = answer["peak"]
        return answer

    def run(self, name: str, count: int) -> tuple[float, float]:
        """Mean wall and CPU seconds of a step."""
        wall, cpu = self._request(name, count)["seconds"]
        return wall, cpu

    def result(self, name: str) -> Any:
        """What a run gives."""
        return self._request(name, 1)["result"]

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()


def alternate(sides: Sequence[Side], name: str, turns: int, counts: Sequence[int]) -> list[list[tuple[float, float]]]:
    """For every side the wall and CPU seconds of a step in each of its turns of `counts` runs, after a warm-up."""
    for side in sides:
        side.run(name, 2)
    pairs = [[side.run(name, count) for side, count in zip(sides, counts, strict=True)] for _ in range(turns)]
    return [list(times) for times in zip(*pairs, strict=True)]
