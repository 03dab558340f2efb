"""Incompressible flow: in two dimensions by its vorticity w, and by its velocity, also with buoyancy."""

from pdejax.core import Count, Real, register
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


@register("equation", "navier_stokes_velocity")
def navier_stokes_velocity(nu: Real = 1e-3, ndim: Count = 3) -> Equation:
    """Flow that comes to rest, by its velocity `u`, `v`, `w`; in two dimensions the vorticity takes less work."""
    velocity, axes = "uvw"[:ndim], "xyz"[:ndim]
    inertia = lambda f: "".join(f" - d{a}({f}*{g})" for g, a in zip(velocity, axes, strict=True))
    terms = [f"{f}_t ={inertia(f)} + nu*lap({f})" for f in velocity]
    return Equation(terms, {"nu": nu}, ndim, solenoidal=tuple(velocity))


@register("equation", "boussinesq")
def boussinesq(Ra: Real = 1e5, Pr: Real = 1.0, ndim: Count = 2) -> Equation:
    """Fluid between a warm and a cold plate, by its velocity `u`, `v`, `w` and temperature `T` that lifts it along the
    last axis, in units of the distance of the plates, their difference and the speed of free fall."""
    velocity, axes = "uvw"[:ndim], "xyz"[:ndim]
    inertia = lambda f: "".join(f" - d{a}({f}*{g})" for g, a in zip(velocity, axes, strict=True))
    terms = [f"{f}_t ={inertia(f)} + sqrt(Pr/Ra)*lap({f}){' + T' * (f == velocity[-1])}" for f in velocity]
    terms.append(f"T_t ={inertia('T')} + lap(T)/sqrt(Pr*Ra)")
    return Equation(terms, {"Ra": Ra, "Pr": Pr}, ndim, solenoidal=tuple(velocity))
