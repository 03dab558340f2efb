import contextlib
import dataclasses
import errno
import json
import os
import resource
import shutil
import signal

import equinox as eqx
import jax
import numpy as np
import pytest

from pdejax._write import WriteError
from pdejax.training import Checkpoints, Interrupted, NonFiniteLoss, TrainSettings, train

SETTINGS = TrainSettings(
    steps=30, learning_rate=3e-3, ema=0.9, updates_per_dispatch=5, log_every=5, evaluate_every=10, checkpoint_every=10,
    devices=2,
)  # fmt: skip


def _replace(**changes):
    return dataclasses.replace(SETTINGS, **changes)


def _losses(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(e["step"], e["loss"], e.get("valid/loss")) for e in lines if "loss" in e]


def _evaluator(model):
    return {"valid/loss": float(np.sum(np.abs(np.asarray(jax.tree.leaves(model.network)[0]))))}


@pytest.fixture(scope="module")
def whole(method, model, feed, tmp_path_factory):
    """What others are compared with or go on from: a training that nothing disturbs, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return train(method, model, feed(), SETTINGS, folder, evaluators=[_evaluator], show=False), folder


def _same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


def test_loss_falls_and_everything_is_recorded(method, model, feed, tmp_path):
    settings = _replace(steps=150, checkpoint_every=50, evaluate_every=50)
    best = []
    train(
        method,
        model,
        feed(),
        settings,
        tmp_path,
        evaluators=[_evaluator],
        on_best=lambda m, s: best.append(s),
        show=False,
    )
    losses = _losses(tmp_path)
    assert losses[-1][1] < 0.05 * losses[0][1]
    assert [s for s, _, v in losses if v is not None] == [50, 100, 150]
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["step"] == 0  # the untrained model
    assert best
    assert any((tmp_path / "tensorboard").iterdir())


def test_a_signal_saves_and_the_same_command_continues_bit_for_bit(method, model, feed, whole, tmp_path):
    trained, folder = whole

    class Interrupting(feed):
        def next(self, state):
            if state["step"] == 17:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().next(state)

    with pytest.raises(Interrupted, match="SIGTERM at update 15"):
        train(method, model, Interrupting(), SETTINGS, tmp_path / "cut", evaluators=[_evaluator], show=False)
    assert _checkpoints(tmp_path / "cut")[-1] == 15
    again = train(method, model, feed(), SETTINGS, tmp_path / "cut", evaluators=[_evaluator], show=False)
    _same(trained, again)
    assert _losses(tmp_path / "cut") == _losses(folder)


def _checkpoints(folder):
    checkpoints = Checkpoints(folder / "checkpoints", "valid/loss")
    steps = checkpoints.steps()
    checkpoints.close()
    return steps


def test_continuing_on_another_number_of_devices(method, model, feed, tmp_path):
    settings = _replace(schedule="constant", learning_rate=1e-3)
    one = train(method, model, feed(), dataclasses.replace(settings, devices=1), tmp_path / "one", show=False)
    half = dataclasses.replace(settings, steps=20, devices=8)
    train(method, model, feed(), half, tmp_path / "mixed", show=False)
    assert _checkpoints(tmp_path / "mixed") == [10, 20]
    mixed = train(method, model, feed(), dataclasses.replace(settings, devices=1), tmp_path / "mixed", show=False)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(mixed), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-3, atol=1e-4)


def test_every_due_checkpoint_is_kept_even_if_the_one_before_is_still_written(method, model, feed, tmp_path):
    settings = _replace(checkpoint_every=5, monitor="-valid/loss")
    step = iter(range(100))
    train(method, model, feed(), settings, tmp_path, evaluators=[lambda m: {"valid/loss": next(step) % 3}], show=False)
    assert _checkpoints(tmp_path)[-2:] == [25, 30]
    assert 20 in _checkpoints(tmp_path)  # the largest of the values at 0, 10, 20, 30


@contextlib.contextmanager
def _files_of_at_most(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_without_room_ends_a_training_in_one_sentence(method, model, feed, tmp_path, capfd):
    """Where a checkpoint is written by threads of a library, each of which would tell in pages."""
    with (
        pytest.raises(WriteError, match=rf"^{tmp_path} cannot be written: a file would be larger"),
        _files_of_at_most(256),
    ):
        train(method, model, feed(), _replace(evaluate_every=30), tmp_path, sinks=[], show=False)
    assert "Traceback" not in capfd.readouterr().err


def _cut(folder):
    for path in (path for path in folder.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("damage", [shutil.rmtree, _cut])
def test_a_damaged_checkpoint_is_passed_over_and_written_again(damage, method, model, feed, whole, tmp_path, capsys):
    trained, folder = whole
    damaged = shutil.copytree(folder, tmp_path / "damaged")
    damage(damaged / "checkpoints/30/state")
    again = train(method, model, feed(), SETTINGS, damaged, evaluators=[_evaluator])
    assert "damaged and passed over: the checkpoint of update 30" in capsys.readouterr().out.replace("\n", " ")
    _same(trained, again)
    assert _losses(damaged) == _losses(folder)
    assert (damaged / "checkpoints/30/state").exists()


def _raise(error):
    raise RuntimeError("Orbax failed") from error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError(errno.ESTALE, "Stale file handle"), "stale file handle"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), "there is not enough memory"),
    ],
)
def test_what_is_not_the_files_fault_ends_no_run(error, said, method, model, feed, whole, tmp_path, monkeypatch):
    """A full device or a server that is away does not make a sound checkpoint a damaged one."""
    folder = shutil.copytree(whole[1], tmp_path / "sound")
    monkeypatch.setattr(
        "orbax.checkpoint.v1.training.Checkpointer.load_checkpointables", lambda *_, **__: _raise(error)
    )
    with pytest.raises(ValueError, match=f"checkpoints/30 cannot be read: {said}"):
        train(method, model, feed(), SETTINGS, folder, show=False)
    monkeypatch.undo()
    assert _checkpoints(folder) == _checkpoints(whole[1])


def test_a_checkpoint_of_another_network_is_explained(method, card, feed, whole, tmp_path):
    folder = shutil.copytree(whole[1], tmp_path / "other")
    network = {"kind": "fno", "modes": 2, "width": 10, "depth": 1}
    wider = eqx.filter_jit(lambda key: method.build(network, card, key=key))(jax.random.key(1))
    with pytest.raises(ValueError, match="checkpoint 30 does not fit this model and optimiser"):
        train(method, wider, feed(), SETTINGS, folder, show=False)


def test_a_nan_stops_the_run_and_keeps_the_last_good_state(method, model, feed, whole, tmp_path):
    with pytest.raises(NonFiniteLoss, match="not finite at update 23; the last good checkpoint is step 20"):
        train(method, model, feed(poison=22), SETTINGS, tmp_path, show=False)
    _same(whole[0], train(method, model, feed(), SETTINGS, tmp_path, show=False))


@pytest.mark.parametrize(
    ("changes", "batch_size", "words"),
    [
        ({"devices": 8}, 6, "train.batch_size=6 cannot be divided over 8"),
        ({"devices": 9}, 8, "train.devices=9, but 8 cpu"),
        ({"warmup": 30}, 8, "warmup should be less than train.steps=30, got 30"),
        ({"schedule": "cosin"}, 8, "unknown schedule 'cosin'. Did you mean 'cosine'"),
        ({"schedule": "exponential"}, 8, "exponential needs 0 < train.final_learning_rate"),
        ({"log_every": 7}, 8, "train.log_every=7 must be a multiple of train.updates_per_dispatch=5"),
        ({"optimiser": "adamv"}, 8, "unknown optimiser 'adamv'. Did you mean 'adamw'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(method, model, feed, tmp_path, changes, batch_size, words):
    with pytest.raises(ValueError, match=words):
        train(method, model, feed(batch_size=batch_size), _replace(**changes), tmp_path, show=False)
