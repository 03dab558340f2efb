"""From plain mappings to the parts of a neural differential equation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import diffrax

from pdejax.core import known
from pdejax.methods.neural_ode.neural_ode import Latent, NeuralODE, NoiseModel
from pdejax.methods.neural_ode.random_end_time import RandomEndTime
from pdejax.methods.neural_ode.regularization import AbstractRegularization
from pdejax.methods.neural_ode.solver_regularization import SolverRegularization
from pdejax.methods.neural_ode.taylor_regularization import TaylorRegularization
from pdejax.methods.supervised.losses import build_loss
from pdejax.solvers import Integrator, named

SOLVER: Mapping[str, Any] = {
    "name": "Tsit5",
    "rtol": 1e-4,
    "atol": 1e-6,
    "fixed_steps": None,
    "adjoint": "RecursiveCheckpointAdjoint",
    "max_steps": 256,
    "first_step": 1.0,
}
ADAPTIVE = ("rtol", "atol", "first_step")  # what means nothing where steps are fixed


def build_integrator(**given: Any) -> Integrator:
    """The integrator of a plain mapping such as `{"name": "Tsit5", "rtol": 1e-4}` or `{"fixed_steps": 4}`.

    **Arguments:** see `SOLVER`; `name` and `adjoint` are classes of Diffrax, `fixed_steps` is how many there are from
    one frame to the next, of equal size and instead of tolerances.

    **Raises:** `ValueError` for an unknown option or name, with the nearest spelling, or options that do not fit.
    """
    for option in given:
        if option not in SOLVER:
            raise ValueError(known("option of a solver:", option, SOLVER))
    wanted = {**SOLVER, **given}
    solver = named("solver", wanted["name"], diffrax.AbstractSolver)()
    adjoint = named("adjoint", wanted["adjoint"], diffrax.AbstractAdjoint)()
    count = wanted["fixed_steps"]
    if count is None:
        controller: Any = diffrax.PIDController(rtol=wanted["rtol"], atol=wanted["atol"])
        return Integrator(solver, controller, adjoint, wanted["max_steps"], wanted["first_step"])
    for option in ADAPTIVE:
        if given.get(option) is not None:
            raise ValueError(
                f"{option} is for steps that adapt, but fixed_steps is {count}: leave one of them out, got "
                f"{given[option]!r}"
            )
    if count < 1:
        raise ValueError(f"fixed_steps is at least 1, got {count}")
    return Integrator(solver, diffrax.ConstantStepSize(), adjoint, wanted["max_steps"], 1 / count)


def _penalty(kind: str) -> Callable[..., AbstractRegularization]:
    def build(
        scope: str = "local",
        weight: float = 0.1,
        final_weight: float | None = None,
        average: str = "time",
        step: float | str = "accepted",
    ) -> AbstractRegularization:
        made: Any = SolverRegularization
        return made(kind, scope, weight, final_weight, average=average, step=step)

    return build


def _taylor(order: int = 3, weight: float = 0.01, final_weight: float | None = None) -> AbstractRegularization:
    return TaylorRegularization(order, weight, final_weight)


REGULARIZATIONS: Mapping[str, Callable[..., AbstractRegularization]] = {
    "error": _penalty("error"),
    "stiffness": _penalty("stiffness"),
    "both": _penalty("both"),
    "taylor": _taylor,
    "end_time": RandomEndTime,
}


def build_regularization(spec: Mapping[str, Any]) -> AbstractRegularization:
    """The regularisation of a plain mapping such as `{"kind": "error", "scope": "local", "weight": 0.01}`.

    **Raises:** `ValueError` for an unknown kind, with the nearest spelling.
    """
    if spec["kind"] not in REGULARIZATIONS:
        raise ValueError(known("regularization", spec["kind"], REGULARIZATIONS))
    return REGULARIZATIONS[spec["kind"]](**{k: v for k, v in spec.items() if k != "kind"})


def build_neural_ode(
    unroll: int = 1,
    loss: Mapping[str, Any] | None = None,
    solver: Mapping[str, Any] | None = None,
    regularization: Mapping[str, Any] | None = None,
    latent: Mapping[str, Any] | None = None,
    terms: str | Sequence[str] = (),
    parameters: Mapping[str, float] | None = None,
    noise: Mapping[str, Any] | None = None,
    time_dependent: bool = False,
    conserve_mean: bool = False,
) -> NeuralODE:
    """The method of a plain mapping without its kind; see `NeuralODE`, and `build_integrator` for `solver`."""
    return NeuralODE(
        unroll=unroll,
        error=build_loss({"kind": "mse"} if loss is None else loss),
        integrator=build_integrator(**(solver or {})),
        regularization=None if regularization is None else build_regularization(regularization),
        latent=None if latent is None else Latent(**latent),
        terms=(terms,) if isinstance(terms, str) else tuple(terms),
        parameters=tuple((parameters or {}).items()),
        noise=None if noise is None else NoiseModel(**noise),
        time_dependent=time_dependent,
        conserve_mean=conserve_mean,
    )
