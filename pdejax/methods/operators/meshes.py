"""Operators and states that are spread over devices."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jax.sharding import AxisType, Mesh, PartitionSpec
from jaxtyping import Array

from pdejax.core import check_key, spelt


def on_any_mesh(step: Callable[[Array, Any], Array], u: Array, key: Any) -> Array:
    """`step(u, key)`, also where `u` lies on a mesh with explicit axes, whose types do not survive a reshape.

    The compiler then places what happens inside, which gathers the whole state before each Fourier transform: see
    `sharded` for a call without communication.
    """
    check_key(key)
    where = jax.typeof(u).sharding
    kinds = zip(where.mesh.axis_names, where.mesh.axis_types, strict=True)
    explicit = tuple(name for name, kind in kinds if kind is AxisType.Explicit)
    if not explicit:
        return step(u, key)
    inside: Any = jax.sharding.auto_axes(lambda u: step(u, key), axes=explicit, out_sharding=where)
    return inside(u)


@spelt
def sharded(operator: Any, mesh: Mesh, axis: str | None = None) -> Callable[..., Array]:
    """An operator whose every call is made of calls on the parts of a batch, one on each device, without communication.

    Noise that it draws is another one on every device, so that samples differ from those of the whole batch.

    **Arguments:** `operator`: bound to one set of parameters, if it needs any; `mesh`; `axis`: of the mesh, over which
    the first axis of a state is spread; its first when omitted.

    **Returns:** a Stepper `(u, *, key=None)` of states `(batch, ..., *space, channel)`, whose batch is a multiple of
    the axis' size.
    """
    name = mesh.axis_names[0] if axis is None else axis
    if name not in mesh.axis_names:
        raise ValueError(f"the mesh has the axes {', '.join(map(str, mesh.axis_names))}, got {name!r}")
    arrays, static = eqx.partition(operator, eqx.is_array)
    batch, whole = PartitionSpec(name), PartitionSpec()

    def part(arrays: Any, u: Array, key: Any) -> Array:
        mine = None if key is None else jax.random.fold_in(key, jax.lax.axis_index(name))
        return eqx.combine(arrays, static)(u, key=mine)

    def call(u: Array, *, key: Any = None) -> Array:
        check_key(key)
        if u.shape[0] % mesh.shape[name]:
            raise ValueError(f"a batch of {u.shape[0]} cannot be spread over {mesh.shape[name]} devices alike")
        return jax.shard_map(part, mesh=mesh, in_specs=(whole, batch, whole), out_specs=batch)(arrays, u, key)

    return call
