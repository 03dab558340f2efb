import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid, PointCloud, build, describe, register
from pdejax.data import read_problem
from pdejax.equations import EQUATIONS, Equation, Family, GaussianBlobs, NeumannRandomField, SumOfSines, Times

KS = Family(
    "ks",
    EQUATIONS["kuramoto_sivashinsky"].with_parameters({"nu": 0.9}),
    Grid((64,), (32.0,)),
    {"u": SumOfSines()},
    vary={"nu": (0.5, 1.5), "length": (0.9, 1.1), "step": (0.8, 1.2)},
    times=Times(0.8, burn_in=90),
)
GRAY_SCOTT = Family(
    "spots", EQUATIONS["gray_scott"], Grid((16, 16), (1.0, 1.0)), {"u, v": GaussianBlobs()}, times=Times(1.0)
)
DARCY = Family("darcy", EQUATIONS["darcy"], Grid((9, 9), (1.0, 2.0), "value"), {"a": NeumannRandomField()})


@pytest.mark.parametrize("family", [KS, GRAY_SCOTT, DARCY], ids=lambda family: family.name)
def test_a_family_goes_through_json(family):
    plain = json.loads(json.dumps(describe(family), sort_keys=True))
    again = build("problem", plain)
    assert again == family
    assert hash(again) == hash(family)
    assert describe(again) == plain
    (before, values), (after, same) = (jax.jit(lambda one=one: one.draw(3, 5))() for one in (family, again))
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    assert values == same


def test_what_a_family_says():
    assert (KS.fields, KS.inputs, KS.parameter_names, KS.steady) == (("u",), (), ("length", "nu", "step"), False)
    assert (KS.parameters, KS.constants, KS.step) == ({"nu": 0.9}, {}, 0.8)
    np.testing.assert_allclose(KS.times.frames(3), [72.0, 72.8, 73.6])
    assert (DARCY.fields, DARCY.inputs, DARCY.steady, DARCY.step) == (("u",), ("a",), True, 0.0)


def test_a_draw_depends_on_seed_and_index_only(x64):
    fine = Grid((96,), (32.0,))
    fields, values = KS.draw(3, 5, fine)
    assert fields["u"].shape == (96,)
    assert fields["u"].dtype == jnp.float64
    together, many = jax.jit(jax.vmap(lambda i: KS.draw(3, i, fine)))(jnp.arange(4, 7))
    np.testing.assert_allclose(together["u"][1], fields["u"], rtol=0, atol=1e-14)
    assert {k: float(v[1]) for k, v in many.items()} == {k: float(v) for k, v in values.items()}
    assert all(np.float32(v) == float(v) for v in values.values())  # survives storage in float32
    alone = dataclasses.replace(KS, vary={"nu": (0.5, 1.5)})
    assert float(alone.draw(3, 5)[1]["nu"]) == float(values["nu"])
    assert float(KS.draw(4, 5)[1]["nu"]) != float(values["nu"])
    assert float(KS.draw(3, 6)[1]["nu"]) != float(values["nu"])


def test_draws_fill_their_ranges():
    values = jax.jit(jax.vmap(lambda i: KS.draw(0, i)[1]))(jnp.arange(2000))
    for name, (low, high) in KS.vary.items():
        assert low <= values[name].min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values[name].max() <= high
    assert abs(np.corrcoef(values["nu"], values["length"])[0, 1]) < 0.1


def test_a_finer_grid_shows_the_same_input(x64):
    coarse, fine = DARCY.draw(1, 2)[0]["a"], DARCY.draw(1, 2, DARCY.domain.with_shape((25, 41)))[0]["a"]
    np.testing.assert_allclose(fine[::3, ::5], coarse, atol=1e-12)


