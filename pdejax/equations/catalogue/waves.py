"""Waves, those of complex amplitude as two real fields."""

from pdejax.core import Count, Real, register
from pdejax.equations._equation import Equation


@register("equation", "wave")
def wave(c: Real = 1.0, ndim: Count = 1) -> Equation:
    """Waves of a constant speed; `v` is the rate of `u`."""
    return Equation(["u_t = v", "v_t = c**2*lap(u)"], {"c": c}, ndim=ndim)


@register("equation", "schroedinger")
def schroedinger(k: Real = 1.0) -> Equation:
    """The cubic equation i psi_t = -psi_xx/2 - k |psi|^2 psi for psi = u + i v, focusing for a positive k."""
    return Equation("psi_t = i*psi_xx/2 + i*k*abs(psi)**2*psi", {"k": k}, complex={"psi": ("u", "v")})


@register("equation", "ginzburg_landau")
def ginzburg_landau(b: Real = 1.0, c: Real = -1.5) -> Equation:
    """Aranson and Kramer (2002), "The world of the complex Ginzburg-Landau equation", equation 1, for A = u + i v."""
    term = "A_t = A + (1 + i*b)*A_xx - (1 + i*c)*abs(A)**2*A"
    return Equation(term, {"b": b, "c": c}, complex={"A": ("u", "v")})


@register("equation", "benjamin_ono")
def benjamin_ono() -> Equation:
    """Benjamin (1967) and Ono (1975): waves within a deep fluid, whose humps are positive and travel to the right."""
    return Equation("u_t = -u*u_x + hilbert(u_xx)")
