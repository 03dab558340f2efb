"""What the command line computes is what it computed before the program was rebuilt.

On the machine of the record every number is compared bit for bit. Elsewhere (another processor, number of cores or
compiler) sums are made in another order, and numbers are compared with a tolerance: with narrower vector instructions
(XLA_FLAGS=--xla_cpu_max_isa=AVX) losses of eight trainings moved by at most 7e-6, stored arrays by 2e-7, but norms of
small gradients by 1.2e-4 and an embedded estimate of a solver's error, a difference of equal numbers, by 2.1e-4.

A change that is meant is named in `changes.json`: a pattern of case names to `{"why": one sentence, "within": relative
difference that it may make}`. Where it draws other random numbers, `"averaged": true` compares lists by their means.
"""

import fnmatch
import json
import math
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from tests.golden.cases import ALWAYS
from tests.golden.record import Recorder, fingerprint, names, read

RECORDED = read()
CHANGES = json.loads(Path(__file__).with_name("changes.json").read_text())
SAME = RECORDED["recorded_on"] == fingerprint()
ELSEWHERE, MEASURES = 5e-5, 2e-3  # of losses and arrays, and of what is measured beside them
CONVERGED = 1e-7  # norms that are as small have converged to rounding, which another processor does otherwise


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    jax.devices()  # as many as the other tests have: the commands would make do with one
    return Recorder(tmp_path_factory.mktemp("golden"))


def _change(name):
    return next((CHANGES[pattern] for pattern in CHANGES if fnmatch.fnmatch(name, pattern)), None)


def _numbers(value, place=""):
    """All numbers and words of a case with the places where they stand."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _numbers(one, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from _numbers(one, f"{place}[{i}]")
    else:
        yield place, value


def _averaged(case):
    """A case with the mean in place of each list of numbers."""
    return {name: sum(x) / len(x) if isinstance(x, list) else x for name, x in case.items()}


def _scale(place, value, before):
    """What a difference is relative to: of an entry of an array that of the whole, elsewhere the value itself."""
    array = place.rpartition(".")[0]
    return max(abs(value), before.get(f"{array}.rms", 0.0), 1e-30)


def _differences(before: dict, now: dict, within: float, measures: float = 0.0) -> Iterator[str]:
    """A phrase for each place that differs: by more than `within`, or where something is measured than `measures`."""
    before, now = dict(_numbers(before)), dict(_numbers(now))
    for place in sorted(before.keys() ^ now.keys()):
        yield f"{place} is {'no longer' if place in before else 'newly'} there"
    for place in [p for p in before if p in now]:
        old, new = before[place], now[place]
        if old == new or (within and place.endswith("sha256")):
            continue
        if isinstance(old, str) or isinstance(new, str) or old is None or new is None:
            yield f"{place} is {new}, was {old}"
            continue
        measured = place.startswith(("before.", "last."))
        relative = abs(new - old) / max(_scale(place, old, before), CONVERGED if measured and measures else 0.0)
        if not relative <= (max(within, measures) if measured else within):
            yield f"{place} is {new!r}, was {old!r} (relative {relative:.1e})"


def _sentence(name, differences):
    shown = "; ".join(differences[:6]) + (f"; and {len(differences) - 6} more" if len(differences) > 6 else "")
    return f"{name} differs from the record: {shown}. If that is meant, name it in tests/golden/changes.json."


def _cases():
    return [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.long) for name in names()]


@pytest.mark.optimised
@pytest.mark.parametrize("name", _cases())
def test_the_same_numbers_as_before(recorder, name):
    before, now, change = RECORDED["cases"][name], recorder(name), _change(name)
    exact = list(_differences(before, now, 0.0))
    if change is not None:
        assert exact or not SAME, f"{name} is as recorded: take it out of tests/golden/changes.json ({change['why']})"
    within = max(0.0 if change is None else change["within"], 0.0 if SAME else ELSEWHERE)
    if change is not None and change.get("averaged"):
        before, now = _averaged(before), _averaged(now)
    found = list(_differences(before, now, within, 0.0 if SAME else MEASURES)) if within else exact
    assert not found, _sentence(name, found)


def test_all_cases_are_recorded_and_all_changes_are_of_cases():
    assert tuple(RECORDED["cases"]) == names()
    for case in RECORDED["cases"].values():
        assert all(v is None or isinstance(v, str) or math.isfinite(v) for _, v in _numbers(case))
    for pattern, change in CHANGES.items():
        assert fnmatch.filter(names(), pattern), f"changes.json names {pattern!r}, which is no case"
        assert change["why"]
        assert 0 < change["within"] < 0.5


def test_a_difference_is_told_in_one_sentence():
    before = {"losses": [1.0, 0.5], "u": {"rms": 2.0, "entries": [0.0], "sha256": "a"}}
    now = {"losses": [1.0, 0.6], "u": {"rms": 2.0, "entries": [1e-7], "sha256": "b"}}
    exact = list(_differences(before, now, 0.0))
    assert [phrase.split(" ")[0] for phrase in exact] == ["losses[1]", "u.entries[0]", "u.sha256"]
    assert list(_differences(before, now, 1e-6)) == ["losses[1] is 0.6, was 0.5 (relative 2.0e-01)"]
    assert next(_differences(before, {"losses": [1.0]}, 0.5)) == "losses[1] is no longer there"
    assert _sentence("a", exact).startswith("a differs from the record: losses[1] is 0.6, was 0.5 (relative 2.0e-01);")
