"""Our operators as modules of Flax: the same outputs and gradients, whatever transforms them, and back again."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import PartitionSpec as P

import pdejax
from pdejax.core import Grid
from pdejax.embedding import as_linen, as_nnx
from pdejax.methods import DataCard, Diffusion, NeuralODE, Solver, Supervised, trainable, weights_of, with_weights

CARD = DataCard(
    shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=(), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2], "rms_residual": [0.1]},
)  # fmt: skip
VARYING = DataCard(
    shape=(16,), lengths=(2.0,), step=0.5, field_names=("u",), parameter_names=("nu",), periodic=(True,),
    statistics={"mean": [1.0], "std": [2.0], "rms_delta": [0.2], "parameter_mean": [1.0], "parameter_std": [0.1]},
)  # fmt: skip
FNO = {"kind": "fno", "modes": 3, "width": 4, "depth": 1}


def coarse():
    """A classical solver, whose coefficients are arrays that nobody trains."""
    return pdejax.spectral_stepper(pdejax.Equation("u_t = 0.01*u_xx"), Grid((16,), (2.0,)), 0.5)


@pytest.fixture(scope="module")
def operator():
    return Supervised(base=coarse()).build(FNO, CARD, key=jax.random.key(1))


@pytest.fixture(scope="module")
def u():
    return jax.random.normal(jax.random.key(2), (4, 16, 1))


def score(y):
    return jnp.mean(jnp.sin(y))


def close(ours, theirs, **tolerance):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], **{"rtol": 1e-5, "atol": 1e-7, **tolerance})


@pytest.fixture(scope="module")
def slopes(operator, u):
    """Value and gradient of a score of the operator's output, by our own means."""
    params, static = eqx.partition(operator, trainable(operator))
    value, slopes = jax.jit(jax.value_and_grad(lambda p: score(eqx.combine(p, static)(u))))(params)
    found = dict(zip(weights_of(operator), jax.tree.leaves(slopes), strict=True))
    assert all(np.max(np.abs(slope)) > 1e-6 for slope in found.values())
    return value, found


def of_state(state):
    """Arrays of an `nnx.State` of parameters by name."""
    return dict(nnx.to_pure_dict(state)["weights"])


# ---- outputs and gradients


def test_parameters_are_the_weights_that_the_method_trains(operator):
    module = as_nnx(operator)
    close(weights_of(operator), of_state(nnx.state(module, nnx.Param)), rtol=0, atol=0)
    _, params, fixed = nnx.split(module, nnx.Param, ...)
    names = set(nnx.to_pure_dict(fixed)["fixed"])
    assert {"normalisation.mean", "normalisation.std", "normalisation.increment"} <= names
    assert any(name.startswith("base.") for name in names)
    arrays = len(jax.tree.leaves(eqx.filter(operator, eqx.is_array)))
    assert len(jax.tree.leaves(params)) + len(names) == arrays
    variables = as_linen(operator).init(jax.random.key(7), jnp.zeros((1, 16, 1)))
    assert list(variables) == ["params"]
    close(weights_of(operator), variables["params"], rtol=0, atol=0)


def test_outputs_and_gradients_of_nnx(operator, u, slopes):
    module = as_nnx(operator)
    value, found = nnx.jit(nnx.value_and_grad(lambda module: score(module(u))))(module)
    np.testing.assert_allclose(value, slopes[0], rtol=1e-6)
    close(slopes[1], of_state(found))
    np.testing.assert_array_equal(module(u), operator(u))


def test_outputs_and_gradients_of_linen(operator, u, slopes):
    module = as_linen(operator)
    variables = module.init(jax.random.key(7), u)
    value, found = jax.jit(jax.value_and_grad(lambda variables: score(module.apply(variables, u))))(variables)
    np.testing.assert_allclose(value, slopes[0], rtol=1e-6)
    close(slopes[1], found["params"])
    np.testing.assert_array_equal(module.apply(variables, u), operator(u))


def test_rollouts_by_scan(operator, u):
    nnx_module, linen_module = as_nnx(operator), as_linen(operator)
    graph, state = nnx.split(nnx_module)
    variables = linen_module.init(jax.random.key(0), u)
    roll = lambda step: jax.lax.scan(lambda u, _: (step(u),) * 2, u, length=3)[1]

    @jax.jit
    def rollouts(operator, state, variables):
        steppers = operator, nnx.merge(graph, state), lambda u: linen_module.apply(variables, u)
        return [roll(step) for step in steppers]

    ours, *theirs = rollouts(operator, state, variables)
    assert np.max(np.abs(ours[-1] - ours[0])) > 0.1
    for one in theirs:
        np.testing.assert_allclose(one, ours, rtol=1e-5, atol=1e-6)


