"""From a model and its data, or from the folder of a run, to a result."""

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import absent, entries, read_json
from pdejax._record import updates_of
from pdejax.core import as_real, build, known, only_plugins, spelt
from pdejax.data import open_data
from pdejax.evaluation.result import KINDS, Result
from pdejax.methods import PhysicsField, check_made_for, load_model
from pdejax.solvers import Truth, solve_truth

Evaluator = Callable[[Any], Mapping[str, float]]
"""Of a model to numbers by name, as during training."""


@spelt
def evaluate(
    model: Any, data: Any = None, *, evaluators: Sequence[Any] = (), plugins: Collection[str] = (), **options: Any
) -> Result:
    """Measures how good a model is, beside what it is to be compared with.

    A predictor of trajectories is rolled out, an operator of a steady problem applied to its inputs, both beside
    baselines; a network of coordinates that was fitted to an equation is measured by its residuals, and by its error
    where the solution is known.

    **Arguments:**

    - `model`: a predictor, a Stepper whose call covers one frame, a function from input fields to the solution, or a
        `PhysicsField`; or the folder of a run, then without `data`.
    - `data`: trajectories; of a network of coordinates the known solution, or none.
    - `evaluators`: further numbers of the model: callables from the model to numbers by name; or registered ones by
        name, or by a mapping with their `kind` and options, made with `data` if they take it.
    - `plugins`: packages whose code the folder of a run may name, see `pdejax.load`.
    - `options`: of trajectories `split`, `trajectories`, `steps`, `baselines`, `metrics`, `chunk`, `key`, `progress`
        (without `steps` where there is no time); of a network of coordinates `seed`, `points`, `chunk`; of all `price`,
        `trials`, `run`. See `measure` in the folder of the kind.

    **Returns:** a `Result`.

    **Raises:** `ValueError` for an option that the kind of result does not have, or what it refuses.
    """
    if data is None and isinstance(model, str | Path):
        with only_plugins(plugins):
            options["run"], (model, data) = model, opened(Path(model), plugins)
    elif plugins:
        raise ValueError(f"plugins={[*plugins]} has no effect: they are of a folder that is read, and a model is given")
    kind = kind_for(model, data)
    measure = KINDS[kind].function("measure")
    checked_options(f"{kind} evaluation", options, measure)
    made: list[Evaluator] = [build("evaluator", one, data=data) for one in evaluators]
    told = {} if options.get("run") is None else {"updates": updates_of(Path(options["run"]))[0]}
    document, arrays = measure(model, data, **options)
    taken = [*document.get("systems", {}).get("model", {}).get("metrics", ())]
    return Result(kind, {**document, "evaluators": _numbers(made, model, taken), **told}, arrays)


def kind_for(model: Any, data: Any) -> str:
    """The kind of result that a model has on its data.

    **Raises:** `ValueError` for a model that needs data without them, or that was made for others.
    """
    if isinstance(model, str | Path):
        name = str(model)
        raise ValueError(f"{name!r} is the name of a folder, which is measured alone, evaluate({name!r}), on the data "
                         f"of its training; where data are given take pdejax.load({name!r})")  # fmt: skip
    if isinstance(model, PhysicsField):
        return "coordinate"
    if hasattr(model, "step") and hasattr(model, "split"):
        raise ValueError(f"an evaluation takes the model first and then its data: evaluate(model, data), got "
                         f"{type(model).__name__} as the model")  # fmt: skip
    if data is None:
        raise ValueError(f"{type(model).__name__} is evaluated on data, got none: evaluate(model, data)")
    if not hasattr(data, "step") or not hasattr(data, "split"):
        raise ValueError(f"evaluate(model, data) takes a data set, such as Arrays or what open_data gives, got "
                         f"{type(data).__name__}")  # fmt: skip
    check_made_for(model, data)
    return "rollout" if data.step else "steady"


def checked_options(what: str, options: Mapping[str, Any], taker: Callable[..., Any] | Iterable[str]) -> None:
    """Refuses options that are not read.

    **Raises:** `ValueError` that names the first one, with the nearest spelling.
    """
    if callable(taker):
        kinds = inspect.signature(taker).parameters.values()
        taker = [one.name for one in kinds if one.kind is one.KEYWORD_ONLY]
    names = list(taker)
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of a {what}:", name, names))


def opened(folder: Path, plugins: Collection[str] = ()) -> tuple[Any, Any]:
    """The model of a run and what it is measured on.

    **Raises:** `FileNotFoundError` if there is no model, or no record of its data.
    """
    if not folder.is_dir():
        if not folder.is_file():
            raise absent(folder)
        raise FileNotFoundError(f"{folder} is a file: expected the folder of a run, or a model and its data")
    model, record = load_model(folder / "model", plugins), folder / "data.json"
    if isinstance(model, PhysicsField):
        return model, _solution(model.problem, folder)
    if not record.exists():
        raise FileNotFoundError(f"{folder} holds no data.json, which says on what it was trained: give the data too")
    known = entries(read_json(record), record, root=str, fingerprint=str)
    data = open_data(Path(known["root"]))
    if data.fingerprint != known["fingerprint"]:
        raise ValueError(f"{known['root']} holds other data than {folder} was trained on: give the data too")
    return model, data


def _solution(problem: Any, folder: Path) -> Truth | None:
    """The known solution of a problem stated by its conditions, where it is a formula; none if there is none."""
    if problem.truth is None:
        return None
    if problem.exact is None:
        raise FileNotFoundError(f"{folder}: the solution of {problem.name!r} is no formula: give the solved one too")
    return solve_truth(problem)


def _numbers(evaluators: Iterable[Evaluator], model: Any, taken: Iterable[str]) -> dict[str, Any]:
    """What evaluators say, each number once."""
    found: dict[str, Any] = {}
    for one in evaluators:
        given = one(model)
        if not isinstance(given, Mapping):
            raise ValueError(f"evaluator {one!r} should give a mapping of names to numbers, got {given!r:.80}")
        for name, number in given.items():
            if name in found or name in taken:
                raise ValueError(f"there are two numbers {name!r}: rename that of evaluator {one!r}")
            if isinstance(number, str) or np.ndim(number):
                raise ValueError(f"evaluator {one!r} should give one number for {name!r}, got {number!r:.80}")
            value = float(as_real(number, repr(name)))
            reason = None if math.isfinite(value) else "not finite"
            plain = {"interval": None, "unit": "", "better": None, "censored": None, "reason": reason}
            found[name] = {"value": value if reason is None else None, **plain}
    return found
