"""Diffusion that is divided by what depends on the state."""

import numpy as np
import pytest
import scipy.sparse
import sympy
from scipy.integrate import solve_ivp

from pdejax.equations import Equation, jet, read_equation
from pdejax.solvers import volume_stepper
from pdejax.solvers.volumes.law import conservation_law
from tests.solvers.volumes.laws import cells, flow

SORPTION = read_equation("diffusion_sorption")
BOUND = (1 - 0.29) / 0.29 * 2880 * 3.5e-4


def by_lines(n, time, start):
    """Values at the middles of n/2 cells, by differences between points twice as dense, the ends among them."""
    retarded = lambda u: 1 + BOUND * 0.874 * (u + 1e-6) ** (0.874 - 1)

    def rate(t, u):
        whole = np.concatenate([[1.0], u, [0.0]])
        return 5e-4 / retarded(u) * np.diff(whole, 2) * n**2

    bands = scipy.sparse.diags_array([np.ones(n - 2), np.ones(n - 1), np.ones(n - 2)], offsets=[-1, 0, 1])
    found = solve_ivp(rate, (0, time), np.full(n - 1, start), "BDF", rtol=1e-8, atol=1e-10, jac_sparsity=bands)
    assert found.success
    return found.y[::2, -1]


def test_sorption_is_that_of_lines(x64):
    errors = []
    for n in (32, 64):
        grid = cells(n, ends=[[{"kind": "value", "expression": 1}, "value"]])
        found = flow(SORPTION, grid, np.full((n, 1), 0.1), 100.0)[:, 0]
        truth = by_lines(512, 100.0, 0.1).reshape(n, -1)
        middle = truth.shape[1] // 2
        errors.append(np.abs(found - (truth[:, middle - 1] + truth[:, middle]) / 2).mean())
    assert errors[1] < 2e-4
    assert np.log2(errors[0] / errors[1]) > 1.8


def test_the_content_is_conserved(x64):
    """What `R` is the derivative of, between ends that nothing passes."""
    grid = cells(32, ends="slope")
    start = 0.5 + 0.4 * np.cos(np.pi * grid.axes()[0])[:, None]
    found = flow(SORPTION, grid, start, 300.0)
    content = lambda u: (u + BOUND * (u + 1e-6) ** 0.874).sum()
    assert abs(content(found) / content(start) - 1) < 1e-6
    assert abs(found.sum() / start.sum() - 1) > 1e-3  # of which the concentration alone is none
    assert np.abs(found - start).max() > 0.1


def test_what_divides_is_seen_from_the_text():
    (mobility,) = conservation_law(Equation("u_t = 3*lap(u)/(1 + u**2)", ndim=2)).mobility
    assert mobility.subs(jet("u"), 2) == sympy.Rational(1, 5)
    assert conservation_law(Equation("u_t = 3*u_xx + dx(u*u_x)")).mobility == (1,)
    with pytest.raises(ValueError, match="its diffusion is divided by different things"):
        volume_stepper(Equation("u_t = u_xx + u_xx/(1 + u**2)"), cells(8), 0.1)
    with pytest.raises(ValueError, match="its diffusion along x is negative"):
        volume_stepper(Equation("u_t = -u_xx/(1 + u**2)"), cells(8), 0.1)
