"""Models of the former format: what was called or meant otherwise comes back as it was."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import build
from pdejax.methods import DataCard, NeuralODE, ProblemCard, SolverRegularization, load_model, save_model
from tests.methods._drawn import drawn, normal

CARD = DataCard(
    shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [1.5], "std": [2.0], "rms_delta": [0.2]},
)  # fmt: skip
SMALL = {"kind": "perceptron", "width": 4, "depth": 1}


def made_former(folder, method, network):
    """Rewrites a saved model as the former program wrote it: its words, and no more arrays than it had."""
    from safetensors.numpy import load_file, save_file

    path, weights = folder / "model.json", folder / "weights.safetensors"
    plain = json.loads(path.read_text()) | {"format": 1, "method": method, "network": network}
    del plain["sha256"]
    path.write_text(json.dumps(plain))
    save_file({name: x for name, x in load_file(weights).items() if not name.startswith("base.")}, weights)


def test_an_operator_that_gives_states(tmp_path):
    model = drawn(build("method", {"kind": "supervised", "predict": "state"}), SMALL, CARD)
    save_model(tmp_path, model)
    method = {"kind": "supervised", "unroll": 1, "predict": "state", "loss": {"kind": "sobolev", "order": 0.5}}
    made_former(tmp_path, method, SMALL)
    again, u = load_model(tmp_path), normal(2, 16, 1)
    np.testing.assert_array_equal(*jax.jit(lambda u: (again(u), model(u)))(u))
    assert json.loads(again.origin)["method"]["error"] == {"kind": "sobolev", "order": 0.5}
    assert "loss" not in json.loads(again.origin)["method"]


@pytest.mark.parametrize("estimate", ["error", "stiffness", "both"])
def test_a_neural_ode_with_a_penalty(estimate, tmp_path):
    method = NeuralODE(regularization=SolverRegularization(estimate, "global", 0.3))
    model = drawn(method, SMALL, CARD)
    save_model(tmp_path, model)
    former = {
        "kind": "neural_ode", "loss": {"kind": "mse"}, "latent": None, "terms": [], "parameters": {}, "noise": None,
        "solver": {"name": "Tsit5", "rtol": 1e-4, "atol": 1e-6, "fixed_steps": None, "first_step": 1.0},
        "regularization": {"kind": estimate, "scope": "global", "weight": 0.3, "final_weight": None},
    }  # fmt: skip
    made_former(tmp_path, former, SMALL)
    again = load_model(tmp_path)
    assert eqx.tree_equal(again.integrator, model.integrator)
    assert json.loads(again.origin)["method"]["regularization"]["estimate"] == estimate


def test_gelu_meant_the_exact_one_in_fields(key, tmp_path):
    problem = build("problem", {
        "kind": "boundary_value", "name": "line", "equation": {"terms": ["u_xx = 0"]}, "domain": {"x": [0.0, 1.0]},
        "conditions": {"ends": {"at": "boundary", "terms": ["u = x"]}},
    })  # fmt: skip
    network = {"kind": "mlp", "width": 8, "depth": 2, "activation": "gelu_exact"}
    method = build("method", "physics_informed")
    model = eqx.filter_jit(lambda key: method.build(network, ProblemCard(problem), key=key))(key)
    save_model(tmp_path, model)
    made_former(tmp_path, {"kind": "physics_informed"}, {**network, "activation": "gelu"})
    points = jnp.linspace(0, 1, 5)[:, None]
    again = load_model(tmp_path)
    np.testing.assert_array_equal(*jax.jit(lambda points: (again(points), model(points)))(points))
