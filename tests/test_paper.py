"""Configurations of published size build, and their losses have the right shapes; no memory is used."""

import pytest

from experiments._paper import check

# complex weights count twice
SIZES = {
    "fno_burgers": None,
    "fno_darcy": None,
    "fno_navier_stokes": None,
    "lsm_darcy": 19_190_000,
    "lsm_navier_stokes": 19_190_000,
}


@pytest.mark.parametrize("experiment", SIZES)
def test_published_sizes_build(experiment):
    found = check(experiment, update=False)["parameters"]
    if SIZES[experiment]:
        assert found == pytest.approx(SIZES[experiment], rel=1e-3)
