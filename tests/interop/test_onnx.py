"""Operators as ONNX models, run by onnxruntime; `make interop` runs this in an environment of its own."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest

import pdejax
from pdejax.cli import main
from pdejax.methods import DataCard
from tests.embedding._hybrid import train

onnxruntime.set_default_logger_severity(3)  # not of what it leaves out of a converted graph
TOLERANCE = 1e-5
NETWORKS = {
    "fno": {"modes": 4, "width": 8, "depth": 2, "kernel": "fft"},
    "lsm": {"width": 4, "scales": 2, "heads": 2, "tokens": 2, "bases": 2, "projection_width": 4},
    "unet": {"width": 4, "multipliers": (1, 2), "depth": 1},
    "dilated_resnet": {"width": 4, "depth": 1, "dilations": (1, 2)},
    "perceptron": {"width": 4, "depth": 1},
}


def built(network, ndim=1, method=None, **options):
    values = np.random.default_rng(0).standard_normal((4, 3, *(16,) * ndim, 1)).astype(np.float32)
    data = pdejax.Arrays(values, lengths=(1.0,) * ndim, step=0.1, **options)
    spec = {"kind": network, **NETWORKS.get(network, {})}
    model = (method or pdejax.Supervised()).build(spec, DataCard.of(data), key=jax.random.key(1))
    # a U-Net is zero at first, which would agree with anything
    return jax.tree.map(lambda x: x + 0.05 if getattr(x, "ndim", 0) > 2 else x, model)


def exported(model, folder, **options):
    return pdejax.export(model, folder / "out", formats=("onnx",), **options)


def ran(path, **inputs):
    session = onnxruntime.InferenceSession(path)
    (found,) = session.run(None, {name: np.asarray(value) for name, value in inputs.items()})
    return found


def distance(found, expected):
    assert found.shape == expected.shape
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_and_a_rollout_agree_in_batches_of_any_size(network, ndim, tmp_path):
    model = built(network, ndim)
    out = exported(model, tmp_path, steps=4)
    for batch in (1, 3):
        u = jax.random.normal(jax.random.key(batch), (batch, *(16,) * ndim, 1))
        after, frames = jax.jit(model)(u), jax.jit(lambda u: model.predict(u, 0.1 * np.arange(1, 5)))(u)
        assert distance(u, after) > 0.01  # it does something
        errors = (
            distance(ran(out / "step.onnx", state=u), after),
            distance(ran(out / "rollout_4.onnx", state=u), frames),
        )
        print(f"{network} {ndim}D batch {batch}: step {errors[0]:.1e}, rollout {errors[1]:.1e}")
        assert max(errors) <= TOLERANCE


def test_an_fno_that_was_trained_with_transforms_becomes_matrix_products(tmp_path):
    model = built("fno", 2)
    out = exported(model, tmp_path, steps=3)
    for name in ("step.onnx", "rollout_3.onnx"):
        graph = onnx.load(out / name).graph
        kinds, types = operations(graph)
        assert "DFT" not in kinds
        assert not types & {onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128}
    assert {"Loop", "Scan"} & operations(graph)[0], "a rollout is a loop, not a copy a step"
    card = json.loads((out / "card.json").read_text())
    size = lambda dim: dim.dim_param or dim.dim_value
    told = card["programs"]["rollout_3.onnx"]["output"]["shape"]
    assert [size(dim) for dim in graph.output[0].type.tensor_type.shape.dim] == told == [3, "b", 16, 16, 1]
    assert graph.input[0].name == "state"


def operations(graph):
    """Kinds of the nodes of a graph and of those inside of it, and types of its constants."""
    kinds, types = set(), {one.data_type for one in graph.initializer}
    for node in graph.node:
        kinds.add(node.op_type)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = operations(attribute.g)
                kinds, types = kinds | inner[0], types | inner[1]
    return kinds, types


def test_parameters_are_an_input(tmp_path):
    model = built("fno", parameters={"nu": np.arange(4.0)})
    out = exported(model, tmp_path, steps=2)
    u, nu = jax.random.normal(jax.random.key(2), (3, 16, 1)), jnp.array([[0.5], [1.0], [2.0]])
    expected = jax.jit(lambda u, nu: model.bind({"nu": nu[:, 0]})(u))(u, nu)
    assert distance(expected, jax.jit(model.bind({"nu": 1.0}))(u)) > 1e-4
    assert distance(ran(out / "step.onnx", state=u, parameters=nu), expected) <= TOLERANCE


@pytest.mark.parametrize(
    ("network", "method", "message"),
    [
        ("convnext_unet", None, "takes Fourier transforms beside its spectral convolutions, and ONNX has no complex"),
        ("perceptron", pdejax.Diffusion(), "draws noise, and ONNX has no random numbers that are JAX's"),
        ("perceptron", pdejax.NeuralODE(), "cannot be converted to ONNX: "),
    ],
)
def test_what_onnx_cannot_say_is_refused(network, method, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        exported(built(network, method=method), tmp_path, steps=(), batch=2)
    assert not list(tmp_path.iterdir())


def test_the_command_writes_what_the_page_shows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pdejax.cli._runtime.start", lambda *_, **__: None)
    model = built("fno")
    pdejax.save("model", model)
    assert main(["export", "model", "--formats", "model,onnx", "--steps", "2", "--into", "out"]) == 0
    assert "out: exported" in capsys.readouterr().out
    u = jnp.ones((5, 16, 1))
    assert distance(ran("out/step.onnx", state=u), pdejax.load("out")(u)) <= TOLERANCE
    page = (tmp_path / "out" / "README.md").read_text()
    assert 'session = onnxruntime.InferenceSession("step.onnx")' in page
    assert '(after,) = session.run(None, {"state": state})' in page


def test_the_operator_that_is_taken_everywhere(tmp_path):
    """The one of tests/embedding/test_everywhere.py: what it adds to a right-hand side, and a solver driven by that."""
    operator = pdejax.load(train(tmp_path))
    out = exported(operator, tmp_path)
    u = jnp.asarray(pdejax.open_data(tmp_path / "data/burgers").split("test").states[:, 0])
    expected = jax.jit(lambda u: operator.rate(0.0, u))(u)
    found = ran(out / "rate.onnx", state=u)
    assert distance(found, expected) <= TOLERANCE
    driven = jax.jit(lambda u, tendency: operator.base(u, tendency=tendency))(u, jnp.asarray(found))
    assert distance(driven, jax.jit(operator)(u)) <= TOLERANCE
    assert distance(jax.jit(operator.base)(u), driven) > 100 * TOLERANCE
