"""Named equations."""

from collections.abc import Mapping

from pdejax.equations._equation import Equation

EQUATIONS: Mapping[str, Equation] = {
    "advection": Equation("u_t = -c*u_x", {"c": 1.0}),
    "diffusion": Equation("u_t = nu*u_xx", {"nu": 1e-2}),
    "burgers": Equation("u_t = -u*u_x + nu*u_xx", {"nu": 1e-2}),
    "kdv": Equation("u_t = -6*u*u_x - u_xxx"),
    "kuramoto_sivashinsky": Equation("u_t = -u*u_x - u_xx - nu*u_xxxx", {"nu": 1.0}),
    "allen_cahn": Equation("u_t = nu*u_xx + rate*(u - u**3)", {"nu": 1e-4, "rate": 5.0}),
    "fisher_kpp": Equation("u_t = nu*u_xx + rate*u*(1 - u)", {"nu": 1e-3, "rate": 1.0}),
    "navier_stokes": Equation("w_t = -advect(w) + nu*lap(w)", {"nu": 1e-3}, ndim=2),
    "navier_stokes_forced": Equation(  # Li et al. (2021), "Fourier neural operator", section 5.3, on the unit square
        "w_t = -advect(w) + nu*lap(w) + 0.1*(sin(2*pi*(x + y)) + cos(2*pi*(x + y)))", {"nu": 1e-3}, ndim=2
    ),
    "kolmogorov_flow": Equation(  # velocity forcing sin(k y) along x, on a box of length 2 pi
        "w_t = -advect(w) + nu*lap(w) - k*cos(k*y) - drag*w", {"nu": 1e-3, "k": 4.0, "drag": 0.1}, ndim=2
    ),
    "gray_scott": Equation(  # Pearson (1993), "Complex patterns in a simple system"
        ["u_t = du*lap(u) - u*v**2 + feed*(1 - u)", "v_t = dv*lap(v) + u*v**2 - (feed + kill)*v"],
        {"du": 2e-5, "dv": 1e-5, "feed": 0.04, "kill": 0.06},
        ndim=2,
    ),
}
