"""`pdejax export` of a run that was judged."""

import json

import jax
import jax.numpy as jnp
import numpy as np

from pdejax.cli import main
from pdejax.config import read_run
from pdejax.config._assemble import dataset_of
from pdejax.embedding import load


def test_a_run_is_exported_with_what_is_known_of_it(untrained, undrawn, capsys):
    quickly = ["evaluation.steps=2", "evaluation.baselines=false", "evaluation.price=false"]
    assert main(["evaluate", str(untrained), *quickly]) == 0
    capsys.readouterr()
    words = ["--steps", "2", "--formats", "model,jax", "--range", "--unit", "u=m/s", "--platforms", "cpu"]
    assert main(["export", str(untrained), *words]) == 0
    shown = capsys.readouterr().out
    assert "runs/mine/export: exported; runs/mine/export/README.md tells what it is" in shown
    folder = untrained / "export"
    assert {"step.jaxexport", "rollout_2.jaxexport"} < {p.name for p in folder.iterdir()}
    card = json.loads((folder / "card.json").read_text())
    states = dataset_of(read_run(untrained / "config.yaml")).split("train").states
    assert card["fields"][0]["range"] == [float(states.min()), float(states.max())]
    assert card["fields"][0]["unit"] == "m/s"
    assert card["training"]["run"] == "mine"
    assert card["training"]["problem"] == "burgers"
    measured = json.loads((untrained / "evaluation.json").read_text())["systems"]["model"]["metrics"]
    told = {row["metric"]: row["value"] for row in card["accuracy"]}
    assert told["one_step_nrmse"] == measured["one_step_nrmse"]["value"]
    assert "| one_step_nrmse |" in (folder / "README.md").read_text()
    u = jnp.ones((2, 32, 1))
    np.testing.assert_array_equal(jax.jit(load(folder))(u), jax.jit(load(untrained))(u))


def test_words_that_are_wrong_are_told_and_write_nothing(untrained, capsys):
    capsys.readouterr()
    for words, message in {
        ("--formats", "jaxx"): "unknown format 'jaxx'. Did you mean 'jax'?",
        ("--steps", "2,x"): "--steps is a whole number, or several with commas, got 2,x",
        ("--batch", "0"): "batch",
        ("--bind", "nu"): "--bind is written NAME=VALUE, got 'nu'",
        ("--bind", "nu=x"): "--bind nu should be a number, got 'x'",
        ("--bind", "nu=1", "--bind", "nu=2"): "--bind nu is given twice",
        ("--bind", "nu=1"): "unknown parameter 'nu'",
        ("--unit", "w=m", "--formats", "model"): "unknown unit of 'w'",
        ("--formats", "onnx"): "ONNX needs jax2onnx",
    }.items():
        assert main(["export", str(untrained), *words]) == 2, words
        assert message in capsys.readouterr().err, words
    assert main(["export", "runs/mime"]) == 2
    assert "runs/mime does not exist. Did you mean 'mine'?" in capsys.readouterr().err
    assert main(["export", str(untrained), "--into", str(untrained)]) == 2
    assert "which no export wrote: choose another folder" in capsys.readouterr().err
    assert not (untrained / "export").exists()
