"""A symmetric multigrid V-cycle for variable coefficients on a box of any size.

Axes are coarsened one after the other: every second inner node is kept, and a dropped one takes from its two neighbours
the value that lets the same flux through both of its faces. Between jumps of the coefficient this is linear
interpolation; across them it keeps the convergence (Alcouffe, Brandt, Dendy & Painter, 1981). Nothing asks for 2^k + 1
nodes: where the last inner node is dropped its upper neighbour is the wall, where it is kept its last face is kept too.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.solvers.elliptic.stencil import Stencil, part, sides, stencil

DAMPING = 0.8  # of the Jacobi smoother; below one, so that the cycle is positive definite
STRONG = 1.5  # axes whose spacing is within this factor of the finest are coarsened: the smoother acts along these


class Coarsening(eqx.Module):
    """Interpolation along one axis between every second inner node and all of them.

    **Arguments:**

    - `above`: share of the upper neighbour in the value of each dropped node, the lower one has the rest; one more
        along the axis than there are kept nodes.
    - `axis`: counted from the end; `nodes`: along it, before coarsening.
    """

    above: Float[Array, "..."]
    axis: int = eqx.field(static=True)
    nodes: int = eqx.field(static=True)

    def _extended(self, u: Array, before: int, after: int) -> Array:
        return jnp.pad(u, [(before, after) if i == u.ndim + self.axis else (0, 0) for i in range(u.ndim)])

    def prolong(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """From the kept nodes to all."""
        upper, lower = self._extended(u, 0, 1), self._extended(u, 1, 0)
        dropped = lower + self.above * (upper - lower)
        both = jnp.stack([dropped, upper], axis=u.ndim + self.axis + 1)
        shape = list(u.shape)
        shape[self.axis] = -1
        return part(both.reshape(shape), self.axis, 0, self.nodes)

    def restrict(self, r: Float[Array, "..."]) -> Float[Array, "..."]:
        """The adjoint of `prolong`."""
        dropped, kept = part(r, self.axis, 0, None, 2), part(r, self.axis, 1, None, 2)
        dropped = self._extended(dropped, 0, 1 - self.nodes % 2)
        upward = self.above * dropped
        return kept + part(upward, self.axis, 0, -1) + part(dropped - upward, self.axis, 1, None)

    def at_faces(self, axis: int) -> "Coarsening":
        """The same for the faces normal to another axis, which lie between its nodes."""
        both = jnp.pad(self.above, [(int(i == self.above.ndim + axis),) * 2 for i in range(self.above.ndim)], "edge")
        return Coarsening((part(both, axis, 0, -1) + part(both, axis, 1, None)) / 2, self.axis, self.nodes)

    def in_series(self, face: Float[Array, "..."]) -> Float[Array, "..."]:
        """Conductances between kept nodes from those between all."""
        resistance = self._extended(1 / face, 0, 1 - self.nodes % 2)
        return 1 / (part(resistance, self.axis, 0, None, 2) + part(resistance, self.axis, 1, None, 2))


def _coarsen(operator: Stencil, axis: int) -> tuple[Coarsening, Stencil]:
    """Drops every second node along an axis: its faces come to lie in series, those beside it in parallel."""
    below, above = (part(face, axis, 0, None, 2) for face in sides(operator.faces[axis], axis))
    nodes = operator.centre.shape[axis]
    share = jnp.pad(
        above / (below + above), [(0, (1 - nodes % 2) * (i == above.ndim + axis)) for i in range(above.ndim)]
    )
    this = Coarsening(share, axis, nodes)
    axes = range(-len(operator.faces), 0)
    across = lambda i, face: this.in_series(face) if i == axis else this.at_faces(i).restrict(face)
    faces = tuple(across(i, face) for i, face in zip(axes, operator.faces, strict=True))
    return this, stencil(faces, this.restrict(operator.reaction))


Level = tuple[Stencil, list[Coarsening]]


def _hierarchy(operator: Stencil, spacing: tuple[float, ...]) -> list[Level]:
    """Operators down to a single unknown, each with the way to the next one."""
    levels, spacing_now = [], list(spacing)
    while operator.centre.size > 1:
        here, way = operator, []
        left = [i - len(spacing) for i, n in enumerate(operator.centre.shape) if n > 1]
        finest = min(spacing_now[i] for i in left)
        for axis in [i for i in left if spacing_now[i] <= STRONG * finest]:
            step, operator = _coarsen(operator, axis)
            spacing_now[axis] *= 2
            way.append(step)
        levels.append((here, way))
    return [*levels, (operator, [])]


def _cycle(levels: list[Level], f: Array) -> Array:
    (operator, way), *coarser = levels
    if not coarser:
        return f / operator.centre
    u = DAMPING * f / operator.centre
    r = f - operator(u)
    for step in way:
        r = step.restrict(r)
    correction = _cycle(coarser, r)
    for step in reversed(way):
        correction = step.prolong(correction)
    u = u + correction
    return u + DAMPING * (f - operator(u)) / operator.centre


def v_cycle(operator: Stencil, spacing: tuple[float, ...]) -> Callable[[Array], Array]:
    """An approximate inverse of an operator on inner nodes, symmetric and positive definite.

    One damped Jacobi step before and one after each coarse correction. Negative reactions are taken as zero.

    **Arguments:** `operator`: without batch axis; `spacing`: distance of nodes per axis.
    """
    shape = operator.centre.shape
    full = lambda x, but=None: jnp.broadcast_to(x, [n + (i == but) for i, n in enumerate(shape)])
    faces = tuple(full(face, i) for i, face in enumerate(operator.faces))
    levels = _hierarchy(stencil(faces, full(jnp.maximum(operator.reaction, 0))), spacing)
    return lambda r: _cycle(levels, r)
