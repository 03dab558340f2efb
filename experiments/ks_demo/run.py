"""What the demo reached: gathers the results of `make demo` from `runs/ks_demo`.

python -m experiments.ks_demo.run
"""

import json
import shutil
from pathlib import Path

from benchmarks._results import row, study, write_study

HERE, RUN = Path(__file__).parent, Path("runs/ks_demo")
QUESTION = "How long does the demo's operator follow Kuramoto-Sivashinsky on trajectories it has never seen?"
METRIC = "correlation_time_0.8"


def main() -> None:
    """Writes `results.json` and the README's picture."""
    systems = json.loads((RUN / "evaluation.json").read_text())["systems"]
    last = json.loads((RUN / "metrics.jsonl").read_text().splitlines()[-1])
    rows = []
    for name, system in systems.items():
        entry = system["metrics"][METRIC]
        further = {"goal": 25.0, "seeds": [0], "seconds": last["time"]} if name == "model" else {}
        label = "demo operator" if name == "model" else system["label"]
        title = "high-correlation time at 0.8 (batch mean) [s]"
        rows.append(row(label, title, entry["value"], better="higher", interval=entry["interval"], **further))
    write_study(HERE, study("ks_demo", QUESTION, "make demo", "small", rows))
    shutil.copy(RUN / "figures" / "rollout.png", HERE.parent.parent / "docs" / "rollout.png")


if __name__ == "__main__":
    main()
