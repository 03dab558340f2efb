"""Checkpoints that survive a kill: the newest and the best, by Orbax."""

import errno
import logging
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from orbax.checkpoint import v1 as ocp

from pdejax._read import FileError
from pdejax._write import no_room
from pdejax.training.state import TrainState

_keep = ocp.training.preservation_policies
_ELSEWHERE = {
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EMFILE,
    errno.ENFILE,
    errno.EBUSY,
}


def _is_news(record: logging.LogRecord) -> bool:
    """A disk that is full is told once, by what `save` or `close` raises, and not by every thread that met it too."""
    raised = record.exc_info[1] if record.exc_info else None
    return no_room(raised) is None and no_room(Exception(record.getMessage())) is None


logging.getLogger("absl").addFilter(_is_news)


def _wide() -> bool:
    """Whether this thread works in double precision."""
    return jnp.result_type(float) == jnp.float64


@contextmanager
def _precision_of_all_threads() -> Iterator[None]:
    """Orbax loads in threads of its own, which do not see `jax.enable_x64` and would round to single precision."""
    with ThreadPoolExecutor(1) as pool:
        before = pool.submit(_wide).result()
    jax.config.update("jax_enable_x64", _wide())
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def _stored(state: TrainState) -> dict[str, Any]:
    """By name, without what is empty: a feed that keeps nothing leaves no trace."""
    return {name: part for name, part in vars(state).items() if name != "feed" or jax.tree.leaves(part)}


def _is_stored(x: Any) -> bool:
    return hasattr(x, "storage_metadata")


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".")


