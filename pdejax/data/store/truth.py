"""Solved truths on the disk: made once, then read."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pdejax._read import FileError
from pdejax.core import build, describe, exclusive, open_hdf5, remove_partial
from pdejax.data.store.files import to_json
from pdejax.data.store.well import writing_hdf5
from pdejax.equations import BoundaryValueProblem
from pdejax.solvers import Progress, Truth, solve_truth, truth_axes

FILE = "truth.h5"
MEND = "delete it, and it is made again"
_FORMAT = 1


def truth_recipe(problem: BoundaryValueProblem, shape: Sequence[int] | None = None) -> str:
    """All that a truth depends on, as JSON: the problem's whole specification and the grid."""
    counts = [len(x) for x in truth_axes(problem, shape)]
    return to_json({"format": _FORMAT, "problem": describe(problem), "shape": counts})


def stored_truth(
    problem: BoundaryValueProblem,
    folder: str | Path,
    shape: Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Truth:
    """The truth of a problem from `folder/truth.h5`, which is solved for and written if it is not there.

    A file of another specification or grid is replaced. It appears whole or not at all.

    **Arguments:** `problem`; `folder`: made if it is not there; `shape`: points per axis, `t` first (see
    `truth_axes`); `progress`: called with what is done and all there is to do (see `progress_bar`).

    **Returns:** the truth, the same whether read or solved.

    **Raises:** `ValueError` if no truth is declared, another process is writing, or the problem has a Python function,
    which no file can be compared with, in place of its equation; `RuntimeError` if the solution does not converge.
    """
    folder = Path(folder)
    if problem.function is not None:
        raise ValueError(f"problem {problem.name!r} is given by a Python function, so that a file cannot tell whether "
                         f"it still is the same; call solve_truth instead")  # fmt: skip
    recipe = truth_recipe(problem, shape)
    if (found := _read(folder / FILE, recipe, problem)) is not None:
        return found
    with exclusive(folder):
        remove_partial(folder)
        truth = solve_truth(problem, shape, progress)
        write_truth(folder / FILE, truth, problem, recipe)
    return truth


def write_truth(path: Path, truth: Truth, problem: BoundaryValueProblem, recipe: str) -> None:
    """Writes a truth, whole or not at all.

    **Arguments:** `path`; `truth`; `problem`: names of axes and fields; `recipe`: what the truth depends on.
    """
    with writing_hdf5(path) as file:
        file.attrs.update({"recipe": recipe, "floor": truth.floor, "how": to_json(truth.how), "name": problem.name})
        for name, values in zip(problem.axes, truth.axes, strict=True):
            file.create_dataset(f"axes/{name}", data=values, track_times=False)
        for channel, name in enumerate(problem.fields):
            values = np.ascontiguousarray(truth.values[..., channel])
            file.create_dataset(f"fields/{name}", data=values, track_times=False, chunks=True, fletcher32=True)


def _read(path: Path, recipe: str, problem: BoundaryValueProblem) -> Truth | None:
    """The truth in a file; nothing if there is none or it is of another recipe."""
    if not path.exists():
        return None
    with open_hdf5(path, MEND) as file:
        if _todays(file.attrs.get("recipe")) != recipe:
            return None
        try:
            axes = tuple(file["axes"][name][:] for name in problem.axes)
            values = np.stack([file["fields"][name][:] for name in problem.fields], axis=-1)
            return Truth(axes, values, float(file.attrs["floor"]), json.loads(file.attrs["how"]))
        except (KeyError, ValueError, OSError) as error:
            reason = str(error).strip("'\"")
            raise FileError(f"{path} is damaged ({reason}): {MEND}") from None


def _todays(recipe: Any) -> Any:
    """A recipe as it is written today; in former ones the problem is as a configuration states it."""
    plain = json.loads(recipe) if isinstance(recipe, str) else {}
    if "kind" in plain.get("problem", {"kind": ""}):
        return recipe
    try:
        problem = build("problem", {"kind": "boundary_value", **plain["problem"]})
    except ValueError:
        return None
    return to_json({**plain, "problem": describe(problem)})
