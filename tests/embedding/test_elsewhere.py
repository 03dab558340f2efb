"""What an export is for: processes that have JAX alone, or pdejax without its training code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pdejax
from pdejax.methods import DataCard

ROOT = Path(__file__).parents[2]
# imports of these fail, wherever they are installed
ABSENT = [
    "pdejax",
    "equinox",
    "diffrax",
    "flax",
    "h5py",
    "optax",
    "orbax",
    "safetensors",
    "sympy",
    "jaxtyping",
    "grain",
]
HIDE = f"""
import importlib, importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hide())
for name in ("pdejax", "equinox", "h5py"):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{{name}} is still there")
"""
FURTHER = """
import numpy as np
loss = lambda u: jnp.sum(rollout(u)[-1] ** 2)
along = jnp.sin(2 * jnp.pi * jnp.arange(8) / 8)[None, :, None].astype("float32")
h = 1e-3
slope = (loss(state + h * along) - loss(state - h * along)) / (2 * h)
many = jnp.concatenate([state, 2 * state])
refused = []
for transform in (lambda: jax.vmap(step.call)(many[:, None]), lambda: jax.jvp(step.call, (state,), (along,))):
    try:
        transform()
    except (NotImplementedError, TypeError) as error:
        refused.append(type(error).__name__)
np.savez("found.npz", state=state, after=after, frames=frames, last=last, mine=mine, gradient=gradient,
         slope=slope, expected_slope=jnp.sum(gradient * along), many=step.call(many), refused=len(refused))
assert not set(sys.modules) & set(%r), "something was imported all the same"
"""


def ran(code, folder):
    """Runs Python in a folder, in a process of its own that does not see this checkout."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def operator():
    values = np.random.default_rng(0).standard_normal((4, 4, 8, 1)).astype(np.float32)
    network = {"kind": "fno", "modes": 3, "width": 8, "depth": 1, "kernel": "fft"}
    card = DataCard.of(pdejax.Arrays(values, lengths=(1.0,), step=0.1))
    return eqx.filter_jit(lambda key: pdejax.Supervised().build(network, card, key=key))(jax.random.key(1))


@pytest.fixture(scope="module")
def folder(operator, tmp_path_factory):
    return pdejax.export(operator, tmp_path_factory.mktemp("export") / "out", steps=4)


def shown():
    """The program for JAX alone in docs/export.md."""
    text = (ROOT / "docs" / "export.md").read_text()
    return re.search(r"<!-- jax alone -->\n```python\n(.*?)```", text, re.S)[1]


def readme(folder):
    """What the folder's own page shows for JAX alone."""
    return re.search(r"## With JAX alone\n\n```python\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]


def test_the_program_of_the_page_runs_and_differentiates_with_jax_alone(folder, operator):
    ran(HIDE + shown() + readme(folder) + FURTHER % ABSENT, folder)
    found = dict(np.load(folder / "found.npz", allow_pickle=False))
    (folder / "found.npz").unlink()
    u = jnp.asarray(found["state"])
    predict = jax.jit(lambda u: operator.predict(u, 0.1 * np.arange(1, 5)))
    frames = predict(u)
    same = lambda name, expected: np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-6, err_msg=name)
    same("after", jax.jit(operator)(u))
    same("frames", frames)
    same("last", frames[-1])
    same("mine", jnp.concatenate([u[None], frames[:-1]]))
    same("many", jax.jit(operator)(jnp.concatenate([u, 2 * u])))
    gradient = jax.jit(jax.grad(lambda u: jnp.sum(predict(u)[-1] ** 2)))(u)
    np.testing.assert_allclose(found["gradient"], gradient, rtol=1e-5, atol=1e-5)
    assert float(jnp.linalg.norm(gradient)) > 0.1
    np.testing.assert_allclose(found["slope"], found["expected_slope"], rtol=1e-3)
    assert found["refused"] == 2  # as the page says


LOADED = """
import sys, jax, numpy as np, pdejax, jax.numpy as jnp
operator = pdejax.load(".")
np.save("found.npy", jax.jit(operator)(jnp.ones((2, 8, 1))))
print([name for name in sys.modules if name.startswith(("pdejax.training", "optax", "orbax", "pickle5"))])
"""


@pytest.mark.long
def test_the_folder_is_a_model_that_loads_without_training_code(folder, operator):
    assert ran(LOADED, folder).strip() == "[]"
    expected = jax.jit(operator)(jnp.ones((2, 8, 1)))
    np.testing.assert_allclose(np.load(folder / "found.npy"), expected, rtol=1e-6, atol=1e-6)
    (folder / "found.npy").unlink()


def test_checksums_and_signatures_are_those_of_the_files(folder):
    card = json.loads((folder / "card.json").read_text())
    written = {path.name for path in folder.iterdir()} - {"card.json", "README.md"}
    assert set(card["files"]) == written
    assert all(pdejax.core.sha256(folder / name) == digest for name, digest in card["files"].items())
    exported = jax.export.deserialize(bytearray((folder / "rollout_4.jaxexport").read_bytes()))
    told = card["programs"]["rollout_4.jaxexport"]
    assert [str(n) for n in exported.out_avals[0].shape] == [str(n) for n in told["output"]["shape"]]
    assert [str(n) for n in exported.in_avals[0].shape] == [str(n) for n in told["inputs"][0]["shape"]]
