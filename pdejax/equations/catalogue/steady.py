"""Steady diffusion, in any number of dimensions."""

from typing import Annotated

from pdejax.core import Count, Given, Real, register
from pdejax.equations._steady_equation import SteadyEquation


@register("equation", "darcy")
def darcy(f: Real = 1.0, ndim: Annotated[Count, Given()] = 2) -> SteadyEquation:
    """Pressure in a porous medium of permeability a."""
    return SteadyEquation("-div(a*grad(u)) = f", {"f": f}, ndim)


@register("equation", "poisson")
def poisson(ndim: Annotated[Count, Given()] = 2) -> SteadyEquation:
    """The potential of a source f."""
    return SteadyEquation("-lap(u) = f", {}, ndim)


@register("equation", "helmholtz")
def helmholtz(k: Real = 10.0, ndim: Annotated[Count, Given()] = 2) -> SteadyEquation:
    """A wave of wavenumber k, driven by a source f."""
    return SteadyEquation("-lap(u) - k**2*u = f", {"k": k}, ndim)
