"""Which fields are components of one vector: what mirrors turn round, whatever the fields are called."""

import pytest

from pdejax.equations import Equation
from pdejax.equations.catalogue import conservation, flow, reaction, waves
from pdejax.solvers import vectors

CASES = [
    (conservation.shallow_water(ndim=2), (("m", "n"),)),
    (conservation.acoustics(ndim=2), (("u", "v"),)),
    (conservation.magnetohydrodynamics(), (("m", "n"), ("bx", "by"))),
    (flow.navier_stokes_velocity(ndim=3), (("u", "v", "w"),)),
    (flow.boussinesq(), (("u", "v"),)),
    (flow.navier_stokes(), ()),  # a vorticity
    (reaction.gray_scott(), ()),  # two substances that are called u and v
    (waves.wave(ndim=2), ()),  # a height and its rate
    (conservation.shallow_water(), ()),
    (Equation("u_t = -c*dx(u) - c*dy(u)", {"c": 1.0}, 2), ()),
]


@pytest.mark.parametrize(("equation", "expected"), CASES)
def test_vectors_are_what_mirrors_turn_round(equation, expected):
    assert vectors(equation) == expected
