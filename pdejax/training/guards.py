"""What the loop watches for: numbers that are not finite, and a run that is to be longer than it was begun."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from pdejax._read import entries, read_json
from pdejax.core import describe, write_text
from pdejax.data import first_difference
from pdejax.methods import AbstractMethod, Scheduled
from pdejax.training.optimisers.choose import ends, reads
from pdejax.training.settings import TrainSettings


class NonFiniteLoss(RuntimeError):
    """The loss became infinite or not a number; the message names the update and the last good checkpoint."""


@contextlib.contextmanager
def in_precision(settings: TrainSettings, model: Any) -> Iterator[Any]:
    """The model in the precision of the settings, which is that of everything inside."""
    with jax.enable_x64(settings.precision == "float64"):
        yield as_precise(model)


def as_precise(tree: Any) -> Any:
    """Real numbers of a model or a batch in the precision that everything around them has, see `in_precision`."""
    real = jnp.result_type(float)
    other = lambda x: eqx.is_array(x) and x.dtype != real and x.dtype in (np.float32, np.float64)
    return jax.tree.map(lambda x: x.astype(real) if other(x) else x, tree)


def check_finite(step: int, metrics: Mapping[str, np.ndarray], settings: TrainSettings, saved: int | None) -> None:
    bad = ~(np.isfinite(metrics["loss"]) & np.isfinite(metrics.get("grad_norm", 0.0)))
    if not bad.any():
        return
    update = step - len(bad) + 1 + int(np.argmax(bad))
    name = "loss" if not np.isfinite(metrics["loss"][np.argmax(bad)]) else "gradient"
    kept = f"the last good checkpoint is step {saved}" if saved else "no checkpoint had been written yet"
    read = reads(settings.optimiser, settings.schedule)
    words = [f"a smaller train.learning_rate (now {settings.learning_rate:g})" if "learning_rate" in read else "",
             "a longer train.warmup" if "warmup" in read else "", "train.clip" if "clip" in read else ""]  # fmt: skip
    *first, last = [*filter(None, words)] or ["smaller steps of the optimiser that was given as an object"]
    mend = " or ".join([*filter(None, [", ".join(first)]), last])
    raise NonFiniteLoss(f"the {name} is not finite at update {update}; {kept}. Try {mend}")


def check_length(folder: Path, method: AbstractMethod, settings: TrainSettings, last: bool, done: int) -> None:
    """Notes how long a training is to be; refuses another length where the first one determined what was done, and one
    that is shorter than what is done.

    **Raises:** `ValueError` with the reason.
    """
    path, steps = folder / "training.json", settings.steps
    begun = entries(read_json(path), path, steps=int)["steps"] if path.exists() else steps
    if begun != steps:
        why = None
        if not last:
            why = "what follows began where it ended"
        elif ends(settings):
            why = f"schedule {settings.schedule!r} has made its course over them; a constant one can go on"
        elif isinstance(method, Scheduled) and not eqx.tree_equal(method.at(jnp.zeros(())), method.at(jnp.ones(()))):
            why = "the method's weights have made their course over them"
        if why is not None:
            raise ValueError(f"{folder} was begun with train.steps={begun} and cannot go on to {steps}: {why}. Begin "
                             "a new run from its model instead (initial=, from=)")  # fmt: skip
    if done > steps:
        raise ValueError(f"{folder} has made {done} updates, more than train.steps={steps}: ask for at least as many, "
                         "or take another name or folder")  # fmt: skip
    write_text(path, json.dumps({"steps": steps}) + "\n")


# of the settings, those that change no more than what is told, or rounding; of `steps` `check_length` knows
FREE = ("steps", "devices", "updates_per_dispatch", "log_every", "evaluate_every", "checkpoint_every", "monitor")


def check_same(folder: Path, method: AbstractMethod, settings: TrainSettings, seed: int, feed: Any, model: Any) -> None:
    """Notes what a training begins with; refuses to go on with what would have made other weights.

    **Raises:** `ValueError` that names the first thing that differs.
    """
    path, kept = folder / "fit.json", {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    source = getattr(feed, "source", None)
    wanted = {
        "seed": seed,
        "method": _described(method),
        "network": json.loads(getattr(model, "origin", None) or "{}").get("network"),
        "data": None if source is None else source.fingerprint,
        "batch_size": feed.batch_size,
        **{name: _described(value) for name, value in kept.items() if name not in FREE},
    }
    wanted = json.loads(json.dumps(wanted))
    if path.exists():
        begun = read_json(path)
        key = first_difference({"network": wanted["network"], **begun}, wanted)  # which former files do not tell
        if key is not None:
            raise ValueError(f"{folder} holds a training that was begun with another {key}: go on with what it was "
                             "begun with, or choose another folder")  # fmt: skip
    if jax.process_index() == 0:
        write_text(path, json.dumps(wanted) + "\n")


def _described(value: Any) -> Any:
    """As JSON; of what has no words its type."""
    try:
        return json.loads(json.dumps(describe(value)))
    except (ValueError, TypeError):
        return type(value).__name__
