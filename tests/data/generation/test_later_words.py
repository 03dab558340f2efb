"""Data sets that were made before a recipe could say all that it says now."""

import json

from pdejax.core import Grid
from pdejax.data import Dataset, SplitSize, generate
from pdejax.equations import Equation, Family, Matern, Scaled, Times
from pdejax.solvers import ETDRK


def test_a_data_set_from_before_cells_and_definitions_is_the_same(tmp_path):
    equation, sines = Equation("u_t = -u*u_x + nu*u_xx", {"nu": 0.1}), {"u": Scaled(Matern(length=0.5, cutoff=4), 0.1)}
    family = Family("old", equation, Grid((32,), (1.0,)), sines, times=Times(0.01))
    again = lambda: generate(family, ETDRK(), tmp_path, {"train": SplitSize(1, 3)})
    again()
    path = tmp_path / "manifest.json"
    plain = json.loads(path.read_text())
    for later in ("definitions", "primitive", "positive", "solenoidal", "nonnegative", "complex"):
        del plain["recipe"]["family"]["equation"][later]
    del plain["recipe"]["family"]["domain"]["cells"]
    del plain["recipe"]["family"]["draws"]["u"]["sampler"]["zero_mean"]
    path.write_text(json.dumps(plain))
    again()
    assert Dataset.open(tmp_path).family == family
