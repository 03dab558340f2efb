"""What importing does, in a process of its own: no backend of JAX is started, whatever is imported, and Flax is not
imported but by the module that defines modules of it."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
import pdejax
flax = "pdejax.embedding._flax_modules"
for module in pkgutil.walk_packages(pdejax.__path__, "pdejax."):
    if not module.name.endswith("__main__") and module.name != flax:
        importlib.import_module(module.name)
from jax._src import xla_bridge
assert not xla_bridge._backends, "a backend was started: an array is made while something is imported"
assert not {"torch", "flax"} & set(sys.modules)
importlib.import_module(flax)
assert "flax" in sys.modules
assert not xla_bridge._backends
"""


def test_importing_everything_starts_no_backend():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
