"""How large an explicit step of a flow on faces may be."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array

from pdejax.equations import evaluate, jet
from pdejax.solvers._arrays import batch_axis, traced
from pdejax.solvers.staggered.flow import buoyancies, source_derivative
from pdejax.solvers.staggered.form import Faces, StaggeredForm, part
from pdejax.solvers.volumes.waves import radius

STABLE = 1.25  # a step times `fastest`: beyond 1.256 diffusion alone grows, with three stages


def fastest(form: StaggeredForm, q: Faces, time: Any) -> Array:
    """The rate at which the flow and diffusion cross cells and sources act, largest of each trajectory, `(batch,)`."""
    time = batch_axis(jnp.asarray(time), form.grid.ndim)
    crossing: Any = 0.0
    for axis, name in enumerate(form.equation.solenoidal):
        faces = jnp.abs(form.faces(q[form.equation.fields.index(name)], axis))
        here = jnp.maximum(part(faces, axis, slice(None, -1)), part(faces, axis, slice(1, None)))
        crossing = crossing + here / form.spacing(axis)
    inertia = _most(form, [one.inertia for one in form.terms], time)
    total = inertia * _largest(crossing, q[0].shape[0])
    for axis in range(form.grid.ndim):
        h = batch_axis_of(form.spacing(axis))
        total = total + 2 * _most(form, [one.diffusion[axis] for one in form.terms], time) / h**2
        total = total + _most(form, [one.drift[axis] for one in form.terms], time) / h
    return total + _source_rate(form, q, time)


def _source_rate(form: StaggeredForm, q: Faces, time: Any) -> Any:
    """Of sources alone, and of layers in a fluid that buoyancy brings back to rest."""
    batch, matrix, known = q[0].shape[0], source_derivative(form.equation), form.values(time, None)
    for x, field, one in zip(q, form.equation.fields, form.terms, strict=True):
        known[jet(field)] = x if one.axis is None else form.onto_cells(x, one.axis)
    total: Any = 0.0
    if matrix is not None:
        total = _largest(radius(matrix, {s: v for s, v in known.items() if s in matrix.free_symbols}), batch)
    waves: Any = 0.0
    for axis, number, derivative in buoyancies(form.equation):
        slope = _difference(q[number], axis) / form.spacing(axis)
        pull = jnp.asarray(evaluate(derivative, known), jnp.result_type(float))
        waves = waves + _largest(jnp.abs(pull), batch) * _largest(jnp.abs(slope), batch)
    return total if isinstance(waves, float) else total + _root(waves)


def _root(x: Array) -> Array:
    """Also differentiable at zero."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def _most(form: StaggeredForm, factors: list[sympy.Expr], time: Any) -> Any:
    """The largest size of some factors, a number or `(batch,)`."""
    total: Any = 0.0
    for e in dict.fromkeys(factors):
        if e != 0:
            found = jnp.abs(jnp.asarray(evaluate(e, form.values(time, None)), jnp.result_type(float)))
            total = jnp.maximum(total, batch_axis_of(found))
    return total


def batch_axis_of(x: Any) -> Any:
    """`(batch, *space)` to the largest in space, `(batch,)`; numbers stay."""
    return jnp.max(x, axis=tuple(range(1, x.ndim))) if np.ndim(x) else x


def _largest(x: Any, batch: int) -> Array:
    return jnp.broadcast_to(batch_axis_of(x), (batch,))


def _difference(x: Array, axis: int) -> Array:
    return part(x, axis, slice(1, None)) - part(x, axis, slice(None, -1))


def check_equal(form: StaggeredForm, dt: Any, substeps: int) -> None:
    """**Raises:** `ValueError` if equal steps are longer than diffusion allows; nothing is asked of what is traced."""
    if any(map(traced, (dt, form.length, *form.parameters.values()))):
        return
    rate = np.asarray(_diffusing(form))
    most = STABLE / np.where(rate > 0, rate, 1)
    step = np.broadcast_to(np.asarray(dt) / substeps, np.broadcast_shapes(np.shape(dt), most.shape))
    if np.any((step > most) & (rate > 0)):
        needed = int(np.ceil(np.max(step * substeps * rate) / STABLE))
        cells = " x ".join(map(str, form.grid.shape))
        raise ValueError(f"substeps={substeps} makes steps of {np.max(step):.3g}, and diffusion on {cells} cells is "
                         f"stable with steps up to {np.min(most):.3g}: set substeps to at least {needed}, or leave it "
                         "out")  # fmt: skip


def _diffusing(form: StaggeredForm) -> Any:
    total: Any = 0.0
    for axis in range(form.grid.ndim):
        h = batch_axis_of(form.spacing(axis))
        total = total + 2 * _most(form, [one.diffusion[axis] for one in form.terms], 0.0) / h**2
    return total
