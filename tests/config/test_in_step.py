"""The types say the same as the constructors they describe, which they must not import."""

import dataclasses
import inspect
import typing

import diffrax
import pytest
from pydantic_core import PydanticUndefined

from pdejax.config import _boundary_value as config_boundary
from pdejax.config import _neural_ode as config_ode
from pdejax.config import options, packaged_folder, resolve
from pdejax.config._catalogue import CATALOGUE, STEADY_CATALOGUE
from pdejax.config._diffusion import Noise, Sampler
from pdejax.config._initial import Initial
from pdejax.config._method import Loss, Method
from pdejax.config._problem import ProblemConfig, Solver, SteadyProblemConfig, SteadySolver, Time
from pdejax.config._train import Adaptation, Balance, Stage, TrainConfig
from pdejax.core import build, registered
from pdejax.data import AdaptivePoints, PointFeed, generate
from pdejax.equations import EQUATIONS, INITIAL, STEADY_EQUATIONS, Problem, build_problem
from pdejax.equations._problem import ORDERS
from pdejax.equations._steady_problem import _SECTIONS, PRECONDITIONERS
from pdejax.methods import (
    Causal,
    Distilled,
    Latent,
    NoiseModel,
    PhysicsInformed,
    Steady,
    Supervised,
    adapt_field,
)
from pdejax.solvers import fitting, goes_back, stage_pair
from pdejax.solvers._reference import _COMMON as COMMON_TRUTH
from pdejax.solvers._reference import _ENTRIES as TRUTHS
from pdejax.solvers.ode.fit import missing_tolerances
from pdejax.training import Balance as Balancing
from pdejax.training import TrainSettings

ABSENT = object()


def defaults(model):
    """Name to default value of a configuration type's fields, without its kind."""
    return {
        name: ABSENT if field.default is PydanticUndefined else field.default
        for name, field in model.model_fields.items()
        if name != "kind"
    }


def arguments(function, *without):
    """Name to default value of a constructor's arguments."""
    return {
        name: ABSENT if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in without
    }


def kinds(union):
    """Kind to type of a discriminated union."""
    members = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(member.model_fields["kind"].annotation)[0]: member for member in members}


def test_catalogue():
    assert {name: (e.ndim, tuple(e.parameters)) for name, e in EQUATIONS.items()} == dict(CATALOGUE)
    assert {name: tuple(e.parameters) for name, e in STEADY_EQUATIONS.items()} == dict(STEADY_CATALOGUE)


@pytest.mark.parametrize("kind", INITIAL)
def test_initial_states(kind):
    assert defaults(kinds(Initial)[kind]) == arguments(INITIAL[kind], "channels")


def test_no_initial_state_is_left_out():
    assert set(kinds(Initial)) == set(INITIAL)


def choices(model, field):
    """The words a field takes."""
    return set(typing.get_args(model.model_fields[field].annotation))


def test_distilled():
    assert defaults(kinds(Method)["distilled"]) == arguments(Distilled, "stepper") | {"teacher": ABSENT}


def test_parts_of_a_neural_ode():
    assert defaults(config_ode.Latent) == arguments(Latent, "kind")
    assert defaults(config_ode.Noise) == arguments(NoiseModel)


def test_solvers_of_a_neural_ode():
    ordinary, either = set(config_ode.ORDINARY), {*config_ode.ORDINARY, *config_ode.ADDITIVE}
    made = {name: getattr(diffrax, name)() for name in either}
    assert ordinary == set(fitting(None))
    assert set(config_ode.ADDITIVE) == set(fitting("additive"))
    assert set(config_ode.MULTIPLICATIVE) == set(fitting("multiplicative"))
    adaptive = {*fitting(None, adaptive=True), *fitting("additive", adaptive=True)}
    assert set(config_ode.FIXED_ONLY) == either - adaptive
    assert set(config_ode.IMPLICIT) == {name for name, solver in made.items() if missing_tolerances(solver)}
    assert set(config_ode.BACKWARDS) == {name for name in fitting("additive") if goes_back(made[name], "additive")}
    assert set(config_ode.STIFFNESS) == {name for name, solver in made.items() if stage_pair(solver)}


def test_noises_and_samplers():
    for union, built in ((Noise, registered("noise")), (Sampler, registered("diffusion_sampler"))):
        assert {kind: defaults(model) for kind, model in kinds(union).items()} == {
            kind: arguments(one) for kind, one in built.items()
        }


@pytest.mark.parametrize("name", options("method", [packaged_folder()]))
def test_shipped_methods_build(name, words_for):
    spec = resolve(words_for("method", name)).method.spec()
    assert build("method", spec).window >= (name != "physics_informed")


