"""What a boundary value problem makes of what is stated, and what it refuses."""

import dataclasses
import json
import math

import jax.numpy as jnp
import numpy as np
import pytest
import sympy

from pdejax.core import build, describe
from pdejax.equations import EQUATIONS, BoundaryValueProblem, Equation
from pdejax.equations._residual import FunctionResidual

HEAT = {
    "name": "heat",
    "equation": {"terms": ["u_t = nu*u_xx"], "parameters": {"nu": 0.1}},
    "domain": {"x": [-1.0, 1.0], "t": [0.0, 2.0]},
    "conditions": {
        "start": {"at": "t=0", "terms": "u = sin(pi*x)"},
        "walls": {"at": "boundary", "terms": ["u = 0"], "weight": 3},
    },
}
POISSON = {
    "equation": {"terms": "lap(u) = f", "definitions": {"f": "-2*pi**2*sin(pi*x)*sin(pi*y)"}},
    "domain": {"x": [0, 1], "y": [0, 2]},
    "conditions": {"walls": {"at": "boundary", "terms": "u = 0"}},
    "truth": {"kind": "exact", "fields": {"u": "sin(pi*x)*sin(pi*y)"}},
}


def changed(spec, **sections):
    return build("problem", {"kind": "boundary_value", **spec, **sections})


def test_the_box_is_that_of_the_axes_in_order():
    heat = changed(HEAT)
    assert (heat.axes, heat.box, heat.middle) == (("t", "x"), ((0.0, 2.0), (-1.0, 1.0)), (1.0, 0.0))
    assert (heat.timed, heat.ndim, heat.channels, heat.periodic) == (True, 1, 1, (False, False))
    np.testing.assert_allclose(heat.grid((5,)).axes()[0], [-1, -0.5, 0, 0.5, 1])
    ring = changed(HEAT, periodic=["x"], conditions={"start": HEAT["conditions"]["start"]})
    assert ring.periodic == (False, True)
    np.testing.assert_allclose(ring.grid((4,)).axes()[0], [-1, -0.5, 0, 0.5])


def test_faces_are_the_ends_of_axes_or_what_is_held_fixed():
    heat = changed(HEAT)
    start, walls = heat.conditions
    assert (start.faces, start.weight) == (({"t": 0.0},), 1.0)
    assert (walls.faces, walls.weight) == (({"x": -1.0}, {"x": 1.0}), 3.0)
    corner = {"c": {"at": ["x=0, y=2", "y = 0.5"], "terms": "u_x = 0"}}
    corners = changed(POISSON, conditions=corner | POISSON["conditions"])
    assert corners.conditions[0].faces == ({"x": 0.0, "y": 2.0}, {"y": 0.5})
    assert len(changed(POISSON).conditions[0].faces) == 4
    half = changed(POISSON, periodic=["x"])
    assert half.conditions[0].faces == ({"y": 0.0}, {"y": 2.0})


def test_an_equation_of_evolution_is_recognised():
    heat = changed(HEAT, parameters={"nu": 0.2})
    assert heat.evolution is not None
    assert (heat.evolution.terms, heat.evolution.parameters) == (("u_t = nu*u_xx",), {"nu": 0.2})
    named = changed(HEAT, equation="burgers", unknown={"nu": 0.5})
    assert (named.fields, named.parameters, named.unknown) == (("u",), {"nu": 0.5}, {"nu": 0.5})
    assert named.residual == EQUATIONS["burgers"].residual
    twice = {**HEAT["conditions"], "rate": {"at": "t=0", "terms": "u_t = 0"}}
    for terms in (["u_tt = u_xx"], ["u_t = u_tx"], ["u_t - u_xx = 0"]):
        assert changed(HEAT, equation={"terms": terms}, conditions=twice).evolution is None
    two = changed(HEAT, equation={"terms": ["v_t = u_xx", "u_t = v"]})
    assert two.fields == ("v", "u")


