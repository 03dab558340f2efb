"""What of a model is exported: pure functions of arrays, with the names, shapes and types of what goes in and out."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from pdejax.methods import ContinuousOperator, Operator, PhysicsField, SteadyOperator, Tendency, with_table

Size = int | str
"""Of an axis; a text is a size that whoever calls the program chooses."""
BATCH, POINTS = "b", "n"
KEYS = "threefry2x32"  # as `jax.random.key` makes them unless it is told otherwise
STEPS = (16,)


@dataclasses.dataclass(frozen=True)
class Argument:
    """An array that goes into a program or comes out: its `name`, `shape`, type, and what its axes are."""

    name: str
    shape: tuple[Size, ...]
    dtype: str
    axes: str

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {**dataclasses.asdict(self), "shape": list(self.shape)}


@dataclasses.dataclass(frozen=True)
class Program:
    """A pure function of arrays alone.

    **Arguments:** `name`: of its file, without a suffix; `function`: takes arrays like `inputs`, in their order, and
    gives one like `output`; `does`: in words.
    """

    name: str
    does: str
    function: Callable[..., Array]
    inputs: tuple[Argument, ...]
    output: Argument

    @property
    def open_sizes(self) -> tuple[str, ...]:
        """Names of the sizes that a caller chooses."""
        return tuple(dict.fromkeys(n for one in self.inputs for n in one.shape if isinstance(n, str)))

    def example(self, size: int = 1) -> list[jax.ShapeDtypeStruct]:
        """Inputs whose open sizes are all `size`."""
        sized = lambda one: tuple(size if isinstance(n, str) else n for n in one.shape)
        return [jax.ShapeDtypeStruct(sized(one), one.dtype) for one in self.inputs]


def programs_of(
    model: Any, *, steps: Sequence[int] | None = None, shape: Sequence[int] | None = None, batch: int | None = None
) -> tuple[Program, ...]:
    """The programs of a model: a step and rollouts, what it adds to du/dt if it drives a solver, a solution for inputs,
    or the values of a field.

    **Arguments:** `model`: as `pdejax.load` gives it; `steps`: lengths of the rollouts, `(16,)` when omitted; `shape`:
    points of the grid, those of the data when omitted; `batch`: samples, or points of a field; any number when omitted.

    **Raises:** `ValueError` for what is no such model, is bound to several sets of parameters, or has nothing that an
    option speaks of.
    """
    if isinstance(model, PhysicsField):
        _refuse("a field is a function of points", steps=steps, shape=shape)
        return (_values(model, batch),)
    if not isinstance(model, Operator | SteadyOperator | ContinuousOperator):
        raise ValueError(f"{type(model).__name__} cannot be exported: expected what pdejax.load gives, or its path")
    _check_bound(model)
    grid = _grid(model, shape)
    if isinstance(model, SteadyOperator):
        _refuse("a steady operator takes no steps", steps=steps)
        return (_solution(model, grid, batch),)
    rate = (_rate(model, grid, batch),) if drives(model) else ()
    return (_step(model, grid, batch), *(_rollout(model, grid, batch, n) for n in _lengths(steps)), *rate)


def drives(model: Any) -> bool:
    """Whether a model is a part of the right-hand side of a solver, which a host may want alone."""
    return isinstance(model, Operator) and isinstance(model.role, Tendency) and model.history == 1


def _refuse(why: str, **options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise ValueError(f"{why}: leave {name} out, got {value}")


def _lengths(steps: Sequence[int] | None) -> tuple[int, ...]:
    lengths = STEPS if steps is None else tuple(steps)
    if any(not isinstance(n, int) or n < 1 for n in lengths) or len(set(lengths)) < len(lengths):
        raise ValueError(f"steps are lengths of rollouts, each a whole number above zero and there once, got {steps}")
    return lengths


def _grid(model: Any, shape: Sequence[int] | None) -> tuple[int, ...]:
    grid = tuple(model.info.shape if shape is None else shape)
    if len(grid) != model.info.ndim or any(n < 1 for n in grid):
        raise ValueError(f"shape should hold the number of points of each axis of space, of {model.info.ndim}, got "
                         f"{grid}")  # fmt: skip
    return grid


def _check_bound(model: Any) -> None:
    if model.parameters is not None and len(model.parameters) > 1:
        raise ValueError(
            f"this operator is bound to {len(model.parameters)} sets of {', '.join(model.info.parameters)}: bind one, "
            "or none, so that they become an input"
        )


def _placed(model: Any) -> Any:
    """A model without the mesh that it may have been spread over: a program is that of a single device."""
    return jax.tree.map(lambda x: jnp.asarray(np.asarray(x)) if eqx.is_array(x) else x, model)


def _typed(model: Any) -> str:
    arrays = jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))
    return str(jnp.result_type(*arrays))


def _called(model: Any, method: Callable[[Any, Array, Any], Array], names: Sequence[str]) -> Callable[..., Array]:
    """`method(model, first, key)` as a function of the arrays of these names."""

    def function(first: Array, *further: Array) -> Array:
        given = dict(zip(names[1:], further, strict=True))
        key = jax.random.wrap_key_data(given["key"], impl=KEYS) if "key" in given else None
        ready = with_table(model, given["parameters"]) if "parameters" in given else model
        return method(ready, first, key)

    return function


def _program(name: str, does: str, model: Any, method: Any, first: Argument, lead: tuple[int, ...] = ()) -> Program:
    """A program of an operator: its first input, then what else it needs."""
    model, inputs = _placed(model), [first]
    names = model.info.parameters
    if names and model.parameters is None:
        inputs.append(Argument("parameters", (first.shape[0], len(names)), first.dtype, "(sample, parameter)"))
    attempt = lambda inputs: Program(name, does, _called(model, method, [i.name for i in inputs]), tuple(inputs), first)
    if _draws(attempt(inputs)):
        inputs.append(Argument("key", (2,), "uint32", "jax.random.key_data(key)"))
    axes = ("time, " if lead else "") + "batch, " + ", ".join([*_letters(len(first.shape) - 2), "field"])
    shape = (*lead, *first.shape[:-1], len(model.info.fields) * (1 if lead else getattr(model, "history", 1)))
    output = Argument("states" if lead else "after", shape, first.dtype, f"({axes})")
    return dataclasses.replace(attempt(inputs), output=output)


def _draws(program: Program) -> bool:
    """Whether a model refuses to go without a random key."""
    try:
        jax.eval_shape(program.function, *program.example())
    except ValueError as error:
        if "key" not in str(error):
            raise
        return True
    return False


def _letters(ndim: int) -> str:
    return "xyz"[:ndim]


def _first(model: Any, name: str, grid: tuple[int, ...], batch: int | None, channels: int) -> Argument:
    axes = ", ".join(["batch", *_letters(len(grid)), "field"])
    return Argument(name, (BATCH if batch is None else batch, *grid, channels), _typed(model), f"({axes})")


def _state(model: Any, grid: tuple[int, ...], batch: int | None) -> Argument:
    return _first(model, "state", grid, batch, len(model.info.fields) * model.history)


def _step(model: Any, grid: tuple[int, ...], batch: int | None) -> Program:
    does = f"the state one step of {model.step_size:g} later"
    return _program("step", does, model, lambda m, u, key: m(u, key=key), _state(model, grid, batch))


def _rollout(model: Any, grid: tuple[int, ...], batch: int | None, steps: int) -> Program:
    times = np.arange(1, steps + 1) * model.step_size
    method = lambda m, u, key: m.predict(u, times, key=key)
    does = f"the {steps} frames that follow, each a step of {model.step_size:g} after the one before"
    return _program(f"rollout_{steps}", does, model, method, _state(model, grid, batch), (steps,))


def _rate(model: Any, grid: tuple[int, ...], batch: int | None) -> Program:
    does = "what the operator adds to du/dt, without the solver that it drives"
    state = _state(model, grid, batch)
    program = _program("rate", does, model, lambda m, u, key: m.rate(0.0, u), state)
    return dataclasses.replace(program, output=dataclasses.replace(program.output, name="rate"))


def _solution(model: SteadyOperator, grid: tuple[int, ...], batch: int | None) -> Program:
    first = _first(model, "inputs", grid, batch, len(model.info.inputs))
    program = _program("solve", "the solution for input fields", model, lambda m, a, key: m(a, key=key), first)
    return dataclasses.replace(program, output=dataclasses.replace(program.output, name="solution"))


def _values(model: PhysicsField, batch: int | None) -> Program:
    n, axes, dtype = POINTS if batch is None else batch, model.problem.axes, _typed(model)
    points = Argument("points", (n, len(axes)), dtype, f"(point, [{', '.join(axes)}])")
    values = Argument("values", (n, model.problem.channels), dtype, "(point, field)")
    placed = _placed(model)
    return Program("values", "the field at points", lambda points: placed(points), (points,), values)
