"""The installed compiler computes right numbers; jaxlib 0.10.2 on CPU fails this by 1e-3 (jax-ml/jax issue 39103)."""

import json
import subprocess
import sys

import pytest

from tests._quick import usual_environment

BOUND = {"float32": 1e-5, "float64": 1e-12}


@pytest.fixture(scope="module")
def errors():
    """As users compile, which the suite does not."""
    script = "import json, pdejax.core as core; print(json.dumps(core.compiler_self_check()))"
    environment = usual_environment()
    return json.loads(subprocess.check_output([sys.executable, "-c", script], env=environment))


@pytest.mark.parametrize("program", ["norms", "second derivative"])
@pytest.mark.parametrize("precision", BOUND)
def test_compiled_programs_agree_with_uncompiled_ones(program, precision, errors):
    assert errors[f"{program}, {precision}"] < BOUND[precision]
