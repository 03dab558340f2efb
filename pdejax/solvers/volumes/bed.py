"""Water over a bed, and where there is none: what keeps a lake at rest and its depth from being negative."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import sympy

from pdejax.equations import AXES, Equation, Jet, evaluate, jet
from pdejax.solvers.volumes.flow import flow
from pdejax.solvers.volumes.law import ConservationLaw, conservation_law

DRY = 1e-8  # of the largest depth: less than that does not move; in single precision a thousand times as much


@dataclasses.dataclass(frozen=True)
class Bed:
    """A flow whose pressure is `weight*depth**2/2`, over a bed whose slope it feels as `-weight*depth*slope`.

    At rest the surface, which is depth and bed together, is flat. It is what is reconstructed, and both sides of a face
    meet over the higher bed of both: Audusse et al. (2004), "A fast and stable well-balanced scheme with hydrostatic
    reconstruction".

    - `depth`, `bed`: numbers of fields; no bed where only the depth may be zero.
    - `momenta`, `weights`: along each axis.
    - `still`: numbers of the other fields that stay: no water carries them.
    """

    depth: int
    bed: int | None
    momenta: tuple[int, ...]
    weights: tuple[sympy.Expr, ...]
    still: tuple[int, ...] = ()

    def wet(self, q: Any) -> Any:
        """The state with nothing moving where it is dry, and a depth that can be divided by."""
        h = q[self.depth]
        share = DRY * (1 if q.dtype == jnp.float64 else 1e3)
        largest = jnp.max(h, axis=tuple(range(1, h.ndim)), keepdims=True)
        moves = h > share * largest
        return self._with(q, lambda one: jnp.where(moves, one, 0), self._divisible(h))

    def levels(self, q: Any, primitive: bool) -> Any:
        """What is reconstructed: the surface, the bed, and velocities or momenta."""
        h = q[self.depth]
        return self._with(q, lambda one: one / h if primitive else one, h + self.height(q))

    def fields(self, w: Any, primitive: bool) -> Any:
        """The state of `levels`."""
        h = w[self.depth] - self.height(w)
        return self._with(w, lambda one: one * h if primitive else one, h)

    def _with(self, q: Any, carried: Callable[[Any], Any], depth: Any) -> Any:
        """A state with another depth, and something else of what the water carries."""
        stay = {self.bed, *self.still}
        out = [one if i in stay else carried(one) for i, one in enumerate(q)]
        out[self.depth] = depth
        return jnp.stack(out)

    def height(self, q: Any) -> Any:
        """Of the bed."""
        return jnp.zeros_like(q[self.depth]) if self.bed is None else q[self.bed]

    def over(self, q: Any, height: Any) -> Any:
        """What of a state is above a bed that is as high or higher, with its velocities."""
        h = q[self.depth]
        above = jnp.maximum(h - (height - self.height(q)), 0)
        share = above / self._divisible(h)
        out = self._with(q, lambda one: one * share, self._divisible(above))
        return out if self.bed is None else out.at[self.bed].set(height)

    def meet(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Both sides of faces over the higher bed, and with the mean of what stays."""
        height = jnp.maximum(self.height(low), self.height(high))
        for i in self.still:
            mean = (low[i] + high[i]) / 2
            low, high = low.at[i].set(mean), high.at[i].set(mean)
        return self.over(low, height), self.over(high, height)

    def push(self, axis: int, values: Any, inside: tuple[Any, Any], met: tuple[Any, Any]) -> Any:
        """What the bed gives each cell beside the fluxes, times its width.

        **Arguments:** `inside`: the states at the low and the high face of each cell; `met`: the same over the higher
        bed.
        """
        low, high = inside
        surface = lambda q: q[self.depth] + self.height(q)
        squares = met[1][self.depth] ** 2 - met[0][self.depth] ** 2
        thrust = squares - (low[self.depth] + high[self.depth]) * (surface(high) - surface(low))
        out = [jnp.zeros_like(thrust)] * low.shape[0]
        out[self.momenta[axis]] = evaluate(self.weights[axis], values) / 2 * thrust
        return jnp.stack(out)

    def _divisible(self, depth: Any) -> Any:
        """What derivatives can be divided by too, whose denominators are squares."""
        return jnp.maximum(depth, 1e-100 if depth.dtype == jnp.float64 else 1e-14)


def wet(equation: Equation, q: Any) -> Any:
    """The state with nothing moving where it is dry."""
    ground = bed(equation)
    return q if ground is None else ground.wet(q)


@functools.lru_cache(maxsize=64)
def bed(equation: Equation) -> Bed | None:
    """What an equation says of a bed, or of a depth that may be zero; nothing if it says neither.

    **Raises:** `ValueError` for a product with a slope that is not that of a bed.
    """
    law = conservation_law(equation)
    products = {number for axis in law.products for row in axis for number, _ in row}
    if not products and not law.vanishing:
        return None
    try:
        roles = [flow(equation, axis) for axis in range(equation.ndim)]
    except ValueError:
        roles = []
    depth = jet(equation.fields[roles[0].density]) if roles else None
    weights = [sympy.simplify(2 * one.pressure / depth**2) for one in roles] if depth else []
    hydrostatic = roles and all(one.density == roles[0].density and not one.energy for one in roles)
    if not products:  # without a bed any pressure that vanishes with the depth is good
        if hydrostatic:
            return Bed(roles[0].density, None, tuple(one.momentum for one in roles), (), law.still)
        _check_dry(equation, law)
        return None
    number = min(products)
    fits = hydrostatic and len(products) == 1 and not any(w.has(*law.conserved.symbols) for w in weights)
    for axis, one in enumerate(roles if fits else ()):
        for row, found in enumerate(law.products[axis]):
            wanted = -weights[axis] * depth if row == one.momentum else sympy.S.Zero
            fits = fits and sympy.simplify(sum((c for _, c in found), sympy.S.Zero) - wanted) == 0
    if not fits:
        name = equation.fields[number]
        raise ValueError(f"equation {list(equation.terms)}: finite volumes take the slope of {name!r}, which stays, "
                         f"times a depth h where their sum is flat at rest: as -k*h*{name}_{AXES[0]} beside "
                         "-dx(m**2/h + k*h**2/2), along every axis, with h in positive or nonnegative")  # fmt: skip
    still = tuple(i for i in law.still if i != number)
    return Bed(roles[0].density, number, tuple(one.momentum for one in roles), tuple(weights), still)


def _check_dry(equation: Equation, law: ConservationLaw) -> None:
    """**Raises:** `ValueError` where something is divided by what may be zero, but in water that carries all else."""
    divided = [*(e for axis in law.conserved.fluxes for e in axis), *law.sources, *law.primitive.of_fields]
    for name, zero in zip(equation.nonnegative, law.vanishing, strict=True):
        if isinstance(zero, Jet) and any(e.subs(zero, 0).has(sympy.zoo, sympy.nan, sympy.oo) for e in divided):
            raise ValueError(f"equation {list(equation.terms)}: {name!r} may be zero (nonnegative) and something is "
                             "divided by it; finite volumes know that of the depth of water with its momenta and what "
                             "they carry alone: is it positive?")  # fmt: skip
