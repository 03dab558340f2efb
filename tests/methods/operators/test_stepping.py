import dataclasses
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Predictor, Stepper, trajectory
from pdejax.data import Arrays, read_problem
from pdejax.methods import DataCard, OperatorInfo
from pdejax.methods.operators.binding import parameter_table

MEAN, STD, DELTA = np.array([1.0, -1.0]), np.array([2.0, 0.5]), np.array([0.2, 0.1])


def test_increment_operator_in_physical_units(make_operator, key):
    u = np.asarray(jax.random.normal(key, (3, 16, 2)))
    out = make_operator().bind({"nu": jnp.array([3.0, 3.5, 4.0])})(jnp.asarray(u))
    condition = np.array([0.0, 1.0, 2.0])[:, None, None]
    np.testing.assert_allclose(out, u + DELTA * (0.3 * (u - MEAN) / STD + 0.1 * condition), rtol=1e-5, atol=1e-6)


def test_state_operator_in_physical_units(make_operator, key):
    u = np.asarray(jax.random.normal(key, (3, 16, 2)))
    out = make_operator(increment=False, names=())(jnp.asarray(u))
    np.testing.assert_allclose(out, MEAN + STD * 0.3 * (u - MEAN) / STD, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [(), (1,), (2, 3)])
def test_any_number_of_batch_axes_and_vmap_agree(make_operator, key, batch):
    operator = make_operator(names=())
    u = jax.random.normal(key, (*batch, 16, 2))
    out = operator(u)
    assert out.shape == u.shape
    flat = jnp.stack([operator(x) for x in u.reshape(-1, 16, 2)])
    np.testing.assert_allclose(out.reshape(-1, 16, 2), flat, rtol=1e-6)
    if batch:
        np.testing.assert_allclose(jax.vmap(operator)(u), out, rtol=1e-6)


def test_parameters_belong_to_the_last_batch_axis(make_operator, key):
    operator = make_operator().bind({"nu": jnp.array([3.0, 3.5, 4.0])})
    u = jax.random.normal(key, (5, 3, 16, 2))
    np.testing.assert_allclose(operator(u)[4], operator(u[4]), rtol=1e-6)
    with pytest.raises(ValueError, match=r"3 parameter sets are bound, .* batch axes \(2,\)"):
        operator(u[0, :2])
    with pytest.raises(ValueError, match=r"batch axes \(\)"):
        operator(u[0, 0])


def test_history_moves_like_a_queue(make_operator, key):
    operator = make_operator(history=3, names=())
    u = jax.random.normal(key, (2, 16, 6))
    out = operator(u)
    np.testing.assert_array_equal(out[..., :4], u[..., 2:])
    np.testing.assert_allclose(out[..., 4:], make_operator(names=())(u[..., 4:]), rtol=1e-6)


def test_mean_is_conserved_when_asked(make_operator, key):
    u = 3 + jax.random.normal(key, (2, 16, 2))
    drift = lambda operator: np.abs(np.mean(operator(u) - u, axis=1)).max()
    assert drift(make_operator(conserve_mean=True, names=())) < 1e-6
    assert drift(make_operator(names=())) > 1e-2


def test_it_keeps_the_dtype_and_is_a_stepper_and_predictor(make_operator, x64):
    operator = make_operator(names=())
    assert isinstance(operator, Stepper)
    assert isinstance(operator, Predictor)
    assert operator(jnp.ones((16, 2), jnp.float64)).dtype == jnp.float64


def test_prediction_is_the_trajectory_at_the_times(make_operator, key):
    operator, u = make_operator(names=()), jax.random.normal(key, (2, 16, 2))
    np.testing.assert_array_equal(operator.predict(u, [1.0, 2.0]), trajectory(operator, u, 2, inner_steps=2))


