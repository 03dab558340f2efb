"""Whether the parts of a configuration go together: the objects it describes are made, without arrays, and say so."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax

from pdejax.config._compose import Composition, dotted, has
from pdejax.config._overrides import ConfigError
from pdejax.config._run import RunConfig
from pdejax.core import build
from pdejax.data import Recipe
from pdejax.equations import BoundaryValueProblem
from pdejax.methods import DataCard, ProblemCard


def check_fits(config: RunConfig, composition: Composition) -> None:
    """Makes the problem, the method and the model's shapes.

    **Raises:** `ConfigError` with what does not fit and where it was said.
    """
    with _told("problem", config, composition):
        card = _card(config)
    with _told("method", config, composition):
        method = build("method", config.method.spec())
    with _told("method", config, composition, "network"):
        make = lambda: method.build(config.network.spec(), card, key=jax.random.key(0))
        eqx.filter_eval_shape(make)
    if isinstance(card, DataCard):
        _check_sizes(config, method, composition)


def _card(config: RunConfig) -> Any:
    """What a method is told of the problem, where there are no data yet."""
    if config.stated:
        return ProblemCard(BoundaryValueProblem.from_spec(config.problem.spec()))
    return DataCard.sketch(Recipe.of(config.problem.spec()).family)


def _check_sizes(config: RunConfig, method: Any, composition: Composition) -> None:
    """Whether the splits are as long as a sample, and what is to be evaluated is there."""
    splits, window = config.problem.splits, method.window
    for name in ("train", "valid"):
        if name in splits and splits[name].frames < window:
            _refuse(f"should be at least {window}, the frames of a sample of method {config.method.kind!r}, "
                    f"got {splits[name].frames}", ("problem", "splits", name, "frames"), composition)  # fmt: skip
    if "test" not in splits:
        return
    most = {
        "trajectories": splits["test"].trajectories,
        "steps": max(splits["test"].frames - getattr(method, "history", 1), 1),
    }
    for key, largest in most.items():
        value = getattr(config.evaluation, key)
        if value is not None and value > largest:
            _refuse(f"should be at most {largest}, what the test split holds, got {value}",
                    ("evaluation", key), composition)  # fmt: skip


def _refuse(sentence: str, key: tuple[str, ...], composition: Composition) -> None:
    raise ConfigError(f"{composition.where(key)}: {dotted(key)} {sentence}")


@contextlib.contextmanager
def _told(section: str, config: RunConfig, composition: Composition, *others: str) -> Iterator[None]:
    """Tells what an object refuses with the place of the option that its sentence begins with."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        sentence, word = str(error).partition("\n")[0], re.match(r"`?([A-Za-z_][\w.]*)`?", str(error))
        path = tuple(word[1].split(".")) if word else ()
        for name in (section, *others):
            if path and has(config.model_dump(), (name, *path)):
                rest = sentence[word.end() :].lstrip() if word else sentence
                where = composition.where((name, *path))
                raise ConfigError(f"{where}: {dotted((name, *path))} {rest}") from error
        raise ConfigError(f"{composition.where((section,))}: {section}: {sentence}") from error
