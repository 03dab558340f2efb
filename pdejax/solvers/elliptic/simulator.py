"""Steady families on boxes with zero boundary values."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import sympy
from jaxtyping import Array, Float

from pdejax.core import Count, Grid, PerAxis, Positive, Value, check_options, register
from pdejax.equations import AXES, Family, SteadyEquation, evaluate
from pdejax.solvers._arrays import check_points
from pdejax.solvers._in_time import largest_relative
from pdejax.solvers._simulator import Frames
from pdejax.solvers._twin import corners
from pdejax.solvers._variants import Variant
from pdejax.solvers.elliptic.solve import EllipticSolution, solve_elliptic
from pdejax.solvers.elliptic.variants import elliptic_variants

SMALLEST = 3  # points per axis, both ends among them
SHORTEST = 4  # points of a wave


@register("simulator", "elliptic")
@dataclasses.dataclass(frozen=True)
class Elliptic:
    """Finite volumes of second order and preconditioned conjugate gradients; see `solve_elliptic`.

    Each solution is compared with that on half as many intervals, where their number is even. The difference is about
    the error where inputs jump, as the coefficients of Darcy flow do, and three times the error where all is smooth.

    **Arguments:** `shape`: points per axis to solve on, a multiple of the intervals of the family's domain, which is
    thinned out of it; `tolerance`: relative residual at which it stops; `preconditioner`.
    """

    shape: Annotated[tuple[Count, ...] | None, PerAxis()] = None
    tolerance: Positive = 1e-10
    preconditioner: Literal["auto", "poisson", "multigrid"] = "auto"

    outside = False
    checks = "relative residual of the discrete equations"
    remedy = "choose another solver.preconditioner or a larger tolerance of the problem"
    grid_checks = "difference to half as many intervals per axis"

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
        self._check_waves(family)

    def _check_waves(self, family: Family) -> None:
        """Waves shorter than four points: half of the intervals would not hold them either, and see no difference."""
        equation: Any = family.equation
        if not (equation.uniform(0) and equation.uniform(1)):
            return
        grid = self.domain(family)
        for own, _ in corners(family):
            values = {sympy.Symbol(k, real=True): v for k, v in {**family.parameters, **own}.items()}
            a, c = (float(evaluate(one, values)) for one in equation.symbols[:2])
            points = 2 * math.pi / (max(grid.spacing) * math.sqrt(max(-c / (a or 1.0), 1e-300)))
            if points < SHORTEST:
                where = ", ".join(f"{name}={value:g}" for name, value in own.items())
                wanted = [math.ceil((n - 1) * SHORTEST / points) + 1 for n in grid.shape]
                raise ValueError(f"problem {family.name!r}: a wave{where and f' with {where}'} has {points:.2g} points "
                                 f"on the grid, and needs {SHORTEST}: raise solver.shape from {list(grid.shape)} to at "
                                 f"least {wanted}")  # fmt: skip

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

    def finer_grid(self, family: Family) -> str:
        """Twice the intervals, or a larger tolerance."""
        shape = list(self.domain(family).shape)
        return (f"raise solver.shape of the problem from {shape} to {[2 * n - 1 for n in shape]}, or its "
                "space_tolerance if an error of this size does not matter")  # fmt: skip

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
        record = {"residual": solution.residual, **self._compared(family, inputs, parameters, solution.u[..., None])}
        return Frames(store(solution.u[..., None])[:, None], store(inputs), record)

    def _compared(self, family: Family, inputs: Any, parameters: Mapping[str, Any], fine: Any) -> dict[str, Any]:
        """Relative difference to the solution on every second point, nothing where that misses an end."""
        grid = self.domain(family)
        if any(n % 2 == 0 or n < 2 * SMALLEST - 1 for n in grid.shape):
            return {}
        half = self.domain(family, coarser=2)
        coarse = self.solve(family, grid.transfer(inputs, half), parameters).u[..., None]
        return {"space_error": largest_relative(coarse, grid.transfer(fine, half))}

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
