"""The example of the page on families runs as it stands."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np

import pdejax
from pdejax.core import Grid, Slope, Value, Wall
from pdejax.data import Dataset, SplitSize, generate
from pdejax.equations import Piecewise, SumOfSines

BLOCKS = re.findall(r"```python\n(.*?)```", Path("docs/families.md").read_text(encoding="utf-8"), flags=re.S)


def test_a_simulator_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"pdejax": pdejax, "jnp": jnp, "SumOfSines": SumOfSines, "SplitSize": SplitSize, "generate": generate}
    exec(BLOCKS[2], {**names, "grid": Grid((16,), (1.0,))})
    split = Dataset.open("data/decay").split("train")
    rate = split.parameters["rate"][:, None, None, None]
    expected = split.states[:, :1] * np.exp(-rate * 0.1 * np.arange(20)[:, None, None])
    np.testing.assert_allclose(split.states, expected, rtol=1e-5, atol=1e-6)


def test_tubes_of_two_gases(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"pdejax": pdejax, "Piecewise": Piecewise, "SplitSize": SplitSize, "generate": generate}
    smaller = (
        BLOCKS[1].replace("shape=(1024,)", "shape=(128,)").replace("SplitSize(256, 21)}", "SplitSize(2, 4)}, **small")
    )
    exec(smaller, {**names, "small": {"space_tolerance": 0.5, "tolerance": 0.01, "batch_size": 2}})
    states = Dataset.open("data/tubes").split("train").states
    assert states.shape == (2, 4, 128, 3)
    assert np.all(states[..., 0] > 0)


def test_ends_of_the_plate():
    names = {"Grid": Grid, "Wall": Wall, "Value": Value, "Slope": Slope}
    exec(BLOCKS[4].replace("Grid((64", "plate = Grid((64"), names)
    plate = names["plate"]
    assert (plate.periodic_axes, plate.end(0, 0, "T"), plate.end(0, 1, "T")) == ((False, True), Value("1"), Slope())
    words = "[[{u: wall, v: wall, T: {kind: value, expression: 1}}, {u: wall, v: wall, T: slope}], periodic]"
    text = Path("docs/families.md").read_text(encoding="utf-8")
    assert words in text
    import yaml

    assert Grid((64, 32), (2.0, 1.0), yaml.safe_load(words)) == plate
