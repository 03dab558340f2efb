"""Whether the parts of a configuration go together: the objects it describes are made, without arrays, and say so."""

import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import jax

from pdejax._read import absent
from pdejax.config._compose import Composition, dotted
from pdejax.config._online import online_feed, simulated_of
from pdejax.config._overrides import ConfigError
from pdejax.config._run import Evaluation, RunConfig
from pdejax.config._train import settings_of
from pdejax.core import build, check_memory
from pdejax.data import Recipe, check_split_names, open_data
from pdejax.methods import DataCard, MadeForGrids, Measuring, ProblemCard
from pdejax.training import OPTIONAL, TrainSettings, build_schedule, reads, unread

OF_ALL = ("price", "trials")  # keys of an evaluation that every kind reads


def check_fits(config: RunConfig, composition: Composition, *, room: bool) -> None:
    """Makes the problem, the method and the model's shapes.

    **Arguments:** `config`, `composition`; `room`: whether there must be memory for the work and the data reach all
    weights, as need not be to look at a run that was made elsewhere.

    **Raises:** `ConfigError` with what does not fit and where it was said.
    """
    if config.data is not None and not os.path.exists(config.data):  # of whatever length, unlike Path.exists
        raise ConfigError(f"{composition.where(('data',))}: {absent(config.data)}")
    with _told("problem" if config.data is None else "data", config, composition):
        card = _card(config)
        if room and config.problem is not None and not config.stated:
            check_split_names(config.problem.splits)
        if room and isinstance(card, DataCard):
            points, fields = math.prod(card.shape), len(card.field_names)
            # sixty-four fields in single precision: a network of usual width, or the coefficients of a solver
            check_memory(256.0 * points * fields, f"work on {points:.3g} points", "take fewer points, domain.shape")
    with _told("method", config, composition):
        method = build("method", config.method.spec())
    _check_nature(config, method, composition)
    with _told("method", config, composition, "network"):
        card = _card(config, method)
        make = lambda: method.build(config.network.spec(), card, key=jax.random.key(0))
        model = eqx.filter_eval_shape(make)
        if room:
            _check_memory(model)
            if config.initial is None:  # weights that come from a finer grid rest on this one
                _check_grid(model, card, config, composition)
    with _told("train", config, composition):
        parts = [settings_of(part) for part in config.train.parts()]
        for part in parts:
            build_schedule(part)
    _check_read(parts, composition)
    with _told("train", config, composition):
        if (source := simulated_of(config)) is not None:
            online_feed(config, source, method, config.seed)
    if isinstance(card, DataCard):
        _check_sizes(config, method, composition)
        return
    for name, value in config.evaluation.model_dump().items():
        if name not in OF_ALL and value != Evaluation.model_fields[name].default:
            _refuse("has no effect: a problem that is stated by its conditions has one solution and no data set",
                    ("evaluation", name), composition)  # fmt: skip


def _check_grid(model: Any, card: Any, config: RunConfig, composition: Composition) -> None:
    """Whether the data reach what was chosen of a network; what its file says is for other grids too."""
    network = getattr(model, "network", None)
    if not isinstance(card, DataCard) or not isinstance(network, MadeForGrids):
        return
    try:
        network.check_grid(card.shape)
    except ValueError as error:
        option = str(error).partition(" ")[0]
        if option not in config.network.spec() or composition.chosen(("network", option)):
            raise


def _check_memory(model: Any) -> None:
    """Whether a model's parameters, their gradients, two moments and their averages fit into memory."""
    leaves = [x for x in jax.tree.leaves(model) if isinstance(x, jax.ShapeDtypeStruct)]
    numbers = sum(math.prod(leaf.shape) for leaf in leaves)
    check_memory(5 * 4.0 * numbers, f"training a model of {numbers:.3g} parameters", "take a smaller network")


def _card(config: RunConfig, method: Any = None) -> Any:
    """What a method is told of the problem, where there are no data yet."""
    if config.stated:
        return ProblemCard(build("problem", {"kind": "boundary_value", **config.problem.spec()}))
    if config.data is not None:
        data = open_data(config.data)
        card = DataCard.of(data)
        return method.sketched(card, data.family, data.simulator) if isinstance(method, Measuring) else card
    recipe = Recipe.of(config.problem.spec())
    return DataCard.sketch(recipe.family, recipe.simulator, method)


def known_frames(method: Any) -> int:
    """Frames of a window that a method is given; none where it maps input fields."""
    return getattr(method, "history", 1 if method.window > 1 else 0)