def test_over_two_devices(operator, u, slopes):
    """Each device steps its part of the batch, and the gradient of the mean over both is that of the whole batch."""
    mesh = jax.make_mesh((2,), ("data",), devices=jax.devices()[:2], axis_types=(jax.sharding.AxisType.Auto,))
    linen_module = as_linen(operator)
    graph, params, fixed = nnx.split(as_nnx(operator), nnx.Param, ...)
    steps = {
        "nnx": (lambda p, f, u: nnx.merge(graph, p, f)(u), params, fixed),
        "linen": (lambda p, f, u: linen_module.apply({"params": p}, u), weights_of(operator), ()),
    }

    @jax.jit
    def both(parts, u):
        def value(params, name, fixed):
            part = lambda p, f, u: jax.lax.pmean(score(steps[name][0](p, f, u)), "data")
            return jax.shard_map(part, mesh=mesh, in_specs=(P(), P(), P("data")), out_specs=P())(params, fixed, u)

        return {name: jax.value_and_grad(value)(p, name, f) for name, (p, f) in parts.items()}

    parts = {name: held for name, (_, *held) in steps.items()}
    found = both(parts, jax.device_put(u, jax.NamedSharding(mesh, P("data"))))
    for value, _ in found.values():
        np.testing.assert_allclose(value, slopes[0], rtol=1e-6)
    close(slopes[1], of_state(found["nnx"][1]))
    close(slopes[1], found["linen"][1])


# ---- trained by Flax, and back


def test_an_optimiser_of_nnx_changes_the_weights_alone(operator, u, slopes):
    module = as_nnx(operator)
    rule = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(1e-2, momentum=0.9))  # decay reaches what has no slope
    optimiser = nnx.Optimizer(module, rule, wrt=nnx.Param)

    @nnx.jit
    def update(module, optimiser):
        optimiser.update(module, nnx.grad(lambda module: score(module(u)))(module))

    update(module, optimiser)
    trained = module.operator()
    weights = weights_of(operator)
    changes, _ = rule.update(slopes[1], rule.init(weights), weights)
    close(optax.apply_updates(weights, changes), weights_of(trained))
    assert all(np.max(np.abs(weights[name] - one)) > 0 for name, one in weights_of(trained).items())
    assert eqx.tree_equal(with_weights(trained, weights), operator)


def test_trained_variables_of_linen_come_back(operator, u, tmp_path):
    module = as_linen(operator)
    variables = module.init(jax.random.key(0), u)
    rule = optax.sgd(1e-1)
    state = rule.init(variables)

    @jax.jit
    def update(variables, state):
        value, slopes = jax.value_and_grad(lambda variables: score(module.apply(variables, u)))(variables)
        changes, state = rule.update(slopes, state)
        return value, optax.apply_updates(variables, changes), state

    before, variables, state = update(variables, state)
    after, _, _ = update(variables, state)
    assert after < before
    trained = module.operator(variables)
    np.testing.assert_array_equal(trained(u), module.apply(variables, u))
    pdejax.save(tmp_path, trained)
    assert eqx.tree_equal(pdejax.load(tmp_path), trained)
    without = {name: w for name, w in variables["params"].items() if "mlp.hidden.bias" not in name}
    with pytest.raises(ValueError, match=r"the weight 'network.blocks.0.mlp.hidden.bias' is missing"):
        module.operator({"params": without})


def test_a_network_of_flax_in_an_operator_as_a_module_of_flax(u):
    """Also one that no file can hold: its operator knows its method all the same."""
    inner = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    operator = Supervised().build(inner, CARD, key=jax.random.key(0))
    assert pdejax.why_unsaved(operator) is not None
    module = as_nnx(operator)
    assert list(of_state(nnx.state(module, nnx.Param))) == ["network.params.bias", "network.params.kernel"]
    np.testing.assert_array_equal(module(u), operator(u))


class Drawn(eqx.Module):
    gain: jax.Array

    def __call__(self, x, *, condition, key=None):
        return self.gain * x + condition[:, None] + (0 if key is None else jax.random.normal(key, x.shape))


def test_bound_parameters_and_keys(u):
    operator = Supervised().build(Drawn(jnp.ones(())), VARYING, key=jax.random.key(0)).bind({"nu": 1.05})
    nnx_module, linen_module, key = as_nnx(operator), as_linen(operator), jax.random.key(5)
    expected = operator(u, key=key)
    assert np.max(np.abs(expected - operator(u))) > 0.1
    np.testing.assert_array_equal(nnx_module(u, key=key), expected)
    np.testing.assert_array_equal(linen_module.apply({"params": weights_of(operator)}, u, key=key), expected)


# ---- which weights are trained


METHODS = {
    "supervised": lambda: Supervised(unroll=2),
    "with a base": lambda: Supervised(base=coarse()),
    "diffusion": lambda: Diffusion(),
    "neural ode": lambda: NeuralODE(solver=Solver(fixed_steps=1)),
}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_trained_is_what_the_method_says(method):
    method = METHODS[method]()
    model = eqx.filter_eval_shape(lambda key: method.build(FNO, CARD, key=key), jax.random.key(0))
    assert eqx.tree_equal(trainable(model), method.trainable(model))


def test_models_that_no_method_has_built_are_refused(operator):
    with pytest.raises(ValueError, match="FNO does not know which method trains it: let a method build it"):
        as_nnx(operator.network)
    with pytest.raises(ValueError, match=r"unknown weight 'network.gain'|unknown weight"):
        with_weights(operator, {**weights_of(operator), "network.gain": jnp.ones(())})
    with pytest.raises(ValueError, match=r"network.lifting.out.bias should have the shape \(4,\), got \(3,\)"):
        with_weights(operator, {**weights_of(operator), "network.lifting.out.bias": jnp.ones(3)})


def test_variables_are_those_of_init(operator):
    with pytest.raises(ValueError, match=r"variables are those of init, with 'params', got \['state'\]"):
        as_linen(operator).operator({"state": {}})
