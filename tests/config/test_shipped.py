"""What the shipped files describe can be made, and is what they say."""

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

from pdejax.config import GROUPS, RunConfig, options, packaged_folder, resolve
from pdejax.config._assemble import problem_of, recipe_of
from pdejax.config._train import settings_of
from pdejax.config._yaml import read_yaml
from pdejax.core import build, registered
from pdejax.equations import EQUATIONS, catalogue

# an experiment is made of such files, and most are built by smoke forms or tests of published sizes as well
SHIPPED = [
    pytest.param(group, name, marks=pytest.mark.long if group == "experiment" else ())
    for group in GROUPS
    for name in options(group, [packaged_folder()])
]


def words_for(group, name):
    """The words that choose a shipped file, and a problem it goes with."""
    chosen = [f"{group}={name}"]
    if group in ("problem", "experiment"):
        return chosen
    kind = read_yaml((packaged_folder() / group / f"{name}.yaml").read_text())[0].get("kind")
    fields = kind in (*registered("field"), "physics_informed")
    problem = "pig_helmholtz" if fields else {"steady": "darcy"}.get(str(kind), "ks")
    return [f"problem={problem}", *chosen]


@pytest.mark.parametrize(("group", "name"), SHIPPED)
def test_every_shipped_file_is_valid_and_makes_what_it_says(group, name):
    config = resolve(words_for(group, name))
    assert RunConfig.from_yaml(config.to_yaml()) == config
    {"problem": a_problem, "experiment": a_problem, "network": a_network, "method": a_method, "train": settings}[group](
        config
    )


def a_problem(config):
    """A solution's statement, or a family that survives the trip through a data set's manifest."""
    if config.stated:
        assert problem_of(config).name == config.problem.name
        return
    recipe = recipe_of(config)
    assert recipe.family.name == config.problem.name
    assert recipe.family.steady == (config.problem.spec().get("time") is None)
    assert recipe.family.domain.shape == tuple(config.problem.domain.shape)
    again = build("problem", recipe.plain["family"])
    assert (again, hash(again)) == (recipe.family, hash(recipe.family))


def a_network(config):
    """A map from a field to one in one and two dimensions, or from points to values."""
    spec, key = config.network.spec(), jax.random.key(0)
    if config.stated:
        made = lambda x: build("field", spec, channels=2, box=((0, 1),) * 2, key=key)(x)
        assert eqx.filter_eval_shape(made, jax.ShapeDtypeStruct((3, 2), jnp.float32)).shape == (3, 2)
        return
    spec |= {"periodic": True} if "periodic" in spec else {}
    for space in ((32,), (32, 32)):
        assert eqx.filter_eval_shape(_mapped, spec, jnp.zeros((3, *space, 1)), key).shape == (3, *space, 2)


def _mapped(spec, x, key):
    return build("network", spec, in_channels=1, out_channels=2, ndim=x.ndim - 2, key=key)(x)


def a_method(config):
    """A way to learn from frames, or from points."""
    assert build("method", config.method.spec()).window >= (not config.stated)


def settings(config):
    """Settings of the loop."""
    assert settings_of(config.train).steps == config.train.steps


def test_every_equation_of_the_catalogue_has_a_problem():
    files = [read_yaml(path.read_text())[0] for path in options("problem", [packaged_folder()]).values()]
    stated = [file["equation"] for file in files if "conditions" not in file and "equation" in file]
    named = {one if isinstance(one, str) else one["kind"] for one in stated if "terms" not in one}
    assert named == {
        name for name in EQUATIONS if registered("equation")[name].__module__.startswith(catalogue.__name__)
    }


def test_kuramoto_sivashinsky_is_the_one_of_the_refiner():
    recipe = recipe_of(resolve(["problem=ks"]))
    times = recipe.family.times
    assert recipe.family.domain.lengths == (64.0,)
    assert times.step == 0.8
    assert times.step * times.burn_in == pytest.approx(72.0)
    assert times.step / recipe.simulator.substeps == pytest.approx(0.05)


@pytest.mark.parametrize("name", [n for n, x in vars(diffrax).items() if n.endswith("Adjoint") or n == "ForwardMode"])
def test_adjoints_of_a_neural_ode(name):
    spec = {"kind": "neural_ode", "solver": {"adjoint": name}}
    if name in ("RecursiveCheckpointAdjoint", "DirectAdjoint", "BacksolveAdjoint"):
        assert isinstance(build("method", spec).integrator.adjoint, getattr(diffrax, name))
    else:
        with pytest.raises(ValueError, match=name):
            build("method", spec)