@pytest.mark.parametrize("spec", [HEAT, POISSON, {**HEAT, "equation": "burgers", "unknown": {"nu": 0.5}}])
def test_a_problem_goes_through_json(spec):
    heat = changed(spec)
    plain = json.loads(json.dumps(describe(heat), sort_keys=True))
    again = build("problem", plain)
    assert (again, hash(again)) == (heat, hash(heat))
    assert describe(again) == plain
    assert [c.faces for c in again.conditions] == [c.faces for c in heat.conditions]
    assert dataclasses.replace(heat, truth=None, name="other").conditions == heat.conditions


def test_another_parameter_is_another_problem():
    assert changed(HEAT) != changed(HEAT, parameters={"nu": 0.3})


def test_exact_solutions_are_functions_of_points(x64):
    poisson, points = changed(POISSON), np.random.default_rng(0).uniform(0, 1, (4, 2))
    expected = (np.sin(np.pi * points[:, 0]) * np.sin(np.pi * points[:, 1]))[:, None]
    exact = poisson.exact(points)
    assert isinstance(exact, np.ndarray)
    np.testing.assert_allclose(exact, expected, rtol=1e-14)
    np.testing.assert_allclose(poisson.exact(jnp.asarray(points)), expected, rtol=1e-14)
    constant = changed(POISSON, truth={"kind": "exact", "fields": {"u": 2}})
    np.testing.assert_array_equal(constant.exact(points), np.full((4, 1), 2.0))
    assert changed(POISSON, truth={"kind": "spectral", "points": 8, "steps": 8}).exact is None
    assert changed(HEAT).exact is None


def test_the_start_is_what_a_condition_says_of_the_field():
    x = sympy.Symbol("x", real=True)
    assert changed(HEAT).start("u") == sympy.sin(sympy.pi * x)
    for term, at in (("u_t = 0", "t=0"), ("2*u = x", "t=0"), ("u = x", "t=1"), ("u = u_x", "t=0")):
        assert changed(HEAT, conditions=HEAT["conditions"] | {"start": {"at": at, "terms": term}}).start("u") is None
    assert changed(POISSON).start("u") is None


def at(where, terms="u = 0"):
    return {"conditions": {"wall": {"at": where, "terms": terms}}}


