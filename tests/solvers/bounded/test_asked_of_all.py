"""What is asked of an equation between walls is asked of every trajectory, and at later times too."""

import jax
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.equations import Equation
from pdejax.solvers import chebyshev_stepper, mirror_stepper


def test_coefficients_of_time_are_looked_at_later_too():
    equation = Equation("u_t = 0.001*u_xx + sin(t)*cos(2*pi*x)**2*u_xx")
    with pytest.raises(ValueError, match="beyond the limit of the terms with coefficients that vary"):
        mirror_stepper(equation, Grid((65,), (1.0,), "slope"), 0.05)


@pytest.mark.parametrize("k", [[2 * np.pi, 2.0], [2.0, 2 * np.pi]])
def test_the_mirror_of_every_trajectory_is_looked_at(k):
    equation = Equation("u_t = 0.01*u_xx*(2 + cos(k*x)) - 0.01*k*sin(k*x)*u_x", {"k": 1.0})
    with pytest.raises(ValueError, match="has no series of sines and cosines"):
        mirror_stepper(equation, Grid((17,), (1.0,), "slope"), 1e-3, parameters={"k": np.array(k)})


def test_growth_of_every_trajectory_is_looked_at():
    nu = np.full(40, 0.1)
    nu[25] = -0.1
    with pytest.raises(ValueError, match="has no solution forwards in time"):
        chebyshev_stepper(
            Equation("u_t = nu*u_xx", {"nu": 1.0}), Grid((33,), (1.0,), "value"), 0.1, points=32, parameters={"nu": nu}
        )


def test_a_matrix_of_many_points_is_not_made_in_single_precision():
    equation, grid = Equation("u_t = nu*u_xx", {"nu": 1.0}), Grid((33,), (1.0,), "value")
    u = np.sin(np.pi * grid.coordinates()).astype(np.float32)
    step = lambda points: jax.jit(
        lambda nu: chebyshev_stepper(equation, grid, 0.5, points=points, parameters={"nu": nu})(u)
    )
    with pytest.raises(ValueError, match="in single precision, which is for 32 at most"):
        step(64)(0.1)
    np.testing.assert_allclose(step(16)(0.1), np.exp(-0.1 * np.pi**2 * 0.5) * u, atol=1e-4)
