"""The folder that an export is: whole or not there, what it refuses, who may read it, what its card tells."""

import inspect
import os
import stat

import numpy as np
import pytest

import pdejax
from pdejax.embedding.artefacts import stablehlo
from tests.embedding._exported import HERE, arrays, built, card


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ("jaxx",)}, "unknown format 'jaxx'. Did you mean 'jax'"),
        ({"formats": ()}, "at least one of the formats"),
        ({"platforms": ("gpu",)}, "unknown platform 'gpu'"),
        ({"platforms": ()}, "at least one of the platforms"),
        ({"steps": (4, 4)}, "each a whole number above zero and there once"),
        ({"steps": 0}, "steps"),
        ({"units": {"w": "m"}, "formats": ("model",)}, "unknown unit of 'w'"),
        ({"parameters": {"nu": 0.1}}, "unknown parameter 'nu'"),
        ({"formats": ("onnx",)}, "ONNX needs jax2onnx, which has an environment of its own"),
    ],
)
def test_what_is_refused_leaves_nothing(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        pdejax.export(built(), tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_what_is_no_trained_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Identity cannot be exported: expected what"):
        pdejax.embedding.artefacts.export._files(pdejax.methods.Identity(), ("jax",), {}, HERE)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        pdejax.export(tmp_path / "nothing", tmp_path / "out")


def test_without_flatbuffers_there_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(stablehlo.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"need flatbuffers: pip install 'pdejax\[export\]'"):
        pdejax.export(built(), tmp_path / "out")


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match=r"out holds thesis.tex, which no export wrote: choose another folder"):
        pdejax.export(built(), tmp_path / "out", formats=("model",))
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="file is a file: an export is a folder"):
        pdejax.export(built(), tmp_path / "file", formats=("model",))
    out = pdejax.export(built(), tmp_path / "new", formats=("model",))
    (out / "notes.txt").write_text("mine")  # beside an export it would be lost
    with pytest.raises(ValueError, match=r"new holds notes.txt"):
        pdejax.export(built(), out, formats=("model",))


def test_an_export_is_replaced_as_a_whole_or_stays(tmp_path, monkeypatch):
    out = pdejax.export(built(), tmp_path / "out", formats=("model",), units={"u": "m/s", "time": "s"})
    before = card(out)
    monkeypatch.setattr(stablehlo, "serialised", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        pdejax.export(built(), out)
    monkeypatch.undo()
    monkeypatch.setattr("pdejax.embedding.artefacts.export.readme", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        pdejax.export(built(), out, formats=("model",))
    monkeypatch.undo()
    assert card(out) == before
    pdejax.export(built(pdejax.Supervised(history=2)), out, formats=("model",))
    assert card(out)["history"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_others_may_read_what_is_written(tmp_path):
    former = os.umask(0o022)
    try:
        out = pdejax.export(built(), tmp_path / "out", formats=("model",))
        pdejax.save(tmp_path / "saved", built())
    finally:
        os.umask(former)
    for path in (out, *out.iterdir(), *(tmp_path / "saved").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_the_card_tells_units_and_the_range_of_the_training_states(tmp_path):
    data = arrays()
    out = pdejax.export(
        built(data=data), tmp_path / "out", formats=("model",), data=data, units={"u": "m/s", "length": "m"}
    )
    told, states = card(out), data.split("train").states
    assert [one["unit"] for one in told["fields"]] == ["m/s", None]
    assert told["units"] == {"length": "m", "time": None}
    for i, one in enumerate(told["fields"]):
        assert one["range"] == [float(states[..., i].min()), float(states[..., i].max())]
    assert told["training"]["fingerprint"] == data.fingerprint
    page = (out / "README.md").read_text()
    assert "| field | u | m/s |" in page
    assert 'pdejax.load(".")' in page
    other = pdejax.Arrays(np.zeros((4, 4, 8, 2)) + np.arange(4.0)[:, None, None, None], step=0.1, lengths=(1.0,))
    with pytest.raises(ValueError, match="the model was trained on data with the fingerprint"):
        pdejax.export(built(data=data), tmp_path / "new", formats=("model",), data=other)


def test_units_are_text_and_data_a_data_set(tmp_path):
    export = inspect.unwrap(pdejax.export)
    with pytest.raises(ValueError, match=r"units\.u should be text, got 5"):
        export(built(), tmp_path / "out", formats=("model",), units={"u": 5})
    with pytest.raises(ValueError, match="data are a data set, such as what open_data gives, got str"):
        export(built(), tmp_path / "out", formats=("model",), data="data/bt")
    assert not (tmp_path / "out").exists()
