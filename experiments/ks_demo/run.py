"""What the demo reached: gathers the results of `make demo` from `runs/ks_demo`.

python -m experiments.ks_demo.run
"""

import shutil
from pathlib import Path

from experiments._kit.results import ROOT, record, write_study
from experiments._kit.rollouts import measured
from experiments._runs import systems, training_seconds

HERE, RUN = Path(__file__).parent, Path("runs/ks_demo")
QUESTION = "How long does the demo's operator follow Kuramoto-Sivashinsky on trajectories it has never seen?"


def main() -> None:
    """Writes `results.json` and the README's picture."""
    rows = []
    for name, system in systems(RUN).items():
        own = {"goal": 25.0, "seeds": [0], "seconds": training_seconds(RUN)} if name == "model" else {}
        label = "demo operator" if name == "model" else system["label"]
        rows.append(measured(label, "correlation_time_0.8", system["metrics"], **own))
    write_study(HERE, record("ks_demo", QUESTION, "make demo", "small", rows))
    shutil.copy(RUN / "figures" / "rollout.png", ROOT / "docs" / "rollout.png")


if __name__ == "__main__":
    main()