def test_each_field_may_have_a_sampler_of_its_own():
    apart = dataclasses.replace(GRAY_SCOTT, draws={"v": SumOfSines(mean=1.0), "u": SumOfSines(mean=1.0)})
    turned = dataclasses.replace(apart, draws=dict(reversed(apart.draws.items())))
    fields, same = apart.draw(0, 0)[0], turned.draw(0, 0)[0]
    assert np.abs(np.asarray(fields["u"] - fields["v"])).max() > 0.1
    for name in fields:
        np.testing.assert_array_equal(fields[name], same[name])


@register("sampler", "ramp")
@dataclasses.dataclass(frozen=True)
class Ramp:
    slope: float = 1.0

    def __call__(self, key, grid):
        return self.slope * jnp.asarray(grid.coordinates()[..., :1])


def test_a_sampler_of_ones_own():
    family = dataclasses.replace(KS, draws={"u": Ramp(2.0)})
    np.testing.assert_allclose(family.draw(0, 0)[0]["u"], np.arange(64.0), rtol=1e-6)
    assert build("problem", describe(family)) == family
    assert describe(family)["draws"] == {"u": {"kind": "ramp", "slope": 2.0}}


@dataclasses.dataclass(frozen=True)
class Flat:
    height: float = 1.0

    def __call__(self, key, grid):
        return jnp.full((*grid.shape, 1), self.height)


def test_a_sampler_named_by_its_place(tmp_path):
    family, _ = read_problem({**SECTION, "initial": {"kind": f"{__name__}:Flat", "height": 2.0}})
    assert family.draws == {"u": Flat(2.0)}
    assert build("problem", describe(family)) == family
    with pytest.raises(ValueError, match=r"unknown option of sampler .*: 'hight'. Did you mean 'height'"):
        read_problem({**SECTION, "initial": {"kind": f"{__name__}:Flat", "hight": 2.0}})


