"""Stages one after the other, and the folder that a run owns."""

import dataclasses
import json
import os
import shutil
import signal

import equinox as eqx
import jax
import numpy as np
import pytest

from pdejax.training import APART, FIRST_PHASE, Interrupted, Plan, Run, Stage, TrainSettings, phased, train
from tests.training.toy import PointFeed, Regression, line

METHOD = Regression()
LOOP = {"updates_per_dispatch": 2, "log_every": 2, "evaluate_every": 2, "checkpoint_every": 2}
FIRST = TrainSettings(4, 1e-2, "constant", only=("bias",), **LOOP)
SECOND = TrainSettings(4, 1e-3, "constant", **LOOP)
doubled = lambda model: eqx.tree_at(lambda m: m.bias, model, 2 * model.bias)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def plan(feed=PointFeed, second=SECOND):
    return Plan(
        (
            Stage(METHOD, FIRST, 1, PointFeed, keep="last", name="stages/01-adamw"),
            Stage(METHOD, second, 0, feed, prepare=doubled, keep="last"),
        )
    )


def saved(into):
    def save(folder, model, stage, facts):
        into.append((folder, float(np.sum(model.bias)), stage.name, facts))

    return save


def test_a_stage_begins_with_what_the_one_before_learned(tmp_path):
    kept = []
    found = plan().train(line(), tmp_path, saved(kept), show=False)
    first = train(METHOD, line(), PointFeed(), FIRST, seed=1, show=False)
    expected = train(METHOD, doubled(first), PointFeed(), SECOND, show=False)
    same(found, expected)
    assert [(folder, name, facts["stage"]) for folder, _, name, facts in kept] == [
        (tmp_path, "stages/01-adamw", 1), (tmp_path, "", 2),
    ]  # fmt: skip
    assert (tmp_path / "stages/01-adamw/metrics.jsonl").exists()
    assert [json.loads(text)["step"] for text in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [2, 4]


def test_a_plan_that_was_cut_goes_on_in_its_stage(tmp_path):
    class Interrupting(PointFeed):
        def next(self, state):
            if state["step"] == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    whole = plan().train(line(), tmp_path / "whole", saved([]), show=False)
    with pytest.raises(Interrupted):
        plan(Interrupting).train(line(), tmp_path / "cut", saved([]), show=False)
    same(whole, plan().train(line(), tmp_path / "cut", saved([]), show=False))


def test_an_optimiser_that_cannot_work_in_a_later_stage_is_refused_before_the_first(tmp_path):
    squares = dataclasses.replace(SECOND, optimiser="gauss_newton")
    with pytest.raises(ValueError, match="'gauss_newton' needs a loss that is a sum of squares"):
        run(tmp_path, plan(second=squares)).train(show=False)
    assert list(tmp_path.iterdir()) == []


def run(folder, what=None, data="aaaa", files=None, **changes):
    what = plan() if what is None else what
    steps = [stage.settings.steps for stage in what.stages]
    words = {"name": "toy", "seed": 0, "train": {"stages": [{"steps": n} for n in steps]}, "runs_dir": "x", **changes}
    earlier = lambda path: json.loads(path.read_text())
    found = {"root": "data/toy", "fingerprint": data}
    return Run(folder / "toy", what, line(), words, json.dumps(words), earlier, saved([]), found, files or {})


def test_only_its_own_words_and_data_continue_a_run(tmp_path):
    folder = run(tmp_path).train(show=False)
    assert {"config.yaml", "data.json", "environment.json"} <= {path.name for path in folder.iterdir()}
    run(tmp_path, runs_dir="elsewhere").train(show=False)
    with pytest.raises(ValueError, match=r"toy is a run with another seed: continue it with the words"):
        run(tmp_path, seed=1).train(show=False)
    with pytest.raises(ValueError, match=r"trained on a data set of fingerprint aaaa, data/toy now holds bbbb"):
        run(tmp_path, data="bbbb").train(show=False)
    longer = dataclasses.replace(SECOND, steps=6)
    run(tmp_path, plan(second=longer)).train(show=False)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 6
    with pytest.raises(ValueError, match=r"begun with train.steps=6 and cannot go on to 8: schedule 'cosine'"):
        run(tmp_path, plan(second=dataclasses.replace(SECOND, steps=8, schedule="cosine"))).train(show=False)


def test_only_the_same_content_of_its_files_continues_a_run(tmp_path):
    """A run of a former version noted none, and goes on; from then on it has noted them."""
    run(tmp_path).train(show=False)
    folder = run(tmp_path, files={"seen.csv": "aaaa"}).train(show=False)
    assert json.loads((folder / "data.json").read_text())["files"] == {"seen.csv": "aaaa"}
    with pytest.raises(ValueError, match=r"toy was trained with another content of seen.csv: put that back, or"):
        run(tmp_path, files={"seen.csv": "bbbb"}).train(show=False)


class TwoPhases(Regression):
    """The same twice, the second time from twice the bias."""

    @property
    def first_phase(self):
        return Regression(), 0.25

    def continued(self, model, batches):
        return doubled(model)


def test_phases_are_a_plan_of_two_stages():
    settings = TrainSettings(8, warmup=4, **LOOP)
    whole = Stage(TwoPhases(), settings, 3, PointFeed)
    first, second = phased(whole, lambda method, seed: (method, seed), lambda method: [method], tuple)
    assert (first.name, second.name) == (FIRST_PHASE, "")
    assert (first.seed, second.seed) == (3 + APART, 3)
    assert first.feed() == (Regression(), 3 + APART)
    assert ((first.settings.steps, first.settings.warmup), (second.settings.steps, second.settings.warmup)) == (
        (2, 1), (6, 3),
    )  # fmt: skip
    same(second.prepare(line()).bias, 2 * line().bias)
    alone = Stage(METHOD, settings, 3, PointFeed)
    assert phased(alone, lambda method, seed: PointFeed(), lambda method: [], tuple) == (alone,)
    short = dataclasses.replace(whole, settings=TrainSettings(2, **LOOP))
    with pytest.raises(ValueError, match=r"train.steps=2 leave no update after a first phase of 2"):
        phased(short, lambda method, seed: PointFeed(), lambda method: [], tuple)


def test_checkpoints_that_nobody_can_tell_of_are_refused_with_the_ways_out(tmp_path):
    """As they are found where a folder was removed while a training wrote to it."""
    folder = run(tmp_path).train(show=False)
    (folder / "config.yaml").unlink()
    with pytest.raises(ValueError, match=r"toy holds checkpoints, but no config.yaml .*: put .* delete the folder to "):
        run(tmp_path).train(show=False)
    shutil.rmtree(folder)
    run(tmp_path).train(show=False)
