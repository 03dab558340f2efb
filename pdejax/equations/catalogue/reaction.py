"""Reaction and diffusion."""

from pdejax.core import Count, Real, register
from pdejax.equations._equation import Equation


@register("equation", "allen_cahn")
def allen_cahn(nu: Real = 1e-4, rate: Real = 5.0) -> Equation:
    """Phases that separate."""
    return Equation("u_t = nu*u_xx + rate*(u - u**3)", {"nu": nu, "rate": rate})


@register("equation", "fisher_kpp")
def fisher_kpp(nu: Real = 1e-3, rate: Real = 1.0) -> Equation:
    """A population that grows and spreads."""
    return Equation("u_t = nu*u_xx + rate*u*(1 - u)", {"nu": nu, "rate": rate})


@register("equation", "gray_scott")
def gray_scott(du: Real = 2e-5, dv: Real = 1e-5, feed: Real = 0.04, kill: Real = 0.06) -> Equation:
    """Pearson (1993), "Complex patterns in a simple system"."""
    terms = ["u_t = du*lap(u) - u*v**2 + feed*(1 - u)", "v_t = dv*lap(v) + u*v**2 - (feed + kill)*v"]
    return Equation(terms, {"du": du, "dv": dv, "feed": feed, "kill": kill}, ndim=2)


@register("equation", "diffusion_sorption")
def diffusion_sorption(
    D: Real = 5e-4, porosity: Real = 0.29, grains: Real = 2880.0, k: Real = 3.5e-4, n: Real = 0.874
) -> Equation:
    """What a fluid in a porous medium carries and its grains bind after Freundlich: the concentration `u` diffuses
    retarded by `R`; Takamoto et al. (2022), "PDEBench", appendix D, with their numbers.

    What is conserved is the content, the integral of `R` over `u`.
    """
    retarded = "1 + (1 - porosity)/porosity*grains*k*n*exp((n - 1)*log(u + 1e-6))"
    parameters = {"D": D, "porosity": porosity, "grains": grains, "k": k, "n": n}
    return Equation("u_t = D*u_xx/R", parameters, 1, {"R": retarded}, nonnegative=("u",))


@register("equation", "fitzhugh_nagumo")
def fitzhugh_nagumo(du: Real = 1e-3, dv: Real = 5e-3, k: Real = 5e-3, ndim: Count = 2) -> Equation:
    """Activator `u` and inhibitor `v`; Takamoto et al. (2022), "PDEBench", appendix D, with their numbers."""
    terms = ["u_t = du*lap(u) + u - u**3 - k - v", "v_t = dv*lap(v) + u - v"]
    return Equation(terms, {"du": du, "dv": dv, "k": k}, ndim=ndim)
