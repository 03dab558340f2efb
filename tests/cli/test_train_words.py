"""Words of training beside its settings: what it begins with, who is told of it, and what may end it."""

import json

import pytest

from pdejax.config import ConfigError, resolve
from tests._command import run

TRAIN = ("network.width=4", "network.depth=1", "network.modes=3", "train.steps=4", "train.updates_per_dispatch=1",
         "train.log_every=1", "train.evaluate_every=1", "train.checkpoint_every=4", "train.warmup=0",
         "train.batch_size=2", "train.learning_rate=1e-2", "evaluation.valid_steps=2")  # fmt: skip


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.long
def test_a_run_begins_with_another_ones_weights(here, small):
    words = (*small, *TRAIN)
    run(here, "generate", *words)
    run(here, "train", *words, "name=first")
    said = run(here, "train", *words, "name=second", "from=runs/first")
    assert "not loaded" not in said
    best = min(line["valid/loss"] for line in lines(here / "runs/first"))
    begun = lines(here / "runs/second")[0]
    assert begun["step"] == 0
    assert begun["valid/loss"] == pytest.approx(best, rel=1e-5)

    wider = run(here, "train", *words, "name=third", "from=runs/first", "network.depth=2")
    assert wider.count("not loaded: network.blocks") == wider.count("is missing in runs/first") > 0
    again = run(here, "train", *words, "name=second", code=2)
    assert "runs/second is a run with another from" in again
    missing = run(here, "train", *words, "name=fourth", "from=runs/frist", code=2)
    assert "runs/frist" in missing
    assert not (here / "runs/fourth").exists()


@pytest.mark.long
def test_who_is_told_and_what_ends_it(here, small):
    words = (*small, *TRAIN, "name=told", "train.sinks=[]",
             "train.callbacks=[{kind: early_stopping, patience: 1, least: 1e9}]")  # fmt: skip
    run(here, "generate", *words)
    run(here, "train", *words)
    assert lines(here / "runs/told")[-1]["step"] == 1  # nothing is better by so much than what was measured first
    assert not (here / "runs/told/tensorboard").exists()
    other = [word for word in words if not word.startswith("train.sinks")]
    run(here, "train", *other)  # where metrics go does not make it another run
    assert (here / "runs/told/tensorboard").is_dir()
    changed = run(here, "train", *small, *TRAIN, "name=told", code=2)
    assert "another train.callbacks" in changed
    unknown = run(here, "train", *small, *TRAIN, "name=lost",
                  "train.callbacks=[{kind: early_stopping, monitor: valid/los}]", code=2)  # fmt: skip
    assert "'valid/los'. Did you mean 'valid/loss'" in unknown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train.sinks=[tensorbord]"], "unknown train.sinks.0 'tensorbord'. Did you mean 'tensorboard'?"),
        (["train.sinks=[{kind: wand}]"], "unknown train.sinks.0.kind 'wand'. Did you mean 'wandb'?"),
        (["train.callbacks=[{kind: early_stopping, patince: 3}]"], "Did you mean 'patience'?"),
        (["train.callbacks=[{kind: early_stopping, patience: 0}]"], "greater than or equal to 1"),
        (["train.sinks=tensorboard"], "train.sinks"),
        (["train.optimiser=lbfgs", "train.weight_decay=0.1"],
         "train.weight_decay has no effect, since optimiser 'lbfgs' does not read it: leave it out"),
        (["train.schedule=constant", "train.final_learning_rate=0.1"],
         "train.final_learning_rate has no effect, since schedule 'constant' does not read it: leave it out"),
    ],
)  # fmt: skip
def test_words_without_meaning_or_effect_are_refused(words, said):
    with pytest.raises(ConfigError) as caught:
        resolve(["problem=burgers", *words])
    assert said in str(caught.value)


def test_settings_of_a_file_are_for_the_optimisers_that_read_them(tmp_path):
    """What stood there before another optimiser was chosen is no mistake, what is said with it or after it is."""
    assert resolve(["problem=burgers", "train.optimiser=lbfgs"]).train.weight_decay > 0
    folder = tmp_path / "mine" / "train"
    folder.mkdir(parents=True)
    (folder / "quasi.yaml").write_text("# A quasi-Newton method.\nsteps: 4\noptimiser: lbfgs\nclip: 2.0\n")
    with pytest.raises(ConfigError, match=r"quasi.yaml:4: train.clip has no effect, since optimiser 'lbfgs'"):
        resolve(["problem=burgers", "train=quasi"], tmp_path / "mine")