def _named(tree: Any) -> dict[str, Any]:
    """The arrays of a tree by their places: which parts of it are empty plays no part."""
    return {_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _filled(like: TrainState, stored: Any) -> dict[str, Any]:
    """A state with the arrays that were stored."""
    arrays = _named(stored)
    return jax.tree_util.tree_map_with_path(lambda path, _: arrays[_name(path)], _stored(like))


def _abstract(metadata: Any, wanted: Mapping[str, Any], shardings: Mapping[str, Any]) -> dict[str, Any]:
    """What to load: the tree that is stored, with the types of a state and where its arrays go."""

    def like(path: Any, stored: Any) -> jax.ShapeDtypeStruct:
        name = _name(path)
        return jax.ShapeDtypeStruct(tuple(stored.shape), wanted[name].dtype, sharding=shardings[name])

    return {"state": jax.tree_util.tree_map_with_path(like, metadata, is_leaf=_is_stored), "feed": None}


def _not_the_files(error: BaseException | None) -> str | None:
    """Why something could not be loaded, where that tells nothing of what is stored: memory, rights, a server."""
    while error is not None:
        first = (str(error).strip().splitlines() or [""])[0][:200]
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            return f"there is not enough memory ({first})"
        if isinstance(error, OSError) and error.errno in _ELSEWHERE:
            return f"{error.strerror or first}".lower()
        error = error.__cause__ or error.__context__
    return None


class OtherModel(ValueError):
    """A checkpoint of another model or optimiser than the one that shall go on."""


class Checkpoints:
    """Saved training states below `folder`: the last two and the best by a metric.

    **Arguments:** `folder`: created if needed; `monitor`: name of the metric by which one is best; `sign`: 1 if its
    smallest value is, -1 if its largest.
    """

    def __init__(self, folder: Path, monitor: str, sign: float = 1.0) -> None:
        score = lambda metrics: -sign * metrics[monitor]
        best: Any = _keep.BestN(get_metric_fn=score, n=1, keep_checkpoints_without_metrics=False)
        policy: Any = _keep.AnyPreservationPolicy([_keep.LatestN(2), best])
        # every call saves: by default Orbax passes over a save while the one before is still being written
        always: Any = ocp.training.save_decision_policies.FixedIntervalPolicy(1)
        self._folder, self._monitor = folder.absolute(), monitor
        self._started: list[int] = []
        self.passed: list[int] = []  # damaged steps that `restore` met
        self._checkpointer = ocp.training.Checkpointer(
            str(self._folder),
            save_decision_policy=always,
            preservation_policy=policy,
            cleanup_tmp_directories=True,
        )

    def steps(self) -> list[int]:
        """Numbers of the saved steps, ascending."""
        return sorted(c.step for c in self._checkpointer.checkpoints)

    @property
    def newest(self) -> int | None:
        """The last step of which saving was started; it is complete once `close` returned."""
        return max([*self.steps(), *self._started], default=None)

    def save(self, step: int, state: TrainState, feed: Mapping[str, int], metrics: Mapping[str, float]) -> None:
        """Starts saving in the background; the arrays may be donated afterwards.

        **Raises:** `RuntimeError` if nothing was started, so that no step is lost unnoticed.
        """
        value = metrics.get(self._monitor, math.nan)
        chosen: Any = {self._monitor: float(value)} if math.isfinite(value) else None
        content = {"state": _stored(state), "feed": dict(feed)}
        # a step that a kill left unreadable is written anew
        response = self._checkpointer.save_checkpointables_async(step, content, metrics=chosen, overwrite=True)
        if response is None:
            raise RuntimeError(f"checkpoint {step} was not written")
        self._started = [step]

    def restore(self, like: TrainState, shardings: Any) -> tuple[TrainState, dict[str, int]] | None:
        """The newest complete checkpoint as `(state, feed state)`, or None.

        **Arguments:** `like`: a state of the right structure, arrays or shapes; `shardings`: where each array goes.
        One that is damaged, or that a kill left incomplete, is passed over; `passed` tells which.

        **Raises:** `OtherModel` if a checkpoint belongs to one; `ValueError` if all are damaged, or if one cannot be
        read for another reason than its content.
        """
        wanted, self.passed = (_named(_stored(like)), _named(_stored(shardings))), []
        last: Exception | None = None
        other: OtherModel | None = None
        for step in reversed(self.steps()):
            try:
                metadata = self._check_shapes(step, like)
                with _precision_of_all_threads():
                    content = self._checkpointer.load_checkpointables(step, _abstract(metadata, *wanted))
                return TrainState(**{"feed": like.feed, **_filled(like, content["state"])}), dict(content["feed"])
            except OtherModel as mismatch:  # or the list of its arrays was cut: then the one before fits
                self.passed.append(step)
                other = other or mismatch
            # deletion of old steps is not atomic: a kill may leave one half deleted and still listed; and there is no
            # end to what Orbax and its libraries raise for files that are cut, changed or gone
            except Exception as broken:
                if (reason := _not_the_files(broken)) is not None:
                    raise FileError(f"{self._folder / str(step)} cannot be read: {reason}; nothing is said of the "
                                    "files themselves") from broken  # fmt: skip
                self.passed.append(step)
                last = broken
        if other is not None:
            raise other
        if self.passed:
            steps = ", ".join(map(str, sorted(self.passed)))
            raise ValueError(f"all checkpoints in {self._folder} are damaged (steps {steps}): files are cut, changed "
                             "or missing; begin the run anew in another folder") from last  # fmt: skip
        return None

    def _check_shapes(self, step: int, like: TrainState) -> Any:
        """Compares before loading: what Orbax says of a mismatch does not help, and it leaves loose threads.

        **Returns:** what is stored, a tree of metadata.
        """
        stored = ocp.checkpointables_metadata(str(self._folder / str(step))).metadata["state"]
        shapes = lambda tree, leaf: sorted(tuple(x.shape) for x in jax.tree.leaves(tree, is_leaf=leaf))
        found, wanted = shapes(stored, _is_stored), shapes(_stored(like), None)
        if found != wanted:
            odd = next(iter(set(found) ^ set(wanted)), f"{len(found)} arrays, not {len(wanted)}")
            raise OtherModel(
                f"checkpoint {step} does not fit this model and optimiser (differing: {odd}): "
                "did the network, the method or the optimiser change?"
            )
        return stored

    def close(self) -> None:
        """Returns when everything started is on disk; nothing can be saved afterwards."""
        self._checkpointer.close()