def _check_nature(config: RunConfig, method: Any, composition: Composition) -> None:
    """Whether the method learns from what there is: points for one solution, or data of a family."""
    if config.stated == (method.window == 0):
        return
    nature, other = ("is stated by its conditions", "physics_informed") if config.stated else ("gives data", "one_step")
    what = f"problem {config.problem.name!r}" if config.problem is not None else str(config.data)
    _refuse(f"is {config.method.kind!r}, but {what} {nature}: take method={other}", ("method", "kind"), composition)


def _check_sizes(config: RunConfig, method: Any, composition: Composition) -> None:
    """Whether the splits are as long as a sample, and what is to be evaluated is there."""
    if config.problem is None:
        return
    splits, window = config.problem.splits, method.window
    for name in ("train", "valid"):
        if name in splits and splits[name].frames < window:
            _refuse(f"should be at least {window}, the frames of a sample of method {config.method.kind!r}, "
                    f"got {splits[name].frames}", ("problem", "splits", name, "frames"), composition)  # fmt: skip
    if "test" not in splits:
        return
    most = {
        "trajectories": splits["test"].trajectories,
        "steps": max(splits["test"].frames - known_frames(method), 1),
    }
    for key, largest in most.items():
        value = getattr(config.evaluation, key)
        if value is not None and value > largest:
            _refuse(f"should be at most {largest}, what the test split holds, got {value}",
                    ("evaluation", key), composition)  # fmt: skip


def _check_read(parts: Sequence[TrainSettings], composition: Composition) -> None:
    """Whether somebody reads each setting; one that stood there before the optimiser was chosen is for others."""
    for name in OPTIONAL:
        if all(name not in reads(part.optimiser, part.schedule) for part in parts):
            chosen = max(composition.rank(("train", key)) for key in ("optimiser", "schedule", "stages"))
            if composition.rank(("train", name)) >= max(chosen, 0):
                who = unread(name, parts[-1].optimiser, parts[-1].schedule)
                _refuse(f"has no effect, since {who} does not read it: leave it out", ("train", name), composition)


def _refuse(sentence: str, key: tuple[str, ...], composition: Composition) -> None:
    raise ConfigError(f"{composition.where(key)}: {dotted(key)} {sentence}")


@contextlib.contextmanager
def _told(section: str, config: RunConfig, composition: Composition, *others: str) -> Iterator[None]:
    """Tells what an object refuses with the place of what its sentence speaks of."""
    try:
        yield
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(_placed(str(error).partition("\n")[0], (section, *others), config, composition)) from error


# keys below these are names that users give
_NAMED = ("parameters", "unknown", "vary", "fields", "definitions", "conditions")


def _placed(sentence: str, sections: tuple[str, ...], config: RunConfig, composition: Composition) -> str:
    """A sentence beginning with an option's name gets its whole key; another one the place of what it quotes, if there
    is one place for it, or else the section.
    """
    plain, told = config.model_dump(mode="json"), re.sub(r"^problem '[^']*': ", "", sentence)
    leaves = [(key, value) for section in sections for key, value in _entries(plain.get(section), (section,))]
    if first := re.match(r"[A-Za-z_][\w.]+", told):
        path = tuple(first[0].split("."))
        so_called = [(key, value) for key, value in leaves
                     if key[-len(path) :] == path and (len(path) > 1 or not set(_NAMED) & {*key[:-1]})]  # fmt: skip
        if so_called:  # where several are, the one that holds what was found
            rest, found = told[first.end() :], told.rpartition(", got ")[2]
            key = next((key for key, value in so_called if found in (str(value), repr(value))), so_called[0][0])
            return f"{composition.where(key)}: {dotted(key)}{rest}"
    quoted = re.findall(r"'([^']+)'", told)[:1] + ([first[0]] if first else [])
    leaves = [(key, value) for key, value in leaves if key != ("problem", "name")]
    about = [key for key, value in leaves if key[-1] in quoted or value in quoted]
    if len(about) == 1:
        return f"{composition.where(about[0])}: {dotted(about[0])}: {sentence}"
    section = sections[:1]
    where = composition.word_for(section) or composition.where(section)  # data=heat.npz tells of which section it is
    return f"{where}: {sentence}" if where.startswith(f"{sections[0]}=") else f"{where}: {sections[0]}: {sentence}"


def _entries(plain: Any, key: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """All keys below a section, the shallow ones first, and what stands there."""
    items = plain.items() if isinstance(plain, dict) else ()
    yield from (((*key, name), value) for name, value in items)
    for name, value in items:
        yield from _entries(value, (*key, name))
