"""Steps beyond the limit of terms whose coefficients vary, which are explicit, are refused however long they are."""

import numpy as np
import pytest

from pdejax.core import Grid, trajectory
from pdejax.equations import Equation
from pdejax.solvers import mirror_stepper, spectral_stepper

WAVES = Equation(["u_t = v", "v_t = (1 + 0.2*cos(2*pi*x))**2*lap(u)"])
MAKE = {
    "periodic": lambda dt: spectral_stepper(WAVES, Grid((32,), (1.0,)), dt),
    "slope": lambda dt: mirror_stepper(WAVES, Grid((33,), (1.0,), "slope"), dt),
}


# in some of these the highest waves turn by nearly whole turns, which hides how they grow
@pytest.mark.parametrize("dt", [0.2, 0.3, 2.0, *(pytest.param(dt, marks=pytest.mark.long) for dt in (0.25, 0.45, 1.0))])
@pytest.mark.parametrize("ends", MAKE)
def test_a_step_is_refused_however_long_it_is(ends, dt):
    with pytest.raises(ValueError, match=r"a step of .* is beyond the limit .* take steps of 0.01[5-9]"):
        MAKE[ends](dt)


@pytest.mark.parametrize("ends", MAKE)
def test_the_step_that_is_named_is_stable(ends):
    coarse, fine = MAKE[ends](0.017), MAKE[ends](0.017 / 8)
    x = np.linspace(0, 1, 32, endpoint=False)[:, None] if ends == "periodic" else np.linspace(0, 1, 33)[:, None]
    start = np.concatenate([np.exp(-100 * (x - 0.5) ** 2), 0 * x], -1)
    u, other = (trajectory(one, start, count)[-1] for one, count in ((coarse, 40), (fine, 320)))
    assert np.linalg.norm(u[..., 0] - other[..., 0]) < 0.02 * np.linalg.norm(other[..., 0])
