"""The page on Flax runs as it stands."""

import re
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.sharding import PartitionSpec

import pdejax
from pdejax.embedding import as_linen, as_nnx
from pdejax.networks import from_nnx

BLOCKS = re.findall(r"```python\n(.*?)```", Path("docs/flax.md").read_text(encoding="utf-8"), flags=re.S)


def test_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    classes, *rest = BLOCKS
    Path("mynets.py").write_text(classes)
    import mynets

    x, t = np.arange(16) / 16, np.arange(4) / 20
    states = np.sin(2 * np.pi * (x - t[:, None] - np.arange(8)[:, None, None] / 8))[..., None].astype(np.float32)
    names = {
        "data": pdejax.Arrays({"train": states}, step=0.05, lengths=(1.0,), fields=("u",)),
        "u": jnp.asarray(states[:, 0]), "target": jnp.asarray(states[:, 1]), "P": PartitionSpec, "mynets": mynets,
        **{one.__name__: one for one in (pdejax, jax, optax, nnx, from_nnx, as_nnx, as_linen)},
        "nnx": nnx, "jnp": jnp,
    }  # fmt: skip
    for block in rest:
        with jax.numpy_dtype_promotion("standard"):  # of Adam's step number, in optax
            exec(block, names)
    sys.modules.pop("mynets")
    said = capsys.readouterr().out
    assert "Convolutions is an NNX module that was built already" in said
    assert names["slopes"]["params"].keys() == names["variables"]["params"].keys()
    np.testing.assert_allclose(names["later"], names["rollout"][0], rtol=1e-5, atol=1e-6)
    finetuned = pdejax.load("finetuned", plugins=["mynets"])
    assert np.max(np.abs(finetuned(names["u"]) - names["operator"](names["u"]))) > 0