MISTAKES = {
    "section": (HEAT, {"perodic": ["x"]}, "option of problem .boundary_value.: .perodic.. Did you mean 'periodic'"),
    "axis": (HEAT, {"domain": {"t": [0, 1], "q": [0, 1]}}, "problem 'heat': unknown axis 'q'. Known: t, x, y, z"),
    "axes in order": (HEAT, {"domain": {"t": [0, 1], "y": [0, 1]}}, r"axes of space are x, then y.*\['t', 'y'\]"),
    "ends": (HEAT, {"domain": {"t": [0, 1], "x": [1, 1]}}, r"domain.x must be \[low, high\].*, got \[1, 1\]"),
    "one end": (HEAT, {"domain": {"t": [0, 1], "x": 1}}, r"domain.x must be \[low, high\].*, got 1"),
    "no end": (HEAT, {"domain": {"t": [0, math.inf], "x": [0, 1]}}, r"domain.t must be .*two finite numbers"),
    "far away": (HEAT, {"domain": {"t": [1e5, 1e5 + 1], "x": [0, 1]}}, "float32 cannot tell its points apart: let t"),
    "periodic time": (HEAT, {"periodic": ["t"]}, "unknown periodic axis 't'. Known: x"),
    "parity's axis": (HEAT, {"parity": {"y": "odd"}}, "unknown axis with parity 'y'. Known: t, x"),
    "parity's kind": (HEAT, {"parity": {"x": "evn"}}, "parity of axis 'x': 'evn'. Did you mean 'even'"),
    "face outside": (HEAT, at("x=1.5"), r"conditions.wall.at: x=1.5 is outside of domain.x = \[-1, 1\]"),
    "face of no axis": (HEAT, at("y=0"), "conditions.wall.at is 'y=0', expected 'boundary' or axes .* 't=0'"),
    "face of no number": (HEAT, at("x=left"), "conditions.wall.at: x='left' is no number"),
    "face misspelt": (HEAT, at("boundry"), "conditions.wall.at is 'boundry', expected 'boundary'"),
    "face twice": (HEAT, at("x=-1, x=1"), "conditions.wall.at is 'x=-1, x=1', which holds x fixed twice"),
    "no walls": (HEAT, {**at("boundary"), "periodic": ["x"]}, "conditions.wall is at 'boundary', but all axes are"),
    "condition's entry": (HEAT, {"conditions": {"a": {"at": "t=0", "term": "u = 0"}}}, "'term'. Did you mean 'terms'"),
    "condition's lack": (HEAT, {"conditions": {"a": {"at": "t=0"}}}, "conditions.a needs the entry 'terms'"),
    "condition's name": (HEAT, {"conditions": {"equation": {"at": "t=0", "terms": "u = 0"}}}, "called 'equation'"),
    "one side": (HEAT, at("t=0", "u_x"), "term 'u_x': expected 'LEFT = RIGHT'"),
    "three sides": (HEAT, at("t=0", "u = v = 0"), "term 'u = v = 0': expected 'LEFT = RIGHT'"),
    "name in a term": (HEAT, at("t=0", "u = sinn(x)"), "equation 'u = sinn.x.': unknown function 'sinn'. Did you mean"),
    "derivative in a term": (HEAT, at("t=0", "u_xy = 0"), "unknown derivative 'u_xy': .* letters t, x. Did you mean"),
    "parameter": (HEAT, {"parameters": {"nuu": 1}}, "unknown parameter 'nuu'. Did you mean 'nu'"),
    "unknown parameter": (HEAT, {"unknown": {"mu": 1}}, "unknown parameter 'mu'. Known: nu"),
    "reserved parameter": (HEAT, {"equation": {"terms": "u_t = 0", "parameters": {"pi": 3}}}, "parameter name 'pi'"),
    "reserved field": (HEAT, {"equation": {"terms": "u_t = 0", "fields": ["x"]}}, "field name 'x' is reserved"),
    "field's letters": (HEAT, {"equation": {"terms": "u_t = 0", "fields": ["u_1"]}}, "field name 'u_1' is reserved or"),
    "equation": (HEAT, {"equation": "burgerss"}, "unknown equation 'burgerss'. Did you mean 'burgers'"),
    "equation's axes": (HEAT, {"equation": "gray_scott"}, r"wants the axes \['t', 'x', 'y'\], domain has"),
    "equation's entry": (
        HEAT,
        {"equation": {"term": "u = 0"}},
        "problem section 'equation' 'term'. Did you mean 'terms'",
    ),
    "no terms": (HEAT, {"equation": {"fields": ["u"]}}, "section 'equation' needs 'terms'"),
    "definition": (HEAT, {"equation": {"terms": "u_t = 0", "definitions": {"t": "x"}}}, "definition 't' is reserved"),
    "time": (POISSON, at("x=0", "u = t"), "t occurs in 'u = t', but the domain has no axis t"),
    "time in the equation": (POISSON, {"equation": {"terms": "lap(u) = t*u"}}, "t occurs in .*no axis t"),
    "rate without time": (POISSON, {"equation": {"terms": "u_t = lap(u)"}}, "unknown derivative 'u_t'"),
    "truth lacks": (
        POISSON,
        {"truth": {"kind": "exact", "fields": {"v": "x"}}},
        r"truth.fields lacks 'u', got \['v'\]",
    ),
    "truth of the field": (POISSON, {"truth": {"kind": "exact", "fields": {"u": "u_x"}}}, "truth.fields.u depends on"),
    "truth in time": (POISSON, {"truth": {"kind": "exact", "fields": {"u": "t"}}}, "no axis t"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(name):
    spec, sections, words = MISTAKES[name]
    with pytest.raises(ValueError, match=words):
        changed(spec, **sections)


def mirrored(equation, domain, start, parity, walls="boundary", value="u = 0"):
    conditions = {"start": {"at": "t=0", "terms": start}, "walls": {"at": walls, "terms": value}}
    conditions = conditions if "t" in domain else {"walls": conditions["walls"]}
    return {"equation": equation, "domain": domain, "conditions": conditions, "parity": parity}


SYMMETRIC = {
    "allen-cahn even": mirrored("allen_cahn", {"t": [0, 1], "x": [-1, 1]}, "u = x**2*cos(pi*x)", {"x": "even"}),
    "allen-cahn odd": mirrored("allen_cahn", {"t": [0, 1], "x": [-1, 1]}, "u = x**3", {"x": "odd"}),
    "burgers odd": mirrored("burgers", {"t": [0, 1], "x": [-1, 1]}, "u = -sin(pi*x)", {"x": "odd"}),
    "about pi": mirrored("burgers", {"t": [0, 1], "x": [0, 2 * np.pi]}, "u = sin(x)", {"x": "odd"}),
    "about 11": mirrored(
        "diffusion", {"t": [0, 1], "x": [10, 12]}, "u = sqrt((x - 10)*(12 - x)) + abs(x - 11)", {"x": "even"}
    ),
    "two axes": mirrored(
        {"terms": "u_xx + u_yy + u**3 = cos(pi*x)*sin(pi*y)*0 + u*x**2"},
        {"x": [-1, 1], "y": [0, 2]},
        "",
        {"x": "even", "y": "odd"},
    ),
    "in time": mirrored(
        {"terms": "u_tt = u_xx"},
        {"t": [-1, 1], "x": [0, 1]},
        ["u = 0", "u_t = cos(pi*x)"],
        {"t": "odd"},
        value="u_x = 0",
    ),
}
LOPSIDED = {
    "burgers even": (mirrored("burgers", {"t": [0, 1], "x": [-1, 1]}, "u = 0", {"x": "even"}), "the equation changes"),
    "the start": (
        mirrored("burgers", {"t": [0, 1], "x": [-1, 1]}, "u = cos(pi*x)", {"x": "odd"}),
        "parity of axis 'x' is 'odd', but condition 'start' changes when x is mirrored about 0",
    ),
    "about another place": (
        mirrored("burgers", {"t": [0, 1], "x": [0, 1.5]}, "u = sin(2*pi*x)", {"x": "odd"}),
        "condition 'start' changes when x is mirrored about 0.75",
    ),
    "a constant": (mirrored("diffusion", {"t": [0, 1], "x": [-1, 1]}, "u = 1", {"x": "odd"}), "'start' changes"),
    "one face": (
        mirrored("diffusion", {"t": [0, 1], "x": [-1, 1]}, "u = 0", {"x": "even"}, walls="x=1"),
        "condition 'walls' lacks the mirror image of a face",
    ),
    "not a number": (
        mirrored("diffusion", {"t": [0, 1], "x": [-1, 1]}, "u = 0", {"x": "even"}, value="u = log(x)"),
        "condition 'walls' changes",
    ),
    "flow in time": (
        mirrored("diffusion", {"t": [-1, 1], "x": [0, 1]}, "u = 0", {"t": "even"}),
        "the equation changes",
    ),
}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_a_parity_that_holds_is_accepted(name):
    spec = SYMMETRIC[name]
    problem = BoundaryValueProblem(**spec)
    assert problem.parity == tuple(spec["parity"].get(axis, "none") for axis in problem.axes)


@pytest.mark.parametrize("name", LOPSIDED)
def test_a_parity_that_does_not_hold_is_refused(name):
    spec, words = LOPSIDED[name]
    with pytest.raises(ValueError, match=words):
        BoundaryValueProblem(**spec)


def test_conditions_that_nothing_can_meet_are_refused():
    of = lambda **conditions: BoundaryValueProblem(
        name="b", equation={"terms": "u_xx + u = 0"}, domain={"x": [0, 1]},
        conditions={name: {"at": "x=0", "terms": terms} for name, terms in conditions.items()},
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"conditions\.wall\.terms hold no field: nothing can make 1 vanish"):
        of(wall="1 = 0")
    with pytest.raises(
        ValueError, match=r"conditions\.a and conditions\.b contradict each other at x=0: they differ by"
    ):
        of(a="u = 0", b="u = 1")
    of(a="u = 0", b="u_x = 1")
    of(a="u = 0", b="2*u = 0")


def test_a_function_is_a_function():
    made = FunctionResidual(lambda jet: jet.u, ("u",), ("x",))
    object.__setattr__(made, "function", "jet.u_xx")  # where types are not checked
    with pytest.raises(ValueError, match=r"function should be a function of the jets of the fields, got 'jet\.u_xx'"):
        made.__post_init__()


def test_time_begins_with_something():
    walls = {"walls": {"at": "boundary", "terms": ["u = 0"]}}
    box = {"t": [0, 1], "x": [0, 1]}
    stated = lambda **more: BoundaryValueProblem(Equation("u_t = u_xx"), box, walls | more)
    with pytest.raises(ValueError, match=r"conditions say nothing at an end of t, .*: one at 't=0' is missing"):
        stated()
    stated(start={"at": "t=0", "terms": "u = sin(pi*x)"})
    stated(end={"at": "t=1", "terms": "u = sin(pi*x)"})  # back from the end


@pytest.mark.parametrize(
    ("equation", "box", "given", "words"),
    [
        ("u_xx + u = x", {"x": [0, 1]}, {"left": ("x=0", "u = 1")}, "along x, .* order 2 take 2 at .*'x=1', got 1"),
        ("u_xx + u_yy = 1", {"x": [0, 1], "y": [0, 1]}, {"a": (["x=0", "x=1"], "u = 0")}, "along y, .* got 0"),
        ("u_tt = u_xx", {"t": [0, 1], "x": [0, 1]}, {"a": ("boundary", "u = 0"), "b": ("t=0", "u = 0")}, "along t, "),
    ],
)
def test_a_problem_without_enough_conditions_has_many_solutions(equation, box, given, words):
    conditions = {name: {"at": at, "terms": terms} for name, (at, terms) in given.items()}
    with pytest.raises(ValueError, match=f"conditions say too little {words}"):
        BoundaryValueProblem(name="few", equation={"terms": equation}, domain=box, conditions=conditions)


def test_two_conditions_at_one_end_are_enough():
    start = {"start": {"at": "x=0", "terms": ["u = 0", "u_x = 1"]}}
    assert BoundaryValueProblem(name="two", equation={"terms": "u_xx + u = 0"}, domain={"x": [0, 1]}, conditions=start)


@pytest.mark.parametrize(
    ("equation", "box", "given"),
    [
        ("u_t = -x*u_x", {"t": [0, 1], "x": [-1, 1]}, {"start": ("t=0", "u = sin(x)")}),  # all flows out
        ("x*u_xx + u_x = x", {"x": [0, 1]}, {"rim": ("x=1", "u = 0")}),  # a disc, by its radius
        ("u_xx + u_x/x = 1", {"x": [0, 1]}, {"rim": ("x=1", "u = 0")}),
        ("dx(cos(pi*x/2)*u_x) = sin(x)", {"x": [-1, 1]}, {"middle": ("x=0", "u = 0")}),
        ("u*u_xx = 1", {"x": [0, 1]}, {"left": ("x=0", "u = 0")}),
    ],
)
def test_where_less_is_enough_nothing_is_refused(equation, box, given):
    conditions = {name: {"at": at, "terms": terms} for name, (at, terms) in given.items()}
    assert BoundaryValueProblem(name="less", equation={"terms": equation}, domain=box, conditions=conditions)
