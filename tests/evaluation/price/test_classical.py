"""Which members of the classical set are run, which are timed, and when there is no set at all."""

import dataclasses

import numpy as np
import pytest

from pdejax.evaluation.price.classical import (
    Member,
    Unpriced,
    is_reference,
    levels,
    next_to,
    reaches,
    searched,
    variants_of,
)
from pdejax.solvers import ETDRK, Function, Variant
from tests.evaluation.conftest import diffusion_problem

FLOOR = {"relative_l2": {"median": 1e-3, "p95": 1e-3}}


def variant(points, steps):
    """One whose error is the sum of both limits, and whose work is their product."""
    return Variant(ETDRK(shape=(points,), substeps=steps), {"points": [points], "steps": steps}, points * steps,
                   f"{points}")  # fmt: skip


def measured(one, stable=True):
    error = one.setting["points"][0] ** -2.0 + one.setting["steps"] ** -2.0
    errors = {"relative_l2": error * np.linspace(0.9, 1.1, 5)} if stable else {}
    return Member(one, errors, float(one.work))


def wanted(error):
    return [levels({"relative_l2": np.full(5, error)}, FLOOR)]


def found(error, variants, run=measured):
    members = searched(sorted(variants, key=lambda v: v.work), run, wanted(error), FLOOR)
    return [(m.variant.setting["points"][0], m.variant.setting["steps"]) for m in members]


GRID = [variant(points, steps) for points in (2, 8, 64) for steps in (1, 2, 4, 8, 16)]


def test_quantiles_of_errors_are_not_below_the_floor():
    errors = {"relative_l2": np.array([0.0, 1.0, 2.0, 3.0, 4.0])}
    assert levels(errors) == {"relative_l2": {"median": 2.0, "p95": pytest.approx(3.8)}}
    assert levels({"relative_l2": np.zeros(3)}, FLOOR) == FLOOR
    assert reaches(levels(errors), wanted(4.0))
    assert not reaches(levels(errors), [*wanted(4.0), *wanted(3.0)])  # of one of both not in 95 of 100 cases


def test_a_line_ends_where_more_steps_do_not_help():
    """Two points limit the error to a quarter: from four steps to eight hardly anything is gained."""
    assert [steps for points, steps in found(1e-9, GRID) if points == 2] == [1, 2, 4, 8, 16]
    coarse = [variant(2, steps) for steps in (1, 2, 4, 8, 16, 32, 64, 128)]
    assert [steps for _, steps in found(1e-9, coarse)] == [1, 2, 4, 8, 16]  # of which the last gains 4 %


def test_the_set_ends_beyond_what_is_accurate_enough():
    """At an error of 0.1 the member (8, 4) of work 32 is good enough: none is run of more than twice that."""
    run = found(0.1, GRID)
    assert (8, 4) in run
    assert max(points * steps for points, steps in run) <= 64
    assert (64, 2) not in run
    assert len(found(1e-9, GRID)) > len(run)


def test_unstable_members_are_run_and_do_not_end_anything():
    run = lambda one: measured(one, stable=one.setting["steps"] > 2)
    assert [steps for points, steps in found(0.1, GRID, run) if points == 8] == [1, 2, 4, 8]


def test_members_next_to_an_error_are_timed():
    members = [measured(one) for one in sorted(GRID, key=lambda v: v.work)]
    seconds = {i: m.seconds for i, m in enumerate(members)}
    chosen = [members[i] for i in next_to(members, seconds, FLOOR, wanted(0.1), 1)]
    reached = [m for m in chosen if reaches(levels(m.errors), wanted(0.1))]
    assert min(m.seconds for m in reached) == 32.0  # the cheapest that reaches it, and one that does not quite
    assert len(chosen) > len(reached)
    assert max(m.seconds for m in chosen) <= 1.5 * max(m.seconds for m in reached)
    unstable = [dataclasses.replace(m, errors={}) for m in members]
    assert next_to(unstable, seconds, FLOOR, wanted(0.1)) == []


@dataclasses.dataclass(frozen=True)
class Alone(ETDRK):
    """A simulator that tells these variants of itself: all of its own resolution, by default none."""

    works: tuple[float, ...] = ()

    def variants(self, family):
        return [Variant(self, {}, work, "") for work in self.works]


def test_a_speed_up_over_the_reference_alone_is_refused():
    with pytest.raises(Unpriced, match="tells no variants of itself"):
        variants_of(Function(lambda *of: None), None)
    for works in ((), (1.0,), (1.0, 2.0)):
        with pytest.raises(Unpriced, match="holds the reference resolution alone, and a speed-up over the reference"):
            variants_of(Alone(works=works), None)


def test_the_reference_is_known_however_its_resolution_was_said():
    family, simulator = diffusion_problem((16,))
    said = ETDRK(shape=(16,), substeps=4)  # of another object, and the same points and steps
    for one, same in ((said, True), (ETDRK(shape=(12,), substeps=4), False), (ETDRK(substeps=2), False)):
        assert is_reference(Variant(one, {}, 1.0, ""), simulator, family) is same
    assert is_reference(Variant(simulator, {}, 1.0, ""), simulator, family)
