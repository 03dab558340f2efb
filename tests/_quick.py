"""Quick compilation: most of the suite's time is XLA's, and most of that the optimisation of programs that run once.

Imported before JAX. With `PDEJAX_TEST_OPTIMISED=1` programs are compiled as users have them: tests marked `optimised`
ask for that, and the studies' smoke forms know nothing of all this.
"""

import importlib.metadata
import os

# and without splitting a program between threads, which costs more than it saves where programs are small
FLAGS = ["--xla_backend_optimization_level=0", "--xla_cpu_parallel_codegen_split_count=1"]
# the older code generator needs a third of the time for such programs; JAX 0.11 took it away
if importlib.metadata.version("jaxlib").startswith("0.10."):
    FLAGS.append("--xla_cpu_use_fusion_emitters=false")
OPTIMISED = bool(os.environ.get("PDEJAX_TEST_OPTIMISED"))


def quick_environment() -> dict[str, str]:
    """What to add to the environment of this process and its children."""
    if OPTIMISED:
        return {}
    given = os.environ.get("XLA_FLAGS", "").split()
    return {"XLA_FLAGS": " ".join([*given, *(flag for flag in FLAGS if flag not in given)])}
