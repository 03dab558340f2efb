"""Training from the command line on solutions that nobody stores."""

import json

import pytest

from pdejax.config import ConfigError, resolve
from tests._command import run
from tests.cli.test_train_words import TRAIN


@pytest.fixture
def words(small):
    return [*(word for word in small if "splits.train" not in word), "~problem.splits.train", *TRAIN, "name=online"]


def test_a_run_solves_what_it_learns_from(here, words):
    words = [*words, "train.feed={kind: stream, windows: 2}", "evaluation.baselines=false"]
    run(here, "generate", *words)
    run(here, "train", *words)
    lines = [json.loads(line) for line in (here / "runs/online/metrics.jsonl").read_text().splitlines()]
    assert [line.get("feed/solved") for line in lines] == [None, 1.0, 2.0, 3.0, 4.0]
    assert "'train' is missing" in run(here, "train", *words[:-2], code=2)


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        ("strem", "unknown train.feed 'strem'. Did you mean 'stream'?"),
        ("{kind: stream, window: 3}", "unknown key 'train.feed.window'. Did you mean 'windows'"),
        ("{kind: pool, reuse: 2}", "train.feed.capacity"),
        ("{kind: pool, capacity: 6, reuse: 2}", "train.feed.capacity should be a multiple of 4, .* the nearest is"),
        ("{kind: stream, windows: 9}", "train.feed.windows should be at most 4, the places of a window"),
    ],
)
def test_feeds_that_cannot_be_are_told(feed, said, words):
    with pytest.raises(ConfigError, match=said):
        resolve([*words, f"train.feed={feed}"])


def test_without_data_to_be_measured_on_nothing_is_trained(words):
    with pytest.raises(ConfigError, match=r"measured on the split 'valid', and splits are test: add problem"):
        resolve([*words, "~problem.splits.valid", "train.feed=stream"])
