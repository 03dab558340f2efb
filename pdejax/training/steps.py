"""A training under way, a few updates at a time: the core under the loop, and under loops of one's own."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import numpy as np

from pdejax.core import Key, checked, spelt
from pdejax.data import Counting, Feed, part_of
from pdejax.methods import AbstractMethod
from pdejax.training.optimisers.choose import build_schedule, optimiser_for
from pdejax.training.optimisers.groups import chosen_leaves
from pdejax.training.settings import TrainSettings
from pdejax.training.sharding import Layout
from pdejax.training.state import TrainState, kept
from pdejax.training.update import make_update


@dataclasses.dataclass
class Training:
    """A training under way: what `start` gives and `advance` moves on.

    - `state`: on the devices; `position`: of the feed, after the batches that were used.
    - `settings`, `layout`, `feed`: as given; `schedule`: the learning rate by update, none if the optimiser has none.
    - `update`: the compiled update; `constants`, `key`: what it takes beside state and items.
    - `frozen`, `static`: what of the model is not trained, arrays and the rest.
    """

    settings: TrainSettings
    layout: Layout
    feed: Feed
    schedule: Callable[[Any], Any] | None
    update: Callable[..., Any]
    state: TrainState
    position: Any
    constants: Any
    key: Any
    frozen: Any
    static: Any
    step: int = 0
    _ahead: list[Any] = dataclasses.field(default_factory=list)

    @property
    def model(self) -> Any:
        """The model with averaged parameters, which are on the host."""
        return eqx.combine(self.layout.host(self.state.ema), self.frozen, self.static)

    @property
    def counts(self) -> dict[str, float]:
        """What the feed tells of the batches that were used, see `Counting`; nothing of a feed that tells nothing."""
        counts = self.feed.counts(self.position) if isinstance(self.feed, Counting) else {}
        return {f"feed/{name}": value for name, value in counts.items()}

    def close(self) -> None:
        """Ends what the feed does ahead."""
        getattr(self.feed, "close", lambda: None)()

    def items(self, count: int) -> list[Any]:
        """The feed's next items, each with the position after it; made now unless they were before."""
        position = self._ahead[-1][0] if self._ahead else self.position
        while len(self._ahead) < count:
            position, item = self.feed.next(position)
            self._ahead.append((position, item))
        return self._ahead[:count]

    def take(self, count: int) -> Any:
        """The items of the next updates, stacked and on the devices."""
        taken = self.items(count)
        del self._ahead[:count]
        self.position = taken[-1][0]
        stacked = jax.tree.map(lambda *x: np.stack(x), *(item for _, item in taken))
        return self.layout.divide(stacked)

    def go_to(self, state: TrainState, position: Any) -> None:
        """Goes on from another state, such as one from a checkpoint."""
        self.state, self.position, self.step = state, position, int(state.step)
        self._ahead.clear()


def _check_batch(feed: Feed, settings: TrainSettings, devices: int) -> None:
    parts = devices * settings.accumulate
    if feed.batch_size % parts:
        raise ValueError(
            f"train.batch_size={feed.batch_size} cannot be divided over {devices} device(s) times "
            f"train.accumulate={settings.accumulate}: use a multiple of {parts}"
        )


@checked
def start(
    method: AbstractMethod,
    model: Any,
    feed: Feed,
    settings: TrainSettings,
    *,
    key: Key,
    layout: Layout | None = None,
    like: Training | None = None,
) -> Training:
    """A training before its first update.

    **Arguments:**

    - `model`: as built by the method; its trainable leaves are optimised, everything else is carried along.
    - `settings`: of which this takes what determines an update; nothing is measured, recorded or saved here, and the
        precision is that of the caller.
    - `key`: of all randomness; sample `row` uses `fold_in(key, row)`.
    - `layout`: where arrays live; over all devices, or as many as the settings say, when omitted.
    - `like`: a training of the same method, kind of model and settings: its compiled update is used again.

    **Raises:** `ValueError` for settings that do not fit the method, the model, the batch or the devices.
    """
    layout = Layout.over(settings.devices) if layout is None else layout
    _check_batch(feed, settings, layout.parts)
    feed = part_of(feed, layout.local_rows(feed.batch_size))
    # partitioned once; only `params` is optimised, `static` is compiled in
    arrays, static = eqx.partition(model, eqx.is_array)
    trained = chosen_leaves(method.trainable(model), settings.only, settings.frozen)
    params, frozen = eqx.partition(arrays, trained)
    if not jax.tree.leaves(params):
        network = getattr(model, "network", None) or getattr(model, "field", model)
        raise ValueError(f"{type(network).__name__} has no parameters: there is nothing to train")
    optimiser = optimiser_for(settings, method, model)
    update = like.update if like is not None else make_update(
        method, feed, static, optimiser, layout,
        steps=settings.steps, ema_decay=settings.ema, accumulate=settings.accumulate,
    )  # fmt: skip
    return Training(
        settings=settings,
        layout=layout,
        feed=feed,
        schedule=build_schedule(settings),
        update=update,
        state=layout.place(TrainState.create(params, optimiser, kept(feed))),
        position=feed.init(),
        constants=layout.replicate((frozen, feed.arrays)),
        key=layout.replicate(jax.random.key_data(key)),
        frozen=frozen,
        static=static,
    )


@spelt
def advance(training: Training, updates: int, ahead: int | None = None) -> dict[str, Any]:
    """Takes several updates in one dispatch.

    **Arguments:** `updates`: how many; each other number is compiled anew; `ahead`: so many batches are made while the
    devices work, as many again when omitted.

    **Returns:** the loss and other metrics of each update, not waited for.
    """
    items = training.take(updates)
    training.state, metrics = training.update(training.state, training.constants, training.key, items)
    training.step += updates
    training.items(updates if ahead is None else ahead)
    return metrics
