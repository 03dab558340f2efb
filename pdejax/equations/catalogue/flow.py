"""Incompressible flow in two dimensions, by its vorticity w."""

from pdejax.core import Real, register
from pdejax.equations._equation import Equation


@register("equation", "navier_stokes")
def navier_stokes(nu: Real = 1e-3) -> Equation:
    """Flow that comes to rest."""
    return Equation("w_t = -advect(w) + nu*lap(w)", {"nu": nu}, ndim=2)


@register("equation", "navier_stokes_forced")
def navier_stokes_forced(nu: Real = 1e-3) -> Equation:
    """Li et al. (2021), "Fourier neural operator", section 5.3, on the unit square."""
    forcing = "0.1*(sin(2*pi*(x + y)) + cos(2*pi*(x + y)))"
    return Equation(f"w_t = -advect(w) + nu*lap(w) + {forcing}", {"nu": nu}, ndim=2)


@register("equation", "kolmogorov_flow")
def kolmogorov_flow(nu: Real = 1e-3, k: Real = 4.0, drag: Real = 0.1) -> Equation:
    """Velocity forcing sin(k y) along x, on a box of length 2 pi."""
    parameters = {"nu": nu, "k": k, "drag": drag}
    return Equation("w_t = -advect(w) + nu*lap(w) - k*cos(k*y) - drag*w", parameters, ndim=2)