def test_no_method_is_left_out():
    assert set(kinds(Method)) == set(registered("method"))
    assert build("method", resolve(["method=one_step"]).method.spec()) == Supervised()
    assert build("method", resolve(["problem=darcy"]).method.spec()) == Steady()
    assert build("method", resolve(["problem=pig_helmholtz"]).method.spec()) == PhysicsInformed()


def test_parts_of_a_physics_informed_loss():
    ours = kinds(Method)["physics_informed"]
    feed = {name: ours.model_fields[name].default for name in ("redraw", "observation_batch")}
    theirs = arguments(PointFeed, "self")
    assert feed == {name: theirs[name] for name in feed}
    assert defaults(config_boundary.Causal) == arguments(Causal)
    assert defaults(config_boundary.Adaptive) == arguments(AdaptivePoints)
    assert set(kinds(config_boundary.Points)) | {"quasi_random"} == set(registered("points"))


def test_truths():
    for kind, entries in TRUTHS.items():
        ours = defaults(kinds(config_boundary.Truth)[kind])
        assert set(ours) == {*entries, *COMMON_TRUTH} - {"kind"}
        assert all(ours[name] == value for name, value in entries.items() if value is not ...)


def test_losses():
    assert {kind: defaults(model) for kind, model in kinds(Loss).items()} == {
        kind: arguments(loss) for kind, loss in registered("loss").items()
    }


def test_train_settings():
    ours, theirs = defaults(TrainConfig), {f.name: f.default for f in dataclasses.fields(TrainSettings)}
    own = {"batch_size", "feed", "devices", "distributed", "stages", "options", "frozen"}
    made = {"rates"}  # a new dictionary each
    shared = {name: value for name, value in theirs.items() if name not in own and value is not dataclasses.MISSING}
    assert set(ours) - own == set(theirs) - own
    assert {name: ours[name] for name in shared} == shared
    assert all(ours[name] == {} for name in made)


def test_stages_change_what_training_has():
    assert set(Stage.model_fields) - {"adapt"} <= set(TrainConfig.model_fields)
    assert all(field.default is None for field in Stage.model_fields.values())
    ours, theirs = defaults(Adaptation), arguments(adapt_field, "model", "key")
    assert ours == theirs
    ours, theirs = defaults(Balance), arguments(Balancing, "kind")
    assert ours == theirs
    assert choices(TrainConfig, "optimiser") == {*registered("optimiser")}


@pytest.mark.parametrize("name", options("problem", [packaged_folder()]))
def test_problems_are_what_they_say(name):
    config = resolve([f"problem={name}"])
    problem = build_problem(config.problem.spec())
    assert problem.spec == config.problem.spec()
    assert problem.steady == config.problem.steady
    if config.problem.stated:
        return
    sampler, channels = (
        (problem.input, len(problem.input_names)) if problem.steady else (problem.initial, problem.equation.channels)
    )
    assert sampler.channels == channels


def test_every_equation_of_the_catalogue_has_a_problem():
    configs = [resolve([f"problem={name}"]) for name in options("problem", [packaged_folder()])]
    named = [config.problem.equation for config in configs if not config.problem.stated]
    assert set(named) == {*EQUATIONS, *STEADY_EQUATIONS}


def test_kuramoto_sivashinsky_is_the_one_of_the_refiner():
    problem = Problem.from_spec(resolve(["problem=ks"]).problem.spec())
    assert problem.grid.lengths == (64.0,)
    assert problem.step == 0.8
    assert problem.step * problem.burn_in == pytest.approx(72.0)
    assert problem.step / problem.substeps == pytest.approx(0.05)


def test_every_experiment_builds():
    for name in options("experiment", [packaged_folder()]):
        build_problem(resolve([f"experiment={name}"]).problem.spec())


def test_sections_of_a_problem():
    assert defaults(Time) | defaults(Solver) == {
        "step": ABSENT,
        "substeps": 1,
        "burn_in": 0,
        "order": 4,
        "shape": None,
    }
    assert choices(Solver, "order") == set(ORDERS)
    assert defaults(SteadySolver) == _SECTIONS["solver"]
    assert choices(SteadySolver, "preconditioner") == set(PRECONDITIONERS)
    generation = arguments(generate, "problem", "root", "splits", "progress")
    assert {name: defaults(ProblemConfig)[name] for name in generation} == generation
    steady = {name: defaults(SteadyProblemConfig)[name] for name in generation if name != "tolerance"}
    assert steady == {name: value for name, value in generation.items() if name != "tolerance"}
