"""A family with other ends than the package's own solvers take, solved by a function of one's own."""

import numpy as np
import pytest
import scipy.linalg

from pdejax.cli import main
from pdejax.core import Grid, only_plugins
from pdejax.data import Dataset, SplitSize, generate
from pdejax.solvers import ETDRK, Elliptic, Function
from tests.tenants.heat import HEAT, MODES, laplacian, simulate


def outside(family, fields, parameters, times):
    """The same without JAX: exponentials of the matrices."""
    assert all(type(given) is np.ndarray for given in (*fields.values(), *parameters.values()))
    step = lambda nu, name: scipy.linalg.expm(nu * family.step * laplacian(family.domain, name))
    rows = [np.stack([[np.linalg.matrix_power(step(nu, name), k) @ fields[name][b] for k in range(len(times))]
                      for name in family.fields], axis=-1) for b, nu in enumerate(parameters["nu"])]  # fmt: skip
    return np.stack(rows)


def series(states, nu, times):
    """What the first frame becomes by the decay of its waves, `(trajectory, time, x, channel)`."""
    x, k = HEAT.domain.axes()[0], (np.arange(MODES) + 0.5) * np.pi
    out = np.zeros((len(states), len(times), len(x), 2))
    for channel, wave in enumerate((np.sin, np.cos)):
        basis = wave(k * x[:, None])
        coefficients = np.linalg.lstsq(basis, states[:, 0, :, channel].T, rcond=None)[0].T
        decay = np.exp(-nu[:, None, None] * k**2 * times[:, None])
        out[..., channel] = np.einsum("xk,bk,btk->btx", basis, coefficients, decay)
    return out


@pytest.mark.parametrize("simulator", [simulate, Function(outside, outside=True)], ids=["traceable", "outside"])
def test_generated_states_are_the_fourier_series(simulator, tmp_path):
    generate(HEAT, simulator, tmp_path / "heat", {"train": SplitSize(5, 4)}, shard_size=3, batch_size=2)
    dataset = Dataset.open(tmp_path / "heat")
    split = dataset.split("train")
    expected = series(split.states, split.parameters["nu"], HEAT.times.frames(4))
    np.testing.assert_allclose(split.states, expected, atol=2e-3 * np.abs(expected).max())
    assert np.abs(split.states[:, 0] - split.states[:, 3]).max() > 0.1
    assert dataset.family == HEAT
    assert dataset.manifest["check"] == "nothing is compared"


def test_a_data_set_runs_code_of_others_only_where_it_may(tmp_path):
    root = generate(HEAT, simulate, tmp_path / "heat", {"train": SplitSize(1, 2)})
    assert Dataset.open(root).simulator is None
    with only_plugins({"tests"}):
        assert Dataset.open(root).simulator == Function(simulate)


def test_states_of_another_shape_are_refused(tmp_path):
    wrong = lambda family, fields, parameters, times: fields["u"]
    with pytest.raises(ValueError, match=r"gave shape \(1, 65\), expected states .* of shape \(1, 2, 65, 2\)"):
        generate(HEAT, wrong, tmp_path / "heat", {"train": SplitSize(1, 2)})
    assert not list((tmp_path / "heat").rglob("*.hdf5"))


def test_what_is_checked_by_a_function_of_ones_own(tmp_path):
    energy = lambda family, states, parameters: (states[:, -1] ** 2).sum((1, 2)) / (states[:, 0] ** 2).sum((1, 2))
    strict = Function(simulate, checked_by=energy)
    generate(HEAT, strict, tmp_path / "a", {"train": SplitSize(2, 2)}, tolerance=1.0)
    with pytest.raises(ValueError, match=r"rejected 8 times.*change the function that simulates"):
        generate(HEAT, strict, tmp_path / "b", {"train": SplitSize(2, 2)}, tolerance=1e-3)


def test_our_solvers_say_what_they_cannot_take(tmp_path):
    sizes = {"train": SplitSize(1, 2)}
    with pytest.raises(ValueError, match=r"solver etdrk needs domain\.ends periodic, got"):
        generate(HEAT, ETDRK(), tmp_path, sizes)
    with pytest.raises(ValueError, match="solver elliptic is for steady equations"):
        generate(HEAT, Elliptic(), tmp_path, sizes)
    with pytest.raises(ValueError, match="a simulator is an object such as ETDRK"):
        generate(HEAT, 3, tmp_path, sizes)
    assert not list(tmp_path.iterdir())


def test_weights_of_a_bounded_grid_integrate_what_is_linear():
    grid = Grid((9, 5), (2.0, 3.0), ["value", "periodic"])
    weights = np.broadcast_to(grid.measure(), grid.shape)
    x = grid.coordinates()[..., 0]
    np.testing.assert_allclose([weights.sum(), (weights * x).sum()], [6.0, 6.0])


PROBLEM = """\
name: heat
equation: {terms: ["u_t = nu*u_xx", "v_t = nu*v_xx"], parameters: {nu: 0.1}}
vary: {nu: [0.05, 0.2]}
domain: {shape: [17], lengths: [1.0], ends: [[{u: value, v: slope}, {u: slope, v: value}]]}
initial: {kind: "tests.tenants.heat:Waves"}
time: {step: 0.1}
solver: {kind: function, function: "tests.tenants.heat:simulate"}
splits: {train: {trajectories: 4, frames: 3}, valid: {trajectories: 2, frames: 3}, test: {trajectories: 2, frames: 3}}
"""


@pytest.mark.long
def test_from_a_file_to_a_report(undrawn, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs/problem").mkdir(parents=True)
    (tmp_path / "configs/problem/heat.yaml").write_text(PROBLEM)
    network = ("network=perceptron", "network.width=4", "network.depth=1")
    loop = ("train=smoke", "train.batch_size=8", "train.steps=2")
    assert main(["generate", "problem=heat"]) == 0
    assert main(["train", "problem=heat", *network, *loop, "name=run"]) == 0, capsys.readouterr().err
    assert main(["evaluate", "runs/run"]) == 2  # a run's folder may not name code by itself
    assert "--plugins tests" in capsys.readouterr().err
    assert main(["evaluate", "runs/run", "evaluation.price=false", "--plugins", "tests"]) == 0, capsys.readouterr().err
    assert "persistence" in capsys.readouterr().out
    assert (tmp_path / "runs/run/report.html").read_text().endswith("</html>\n")
