"""Operators and states that are spread over devices."""

import re

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from pdejax.methods import DataCard, Supervised, sharded
from tests.methods._drawn import drawn, normal

CARD = DataCard(
    shape=(16, 16), lengths=(2.0, 2.0), step=0.5, field_names=("u",), parameter_names=("nu",), periodic=(True, True),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2], "parameter_mean": [1.0], "parameter_std": [0.1]},
)  # fmt: skip
COLLECTIVE = re.compile(r"all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter")


@pytest.fixture(scope="module")
def operator():
    network = {"kind": "fno", "modes": 4, "width": 4, "depth": 1}
    return drawn(Supervised(), network, CARD).bind({"nu": 1.05})


@pytest.fixture(scope="module")
def u():
    return normal(4, 16, 16, 1)


@pytest.fixture(scope="module")
def expected(operator, u):
    return jax.jit(lambda u: operator(u))(u)


@pytest.fixture(scope="module")
def mesh():
    return jax.make_mesh((2,), ("data",), devices=jax.devices()[:2])


def test_an_operator_works_under_the_mesh_that_jax_makes(operator, u, expected, mesh):
    assert mesh.axis_types == (AxisType.Explicit,)
    spread = jax.device_put(u, NamedSharding(mesh, PartitionSpec("data")))
    for call in (operator, jax.jit(operator)):
        found = call(spread)
        assert found.sharding.is_equivalent_to(spread.sharding, u.ndim)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_sharded_operator_communicates_nothing(operator, u, expected, mesh):
    step = sharded(operator, mesh)
    spread = jax.device_put(u, NamedSharding(mesh, PartitionSpec("data")))
    compiled = jax.jit(step).lower(spread).compile()
    assert not COLLECTIVE.search(compiled.as_text())
    np.testing.assert_allclose(compiled(spread), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="a batch of 3 cannot be spread over 2 devices"):
        step(u[:3])
    with pytest.raises(ValueError, match="the mesh has the axes data, got 'space'"):
        sharded(operator, mesh, "space")
