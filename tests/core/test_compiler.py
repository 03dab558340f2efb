"""The installed compiler computes right numbers; jaxlib 0.10.2 on CPU fails this by 1e-3 (jax-ml/jax issue 39103)."""

import pytest

from pdejax.core import compiler_self_check

BOUND = {"float32": 1e-5, "float64": 1e-12}


@pytest.fixture(scope="module")
def errors():
    return compiler_self_check()


@pytest.mark.optimised
@pytest.mark.parametrize("program", ["norms", "second derivative"])
@pytest.mark.parametrize("precision", BOUND)
def test_compiled_programs_agree_with_uncompiled_ones(program, precision, errors):
    assert errors[f"{program}, {precision}"] < BOUND[precision]
