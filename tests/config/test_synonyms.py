"""Words of the field and of other libraries lead to ours."""

import dataclasses

import pytest

from pdejax._suggest import MEANT, nearest
from pdejax.config import ConfigError, RunConfig, resolve
from pdejax.config._messages import all_keys
from pdejax.core import factory_of, options_of, registered
from pdejax.data.generation.recipe import SplitSize
from pdejax.training import TrainSettings


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train.lr=0.1"], "unknown key 'train.lr'. Did you mean 'learning_rate'?"),
        (["lr=0.1"], "unknown key 'lr'. Did you mean 'train.learning_rate'?"),
        (["train.epochs=3"], "unknown key 'train.epochs'. Did you mean 'steps'?"),
        (["network.n_modes=3"], "unknown key 'network.n_modes'. Did you mean 'modes'?"),
        (["problem=darcy_small", "method=steady", "problem.splits.train.samples=9"],
         "unknown key 'problem.splits.train.samples'. Did you mean 'trajectories'?"),
    ],
)  # fmt: skip
def test_other_words_for_the_same_thing(words, sentence):
    with pytest.raises(ConfigError) as caught:
        resolve(words)
    assert sentence in str(caught.value)


def test_every_word_that_is_meant_is_an_option_and_the_others_are_none():
    known = (
        {key[-1] for key in all_keys(RunConfig)} | {field.name for field in dataclasses.fields(SplitSize)} | {"kind"}
    )
    known |= {field.name for field in dataclasses.fields(TrainSettings)} | {"train", "valid", "test"}
    for group in ("network", "method", "domain", "optimiser"):
        for kind in registered(group):
            known |= {*options_of(factory_of(group, kind))}
    of_problems = {"nu", "fields", "ends", "riemann"}  # parameters, and options of grids and solvers
    assert {*MEANT} - of_problems <= known
    for name, others in MEANT.items():
        assert all(nearest(other, [name, "other"]) == [name] for other in others)


def test_a_word_that_is_near_by_its_letters_is_still_found():
    assert nearest("learning_rat", ["learning_rate", "steps"]) == ["learning_rate"]
    assert nearest("LR", ["learning_rate", "steps"]) == ["learning_rate"]


MODES = "network.modes should be at most 15 on an axis of 29 points, .* got 16"


def test_modes_that_were_chosen_are_held_by_the_grid(mine):
    """What the file of a network says is for many grids; a word and an experiment are about these data."""
    steady = ["problem=darcy_small", "method=steady"]
    assert resolve(steady).network.spec()["modes"] == 16
    for words in (["network.modes=16"], ["network={kind: fno, modes: 16}"]):
        with pytest.raises(ConfigError, match=MODES):
            resolve([*steady, *words])
    folder = mine({"experiment/wide.yaml": "# Mine.\nnetwork:\n  modes: 16\n"})
    with pytest.raises(ConfigError, match=f"experiment/wide.yaml:3: {MODES}"):
        resolve(["experiment=wide", *steady], folder)
