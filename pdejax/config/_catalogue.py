"""Names of the catalogue's equations, their number of axes and their parameters.

A copy of what `pdejax.equations.EQUATIONS` and `STEADY_EQUATIONS` say, so that a misspelt name is found without
importing JAX; a test compares the two.
"""

from collections.abc import Mapping

CATALOGUE: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "advection": (1, ("c",)),
    "diffusion": (1, ("nu",)),
    "burgers": (1, ("nu",)),
    "kdv": (1, ()),
    "kuramoto_sivashinsky": (1, ("nu",)),
    "allen_cahn": (1, ("nu", "rate")),
    "fisher_kpp": (1, ("nu", "rate")),
    "navier_stokes": (2, ("nu",)),
    "navier_stokes_forced": (2, ("nu",)),
    "kolmogorov_flow": (2, ("nu", "k", "drag")),
    "gray_scott": (2, ("du", "dv", "feed", "kill")),
}

# steady equations hold in any number of axes
STEADY_CATALOGUE: Mapping[str, tuple[str, ...]] = {"darcy": ("f",), "poisson": (), "helmholtz": ("k",)}
