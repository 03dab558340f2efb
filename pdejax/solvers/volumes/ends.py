"""Cells beyond the ends of a grid, so that its faces have a state at both sides."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import sympy

from pdejax.core import Grid, Mixed, Outflow, Periodic, Slope, Value, Wall, check_fields
from pdejax.equations import Equation, evaluate
from pdejax.solvers._end_text import end_expression
from pdejax.solvers.volumes.mirror import is_mirror, mirror
from pdejax.solvers.volumes.reconstruct import Reconstruction


@dataclasses.dataclass(frozen=True)
class Ends:
    """What holds at both sides of an axis.

    - `sides`: for the low and the high side one entry a field: an end, or the sign that a wall gives it; and the
        expression of a value or a slope.
    """

    axis: int
    sides: tuple[tuple[tuple[Any, sympy.Expr], ...], ...]
    periodic: bool

    @property
    def given(self) -> tuple[int, ...]:
        """Sides, 0 and 1, at which a field has a value: nothing but the state at the face is known beyond them."""
        return tuple(i for i, side in enumerate(self.sides) if any(isinstance(end, Value) for end, _ in side))

    def padded(self, q: Any, ghosts: int, spacing: Any, values: Mapping[Any, Any], *, smooth: bool) -> Any:
        """Averages with so many more cells at both ends.

        **Arguments:** `q`: `(field, batch, *space)`; `spacing`: of the axis; `values`: of parameters, places and time;
        `smooth`: whether a value that is given is met by the straight line through both sides, as diffusion wants it,
        or all cells beyond it hold the state at the face, as what flows in.
        """
        place = 2 + self.axis
        take = lambda part: q[(slice(None),) * place + (part,)]
        if self.periodic:
            return jnp.concatenate([take(slice(-ghosts, None)), q, take(slice(None, ghosts))], axis=place)
        parts = []
        for side, inner, edge in ((0, slice(None, ghosts), slice(None, 1)), (1, slice(-ghosts, None), slice(-1, None))):
            mirrored, last = jnp.flip(take(inner), axis=place), take(edge)
            level = not smooth and side in self.given
            beyond = [
                jnp.broadcast_to(self._at_face(side, i, last[i], spacing, values), mirrored[i].shape)
                if level
                else self._beyond(side, i, mirrored[i], last[i], place - 1, spacing, values)
                for i in range(q.shape[0])
            ]
            parts.append(jnp.stack(beyond))
        return jnp.concatenate([parts[0], q, parts[1]], axis=place)

    def reconstructed(self, w: Any, reconstruction: Reconstruction) -> tuple[Any, Any]:
        """Values at the low and the high face of each cell but the outermost ghosts, of averages with ghosts.

        Where a value is given fields go on as odd ones about the state at the face, so that slopes beside it are those
        of both sides; that state is the outer one, whatever the slopes are.
        """
        place, ghosts = 2 + self.axis, reconstruction.ghosts
        take = lambda x, start, end: x[(slice(None),) * place + (slice(start, end),)]
        joined = lambda *parts: jnp.concatenate(parts, axis=place)
        turned = lambda side, x: jnp.flip(x, axis=place) if side else x  # the side is the low one then
        odd = w
        for side in self.given:
            beyond, within = take(turned(side, w), 0, ghosts), take(turned(side, w), ghosts, 2 * ghosts)
            rest = take(turned(side, odd), ghosts, None)
            odd = turned(side, joined(2 * beyond - jnp.flip(within, axis=place), rest))
        below, above = reconstruction(odd, place)
        for side in self.given:
            face = take(turned(side, w), ghosts - 1, ghosts)
            stands = lambda x, side=side, face=face: turned(side, joined(face, take(turned(side, x), 1, None)))
            below, above = stands(below), stands(above)
        return below, above

    def _at_face(self, side: int, field: int, edge: Any, spacing: Any, values: Any) -> Any:
        """What holds of one field at the side itself; `edge`: the last cell."""
        end, expression = self.sides[side][field]
        if isinstance(end, Outflow):
            return edge
        if isinstance(end, int):
            return (1 + end) / 2 * edge
        there = evaluate(expression, values)
        if isinstance(end, Value):
            return jnp.asarray(there, edge.dtype)
        return edge + spacing / 2 * _slope(end, there, edge, spacing)

    def _beyond(self, side: int, field: int, mirrored: Any, edge: Any, place: int, spacing: Any, values: Any) -> Any:
        """The ghosts of one field; `mirrored`: the inner cells as they stand behind a mirror, `edge`: the last one."""
        end, expression = self.sides[side][field]
        if isinstance(end, Outflow):
            return jnp.broadcast_to(edge, mirrored.shape)
        if isinstance(end, int):
            return end * mirrored
        there = evaluate(expression, values)
        if isinstance(end, Value):
            return 2 * there - mirrored
        count = mirrored.shape[place]
        steps = jnp.arange(count, dtype=mirrored.dtype)
        steps = steps[::-1] if side == 0 else steps
        shape = [-1 if i == place else 1 for i in range(mirrored.ndim)]
        return mirrored + (2 * steps + 1).reshape(shape) * spacing * _slope(end, there, edge, spacing)


def _slope(end: Any, there: Any, edge: Any, spacing: Any) -> Any:
    """That is given, or of the line through the last cell that meets a mixed end."""
    return (there - end.value * edge) / (end.slope + end.value * spacing / 2) if isinstance(end, Mixed) else there


def read_ends(equation: Equation, grid: Grid) -> tuple[Ends, ...]:
    """The ends of every axis of a grid.

    **Raises:** `ValueError` for an end that is none of these, a text with a word that means nothing there, a wall
    without a mirror symmetry.
    """
    check_fields(grid.ends, equation.fields)
    return tuple(_read(equation, grid, axis) for axis in range(grid.ndim))


def _read(equation: Equation, grid: Grid, axis: int) -> Ends:
    if grid.periodic_axes[axis]:
        return Ends(axis, (), True)
    sides = []
    for side in range(2):
        ends = [grid.end(axis, side, field) for field in equation.fields]
        signs = _signs(equation, axis, ends) if any(isinstance(end, Wall) for end in ends) else ()
        entries = []
        for i, field in enumerate(equation.fields):
            end = ends[i]
            text = sympy.S.Zero
            if isinstance(end, Value | Slope | Mixed):
                text = end_expression(equation, axis, side, field, end)
            elif isinstance(end, Wall):
                end = signs[i]
            elif not isinstance(end, Outflow):
                raise ValueError(f"finite volumes know the ends {', '.join(_KNOWN)}, got {end}")
            entries.append((end, text))
        sides.append(tuple(entries))
    return Ends(axis, tuple(sides), False)


def _signs(equation: Equation, axis: int, ends: list[Any]) -> tuple[int, ...]:
    """What a wall makes of each field: the mirror image, or where that is not one alone the one that is said: fields
    with a wall vanish there."""
    said = tuple(-1 if isinstance(end, Wall) else 1 for end in ends)
    if all(isinstance(end, Wall) for end in ends) or not is_mirror(equation, axis, said):
        return mirror(equation, axis)
    return said


_KNOWN = [kind.__name__.lower() for kind in (Periodic, Value, Slope, Mixed, Outflow, Wall)]
