"""The discrete operator -div(a grad u) + c u on the inner nodes of a box, as coefficients of faces and nodes."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class Stencil(eqx.Module):
    """Second-order finite volumes on the inner nodes of a box: (sum of faces + reaction) u - sum of face * neighbour.

    **Arguments:**

    - `faces`: per axis the conductance of the faces normal to it, which are one more along that axis than there are
        inner nodes; axes along which nothing varies may have size one.
    - `reaction`: factor of u at the inner nodes, likewise.
    - `centre`: factor of a node's own value, from `stencil`.
    """

    faces: tuple[Float[Array, "..."], ...]
    reaction: Float[Array, "..."]
    centre: Float[Array, "..."]

    def __call__(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The operator applied to inner nodes `(*batch, *inner)` between walls that hold zero."""
        return self.on_nodes(with_boundary(u, len(self.faces)))

    def on_nodes(self, u: Float[Array, "..."]) -> Float[Array, "..."]:
        """The operator applied to all nodes `(*batch, *space)`, giving inner ones."""
        ndim = len(self.faces)
        out = self.centre * inner(u, ndim)
        for i, face in enumerate(self.faces):
            below, above = sides(face, i - ndim)
            line = inner(u, ndim, but=i)
            out = out - below * part(line, i - ndim, 0, -2) - above * part(line, i - ndim, 2, None)
        return out


def stencil(faces: tuple[Float[Array, "..."], ...], reaction: Float[Array, "..."]) -> Stencil:
    """The operator with these faces and this reaction."""
    centre = reaction
    for i, face in enumerate(faces):
        below, above = sides(face, i - len(faces))
        centre = centre + below + above
    return Stencil(faces, reaction, centre)


def face_means(a: Float[Array, "..."], spacing: tuple[float, ...]) -> tuple[Float[Array, "..."], ...]:
    """Arithmetic means of neighbouring node values over the squared spacing, per axis."""
    out = []
    for i, h in enumerate(spacing):
        line, axis = inner(a, len(spacing), but=i), i - len(spacing)
        out.append((part(line, axis, 0, -1) + part(line, axis, 1, None)) * (0.5 / h**2))
    return tuple(out)


def part(u: Float[Array, "..."], axis: int, start: int, stop: int | None, step: int = 1) -> Float[Array, "..."]:
    """A slice along one axis, counted from the end."""
    return u[(..., slice(start, stop, step), *(slice(None),) * (-axis - 1))]


def sides(face: Float[Array, "..."], axis: int) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The faces below and above each node."""
    return (face, face) if face.shape[axis] == 1 else (part(face, axis, 0, -1), part(face, axis, 1, None))


def inner(u: Float[Array, "..."], ndim: int, but: int | None = None) -> Float[Array, "..."]:
    """Without the boundary nodes of the last `ndim` axes, except of axis `but`."""
    return u[(..., *(slice(None) if i == but else slice(1, -1) for i in range(ndim)))]


def with_boundary(u: Float[Array, "..."], ndim: int) -> Float[Array, "..."]:
    """Inner nodes surrounded by zeros."""
    return jnp.pad(u, [(0, 0)] * (u.ndim - ndim) + [(1, 1)] * ndim)
