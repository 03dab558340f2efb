"""Whether a simulation and an operator that is to take part in it go together."""

from typing import Any

import equinox as eqx
import jax

from pdejax.core import Grid, check_slot
from pdejax.methods.operators.bases import check_goes_with, check_shape
from pdejax.methods.operators.roles import Replace, Tendency

MOST_COUNTS = 4


def check_host(operator: Any, host: Any) -> None:
    """**Raises:** `ValueError` for a Stepper of another step, box, fields or shape than an operator was trained for,
    one without a slot that an operator needs, and an operator that has no base in whose place it could stand."""
    info, role = operator.info, operator.role
    if isinstance(role, Replace):
        raise ValueError("a host has no effect: this operator was trained to take the place of a solver, and steps by "
                         "itself; train one with a base and role=correct or role=tendency to join it with another "
                         "Stepper")  # fmt: skip
    check_goes_with(host, "the host", "the operator", info.step, info.lengths, info.fields)
    if isinstance(role, Tendency):
        check_slot(host)
    grid = getattr(host, "grid", None)
    shape = grid.shape if isinstance(grid, Grid) else info.shape
    refused: ValueError | None = None
    for count in (2, *_counts(host)):  # a host with parameters of several trajectories takes states of as many
        try:
            return check_shape(host, (count, *shape, len(info.fields)))
        except ValueError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _counts(host: Any) -> list[int]:
    """Trajectories that a host may be for: first sizes of its arrays, the smallest of them."""
    arrays = [x for x in jax.tree.leaves(eqx.filter(host, eqx.is_array)) if x.ndim]
    return sorted({x.shape[0] for x in arrays} - {1, 2})[:MOST_COUNTS]
