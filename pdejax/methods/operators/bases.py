"""What an operator adds its network's output to: Steppers that are never trained."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from pdejax.core import (
    Count,
    Grid,
    Key,
    Of,
    OnDomain,
    State,
    Stepper,
    Tendency,
    build,
    call,
    check_options,
    named_code,
    per_channel,
    register,
)
from pdejax.equations import Equation, Family
from pdejax.methods.cards import DataCard
from pdejax.methods.operators.normalisation import Normalisation
from pdejax.solvers import Simulator, as_simulator


class Identity(eqx.Module):
    """The present state: the network gives the change."""

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The state as it is; `key` is ignored."""
        return u


class Mean(eqx.Module):
    """The mean of the data: the network gives the state itself.

    **Arguments:** `value`: of each field.
    """

    value: Float[Array, " channel"]

    def __call__(self, u: State, *, key: Key | None = None) -> State:
        """The mean at every point of a state like `u`; `key` is ignored."""
        return jnp.broadcast_to(per_channel(self.value, u), u.shape)


class Solved(eqx.Module):
    """A classical solver that makes its coefficients where it is called: none of them is a leaf that an optimiser
    could change, and a file holds the words alone.

    **Arguments:** `family`, `simulator`: what is solved and how; `coarser`: so many times fewer points per axis;
    `stepper`: for physical parameters, made by `bind`.
    """

    family: Family = eqx.field(static=True)
    simulator: Simulator = eqx.field(static=True)
    coarser: int = eqx.field(static=True, default=1)
    stepper: Any = None

    def bind(self, parameters: Mapping[str, Any]) -> "Solved":
        """The same solver for these physical parameters, numbers or arrays `(batch,)`."""
        return dataclasses.replace(self, stepper=self._made(parameters))

    @property
    def hands_on_to(self) -> Any:
        """What a tendency is handed on to."""
        return self.stepper

    def unbound(self) -> "Solved":
        """The same solver for no parameters yet."""
        return dataclasses.replace(self, stepper=None)

    def example(self) -> "Solved":
        """The solver at the lower ends of what varies."""
        return self.bind({name: low for name, (low, _) in self.family.support.items()})

    def _made(self, parameters: Mapping[str, Any]) -> OnDomain:
        family, inner = self.family, self.simulator.domain(self.family, coarser=self.coarser)
        stepper = self.simulator.stepper(family, parameters, coarser=self.coarser)
        return OnDomain(stepper, inner, family.domain, 0)

    @property
    def step_size(self) -> float:
        """Time one call covers."""
        assert self.family.times is not None
        return self.family.times.step

    def __call__(self, u: State, *, key: Key | None = None, tendency: Tendency = None) -> State:
        """The state one frame later; `tendency` is added to the right-hand side.

        **Raises:** `ValueError` if parameters vary and are not bound.
        """
        if self.stepper is None and self.family.vary:
            raise ValueError(f"this solver depends on {', '.join(self.family.support)}: call bind() with them first")
        stepper = self._made({}) if self.stepper is None else self.stepper
        return stepper(u, key=key, tendency=tendency)


@runtime_checkable
class BaseOfData(Protocol):
    """What makes a Stepper once the data are known."""

    def made_for(self, card: DataCard) -> Stepper:
        """The Stepper for data with this card."""
        ...


_MISSING = {"family": "which problem they solve", "simulator": "by what they were solved"}


@register("base", "solver")
@dataclasses.dataclass(frozen=True)
class SolverBase:
    """The solver of the data's problem, at a lower price, which a network corrects or drives.

    **Arguments:** `simulator`: how it solves; as the data were solved when omitted; `coarser`: so many times fewer
    points per axis.
    """

    simulator: Annotated[Simulator | None, Of("simulator")] = None
    coarser: Count = 1

    def __post_init__(self) -> None:
        check_options(self)

    def made_for(self, card: DataCard) -> Solved:
        """The Stepper for what the card says was solved.

        **Raises:** `ValueError` if it does not, or the solver has no step or needs to know the time.
        """
        given = {**card.source, **({} if self.simulator is None else {"simulator": self.simulator})}
        for name, mend in (("family", ""), ("simulator", "say by what, base.simulator={kind: etdrk}, or ")):
            if name not in given:
                raise ValueError(f"base solver: the data do not say {_MISSING[name]}: {mend}give a step of your own, "
                                 "base={kind: function, function: package.module:name}")  # fmt: skip
        family, simulator = build("problem", card.source["family"]), as_simulator(given["simulator"])
        if isinstance(family.equation, Equation) and not family.equation.autonomous:
            raise ValueError("base solver: the terms depend on t, which a state does not tell")
        simulator.validate(family)
        return Solved(family, simulator, self.coarser)


