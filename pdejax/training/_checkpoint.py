"""Checkpoints that survive a kill: the newest and the best, by Orbax."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jax.sharding import NamedSharding
from orbax.checkpoint import v1 as ocp

_keep = ocp.training.preservation_policies


class Checkpoints:
    """Saved training states below `folder`: the last two and the best by a metric.

    **Arguments:** `folder`: created if needed; `monitor`: name of the metric of which the smallest is best.
    """

    def __init__(self, folder: Path, monitor: str) -> None:
        best: Any = _keep.BestN(
            get_metric_fn=lambda metrics: -metrics[monitor], n=1, keep_checkpoints_without_metrics=False
        )
        self._monitor = monitor
        self._started: list[int] = []
        policy: Any = _keep.AnyPreservationPolicy([_keep.LatestN(2), best])
        self._checkpointer = ocp.training.Checkpointer(
            str(folder.absolute()),
            preservation_policy=policy,
            cleanup_tmp_directories=True,
        )

    def steps(self) -> list[int]:
        """Numbers of the saved steps, ascending."""
        return sorted(c.step for c in self._checkpointer.checkpoints)

    @property
    def newest(self) -> int | None:
        """The last step of which saving was started; it is complete once `wait` returned."""
        return max([*self.steps(), *self._started], default=None)

    def save(self, step: int, state: Any, feed: Mapping[str, int], metrics: Mapping[str, float]) -> None:
        """Starts saving in the background; the arrays may be donated afterwards."""
        chosen: Any = {self._monitor: float(metrics[self._monitor])} if self._monitor in metrics else None
        content = {"state": state, "feed": dict(feed)}
        self._checkpointer.save_checkpointables_async(step, content, metrics=chosen)
        self._started = [step]

    def restore(self, like: Any, sharding: NamedSharding) -> tuple[Any, dict[str, int]] | None:
        """The newest complete checkpoint as `(state, feed state)`, or None.

        **Arguments:** `like`: a state of the right structure, arrays or shapes; `sharding`: where its arrays go.
        A checkpoint that a kill left incomplete is passed over.
        """
        shape = lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
        abstract = {"state": jax.tree.map(shape, like), "feed": None}
        for step in reversed(self.steps()):
            try:
                content = self._checkpointer.load_checkpointables(step, abstract)
            except (FileNotFoundError, KeyError, ValueError) as broken:
                # deletion of old steps is not atomic: a kill may leave one half deleted and still listed
                if step == self.steps()[0]:
                    raise ValueError(f"no checkpoint could be read, the last try was step {step}: {broken}") from broken
                continue
            return content["state"], dict(content["feed"])
        return None

    def wait(self) -> None:
        """Returns when everything started is on disk."""
        self._checkpointer.close()
