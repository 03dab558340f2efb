"""Conservation laws, with shocks, for finite volumes."""

import re
from collections.abc import Callable, Sequence

from pdejax.core import Count, Real, register
from pdejax.equations._equation import Equation


@register("equation", "inviscid_burgers")
def inviscid_burgers() -> Equation:
    """Burgers' equation without viscosity, in one dimension."""
    return Equation("u_t = -dx(u**2)/2")


@register("equation", "shallow_water")
def shallow_water(g: Real = 9.81, ndim: Count = 1) -> Equation:
    """Depth `h` over an even bed and the momentum of a column, `m` along x and `n` along y; velocities `u`, `v`."""
    if ndim == 1:
        return Equation(["h_t = -dx(m)", "m_t = -dx(m*u + g*h**2/2)"], {"g": g}, 1, {"u": "m/h"}, ("h", "u"), ("h",))
    terms = ["h_t = -dx(m) - dy(n)", "m_t = -dx(m*u + g*h**2/2) - dy(m*v)", "n_t = -dx(n*u) - dy(n*v + g*h**2/2)"]
    return Equation(terms, {"g": g}, ndim, {"u": "m/h", "v": "n/h"}, ("h", "u", "v"), ("h",))


@register("equation", "shallow_water_bed")
def shallow_water_bed(g: Real = 9.81, ndim: Count = 1) -> Equation:
    """Water of depth `h`, which may be zero, over a bed of height `b` that stays; surface `s = h + b`, momentum `m`,
    `n` along x and y, velocities `u`, `v`."""
    momenta, speeds, axes = "mno"[:ndim], "uvw"[:ndim], "xyz"[:ndim]
    terms = ["h_t =" + "".join(f" - d{axis}({m})" for m, axis in zip(momenta, axes, strict=True))]
    for m, own in zip(momenta, axes, strict=True):
        thrust = lambda axis, own=own: " + g*h**2/2" if axis == own else ""
        fluxes = [f" - d{axis}({m}*{u}{thrust(axis)})" for u, axis in zip(speeds, axes, strict=True)]
        terms.append(f"{m}_t ={''.join(fluxes)} - g*h*b_{own}")
    definitions = {"s": "h + b", **{u: f"{m}/h" for u, m in zip(speeds, momenta, strict=True)}}
    primitive = ("s", *speeds, "b")
    return Equation([*terms, "b_t = 0"], {"g": g}, ndim, definitions, primitive, nonnegative=("h",))


@register("equation", "euler")
def euler(gamma: Real = 1.4, ndim: Count = 1) -> Equation:
    """A gas without viscosity: density `rho`, momentum `m`, `n`, `o` along x, y, z, energy `E` per volume; velocities
    `u`, `v`, `w` and pressure `p`."""
    return _gas(ndim, {"gamma": gamma})


@register("equation", "compressible_navier_stokes")
def compressible_navier_stokes(eta: Real = 1e-2, zeta: Real = 1e-2, gamma: Real = 5 / 3, ndim: Count = 2) -> Equation:
    """A gas as of `euler` with shear viscosity `eta` and bulk viscosity `zeta`, whose friction heats it and which does
    not conduct heat; Takamoto et al. (2022), "PDEBench", appendix D, whose data leave the mixed derivatives out."""
    speeds, axes = "uvw"[:ndim], "xyz"[:ndim]
    spread = " + ".join(f"d{axis}({u})" for u, axis in zip(speeds, axes, strict=True))

    def stress(i: int, j: int) -> str:
        shear = f"eta*(d{axes[j]}({speeds[i]}) + d{axes[i]}({speeds[j]}))"
        return shear + (f" + (zeta - 2*eta/3)*({spread})" if i == j else "")

    return _gas(ndim, {"eta": eta, "zeta": zeta, "gamma": gamma}, stress)


def _gas(ndim: int, parameters: dict[str, float], stress: Callable[[int, int], str] | None = None) -> Equation:
    """A gas with a stress between two axes, if there is one."""
    momenta, speeds, axes = "mno"[:ndim], "uvw"[:ndim], "xyz"[:ndim]
    div = lambda flux: "".join(f" - d{axis}({flux(i)})" for i, axis in enumerate(axes)).removeprefix(" ")
    friction = lambda i, j: f" - ({stress(i, j)})" if stress else ""
    terms = [f"rho_t = {div(lambda i: momenta[i])}"]
    for j, momentum in enumerate(momenta):
        flux = lambda i, q=momentum, j=j: f"{q}*{speeds[i]}" + (" + p" if i == j else "") + friction(i, j)
        terms.append(f"{momentum}_t = {div(flux)}")
    work = lambda i: "".join(f" - {v}*({stress(i, j)})" for j, v in enumerate(speeds)) if stress else ""
    terms.append(f"E_t = {div(lambda i: f'(E + p)*{speeds[i]}{work(i)}')}")
    square = " + ".join(f"{m}**2" for m in momenta)
    definitions = {s: f"{m}/rho" for s, m in zip(speeds, momenta, strict=True)}
    definitions["p"] = f"(gamma - 1)*(E - ({square})/(2*rho))"
    return Equation(terms, parameters, ndim, definitions, ("rho", *speeds, "p"), ("rho", "p"))


