"""The side of pyro-hydro in `benchmarks.volumes`: Euler's equations by the method of lines, three stages a step."""

import logging
import os
import tempfile
from importlib.metadata import version
from typing import Any

from benchmarks._serve import serve

STEPS = 5  # of a run


def main() -> None:
    """Serves `run`."""
    from pyro import Pyro

    os.chdir(tempfile.mkdtemp())  # it writes its parameters where it is
    logging.disable(logging.CRITICAL)
    flow: Any = Pyro("compressible_rk")
    # three stages, the limiter of monotonised central differences, HLLC; a smooth flow on as many cells
    settings = {
        "mesh.nx": 128, "mesh.ny": 128, "compressible.temporal_method": "TVD3", "compressible.limiter": 1,
        "compressible.riemann": "HLLC", "compressible.use_flattening": 0, "driver.max_steps": 10**9,
        "driver.tmax": 1e9, "driver.verbose": 0, "io.n_out": 10**9, "io.dt_out": 1e9, "vis.dovis": 0,
    }  # fmt: skip
    flow.initialize_problem("kh", inputs_dict=settings)

    def run() -> None:
        for _ in range(STEPS):
            flow.single_step()

    run()
    serve({"run": run}, steps=STEPS, version=version("pyro-hydro"))


if __name__ == "__main__":
    main()