def test_an_equation_of_ones_own_by_name():
    @register("equation", "decay")
    def decay(rate: float = 2.0) -> Equation:
        return Equation("u_t = -rate*u", {"rate": rate})

    assert EQUATIONS["decay"].parameters == {"rate": 2.0}
    family, _ = read_problem({**SECTION, "equation": "decay", "parameters": {"rate": 0.5}, "vary": {"rate": [1, 2]}})
    assert (family.equation.terms, family.constants) == (("u_t = -rate*u",), {})
    with pytest.raises(ValueError, match="Did you mean 'decay'"):
        read_problem({**SECTION, "equation": "dekay"})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "a/b"}, "name of a family should be letters, digits"),
        ({"domain": Grid((8, 8), (1.0, 1.0))}, "domain.shape .8, 8. has 2 axes, its equation 1"),
        ({"times": None}, "evolves in time, times=Times.step=.+ is missing"),
        ({"draws": {}}, "draws has no samplers of the field 'u'"),
        ({"draws": {"w": SumOfSines()}}, "unknown field to draw: 'w'"),
        ({"draws": {"u": SumOfSines(channels=2)}}, "draws.u has 1 names, its sampler 2 channels"),
        ({"draws": {"u": {"kind": "sum_of_sine"}}}, "Did you mean 'sum_of_sines'"),
        ({"draws": {"u": 3}}, "draws.u should be a sampler"),
        ({"vary": {"lenght": (1, 2)}}, "Did you mean 'length'"),
        ({"vary": {"nu": (2, 1)}}, r"vary.nu should be a range .low, high., got .2, 1."),
        ({"vary": {"step": (0.0, 1.0)}}, "vary.step should be a range .low, high. of positive numbers"),
        ({"domain": Grid((8,), (1.0,), {"u": "value", "w": "wall"})}, "unknown field of domain.ends: 'w'"),
        ({"domain": Grid((8,), (1.0,), {"w": "wall"})}, "domain.ends say nothing of field 'u'"),
    ],
)
def test_what_does_not_fit_together_is_named(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        dataclasses.replace(KS, **changes)


def test_a_steady_equation_has_no_times_and_its_inputs_are_drawn():
    with pytest.raises(ValueError, match="is steady and has no times"):
        dataclasses.replace(DARCY, times=Times(1.0))
    with pytest.raises(ValueError, match="draws has no samplers of the input 'a'"):
        dataclasses.replace(DARCY, draws={})


def test_a_family_lives_on_any_domain():
    points = PointCloud(np.random.default_rng(0).uniform(size=(20, 2)))
    family = Family("cloud", Equation("u_t = lap(u)", ndim=2), points, {"u": Ramp()}, times=Times(0.1))
    assert family.draw(0, 0)[0]["u"].shape == (20,)
    assert build("problem", json.loads(json.dumps(describe(family)))) == family


SECTION = {
    "name": "ks",
    "equation": "kuramoto_sivashinsky",
    "parameters": {"nu": 0.9},
    "vary": {"nu": [0.5, 1.5], "length": [0.9, 1.1], "step": [0.8, 1.2]},
    "domain": {"shape": [64], "lengths": [32.0]},
    "initial": {"kind": "sum_of_sines", "count": 10},
    "time": {"step": 0.8, "burn_in": 90},
    "solver": {"shape": [96], "substeps": 8},
}
STEADY = {
    "name": "darcy",
    "equation": "darcy",
    "domain": {"shape": [9, 9], "lengths": [1.0, 2.0]},
    "input": {"kind": "neumann_random_field"},
}


def test_sections_of_a_configuration_are_read():
    family, simulator = read_problem(SECTION)
    assert family == KS
    assert (simulator.order, simulator.substeps, simulator.domain(family).shape) == (4, 8, (96,))
    assert read_problem(STEADY)[0] == DARCY
    words = {"terms": ["-div(a*grad(u)) = f"], "parameters": {"f": 1.0}}
    assert read_problem({**STEADY, "equation": words})[0] == DARCY
    heat = {**SECTION, "equation": {"terms": "u_t = c*u_xx", "parameters": {"c": 1.0}}, "parameters": {"c": 3.0}}
    assert read_problem({**heat, "vary": {"c": [1, 2]}})[0].equation == Equation("u_t = c*u_xx", {"c": 3.0})


@pytest.mark.parametrize(
    ("section", "change", "words"),
    [
        (SECTION, {"equation": "kuramoto"}, "kuramoto_sivashinsky"),
        (STEADY, {"equation": "darci"}, "Did you mean 'darcy'"),
        (SECTION, {"equation": {"parameters": {}}}, "'terms'"),
        (SECTION, {"equation": {"term": "u_t = u"}}, "Did you mean 'terms'"),
        (SECTION, {"parameters": {"mu": 1.0}}, "unknown parameter 'mu'"),
        (SECTION, {"domain": {"shape": [8]}}, "needs the option 'lengths'"),
        (SECTION, {"domain": {"shape": [8], "lengths": [1.0], "ends": "periodical"}}, "Did you mean 'periodic'"),
        (SECTION, {"time": {"step": 1.0, "burnin": 2}}, "Did you mean 'burn_in'"),
        (SECTION, {"time": {"burn_in": 2}}, "'time' needs the entry 'step'"),
        (SECTION, {"solver": {"ordr": 2}}, "Did you mean 'order'"),
        (SECTION, {"initials": {}}, "Did you mean 'initial'"),
        (SECTION, {"initial": {"kind": "sines"}}, "sum_of_sines"),
        (SECTION, {"input": {"kind": "sum_of_sines"}}, "problem section 'input': .* has no input fields"),
        (STEADY, {"solver": {"preconditionr": "auto"}}, "Did you mean 'preconditioner'"),
        (STEADY, {"parameters": {"g": 1.0}}, "unknown parameter 'g'"),
        (STEADY, {"vary": {"k": [1, 2]}}, "unknown varying parameter 'k'"),
        (STEADY, {"time": {"step": 1.0}}, "problem section 'time': a steady equation has none"),
    ],
)
def test_wrong_entries_are_refused_with_help(section, change, words):
    with pytest.raises(ValueError, match=words):
        read_problem({**section, **change})
