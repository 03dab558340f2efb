"""Advection, diffusion and waves in one dimension."""

from pdejax.core import Real, register
from pdejax.equations._equation import Equation


@register("equation", "advection")
def advection(c: Real = 1.0) -> Equation:
    """Transport at a constant speed."""
    return Equation("u_t = -c*u_x", {"c": c})


@register("equation", "diffusion")
def diffusion(nu: Real = 1e-2) -> Equation:
    """The heat equation."""
    return Equation("u_t = nu*u_xx", {"nu": nu})


@register("equation", "burgers")
def burgers(nu: Real = 1e-2) -> Equation:
    """Burgers' equation with viscosity."""
    return Equation("u_t = -u*u_x + nu*u_xx", {"nu": nu})


@register("equation", "kdv")
def kdv() -> Equation:
    """Korteweg and de Vries' equation."""
    return Equation("u_t = -6*u*u_x - u_xxx")


@register("equation", "kuramoto_sivashinsky")
def kuramoto_sivashinsky(nu: Real = 1.0) -> Equation:
    """Kuramoto and Sivashinsky's equation in derivative form."""
    return Equation("u_t = -u*u_x - u_xx - nu*u_xxxx", {"nu": nu})
