"""Steady families on boxes with zero boundary values."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, PerAxis, Positive, Value, check_options, register
from pdejax.equations import AXES, Family, SteadyEquation
from pdejax.solvers._arrays import check_points
from pdejax.solvers._simulator import Frames
from pdejax.solvers._variants import Variant
from pdejax.solvers.elliptic.solve import EllipticSolution, solve_elliptic
from pdejax.solvers.elliptic.variants import elliptic_variants

SMALLEST = 3  # points per axis, both ends among them


@register("simulator", "elliptic")
@dataclasses.dataclass(frozen=True)
class Elliptic:
    """Finite volumes of second order and preconditioned conjugate gradients; see `solve_elliptic`.

    **Arguments:** `shape`: points per axis to solve on, a multiple of the intervals of the family's domain, which is
    thinned out of it; `tolerance`: relative residual at which it stops; `preconditioner`.
    """

    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None
    tolerance: Positive = 1e-10
    preconditioner: Literal["auto", "poisson", "multigrid"] = "auto"

    outside = False
    checks = "relative residual of the discrete equations"
    remedy = "choose another solver.preconditioner or a larger tolerance of the problem"

    def __post_init__(self) -> None:
        check_options(self)

    def validate(self, family: Family) -> None:
        """**Raises:** `ValueError` for a family in time, other ends than zero, or a `shape` that does not fit."""
        grid, what = family.domain, f"problem {family.name!r}: "
        if not isinstance(family.equation, SteadyEquation):
            raise ValueError(f"{what}solver elliptic is for steady equations, and this one evolves in time; the kind "
                             f"etdrk takes it")  # fmt: skip
        if not isinstance(grid, Grid):
            raise ValueError(f"{what}solver elliptic needs a grid, got {type(grid).__name__}")
        check_points(grid, f"{what}solver elliptic")
        for axis in range(grid.ndim):
            for side in (0, 1):
                if (end := grid.end(axis, side, "u")) != Value():
                    raise ValueError(f"{what}solver elliptic needs domain.ends value, zero at every side, got {end}")
        if min(grid.shape) < SMALLEST:
            raise ValueError(f"{what}domain.shape should have at least {SMALLEST} points per axis, both ends among "
                             f"them, got {list(grid.shape)}")  # fmt: skip
        fine, fits = self.shape, lambda f, s: f >= s and (f - 1) % (s - 1) == 0
        if fine is not None and (len(fine) != grid.ndim or not all(map(fits, fine, grid.shape))):
            raise ValueError(f"{what}solver.shape should have a multiple of the intervals of domain.shape="
                             f"{list(grid.shape)}, for example {[5 * (n - 1) + 1 for n in grid.shape]}, "
                             f"got {list(fine)}")  # fmt: skip

    def domain(self, family: Family, *, coarser: int = 1) -> Grid:
        """The grid it works on, both ends included.

        **Raises:** `ValueError` for a coarser one that misses an end.
        """
        grid: Any = family.domain
        whole = grid if self.shape is None else grid.with_shape(self.shape)
        if any((n - 1) % coarser for n in whole.shape):
            raise ValueError(f"every {coarser}th of {list(whole.shape)} points misses the boundary")
        return whole.with_shape(tuple((n - 1) // coarser + 1 for n in whole.shape))

    def numerics(self, family: Family) -> dict[str, Any]:
        """Method and tolerance."""
        return {
            "solver": "preconditioned conjugate gradients",
            "preconditioner": self.preconditioner,
            "solver_tolerance": self.tolerance,
        }

    def solve(
        self,
        family: Family,
        inputs: Float[Array, "*batch_and_space input"],
        parameters: Mapping[str, Any] | None = None,
        *,
        tolerance: Any = None,
    ) -> EllipticSolution:
        """The solution for input fields on a grid of any size.

        **Arguments:** `inputs`: `(*batch, *space, input)` on a grid of the family's domain, end points included;
        `parameters`: numbers, or `(batch,)`, of what varies; `tolerance`: its own when omitted.

        **Returns:** the solution; its residual is NaN where a coefficient is not positive, so that nothing is elliptic.
        """
        whole: Any = family.domain
        grid = whole.with_shape(inputs.shape[inputs.ndim - 1 - whole.ndim : -1])
        a, c, f = coefficients(family, inputs, parameters or {}, grid)
        least = self.tolerance if tolerance is None else tolerance
        found = solve_elliptic(a, f, grid, c=c, tolerance=least, preconditioner=self.preconditioner)
        if a is None:
            return found
        elliptic = jnp.min(a, axis=tuple(range(-grid.ndim, 0))) > 0
        return eqx.tree_at(lambda s: s.residual, found, jnp.where(elliptic, found.residual, jnp.nan))

    def stepper(
        self, family: Family, parameters: Mapping[str, Any] | None = None, *, coarser: int = 1
    ) -> Callable[..., Any]:
        """The function from inputs `(*batch, *space, input)` on a grid of any size to the solution there."""
        return lambda inputs: self.solve(family, inputs, parameters).u[..., None]

    def variants(self, family: Family) -> list[Variant]:
        """Shares of the stored grid's intervals, with several tolerances."""
        return list(elliptic_variants(self, family))

    def finer(self, family: Family) -> None:
        """None: a finer grid needs finer input fields than those that are stored."""

    def __call__(
        self, family: Family, fields: Mapping[str, Any], parameters: Mapping[str, Any], times: np.ndarray
    ) -> Frames:
        """Solutions and inputs, in float32 on the family's grid.

        **Raises:** `ValueError` for more than one frame.
        """
        if len(times) != 1:
            raise ValueError(f"problem {family.name!r} is steady: a split holds 1 frame, got {len(times)}")
        inputs, grid = jnp.stack([fields[name] for name in family.inputs], axis=-1), self.domain(family)
        solution = self.solve(family, inputs, parameters)
        store = lambda x: grid.transfer(x, family.domain).astype(jnp.float32)
        return Frames(store(solution.u[..., None])[:, None], store(inputs), {"residual": solution.residual})

    def check(self, family: Family, frames: Frames, parameters: Mapping[str, Any]) -> Float[Array, " batch"]:
        """The residual that was left on the solver's grid."""
        return frames.record["residual"]


def coefficients(
    family: Family, inputs: Float[Array, "*batch_and_space input"], parameters: Mapping[str, Any], grid: Grid
) -> tuple[Any, Any, Any]:
    """(a, c, f) of a steady family's equation, f as a field even where it is a number, c as a number where it is one.

    **Arguments:** `inputs`: on `grid`; `parameters`: numbers or `(batch,)` of what varies.
    """
    equation: Any = family.equation
    rank, space = inputs.ndim - 1, (1,) * grid.ndim
    per_sample = lambda v: v.reshape(*v.shape, *space) if getattr(v, "ndim", 0) else v
    values: dict[str, Any] = {name: per_sample(v) for name, v in parameters.items()}
    values |= {name: inputs[..., i] for i, name in enumerate(family.inputs)}
    for i, (letter, x) in enumerate(zip(AXES, grid.axes(), strict=False)):
        shape = [1] * (rank - grid.ndim) + [-1 if axis == i else 1 for axis in range(grid.ndim)]
        values[letter] = jnp.asarray(x.reshape(shape), inputs.dtype)
    a, c, f = equation.coefficients(values)
    full = lambda v: v + 0 * inputs[..., 0]
    c = equation.coefficients({**values, **parameters})[1] if equation.uniform(1) else full(c)
    return a if a is None or jnp.shape(a) == inputs.shape[:-1] else full(a), c, full(f)
