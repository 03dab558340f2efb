"""evaluate, report and inspect on a run folder that holds a model."""

import json
import re

import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.cli import main
from pdejax.config import read_run, resolve
from pdejax.config._assemble import dataset_of
from pdejax.embedding import load
from pdejax.evaluation import evaluate


def test_evaluate(untrained, undrawn, capsys):
    words = ["evaluation.steps=2", "evaluation.baselines=false", "evaluation.trials=3"]
    assert main(["evaluate", str(untrained), *words]) == 0
    shown = capsys.readouterr().out
    assert "\nprice: " in shown
    assert "report: runs/mine/report.html" in shown
    document = json.loads((untrained / "evaluation.json").read_text())
    assert document["protocol"]["steps"] == 2
    spent = document["price"]["networks"]["model"]["spent"]
    assert (spent["trials"], spent["training"]) == (3, None)  # it never was trained
    assert spent["data"]["cpu"] > 0
    assert set(document["systems"]) == {"model"}
    entry = document["systems"]["model"]["metrics"]["one_step_nrmse"]
    low, high = entry["interval"]
    assert f"first-frame nRMSE      {entry['value']:.4g}  [{low:.4g}, {high:.4g}]\n" in shown
    assert (untrained / "report.html").read_text().endswith("</html>\n")
    assert main(["list"]) == 0
    assert "  mine  update 0 of 4000, evaluated\n" in capsys.readouterr().out


def test_report_needs_an_evaluation(untrained, capsys):
    assert main(["report", str(untrained)]) == 2
    assert "runs/mine holds no evaluation.json: evaluate the run first" in capsys.readouterr().err


def test_evaluation_words_are_checked(untrained, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(untrained), "evaluation.stepss=2"]) == 2
    expected = "pdejax: evaluation.stepss=2: unknown key 'evaluation.stepss'. Did you mean 'steps'?\n"
    assert capsys.readouterr().err == expected


def test_evaluating_another_problem_is_refused(untrained, capsys):
    capsys.readouterr()
    assert main(["evaluate", str(untrained), "problem.time.step=0.03"]) == 2
    assert "data/burgers was generated with another problem.time.step" in capsys.readouterr().err


def test_inspect_a_released_model(untrained, capsys):
    assert main(["inspect", f"{untrained}/model"]) == 0
    shown = capsys.readouterr().out
    assert "equation: u_t = -u*u_x + nu*u_xx\n" in shown
    assert "grid it was trained on: [32] points on [1.0]\n" in shown


def test_train_leaves_a_run_that_can_be_loaded_and_continued(here, small, capsys):
    words = [*small, "network.width=4", "network.modes=4", "network.depth=1", "name=mine", "train=smoke"]
    words += ["train.batch_size=8", "train.steps=10", "train.updates_per_dispatch=5", "train.devices=2"]
    assert main(["generate", *words]) == 0
    assert main(["train", *words]) == 0
    assert read_run("runs/mine/config.yaml") == resolve(words)
    states = jnp.asarray(dataset_of(resolve(words)).split("test").states)
    weights = (here / "runs/mine/model/weights.safetensors").read_bytes()
    assert load("runs/mine")(states[:, 0]).shape == states[:, 0].shape
    alone = evaluate("runs/mine", steps=2, baselines=False, price=False)
    given = evaluate(load("runs/mine"), dataset_of(resolve(words)), steps=2, baselines=False, price=False)
    assert alone.metric("relative_l2") == given.metric("relative_l2")
    capsys.readouterr()
    assert main(["train", *words, "network.width=8"]) == 2
    assert "runs/mine is a run with another network.width" in capsys.readouterr().err
    assert main(["train", *words, "evaluation.steps=3"]) == 0  # nothing is left to train
    assert (here / "runs/mine/model/weights.safetensors").read_bytes() == weights
    assert main(["list"]) == 0
    assert re.search(r"  mine  update 10 of 10, valid/loss [\d.]+\n", capsys.readouterr().out)


def test_a_training_that_was_not_finished_is_told_wherever_it_is_used(untrained, undrawn, capsys):
    (untrained / "metrics.jsonl").write_text('{"step": 0, "valid/loss": 2.0}\n{"step": 300, "valid/loss": 1.0}\n')
    (untrained / "training.json").write_text('{"steps": 3000}\n')
    sentence = f"{untrained} was trained for 300 of 3000 updates: this is what it can do so far"
    words = ["evaluation.steps=2", "evaluation.baselines=false", "evaluation.price=false"]
    assert main(["evaluate", str(untrained), *words]) == 0
    assert sentence in capsys.readouterr().out
    assert "It was trained for 300 of 3000 updates." in (untrained / "report.html").read_text()
    assert main(["export", str(untrained), "--formats", "model"]) == 0
    assert sentence in capsys.readouterr().out
    assert json.loads((untrained / "export" / "card.json").read_text())["training"]["updates"] == "300 of 3000"
    (untrained / "metrics.jsonl").write_text('{"step": 3000, "valid/loss": 0.5}\n')
    assert main(["list"]) == 0
    assert "update 3000 of 3000, valid/loss 0.5, evaluated at update 300\n" in capsys.readouterr().out
    assert main(["export", str(untrained), "--formats", "model"]) == 0
    assert "so far" not in capsys.readouterr().out


def test_a_lattice_is_for_problems_stated_by_conditions(here, small, capsys):
    assert main(["generate", *small]) == 0
    assert main(["train", *small, "train=lattice"]) == 2
    sentence = "lattice_newton is for problems that are stated by their conditions, and this one gives data: take"
    assert sentence in capsys.readouterr().err


def test_more_steps_are_blamed_for_the_share_that_warms_up(here, small, capsys):
    words = [*small, "network.width=4", "network.modes=4", "network.depth=1", "train=smoke", "train.devices=1"]
    words.append("name=a")
    assert main(["generate", *words]) == 0
    assert main(["train", *words, "train.warmup=0.05"]) == 0
    capsys.readouterr()
    assert main(["train", *words, "train.warmup=0.05", "train.steps=40"]) == 2
    assert "another train.steps, 20 and not 40, of which its train.warmup is a share" in capsys.readouterr().err


@pytest.mark.long
def test_data_that_were_changed_since_are_told(here, small, capsys):
    states = np.random.default_rng(0).normal(size=(20, 6, 32, 1)).astype(np.float32)
    words = ["data=w.npz", "network.width=4", "network.modes=4", "network.depth=1", "train=smoke", "train.devices=1"]
    judged = ["evaluate", "runs/w", "evaluation.steps=2", "evaluation.price=false", "evaluation.baselines=false"]
    np.savez("w.npz", states=states)
    assert main(["train", *words, "name=w"]) == 0
    assert main(judged) == 0
    assert "other data" not in capsys.readouterr().out
    np.savez("w.npz", states=states[::-1])
    assert main(judged) == 0
    assert "w.npz holds other data than runs/w was trained on: they were changed" in capsys.readouterr().out
    assert main([*judged, "data=w.npz"]) == 0
    assert "other data" not in capsys.readouterr().out
