"""How long a run has trained, over all its restarts."""

import pytest

from pdejax._read import FileError, read_lines
from pdejax.training.store.record import CLOCK, Stopwatch


@pytest.fixture
def clock(monkeypatch):
    """Both clocks, in the hands of the test."""
    now = {"time": 100.0, "cpu_time": 10.0}
    monkeypatch.setattr("time.perf_counter", lambda: now["time"])
    monkeypatch.setattr("time.process_time", lambda: now["cpu_time"])
    return now


def test_a_new_run_begins_at_zero(clock):
    watch = Stopwatch([{"step": 0, "valid/loss": 1.0}])
    clock.update(time=103.0, cpu_time=15.0)
    assert watch.read() == {"time": 3.0, "cpu_time": 5.0}
    assert tuple(watch.read()) == CLOCK


def test_a_continued_run_adds_to_what_it_had(clock):
    watch = Stopwatch([{"step": 5, "time": 7.0, "cpu_time": 9.0}, {"step": 6, "valid/loss": 1.0}])
    clock.update(time=103.0, cpu_time=15.0)
    assert watch.read() == {"time": 10.0, "cpu_time": 14.0}


def test_a_former_run_never_tells_cpu_seconds_of_a_part_as_those_of_the_whole(clock):
    watch = Stopwatch([{"step": 5, "time": 7.0}])
    clock.update(time=103.0, cpu_time=15.0)
    assert watch.read() == {"time": 10.0}


def test_only_the_last_line_may_be_cut_short(tmp_path):
    path, line = tmp_path / "metrics.jsonl", '{"step": 1}\n'
    path.write_text(2 * line + '{"ste')
    assert read_lines(path) == 2 * [{"step": 1}]
    path.write_text(line + '{"ste\n' + line)
    with pytest.raises(
        FileError, match=r"metrics.jsonl:2 is damaged: a line should hold a mapping in JSON, got '{\"ste'"
    ):
        read_lines(path)