def test_differentiable_both_ways(make_operator, key):
    operator = make_operator(names=())
    u, v = jax.random.normal(key, (2, 2, 16, 2))
    f = lambda u: trajectory(operator, u, 3)[-1]
    forward = jax.jvp(f, (u,), (v,))[1]
    backward = jax.vjp(f, u)[1](v)[0]
    np.testing.assert_allclose(jnp.vdot(v, forward), jnp.vdot(backward, v), rtol=1e-4)
    slope = (1 + 0.3 * DELTA / STD) ** 3  # of an affine map, exactly
    np.testing.assert_allclose(forward, v * slope[None, None], rtol=1e-4, atol=1e-6)


def test_messages_say_what_is_missing(make_operator):
    operator = make_operator()
    with pytest.raises(ValueError, match="depends on nu: call bind"):
        operator(jnp.ones((16, 2)))
    with pytest.raises(ValueError, match=r"unknown parameter 'mu'. Did you mean|unknown parameter 'mu'. Known: nu"):
        operator.bind({"mu": 1.0})
    for bad, words in (("0.1", "holds real numbers"), (np.nan, "should be a finite number"), (1j, "is real, got")):
        with pytest.raises(ValueError, match=f"parameter 'nu' {words}"):
            operator.bind({"nu": bad})
    with pytest.raises(ValueError, match=r"bind takes parameters by name, such as {'nu': 0.1}, got float"):
        inspect.unwrap(parameter_table)(0.1, ("nu",))
    with pytest.raises(ValueError, match="varying nu: give it to bind"):
        operator.bind({})
    with pytest.raises(ValueError, match=r"a state \(\*batch, x, 2\) of u, v, got shape \(16, 3\)"):
        operator(jnp.ones((16, 3)))


def test_a_state_of_integers_is_promoted_and_a_complex_one_refused(make_operator):
    operator, counts = make_operator(names=()), np.arange(32).reshape(16, 2)
    np.testing.assert_array_equal(operator(counts), operator(counts.astype(np.float32)))
    assert operator(counts).dtype == jnp.float32
    with pytest.raises(
        ValueError, match=r"a state is real, got complex64: give the real and the imaginary part as two"
    ):
        operator(jnp.ones((16, 2), jnp.complex64))


@pytest.mark.parametrize(("value", "told"), [(-7.0, "-7"), (310.0, "310"), ([3.0, 4.0, 9.0, 4.5], "9")])
def test_parameters_beyond_those_of_the_training_are_told(make_operator, value, told):
    operator = make_operator()
    operator = dataclasses.replace(operator, info=dataclasses.replace(operator.info, ranges=((2.5, 4.0),)))
    with pytest.warns(UserWarning, match=rf"'nu' is {told}, and this operator was trained on 2.5 to 4: nothing"):
        operator.bind({"nu": jnp.asarray(value)})
    for inside in (2.5, 4.0, jnp.array([3.0, 4.0])):
        operator.bind({"nu": inside})
    jax.jit(lambda nu: operator.bind({"nu": nu}).parameters)(7.0)  # nothing is asked of what is traced


def test_the_range_of_parameters_is_that_of_the_training_data_or_what_could_be_drawn(card):
    states, nu = np.random.default_rng(0).normal(size=(3, 2, 8, 1)), np.array([0.5, 2.0, 9.0])
    data = Arrays(states, parameters={"nu": nu}, splits={"train": 0.7, "test": 0.3})
    known = DataCard.of(data)
    assert known.parameter_ranges == ((0.5, 2.0),)
    assert OperatorInfo.of(DataCard.from_json(json.loads(json.dumps(known.to_json())))).ranges == ((0.5, 2.0),)
    assert "parameter_ranges" not in card.to_json()
    family, _ = read_problem(
        {
            "equation": "diffusion",
            "domain": {"shape": [8], "lengths": [1.0]},
            "initial": {"kind": "expression"},
            "time": {"step": 0.1},
            "vary": {"nu": [0.25, 0.5]},
        }
    )
    assert DataCard.sketch(family).parameter_ranges == ((0.25, 0.5),)
