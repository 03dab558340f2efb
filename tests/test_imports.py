"""What importing does, in a process of its own: no backend of JAX is started, whatever is imported."""

import subprocess
import sys

SCRIPT = """
import importlib, pkgutil, sys
import pdejax
for module in pkgutil.walk_packages(pdejax.__path__, "pdejax."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from jax._src import xla_bridge
assert not xla_bridge._backends, "a backend was started: an array is made while something is imported"
assert "torch" not in sys.modules
"""


def test_importing_everything_starts_no_backend():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
