"""What was spent on data and training, from the folders that tell it."""

import json

import pytest

from pdejax.evaluation.price.upfront import Spent, data_seconds, spent_on, training_seconds


class Data:
    """Three splits of sizes 100, 10 and 20, of which the notes may say something."""

    split_names = ("train", "valid", "test")

    def __init__(self, **noted):
        self.solve_seconds = noted

    def split(self, name):
        return range({"train": 100, "valid": 10, "test": 20}[name])


def entry(trajectories, wall):
    return {"trajectories": trajectories, "wall": wall, "cpu": 2 * wall}


def write(folder, *lines):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_the_split_that_is_evaluated_on_costs_nothing():
    noted = {"train": entry(100, 5.0), "valid": entry(10, 1.0), "test": entry(20, 7.0)}
    assert data_seconds(Data(**noted), "test") == {"wall": 6.0, "cpu": 12.0}
    assert data_seconds(Data(**noted), "valid") == {"wall": 12.0, "cpu": 24.0}


def test_trajectories_that_were_not_timed_count_as_the_others():
    noted = {"train": entry(25, 5.0), "valid": entry(10, 1.0)}
    assert data_seconds(Data(**noted), "test") == {"wall": 21.0, "cpu": 42.0}


def test_data_that_do_not_tell():
    assert data_seconds(Data(), "test") is None
    assert data_seconds(Data(train=entry(100, 5.0)), "test") is None  # nothing of the split valid
    assert data_seconds(object(), "test") is None


def test_all_stages_of_a_training_count(tmp_path):
    write(tmp_path, {"step": 0, "valid/loss": 1.0}, {"step": 9, "time": 3.0, "cpu_time": 4.0})
    write(tmp_path / "stages" / "1-adam", {"step": 5, "time": 10.0, "cpu_time": 20.0})
    write(tmp_path / "first_phase", {"step": 5, "time": 100.0, "cpu_time": 200.0}, {"step": 6, "valid/loss": 1.0})
    assert training_seconds(tmp_path) == {"wall": 113.0, "cpu": 224.0}


def test_former_runs_tell_wall_seconds_alone(tmp_path):
    write(tmp_path, {"step": 9, "time": 3.0})
    write(tmp_path / "stages" / "1-adam", {"step": 5, "time": 10.0, "cpu_time": 20.0})
    assert training_seconds(tmp_path) == {"wall": 13.0}
    spent = spent_on(Data(), "test", tmp_path)
    assert spent.total("cpu") is None
    assert spent.total("wall") == 13.0
    assert "noted no CPU seconds" in spent.described()["without"]


def test_a_folder_without_a_record_tells_nothing(tmp_path):
    assert training_seconds(None) is training_seconds(tmp_path) is None
    (tmp_path / "metrics.jsonl").write_text("")
    assert training_seconds(tmp_path) is None
    assert Spent().total("cpu") is None
    assert Spent().described()["without"] == "nothing tells what the training took"


def test_trials_count_the_training_and_not_the_data(tmp_path):
    write(tmp_path, {"step": 9, "time": 3.0, "cpu_time": 4.0})
    spent = spent_on(Data(train=entry(100, 5.0), valid=entry(10, 1.0)), "test", tmp_path, trials=10)
    assert spent.total("cpu") == 12 + 10 * 4
    assert spent.described() == {
        "training": {"wall": 3.0, "cpu": 4.0}, "data": {"wall": 6.0, "cpu": 12.0}, "trials": 10, "without": None
    }  # fmt: skip
    alone = Spent(None, {"wall": 3.0, "cpu": 4.0})
    assert alone.total("cpu") == 4.0
    assert "training alone counts" in alone.described()["without"]
    with pytest.raises(ValueError, match="trials is the number of trainings"):
        spent_on(Data(), "test", None, trials=0)