@register("base", "function")
@dataclasses.dataclass(frozen=True)
class FunctionBase:
    """A step of a user's own, which a network corrects or drives.

    **Arguments:** `function`: its place `"package.module:name"`, a Stepper of states `(batch, *space, channel)`, with
    an argument `tendency` where a network is to drive it.
    """

    function: str

    def made_for(self, card: DataCard) -> Stepper:
        """The function.

        **Raises:** `ValueError` if there is none, or it may not be imported.
        """
        return named_code(self.function, f"base {self.function!r}")


def base_of(predict: Literal["state", "increment"], given: Any, card: DataCard) -> Stepper:
    """The base of an operator.

    **Arguments:** `predict`: what the network gives; `given`: a Stepper that increments are added to, or what makes
    one of the card, none for the present state; `card`: what is known of the data.

    **Raises:** `ValueError` if it gives states of another shape.
    """
    if given is None:
        return Mean(Normalisation.of(card).mean) if predict == "state" else Identity()
    made = given.made_for(card) if isinstance(given, BaseOfData) else given
    check_goes_with(made, "the base", "the data", card.step, card.lengths, card.field_names)
    check_shape(made.example() if isinstance(made, Solved) else made, (2, *card.shape, len(card.field_names)))
    return made


def check_goes_with(
    step: Any, what: str, other: str, size: Any, lengths: Sequence[float], fields: Sequence[str]
) -> None:
    """Whether what a Stepper knows of itself is as it is elsewhere.

    **Arguments:** `step`: the Stepper; `what`, `other`: what messages call both; `size`, `lengths`, `fields`: time that
    a call should cover, lengths of the box, names.

    **Raises:** `ValueError` that names both.
    """
    # a file's has no numbers yet
    if not any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in jax.tree.leaves(step)):
        _check_step(getattr(step, "step_size", None), what, other, size)
    grid = getattr(step, "grid", None)
    if isinstance(grid, Grid) and not np.allclose(grid.lengths, lengths, rtol=1e-5):
        raise ValueError(f"{what} lives on a box of lengths {list(grid.lengths)}, {other} on {list(lengths)}")
    named = getattr(getattr(step, "form", None), "fields", fields)
    if tuple(named) != tuple(fields):
        raise ValueError(f"{what} has the fields {', '.join(named)}, {other} {', '.join(fields)}")


def _check_step(own: Any, what: str, other: str, size: Any) -> None:
    if own is None or size is None or isinstance(own, Tracer) or not np.any(own) or np.allclose(own, size, rtol=1e-5):
        return
    raise ValueError(f"one call of {what} covers {float(np.ravel(own)[0]):.6g}, one of {other} {size:.6g}: take "
                     "another dt, or pdejax.repeated(step, n)")  # fmt: skip


def check_shape(base: Stepper, shape: tuple[int, ...]) -> None:
    """**Raises:** `ValueError` if a Stepper gives states of another shape."""
    state = jax.ShapeDtypeStruct(shape, jnp.result_type(float))
    try:
        found = eqx.filter_eval_shape(lambda base, u: call(base, u, key=None), base, state)
    except jax.errors.JAXTypeError as error:
        why = str(error).partition("\n")[0].partition(". ")[0]
        raise ValueError(f"base {name_of(base)} cannot be compiled by JAX, take jax.numpy for NumPy: {why}") from None
    if getattr(found, "shape", None) != shape:
        raise ValueError(f"base {name_of(base)} gives {getattr(found, 'shape', found)} for a state {shape}")


def check_reverses(base: Any) -> None:
    """**Raises:** `ValueError` for a base that says that reverse-mode derivatives do not go through it."""
    inner = base.example() if isinstance(base, Solved) else base
    while (within := getattr(inner, "hands_on_to", None)) is not None:
        inner = within
    if not getattr(inner, "reverses", True):
        raise ValueError(f"base {name_of(base)} chooses its steps itself, and gradients do not go back through them: "
                         "give it equal ones, base.simulator.substeps, or set through_base=false")  # fmt: skip


def name_of(base: Any) -> str:
    """What messages call a base."""
    return "solver" if isinstance(base, Solved) else getattr(base, "__name__", type(base).__name__)
