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
    "neural_ode_navier_stokes": None,
    "refiner_ks": 53_900_000,
    "refiner_kolmogorov": 151_000_000,
}
TOLERANCE = {"refiner_ks": 0.01, "refiner_kolmogorov": 0.01}  # other up-sampling, and one embedding of all conditions


# others of their kinds
MORE = ("lsm_navier_stokes", "neural_ode_navier_stokes", "refiner_kolmogorov")


@pytest.mark.parametrize(
    "experiment", [pytest.param(name, marks=pytest.mark.long) if name in MORE else name for name in SIZES]
)
def test_published_sizes_build(experiment):
    found = check(experiment, update=False)["parameters"]
    if SIZES[experiment]:
        assert found == pytest.approx(SIZES[experiment], rel=TOLERANCE.get(experiment, 1e-3))
