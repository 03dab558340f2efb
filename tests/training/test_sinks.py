import struct
import sys
import types

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from pdejax.core import build
from pdejax.training import JsonLines, MLflow, TensorBoard, Trackio, WandB


def events(folder):
    """What TensorBoard's own classes read in the newest file."""
    data, found = max(folder.glob("*tfevents*")).read_bytes(), []
    while data:
        (size,) = struct.unpack("<Q", data[:8])
        assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])
        event, data = data[12 : 12 + size], data[12 + size :]
        assert struct.unpack("<I", data[:4])[0] == masked_crc32c(event)
        data = data[4:]
        found.append(Event.FromString(event))
    return found


def test_event_files_are_what_tensorboard_reads(tmp_path):
    sink = TensorBoard()
    sink.open(tmp_path, -1)
    sink.write(300, {"loss": 0.25, "valid/loss": 1e-3, "time": 3.0, "bad": None})
    sink.close()
    sink.open(tmp_path, 300)
    sink.write(1 << 20, {"loss": 2.0})
    sink.close()
    assert len(list((tmp_path / "tensorboard").iterdir())) == 2
    version, session, line = events(tmp_path / "tensorboard")
    assert version.file_version == "brain.Event:2"
    assert (session.session_log.status, session.step) == (1, 301)  # what was written of later steps is void
    assert line.step == 1 << 20
    first = sorted((tmp_path / "tensorboard").glob("*"))[0]
    (tmp_path / "one").mkdir()
    first.rename(tmp_path / "one" / first.name)
    *_, line = events(tmp_path / "one")
    assert line.step == 300
    assert {v.tag: v.simple_value for v in line.summary.value} == {
        "train/loss": 0.25, "valid/loss": pytest.approx(1e-3),
    }  # fmt: skip


class Service(types.SimpleNamespace):
    """Remembers what it was told, under the names that a service has."""

    def __init__(self, **answers):
        self.calls = []
        super().__init__(**{name: self._answering(name, answer) for name, answer in answers.items()})

    def _answering(self, name, answer):
        def call(*args, **kwargs):
            self.calls.append((name, args, kwargs))
            return answer

        return call


@pytest.fixture
def fake(monkeypatch):
    def make(name, **answers):
        service = Service(**answers)
        monkeypatch.setitem(sys.modules, name, service)
        return service

    return make


LINE = {"loss": 0.5, "valid/loss": np.float64(0.25), "nothing": None}
SENT = {"train/loss": 0.5, "valid/loss": 0.25}


def tell(sink, folder):
    sink.open(folder, -1)
    sink.write(10, LINE)
    sink.close()
    sink.open(folder, 10)
    sink.close()


def test_wandb_is_told_and_a_run_goes_on_under_its_name(fake, tmp_path):
    run = Service(log=None, finish=None)
    run.id = "abc"
    service = fake("wandb", init=run)
    tell(build("sink", {"kind": "wandb", "project": "mine"}), tmp_path)
    begun, again = (kwargs for _, _, kwargs in service.calls)
    assert (begun["project"], begun["name"], begun["id"]) == ("mine", tmp_path.name, None)
    assert again["id"] == "abc"
    assert again["resume"] == "allow"
    assert run.calls[0] == ("log", (SENT,), {"step": 10})
    assert run.calls[1][0] == "finish"


def test_mlflow_is_told_and_a_run_goes_on_under_its_name(fake, tmp_path):
    run = types.SimpleNamespace(info=types.SimpleNamespace(run_id="abc"))
    service = fake("mlflow", set_experiment=None, start_run=run, log_metrics=None, end_run=None)
    tell(MLflow("mine"), tmp_path)
    assert service.calls[0] == ("set_experiment", ("mine",), {})
    assert service.calls[1][2] == {"run_id": None, "run_name": tmp_path.name}
    assert service.calls[2] == ("log_metrics", (SENT,), {"step": 10})
    assert service.calls[3][0] == "end_run"
    assert service.calls[5][2] == {"run_id": "abc", "run_name": None}


def test_trackio_is_told_and_a_run_goes_on_under_its_name(fake, tmp_path):
    service = fake("trackio", init=None, log=None, finish=None)
    tell(Trackio("mine"), tmp_path)
    assert service.calls[0][2] == {"project": "mine", "name": tmp_path.name, "resume": "never"}
    assert service.calls[1] == ("log", (SENT,), {"step": 10})
    assert service.calls[2][0] == "finish"
    assert service.calls[3][2]["resume"] == "allow"


@pytest.mark.parametrize(("make", "name"), [(WandB, "wandb"), (MLflow, "mlflow"), (Trackio, "trackio")])
def test_a_service_that_is_not_installed_is_told_in_one_sentence(make, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf"needs the package {name}, which is not installed: pip install 'pdejax"):
        make()


@pytest.mark.parametrize("sink", [JsonLines(), TensorBoard()])
def test_files_need_a_folder(sink):
    with pytest.raises(ValueError, match="give fit a folder"):
        sink.open(None, -1)
