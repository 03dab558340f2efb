"""Which methods of Diffrax fit which differential equations."""

from typing import Any, Literal

import diffrax
import equinox as eqx

NoiseKind = Literal["additive", "multiplicative"]
_SIMPLEST: dict[NoiseKind | None, str] = {
    None: "Tsit5 or Dopri5, Kvaerno5 where the equation is stiff",
    "additive": "ShARK or SRA1",
    "multiplicative": "SPaRK",
}


def estimates_error(solver: diffrax.AbstractSolver) -> bool:
    """Whether steps come with an error estimate, as step-size control needs them."""
    if isinstance(solver, diffrax.AbstractSRK):
        return solver.tableau.b_error is not None
    return isinstance(solver, diffrax.AbstractAdaptiveSolver)


def missing_tolerances(solver: Any) -> tuple[str, ...]:
    """What the root finder of an implicit solver takes from step-size control, by name."""
    if not isinstance(solver, diffrax.AbstractImplicitSolver):
        return ()
    taken = diffrax.with_stepsize_controller_tols(diffrax.VeryChord)().rtol
    return tuple(name for name in ("rtol", "atol", "norm") if getattr(solver.root_finder, name) is taken)


def with_tolerances(solver: Any, controller: Any) -> Any:
    """A solver whose root finder has the tolerances of step-size control, as one inside a solve of Diffrax."""
    names = missing_tolerances(solver)
    if not names:
        return solver
    values = [getattr(controller, name) for name in names]
    return eqx.tree_at(lambda s: [getattr(s.root_finder, name) for name in names], solver, values)


def _stochastic(solver: Any) -> bool:
    return isinstance(solver, diffrax.AbstractItoSolver | diffrax.AbstractStratonovichSolver)


def _whole(solver: Any) -> bool:
    # parts that are solved differently, such as those of Sil3, are described by a structure that is no class
    return isinstance(solver.term_structure, type) and issubclass(diffrax.ODETerm, solver.term_structure)


def _additive_only(solver: Any) -> bool:
    inner = solver.solver if isinstance(solver, diffrax.AbstractWrappedSolver) else solver
    return isinstance(inner, diffrax.AbstractSRK) and inner.tableau.is_additive_noise()


def fits(solver: diffrax.AbstractSolver, noise: NoiseKind | None) -> bool:
    """Whether a solver is for equations with this noise, or without.

    **Arguments:** `solver`; `noise`: `"additive"` does not depend on the state, `"multiplicative"` may.
    """
    if noise is None:
        return _whole(solver)
    langevin = isinstance(solver, diffrax.AbstractFosterLangevinSRK)
    return _stochastic(solver) and not langevin and not (noise == "multiplicative" and _additive_only(solver))


def goes_back(solver: diffrax.AbstractSolver, noise: NoiseKind | None) -> bool:
    """Whether a solver that fits can also solve the equation of gradients backwards, as `BacksolveAdjoint` does."""
    return noise is None or (_whole(solver) and isinstance(solver, diffrax.AbstractStratonovichSolver))


def fitting(noise: NoiseKind | None, *, adaptive: bool = False) -> tuple[str, ...]:
    """Names of the solvers of Diffrax that fit and need no arguments.

    **Arguments:** `noise`: see `fits`; `adaptive`: only those that estimate their error.
    """
    made = {}
    for name, cls in vars(diffrax).items():
        if isinstance(cls, type) and issubclass(cls, diffrax.AbstractSolver) and not name.startswith("Abstract"):
            if issubclass(cls, diffrax.AbstractWrappedSolver):
                continue
            made[name] = cls()
    return tuple(sorted(n for n, s in made.items() if fits(s, noise) and (estimates_error(s) or not adaptive)))


def check_solver(solver: diffrax.AbstractSolver, noise: NoiseKind | None, *, adaptive: bool = False) -> None:
    """**Raises:** `ValueError` if a solver is not for equations with this noise, or without; it names some that are.

    **Arguments:** as of `fitting`.
    """
    if fits(solver, noise):
        return
    name = type(solver).__name__
    if noise is None:
        what = "an equation without noise" if _stochastic(solver) else "an equation of one part"
    elif _stochastic(solver) and noise == "multiplicative" and _additive_only(solver):
        what = "noise that depends on the state: it is for additive noise"
    else:
        what = f"{noise} noise"
    others = ", ".join(fitting(noise, adaptive=adaptive))
    raise ValueError(f"{name} is not for {what}. Take {_SIMPLEST[noise]}, or another of {others}")
