"""Exports: every kind of model as programs that give its numbers, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import NamedSharding, PartitionSpec

import pdejax
from pdejax.core import register
from pdejax.embedding.artefacts import stablehlo
from pdejax.embedding.artefacts.programs import programs_of
from pdejax.methods import NeuralODE, ProblemCard
from pdejax.methods.neural_ode.solver import Solver
from tests.embedding._exported import HERE, arrays, built, card
from tests.test_matrix import NETWORKS

PROBLEM = {
    "equation": {"terms": "u_x + u = 0"},
    "domain": {"x": [0, 1]},
    "conditions": {"left": {"at": "x=0", "terms": "u = 1"}},
}


def varied():
    return arrays(parameters={"nu": np.arange(4.0)})


def steady():
    values = np.random.default_rng(0).standard_normal((4, 1, 8, 2)).astype(np.float32)
    data = pdejax.Arrays(values, lengths=(1.0,), inputs={"a": values[:, 0, :, 0]})
    return built(pdejax.Steady(), data)


def field():
    problem = pdejax.BoundaryValueProblem(**PROBLEM)
    network = {"kind": "mlp", "width": 4, "depth": 1}
    build = lambda key: pdejax.PhysicsInformed().build(network, ProblemCard(problem), key=key)
    return eqx.filter_jit(build)(jax.random.key(0))


def state(batch=3, channels=2):
    return jax.random.normal(jax.random.key(2), (batch, 8, channels))


def calls(function, *arguments):
    """What a function gives, compiled as a whole: operation by operation takes longer."""
    return jax.jit(function)(*arguments)


def program(folder, name):
    return export.deserialize(bytearray((folder / f"{name}.jaxexport").read_bytes()))


TIMES = 0.1 * np.arange(1, 4)


def test_a_step_and_a_rollout_in_batches_of_any_size(tmp_path):
    model = built(pdejax.Supervised(history=2))
    out = pdejax.export(model, tmp_path / "out", steps=3)
    for batch in (1, 3):
        u = state(batch, 4)
        np.testing.assert_allclose(program(out, "step").call(u), calls(model, u), rtol=1e-6, atol=1e-6)
        expected = calls(lambda u: model.predict(u, TIMES), u)
        assert expected.shape == (3, batch, 8, 2)
        np.testing.assert_allclose(program(out, "rollout_3").call(u), expected, rtol=1e-6, atol=1e-6)
    told = card(out)["programs"]["rollout_3.jaxexport"]
    assert told["platforms"] == ["cpu", "cuda", "tpu"]
    assert told["inputs"] == [{"name": "state", "shape": ["b", 8, 4], "dtype": "float32", "axes": "(batch, x, field)"}]
    assert told["output"]["shape"] == [3, "b", 8, 2]


def test_parameters_are_an_input_unless_they_are_bound(tmp_path):
    model, u, nu = built(data=varied()), state(), np.array([0.5, 1.0, 2.0], np.float32)
    out = pdejax.export(model, tmp_path / "out", steps=(), platforms=HERE)
    expected = calls(model.bind({"nu": nu}), u)
    assert not np.allclose(expected, calls(model.bind({"nu": 1.0}), u), rtol=1e-3)
    np.testing.assert_allclose(program(out, "step").call(u, nu[:, None]), expected, rtol=1e-6, atol=1e-6)
    out = pdejax.export(model, tmp_path / "out", steps=(), platforms=HERE, parameters={"nu": 0.5})
    np.testing.assert_allclose(program(out, "step").call(u), calls(model.bind({"nu": 0.5}), u), rtol=1e-6, atol=1e-6)
    assert card(out)["parameters"][0]["bound"] == 0.5
    with pytest.raises(ValueError, match="bound to 3 sets of nu: bind one, or none"):
        pdejax.export(model.bind({"nu": nu}), tmp_path / "out")


def test_an_operator_that_draws_takes_the_data_of_a_key(tmp_path):
    model, u, key = (
        built(pdejax.Diffusion(noise=pdejax.methods.ExponentialNoise(refinements=1))),
        state(),
        jax.random.key(5),
    )
    out = pdejax.export(model, tmp_path / "out", steps=2, platforms=HERE)
    run, data = program(out, "rollout_2"), jax.random.key_data(key)
    predict = lambda u: model.predict(u, TIMES[:2], key=key)
    np.testing.assert_allclose(run.call(u, data), calls(predict, u), rtol=1e-5, atol=1e-5)
    gradient = lambda f: calls(jax.grad(lambda u: jnp.sum(f(u)[-1] ** 2)), u)
    expected = gradient(predict)
    np.testing.assert_allclose(gradient(lambda u: run.call(u, data)), expected, rtol=1e-4, atol=1e-4)
    assert not np.allclose(run.call(u, data), run.call(u, data + 1), rtol=1e-2)


def test_a_steady_operator_is_a_solution_of_inputs(tmp_path):
    model, a = steady(), state(3, 1)
    out = pdejax.export(model, tmp_path / "out", platforms=HERE)
    np.testing.assert_allclose(program(out, "solve").call(a), calls(model, a), rtol=1e-6, atol=1e-6)
    assert sorted(card(out)["programs"]) == ["solve.jaxexport"]
    with pytest.raises(ValueError, match="a steady operator takes no steps: leave steps out, got"):
        pdejax.export(model, tmp_path / "out", steps=4)


def test_a_field_is_values_at_points(tmp_path):
    model, points = field(), jnp.linspace(0.0, 1.0, 5)[:, None]
    out = pdejax.export(model, tmp_path / "out", platforms=HERE)
    run = program(out, "values")
    np.testing.assert_allclose(run.call(points), calls(model.__call__, points), rtol=1e-6, atol=1e-6)
    slope = calls(jax.grad(lambda x: jnp.sum(run.call(x))), points)
    np.testing.assert_allclose(slope, calls(lambda x: model.jet(x, ((1,),))[(1,)], points), rtol=1e-4, atol=1e-5)
    assert card(out)["domain"] == {"x": [0, 1]}
    np.testing.assert_array_equal(calls(pdejax.load(out).__call__, points), calls(model.__call__, points))
    for option in ({"steps": 2}, {"shape": (4,)}):
        with pytest.raises(ValueError, match="a field is a function of points: leave"):
            pdejax.export(model, tmp_path / "out", **option)


@pytest.mark.long
def test_a_continuous_operator_with_fixed_steps_takes_any_batch(tmp_path):
    model, u = built(NeuralODE(solver=Solver("Euler", fixed_steps=2))), state()
    out = pdejax.export(model, tmp_path / "out", steps=(), platforms=HERE)
    np.testing.assert_allclose(program(out, "step").call(u), calls(model, u), rtol=1e-5, atol=1e-5)


@pytest.mark.long
def test_one_whose_steps_adapt_takes_the_batch_it_is_exported_for(tmp_path):
    model, u = built(NeuralODE(solver=Solver("Heun", max_steps=4))), state(2)
    with pytest.raises(ValueError, match=r"step depends on the number of samples \(b\).*batch=8"):
        pdejax.export(model, tmp_path / "out", steps=(), platforms=HERE)
    assert not (tmp_path / "out").exists()
    out = pdejax.export(model, tmp_path / "out", steps=(), batch=2, platforms=HERE)
    np.testing.assert_allclose(program(out, "step").call(u), calls(model, u), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "network", [pytest.param(n, marks=pytest.mark.long) if n in ("lsm", "convnext_unet") else n for n in NETWORKS]
)
def test_every_network_takes_a_batch_of_unknown_size_and_rows_of_parameters(network):
    model = built(data=varied(), network={"kind": network, **NETWORKS[network]})
    (step,) = programs_of(model, steps=())
    given = stablehlo.specifications(step)
    assert jax.eval_shape(step.function, *given).shape == given[0].shape
    assert [one.name for one in step.inputs] == ["state", "parameters"]


def test_another_grid(tmp_path):
    out = pdejax.export(built(), tmp_path / "out", steps=(), shape=(12,), platforms=HERE)
    assert program(out, "step").call(jnp.ones((1, 12, 2))).shape == (1, 12, 2)
    with pytest.raises(ValueError, match="shape should hold the number of points of each axis of space, of 1, got"):
        pdejax.export(built(), tmp_path / "out", shape=(8, 8))


def test_an_operator_that_lies_on_many_devices_is_exported_for_one(tmp_path):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    everywhere = NamedSharding(mesh, PartitionSpec())
    spread = jax.tree.map(lambda x: jax.device_put(x, everywhere) if eqx.is_array(x) else x, built())
    out = pdejax.export(spread, tmp_path / "out", steps=(), platforms=HERE)
    assert program(out, "step").nr_devices == 1


def test_double_precision_stays(tmp_path):
    with jax.enable_x64(True):
        model, points = field(), jnp.linspace(0.0, 1.0, 5)[:, None]
        pdejax.export(model, tmp_path / "model", formats=("model",))
    out = pdejax.export(tmp_path / "model", tmp_path / "out", platforms=HERE)
    assert card(out)["programs"]["values.jaxexport"]["output"]["dtype"] == "float64"
    with jax.enable_x64(True):
        np.testing.assert_allclose(
            program(out, "values").call(points), calls(model.__call__, points), rtol=1e-14, atol=1e-14
        )


def test_a_network_that_a_platform_lacks_is_told(tmp_path):
    @register("network", "schur")
    class Schur(eqx.Module):  # JAX has Schur's form on CPU alone
        weight: jax.Array

        def __init__(self, in_channels, out_channels, *, key):
            self.weight = jax.random.normal(key, (2, 2))

        def __call__(self, x):
            return x @ jax.scipy.linalg.schur(self.weight)[0]

    model = built(network={"kind": "schur"})
    with pytest.raises(ValueError, match="step cannot be compiled for cuda, tpu: export it for the platforms cpu"):
        pdejax.export(model, tmp_path / "out", formats=("jax",))
    pdejax.export(model, tmp_path / "out", formats=("jax",), steps=(), platforms=HERE)


def test_a_network_that_calls_python_is_refused(tmp_path):
    def call(x):
        return jax.pure_callback(lambda x: x, x, x)

    with pytest.raises(ValueError, match="step calls Python while it runs, which no artefact can"):
        pdejax.export(built(network=call), tmp_path / "out", formats=("jax",))


def test_a_backend_of_two_platforms_is_told_by_both():
    with pytest.raises(ValueError, match=r"unknown platform 'gpu'. Did you mean 'cuda' or 'rocm'\?"):
        pdejax.export(steady(), "nowhere", platforms=("gpu",))
