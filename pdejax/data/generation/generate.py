"""Generation of data sets: deterministic, sharded, resumable after any interruption."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from pdejax._interrupt import Interrupted, signals
from pdejax._read import read_json
from pdejax.core import check_disk, check_memory, exclusive, remove_partial, spelt, write_text
from pdejax.data.generation.former import current
from pdejax.data.generation.manifest import make_manifest, versions
from pdejax.data.generation.part import Part
from pdejax.data.generation.recipe import Recipe, Shard, SplitSize, check_split_names, difference
from pdejax.data.generation.seconds import SolveSeconds, gather
from pdejax.data.generation.solve import Solution, concatenate, solve_batch
from pdejax.data.store.files import to_json
from pdejax.data.store.manifest import MANIFEST, RECIPE, STATISTICS, check_manifest, verify
from pdejax.data.store.statistics import field_statistics, input_statistics, parameter_statistics, to_yaml_dict
from pdejax.data.store.well import Contents, open_shard, write_shard
from pdejax.equations import Family
from pdejax.solvers import Resolving, as_simulator

Progress = Callable[[int, int], None]


def _provenance(recipe: Recipe, shard: Shard, solution: Solution) -> dict[str, Any]:
    family, simulator = recipe.family, recipe.simulator
    return {
        "recipe": recipe.plain,
        "equation": list(family.equation.terms),
        "parameters": family.constants,
        **simulator.numerics(family),
        "check": simulator.checks,
        "solve_shape": list(simulator.domain(family).shape),
        "precision": "solved in float64, stored in float32",
        "seed": recipe.seed,
        "tolerance": recipe.tolerance,
        **_space(recipe, solution),
        "versions": versions(),
        "split": shard.split,
        "first": shard.first,
        "rejects": list(solution.rejects),
        "self_difference": solution.self_difference,
        "attempts": solution.attempts,
    }


def _space(recipe: Recipe, solution: Solution) -> dict[str, Any]:
    """What is known of the grid's error."""
    if not isinstance(recipe.simulator, Resolving):
        return {"space_check": "the grid is not compared with a finer one"}
    return {
        "space_check": recipe.simulator.grid_checks,
        "space_tolerance": recipe.space_tolerance,
        "space_error": solution.space_error,
        "tail": solution.tail,
    }


def _contents(recipe: Recipe, shard: Shard, solution: Solution) -> Contents:
    family: Any = recipe.family
    return Contents(
        name=family.name,
        domain=family.domain,
        field_names=family.fields,
        states=solution.states,
        input_names=family.inputs,
        inputs=solution.inputs,
        step=family.step,
        start=family.times.burn_in if family.times else 0,
        constants=family.constants,
        varying=solution.parameters,
        ranges=family.support,
        provenance=_provenance(recipe, shard, solution),
    )


def _batches(shard: Shard, batch_size: int) -> Iterator[range]:
    end = shard.first + shard.trajectories
    for start in range(shard.first, end, batch_size):
        yield range(start, min(start + batch_size, end))


def _agree(root: Path, recipe: Recipe, beside: bool) -> None:
    """Notes the recipe at the first run; at a later one refuses if it has changed, where there is anything of it.

    `beside`: whether other processes may be solving by the noted one, though nothing of it is there.
    """
    wanted, begun = recipe.plain, beside or any(root.glob("data/*/*"))
    for path, read in ((root / MANIFEST, lambda d: d["recipe"]), (root / RECIPE, lambda d: d)):
        if path.exists() and (begun or path.name == MANIFEST):
            found = read_json(path)
            text = difference(current(read(check_manifest(found, path) if path.name == MANIFEST else found)), wanted)
            if text is None:
                return
            raise ValueError(f"{root} holds a data set of other settings: {text}; choose another folder or delete it")
    if (root / "data").exists() and not (root / RECIPE).exists():
        raise ValueError(f"{root} has a folder 'data' but neither {RECIPE} nor {MANIFEST}: choose another folder")
    write_text(root / RECIPE, to_json(wanted))


def _check_room(root: Path, recipe: Recipe) -> None:
    """Whether what is solved together fits into memory, and all of it onto the disk."""
    family, simulator = recipe.family, recipe.simulator
    channels = len(family.fields) + len(family.inputs)
    stored = lambda frames: 4.0 * frames * channels * math.prod(family.domain.shape)
    longest = max(size.frames for size in recipe.splits.values())
    together = min(recipe.batch_size, max(size.trajectories for size in recipe.splits.values()))
    # frames twice, since axes change places, and about a dozen arrays of a solver in double precision
    solved = 12 * 8.0 * channels * math.prod(simulator.domain(family).shape)
    # twice the points of one, where the grid is compared
    doubled = 2.0 ** (len(family.domain.shape)) * solved if isinstance(simulator, Resolving) else 0.0
    needed = together * 2 * stored(longest) + max(together * solved, doubled)
    check_memory(needed, f"{together} trajectories of {longest} frames at a time",
                 "take a smaller batch_size, fewer frames or points (domain.shape, solver.shape)")  # fmt: skip
    whole = sum(size.trajectories * stored(size.frames) for size in recipe.splits.values())
    present = sum(path.stat().st_size for path in root.glob("data/*/*") if path.is_file())
    check_disk(whole - present, root, "the data set", "take fewer trajectories, frames or points")


