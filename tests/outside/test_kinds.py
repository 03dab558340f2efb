"""A new kind of anything is one file: brought by a decorator, by a dotted name in YAML, or by an installed plugin."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax.config import ConfigError, resolve
from pdejax.core import build, describe, registered
from tests._command import run

MINE = '''\
import equinox as eqx
import jax
import jax.numpy as jnp
import pdejax
from pdejax.methods import AbstractLoss, Supervised


class Pointwise(eqx.Module):
    """A network that registers nothing."""

    weight: jax.Array
    gain: float = eqx.field(static=True)

    def __init__(self, in_channels: int, out_channels: int, *, gain: float = 1.0, key):
        self.weight = jax.random.normal(key, (in_channels, out_channels)) / in_channels
        self.gain = gain

    def __call__(self, x):
        return self.gain * jnp.einsum("...i,io->...o", x, self.weight)


class Late(Supervised):
    """A method that leaves the loss as it is."""


@pdejax.register("sampler", "one_wave")
class OneWave(eqx.Module):
    amplitude: float = 1.0
    channels: int = 1

    def __call__(self, key, grid):
        shift = jax.random.uniform(key, (), jnp.float32)
        x = jnp.asarray(grid.coordinates() / grid.lengths, jnp.float32)
        return self.amplitude * jnp.sin(2 * jnp.pi * (x + shift)).repeat(self.channels, -1)
'''

PROBLEM = """\
# Advection of one wave.
name: waves
equation: advection
domain: {shape: [16], lengths: [1.0]}
initial: {kind: one_wave, amplitude: 0.5}
time: {step: 0.1}
splits:
  train: {trajectories: 8, frames: 4}
  valid: {trajectories: 2, frames: 4}
  test: {trajectories: 2, frames: 6}
"""
TRAIN = ("train.steps=4", "train.updates_per_dispatch=2", "train.log_every=2", "train.evaluate_every=4",
         "train.checkpoint_every=4", "train.warmup=0", "train.batch_size=4", "evaluation.valid_steps=2")  # fmt: skip


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of a user with a module beside the work and a problem of theirs."""
    (tmp_path / "own_parts.py").write_text(MINE)
    (tmp_path / "configs" / "problem").mkdir(parents=True)
    (tmp_path / "configs" / "problem" / "waves.yaml").write_text(PROBLEM)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_parts", None)


@pytest.mark.long
def test_network_and_sampler_of_a_users_file_in_the_whole_job(mine, undrawn):
    import own_parts  # noqa: F401  (registers the sampler)

    words = ("problem=waves", "network={kind: 'own_parts:Pointwise', gain: 0.5}", *TRAIN)
    run(mine, "generate", *words)
    run(mine, "train", *words)
    folder = "runs/waves_Pointwise"
    run(mine, "evaluate", folder, "evaluation.price=false", "--plugins", "own_parts")
    told = pdejax.evaluate(folder, plugins=["own_parts"], baselines=False, price=False).document["systems"]["model"]
    assert told["metrics"]["one_step_nrmse"]["value"] > 0
    operator = pdejax.load(folder, plugins=["own_parts"])
    assert type(operator.network).__name__ == "Pointwise"
    assert operator(jnp.ones((2, 16, 1))).shape == (2, 16, 1)


def test_code_named_by_a_run_is_not_imported_by_itself(mine):
    import own_parts  # noqa: F401

    words = ("problem=waves", "network={kind: 'own_parts:Pointwise'}", "name=own", *TRAIN)
    run(mine, "generate", *words)
    run(mine, "train", *words)
    with pytest.raises(ValueError, match=r"allow it by plugins=\['own_parts'\]"):
        pdejax.load("runs/own")
    with pytest.raises(ValueError, match=r"allow it by plugins=\['own_parts'\]"):
        pdejax.evaluate("runs/own")


def test_options_of_a_users_network_are_checked_against_its_signature(mine):
    with pytest.raises(ConfigError) as caught:
        resolve(["problem=advection", "network={kind: 'own_parts:Pointwise', gian: 2.0}", "name=own"])
    assert "unknown key 'network.gian'. Did you mean 'gain'?" in str(caught.value)
    with pytest.raises(ConfigError, match="there is no module 'own_part'; is the package installed"):
        resolve(["problem=advection", "network={kind: 'own_part:Pointwise'}", "name=own"])


def test_method_of_a_users_file(mine):
    config = resolve(["problem=advection", "method={kind: 'own_parts:Late', unroll: 2}"])
    assert type(build("method", config.method.spec())).__name__ == "Late"


def test_kinds_of_an_installed_plugin_are_found_by_name(tmp_path, monkeypatch):
    """An entry point is imported when its kind is asked for, and others are not."""
    package = tmp_path / "site"
    info = package / "own_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[pdejax.plugins]\nplugged = own_plugin:register\nbroken = nowhere_at_all:register\n"
    )
    (package / "own_plugin.py").write_text(
        "import pdejax\n\n@pdejax.register('schedule', 'plugged')\ndef plugged(learning_rate: float):\n"
        "    return lambda step: learning_rate\n\ndef register():\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(package))
    assert build("schedule", {"kind": "plugged"}, learning_rate=0.5)(3) == 0.5
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        build("schedule", {"kind": "broken"}, learning_rate=0.5)


@pdejax.register("equation", "own_decay")
def own_decay() -> pdejax.Equation:
    """An equation of these tests."""
    return pdejax.Equation("u_t = -rate*u + nu*u_xx", {"rate": 1.0, "nu": 0.1})


def test_equation_of_a_users_file_in_a_family():
    sampler = build("sampler", {"kind": "sum_of_sines", "count": 1})
    domain = pdejax.Grid((16,), (1.0,))
    equation = own_decay()
    family = pdejax.Family("decay", equation, domain, {"u": sampler}, times=pdejax.Times(0.1))
    fields, _ = family.draw(0, 0)
    stepper = pdejax.ETDRK().stepper(family, {})
    u = jnp.asarray(fields["u"])[..., None]
    wave = np.fft.rfft(np.asarray(u[..., 0]))
    k = 2 * np.pi * np.arange(9)
    expected = np.fft.irfft(wave * np.exp(-0.1 * (1.0 + 0.1 * k**2)), 16)
    np.testing.assert_allclose(stepper(u)[..., 0], expected, atol=1e-5)


def test_every_kind_describes_itself_or_says_why_not():
    for group in ("loss", "noise", "diffusion_sampler", "regularization", "method", "points", "sampler"):
        for name, factory in registered(group).items():
            try:
                made = factory()
            except TypeError:  # needs an option
                continue
            assert build(group, describe(made)) == made, (group, name)
