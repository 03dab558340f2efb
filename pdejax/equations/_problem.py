"""A whole problem: equation, domain, initial states, times, and what varies between trajectories."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pdejax.core import Grid, known
from pdejax.equations._catalogue import EQUATIONS
from pdejax.equations._discretise import LENGTH
from pdejax.equations._equation import Equation
from pdejax.equations._spec import complete, draw_parameters, grid_of, known_keys, ranges, sample_key
from pdejax.equations.sampling.initial import InitialSampler, build_initial

STEP = "step"
ORDERS = (2, 4)  # of the classical solver in time
_SECTIONS: Mapping[str, Mapping[str, Any]] = {  # defaults; `...` marks what must be given
    "domain": {"shape": ..., "lengths": ..., "boundary": "periodic"},
    "time": {"step": ..., "substeps": 1, "burn_in": 0},
    "solver": {"order": 4, "shape": None},
}
_PLAIN: Mapping[str, Any] = {"name": "problem", "equation": ..., "parameters": {}, "vary": {}, "initial": ...}


@dataclasses.dataclass(frozen=True)
class Problem:
    """Everything that defines a data set's physics, made from and given back as a plain mapping.

    **Arguments:** `spec`: the complete mapping (`Problem.from_spec` fills in defaults), with the sections `name`,
    `equation`, `parameters`, `vary`, `domain`, `initial`, `time`, `solver`.

    `vary` gives the range of a uniform distribution per parameter and trajectory; beside the equation's parameters it
    may name `length`, a factor on the lengths of the domain (initial states are stretched with it), and `step`, a
    factor on the time between frames.
    """

    spec: Mapping[str, Any] = dataclasses.field(hash=False)

    steady: ClassVar[bool] = False
    check: ClassVar[str] = "difference to half the solver step"
    remedy: ClassVar[str] = "raise time.substeps or solver.shape of the problem"
    input_names: ClassVar[tuple[str, ...]] = ()  # fields given beside the initial state

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any]) -> "Problem":
        """The problem of a plain mapping.

        **Raises:** `ValueError` for unknown or missing entries, with the nearest spelling.
        """
        problem = cls(complete(spec, _PLAIN, _SECTIONS))
        _ = problem.grid, problem.solve_grid, problem.initial, problem.vary, problem.order  # report mistakes here
        return problem

    def __hash__(self) -> int:
        return hash(json.dumps(self.spec, sort_keys=True))

    @property
    def name(self) -> str:
        """What the problem is called."""
        return self.spec["name"]

    @functools.cached_property
    def equation(self) -> Equation:
        """The equation, with the problem's values as its defaults."""
        given = self.spec["equation"]
        if isinstance(given, str):
            if given not in EQUATIONS:
                raise ValueError(known("equation", given, EQUATIONS))
            return EQUATIONS[given].with_parameters(self.spec["parameters"])
        known_keys("equation", given, ("terms", "parameters", "ndim"))
        if "terms" not in given:
            raise ValueError("problem section 'equation' needs the entry 'terms', for example ['u_t = nu*u_xx']")
        equation = Equation(given["terms"], given.get("parameters"), given.get("ndim", 1))
        return equation.with_parameters(self.spec["parameters"])

    @functools.cached_property
    def grid(self) -> Grid:
        """The grid states are stored on."""
        grid = grid_of(self.spec["domain"])
        if grid.ndim != self.equation.ndim:
            raise ValueError(f"problem {self.name!r}: domain.shape {grid.shape} has {grid.ndim} axes, "
                             f"its equation {self.equation.ndim}")  # fmt: skip
        return grid

    @functools.cached_property
    def solve_grid(self) -> Grid:
        """The grid the classical solver works on."""
        shape = self.spec["solver"]["shape"]
        return self.grid if shape is None else self.grid.with_shape(tuple(shape))

    @functools.cached_property
    def initial(self) -> InitialSampler:
        """Sampler of initial states."""
        return build_initial(self.spec["initial"], self.equation.channels)

    @property
    def step(self) -> float:
        """Time between stored frames."""
        return float(self.spec["time"]["step"])

    @property
    def substeps(self) -> int:
        """Solver steps per frame."""
        return int(self.spec["time"]["substeps"])

    @property
    def burn_in(self) -> int:
        """Frames thrown away before the first stored one."""
        return int(self.spec["time"]["burn_in"])

    @property
    def order(self) -> int:
        """Order of the classical solver in time."""
        order = self.spec["solver"]["order"]
        if order not in ORDERS:
            raise ValueError(f"problem {self.name!r}: solver.order must be one of {list(ORDERS)}, got {order!r}")
        return int(order)

    @property
    def parameters(self) -> Mapping[str, float]:
        """All parameters of the equation, with the problem's values."""
        return self.equation.parameters

    @functools.cached_property
    def vary(self) -> Mapping[str, tuple[float, float]]:
        """Range of each parameter that differs between trajectories."""
        return ranges(self.name, self.spec["vary"], [*self.parameters, LENGTH, STEP])

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Sorted names of what varies."""
        return tuple(sorted(self.vary))

    @property
    def numerics(self) -> dict[str, Any]:
        """How it is solved, for the provenance of data."""
        return {
            "solver": "etdrk",
            "order": self.order,
            "dt": self.step / self.substeps,
            "substeps": self.substeps,
        }

    def draw(self, seed: Any, index: Any) -> tuple[Float[Array, "*space channel"], dict[str, Float[Array, ""]]]:
        """Initial state on `solve_grid` and varying parameters of trajectory `index`; no other number matters.

        Random numbers are drawn in float32 whatever the precision. May be vmapped over `index`.
        """
        key = sample_key(seed, index)
        return self.initial(jax.random.fold_in(key, 0), self.solve_grid), draw_parameters(key, self.vary)

    def residual(
        self,
        trajectory: Float[Array, "time *batch_and_space channel"],
        parameters: Mapping[str, Any] | None = None,
        *,
        start: int = 0,
    ) -> Float[Array, "inner_time *batch_and_space channel"]:
        """`Equation.grid_residual` of consecutive stored frames.

        Products are dealiased as the solver does it, if the solver works on the stored grid.

        **Arguments:** `trajectory`: at least three frames; `parameters`: any varying names, numbers or `(batch,)`;
        `start`: number of the first frame given, 0 for the first stored one, which is `burn_in` frames old.
        """
        given = dict(parameters or {})
        dt = self.step * given.pop(STEP, 1.0)
        dealias = 2 / 3 if self.solve_grid == self.grid else None
        time = jnp.asarray((self.burn_in + start) * dt, trajectory.dtype)
        return self.equation.grid_residual(trajectory, dt, self.grid, given, start_time=time, dealias=dealias)
