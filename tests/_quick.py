"""Quick compilation: most of the suite's time is XLA's, and most of that the optimisation of programs that run once.

Imported before JAX. `PDEJAX_TEST_OPTIMISED=1`, as `make long` sets it, leaves programs as users have them; so do the
studies' smoke forms and everything in a `usual_environment`.
"""

import importlib.metadata
import os

FLAGS = ["--xla_backend_optimization_level=0"]
# the older code generator needs a third of the time for such programs; JAX 0.11 took it away
if importlib.metadata.version("jaxlib").startswith("0.10."):
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")


def quick_environment() -> dict[str, str]:
    """What to add to the environment of this process, before it imports JAX."""
    if os.environ.get("PDEJAX_TEST_OPTIMISED"):
        return {}
    given = os.environ.get("XLA_FLAGS", "").split()
    return {"XLA_FLAGS": " ".join([*given, *(flag for flag in FLAGS if flag not in given)])}


def usual_environment() -> dict[str, str]:
    """The environment of a process that compiles as users do."""
    given = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag not in FLAGS]
    return {**os.environ, "XLA_FLAGS": " ".join(given)}
