"""Whether a simulation and an operator that is to take part in it go together."""

from typing import Any

import numpy as np
from jax.core import Tracer

from pdejax.core import Grid, check_slot
from pdejax.methods.operators.bases import check_shape
from pdejax.methods.operators.roles import Tendency


def check_host(operator: Any, host: Any) -> None:
    """**Raises:** `ValueError` for a Stepper of another step, box, fields or shape than an operator was trained for,
    and one without a slot that an operator needs."""
    info, role = operator.info, operator.role
    _check_step(host, info)
    grid = getattr(host, "grid", None)
    if isinstance(grid, Grid) and not np.allclose(grid.lengths, info.lengths, rtol=1e-5):
        raise ValueError(f"the host lives on a box of lengths {list(grid.lengths)}, the operator was trained on "
                         f"{list(info.lengths)}")  # fmt: skip
    fields = getattr(getattr(host, "form", None), "fields", info.fields)
    if tuple(fields) != info.fields:
        raise ValueError(f"the host has the fields {', '.join(fields)}, the operator {', '.join(info.fields)}")
    if isinstance(role, Tendency):
        check_slot(host)
    shape = grid.shape if isinstance(grid, Grid) else info.shape
    check_shape(host, (2, *shape, len(info.fields)))


def _check_step(host: Any, info: Any) -> None:
    step = getattr(host, "step_size", None)
    if step is None or isinstance(step, Tracer) or not np.any(step) or np.allclose(step, info.step, rtol=1e-5):
        return
    host_step = float(np.ravel(step)[0])
    raise ValueError(f"one call of the host covers {host_step:.6g}, one of the operator {info.step:.6g}: what it "
                     "learned holds for its own step alone; take pdejax.repeated(host, n) or another dt")  # fmt: skip