def _write_missing(
    root: Path, recipe: Recipe, shards: Sequence[Shard], progress: Progress, part: Part | None = None
) -> bool:
    """Solves and writes those of some shards that are not there; says whether there were any."""
    total = sum(shard.trajectories for shard in shards)
    largest = max(shard.trajectories for shard in recipe.shards())  # of all: one shape, whoever solves what
    size = min(recipe.batch_size, largest)
    done = sum(shard.trajectories for shard in shards if (root / shard.path).exists())
    complete, account = done == total, SolveSeconds(root, part and part.stem)
    progress(done, total)
    with signals() as caught:

        def go_on() -> None:
            if caught():
                raise Interrupted(f"stopped by {caught()} after {done} of {total} trajectories: the same command goes "
                                  "on from the last whole shard")  # fmt: skip

        for shard in shards:
            if (root / shard.path).exists():
                continue
            account.begin()
            settings = {"split": shard.split, "seed": recipe.seed, "batch_size": size, "tolerance": recipe.tolerance,
                        "space_tolerance": recipe.space_tolerance}  # fmt: skip
            parts = []
            for indices in _batches(shard, size):
                go_on()
                parts.append(solve_batch(recipe.family, recipe.simulator, shard.frames, indices, **settings))
                done += len(indices)
                progress(done, total)
            write_shard(root / shard.path, _contents(recipe, shard, concatenate(parts)))
            account.note(shard)
        go_on()
    return not complete


def _stored(root: Path, shards: list[Shard], names: tuple[str, ...]) -> Iterator[np.ndarray]:
    """Fields of each trajectory in turn, the names as channels."""
    for shard in shards if names else ():
        with open_shard(root / shard.path) as file:
            for i in range(shard.trajectories):
                yield np.stack([file["t0_fields"][name][i] for name in names], axis=-1)


def _write_statistics(root: Path, recipe: Recipe) -> None:
    """From the train split, or from the first one where there is none."""
    split = "train" if "train" in recipe.splits else next(iter(recipe.splits))
    shards = [shard for shard in recipe.shards() if shard.split == split]
    family = recipe.family
    fields, inputs, names = family.fields, family.inputs, family.parameter_names
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for shard in shards:
        with open_shard(root / shard.path) as file:
            for name in names:
                values[name].append(file["scalars"][name][:])
    statistics = field_statistics(_stored(root, shards, fields))
    statistics |= input_statistics(_stored(root, shards, inputs))
    statistics |= parameter_statistics({name: np.concatenate(v) for name, v in values.items()}, names)
    write_text(root / STATISTICS, yaml.safe_dump(to_yaml_dict(statistics, fields, inputs, names)))


@spelt
def generate(
    family: Family,
    simulator: Any,
    root: str | Path,
    splits: Mapping[str, SplitSize],
    *,
    seed: int = 0,
    shard_size: int = 64,
    batch_size: int = 16,
    tolerance: float | None = None,
    space_tolerance: float | None = None,
    part: Part | None = None,
    progress: Progress | None = None,
) -> Path:
    """Solves many members of a family and writes the trajectories as a data set.

    A trajectory depends on `(seed, split, number within the split)` only. After an interruption the same call
    goes on where it stopped and gives the same bytes; when all is there it only verifies the checksums.

    Several processes, also of several machines that see one folder, write a set together by a `part` each; the same
    call without one completes it then, with the bytes of a single process.

    **Arguments:**

    - `family`: what is solved.
    - `simulator`: by what: `ETDRK(...)`, `Elliptic(...)`, another `Simulator`, a description of one, or a function of
        `(family, fields, parameters, times)` that JAX can trace (see `Function`, also for code that it cannot).
    - `root`: folder of the data set; made if it is not there.
    - `splits`: name to size, usually `train`, `valid` and `test`.
    - `seed`: seed of all initial conditions and parameters.
    - `shard_size`: trajectories a file.
    - `batch_size`: trajectories solved together.
    - `tolerance`: largest accepted value of what the simulator checks: of what evolves in time 1e-4, relative, over
        one frame, where it is compared with half the step; 1e-8 of a steady residual. A trajectory above it, or one
        that is not finite, is drawn anew, with its parameters, and noted in the manifest.
    - `space_tolerance`: largest accepted relative difference, over one frame, to a solution with twice the points per
        axis, where the simulator compares: 1e-2 when omitted. It is measured of some trajectories (for at most a
        quarter of the time) and of all whose spectra do not end low enough to do without; what is worse is drawn anew.
        Cells and steady problems are compared with half as many, every trajectory of them.
    - `part`: which of the files to write, and nothing but files; all, and what completes the set, when omitted.
    - `progress`: called with the number of finished trajectories and of all of them (see `progress_bar`).

    **Returns:** `root` as a path.

    **Raises:** `Interrupted` after SIGTERM or SIGINT; `ValueError` if `root` holds other settings, is being written by
    another process or is damaged, if there are more parts than files, if the simulator cannot take the family, or if it
    is too coarse.
    """
    root = Path(root)
    sizes = (seed, shard_size, batch_size, tolerance, space_tolerance)
    recipe = Recipe(family, as_simulator(simulator), dict(splits), *sizes)
    shards = list(recipe.shards()) if part is None else part.shards(recipe)
    progress = progress or (lambda done, total: None)
    if not all((root / shard.path).exists() for shard in shards):
        check_split_names(recipe.splits)
        _check_room(root, recipe)
    with exclusive(root, part and part.stem):
        if part is None:
            remove_partial(root)  # others may be writing beside a part
        _agree(root, recipe, beside=part is not None)
        wrote = _write_missing(root, recipe, shards, progress, part)
        if part is None:
            _complete(root, recipe, wrote)
    return root


def _complete(root: Path, recipe: Recipe, wrote: bool) -> None:
    """Writes what tells of all shards, or compares them with it; `wrote`: whether some are new."""
    gather(root)
    if wrote or not all((root / name).exists() for name in (MANIFEST, STATISTICS)):
        _write_statistics(root, recipe)
        write_text(root / MANIFEST, to_json(make_manifest(root, recipe)))
    else:
        verify(root, read_json(root / MANIFEST))
    (root / RECIPE).unlink(missing_ok=True)