@register("equation", "acoustics")
def acoustics(speed: str = "1", damping: str | Sequence[str] = "0", ndim: Count = 1) -> Equation:
    """Sound in a medium at rest: density `q`, velocities `u`, `v`, `w` along x, y, z and pressure `p = speed**2*q`.

    Layers in which waves across a side decay, and of which nothing is reflected at any angle, are those of Berenger
    (1994), "A perfectly matched layer for the absorption of electromagnetic waves": what each velocity brings of the
    density decays with the rate of its axis. Fields `qy`, `qz` are what comes along y and z, `q` is still the whole.

    **Arguments:** `speed`: a number or a text in coordinates, or `c`: then it is a field that stays; `damping`: the
    rate at which everything decays, a number or a text in coordinates, or in several dimensions a list, one rate for
    each axis, that of layers across it; `ndim`.

    **Raises:** `ValueError` for rates of layers that are not one for each of several axes, in its coordinate alone.
    """
    velocities, axes = "uvw"[:ndim], "xyz"[:ndim]
    rates = [damping.strip()] * ndim if isinstance(damping, str) else [str(one).strip() for one in damping]
    parts = () if isinstance(damping, str) else _parts(rates, axes)
    loss = lambda field, rate: "" if rate == "0" else f" - ({rate})*{field}"
    flow = "".join(f" - d{axis}({v})" for v, axis in zip(velocities, axes, strict=True))
    first = f"({' - '.join(['q', *parts])})" if parts else "q"
    brought = list(zip((first, *parts), rates, strict=False))  # along each axis; in one sum where all decay alike
    terms = [f"q_t ={flow}{''.join(loss(part, rate) for part, rate in brought)}"]
    terms += [f"{v}_t = -d{axis}(p){loss(v, rate)}" for v, axis, rate in zip(velocities, axes, rates, strict=True)]
    along = zip(velocities[1:], axes[1:], brought[1:], strict=False)
    terms += [f"{part}_t = -d{axis}({v}){loss(part, rate)}" for v, axis, (part, rate) in along]
    if speed.strip() != "c":
        return Equation(terms, {}, ndim, {"p": f"({speed})**2*q"}, ("p", *velocities, *parts))
    return Equation([*terms, "c_t = 0"], {}, ndim, {"p": "c**2*q"}, ("p", *velocities, *parts, "c"), ("c",))


def _parts(rates: list[str], axes: str) -> tuple[str, ...]:
    """Names of the parts of the density that layers of these rates ask for."""
    if len(axes) == 1 or len(rates) != len(axes):
        raise ValueError(f"equation acoustics: damping should be a text, or in several dimensions a list of as many, "
                         f"one for each axis, got {rates} in {len(axes)}")  # fmt: skip
    for axis, rate in zip(axes, rates, strict=True):
        if other := next((name for name in "xyzt" if name != axis and re.search(rf"\b{name}\b", rate)), None):
            raise ValueError(f"equation acoustics: damping of layers across {axis} should depend on {axis} alone, got "
                             f"{rate!r} with {other}")  # fmt: skip
    return tuple(f"q{axis}" for axis in axes[1:])


@register("equation", "magnetohydrodynamics")
def magnetohydrodynamics(gamma: Real = 5 / 3, ndim: Count = 2, components: Count = 2, bx: Real = 0.75) -> Equation:
    """A gas without viscosity or resistance that conducts: `rho`, momentum `m`, `n`, `o`, total energy `E` and the
    magnetic field `bx`, `by`, `bz` along x, y, z, in units in which its pressure is half of its square; velocities `u`,
    `v`, `w` and the pressure `p` of the gas.

    **Arguments:** `gamma`; `ndim`; `components`: of velocity and field, two or three, at least `ndim`; `bx`: the field
    along x in one dimension, where it is the same everywhere and a parameter; without effect in more.
    """
    if not max(ndim, 2) <= components <= 3:
        raise ValueError(f"equation magnetohydrodynamics: components should be {' or '.join('23'[max(ndim, 2) - 2 :])} "
                         f"in {ndim} dimensions, got {components}")  # fmt: skip
    momenta, speeds, fields, axes = (
        "mno"[:components],
        "uvw"[:components],
        ("bx", "by", "bz")[:components],
        "xyz"[:ndim],
    )
    div = lambda flux: "".join(f" - d{axis}({flux(i)})" for i, axis in enumerate(axes)).removeprefix(" ")
    terms = [f"rho_t = {div(lambda i: momenta[i])}"]
    for j, momentum in enumerate(momenta):
        flux = lambda i, q=momentum, j=j: f"{q}*{speeds[i]} - {fields[i]}*{fields[j]}" + (" + P" if i == j else "")
        terms.append(f"{momentum}_t = {div(flux)}")
    along = " + ".join(f"{v}*{b}" for v, b in zip(speeds, fields, strict=True))
    terms.append(f"E_t = {div(lambda i: f'(E + P)*{speeds[i]} - {fields[i]}*({along})')}")
    for j, field in enumerate(fields):
        others = [i for i in range(ndim) if i != j]
        # of a divergence of its own there is nothing: what moves is what the others bring
        row = [f"- d{axes[i]}({speeds[i]}*{field} - {fields[i]}*{speeds[j]})" for i in others]
        if ndim > 1 or j:
            terms.append(f"{field}_t = {' '.join(row)}")
    kept = fields if ndim > 1 else fields[1:]
    squares = lambda names: " + ".join(f"{name}**2" for name in names)
    definitions = {s: f"{m}/rho" for s, m in zip(speeds, momenta, strict=True)}
    definitions["p"] = f"(gamma - 1)*(E - ({squares(momenta)})/(2*rho) - ({squares(fields)})/2)"
    definitions["P"] = f"p + ({squares(fields)})/2"
    parameters = {"gamma": gamma} if ndim > 1 else {"gamma": gamma, "bx": bx}
    return Equation(terms, parameters, ndim, definitions, ("rho", *speeds, "p", *kept), ("rho", "p"))
