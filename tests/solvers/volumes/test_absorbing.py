"""Sound in media of their own, and layers that it does not come back from."""

import numpy as np
import pytest

from pdejax.equations import Equation, read_equation
from tests.solvers.volumes.laws import cells, flow, rate_of

N = 256


def layer(width):
    """The damping at the high end, of so many cells; the share 1e-6 would come back from a wall behind it."""
    share = width / N
    return f"{3 * np.log(1e6) / (2 * share)}*positive((x - {1 - share})/{share})**2"


def reflected(equation, width):
    """The largest pressure that comes back of a wave that is 20 cells long, from a wall behind a layer."""
    x = cells(N).axes()[0]
    pulse = np.exp(-(((x - 0.5) * N / 8) ** 2)) * np.cos(2 * np.pi * (x - 0.5) * N / 20)
    grid = cells(N, ends=[["outflow", {"q": "slope", "u": "wall"}]])
    return np.abs(flow(equation, grid, np.stack([pulse, pulse], -1), 0.9)[: N - width, 0]).max()


@pytest.mark.parametrize(("width", "amplitude"), [(16, 2.5e-5), pytest.param(8, 2.2e-4, marks=pytest.mark.long)])
def test_little_comes_back_where_all_fields_are_damped(width, amplitude, x64):
    """Amplitudes as measured of a wave equation whose both parts are damped, and of one of them alone."""
    both = read_equation({"kind": "acoustics", "damping": layer(width), "ndim": 1})
    assert reflected(both, width) < 2 * amplitude
    one = Equation(["q_t = -dx(u)", f"u_t = -dx(q) - {layer(width)}*u"])
    assert reflected(one, width) > 100 * amplitude


def test_pressure_rests_where_the_speed_jumps(x64):
    """A speed that is a field: both sides of a face have the mean of it, so that nothing wears the density off."""
    equation = read_equation({"kind": "acoustics", "speed": "c"}, None, 1)
    c = np.where(cells(32).axes()[0] < 0.5, 1.0, 3.0)
    state = np.stack([1 / c**2, 0 * c, c], -1)
    np.testing.assert_allclose(rate_of(equation, cells(32), state), 0, atol=1e-12)


@pytest.mark.long
def test_a_pulse_is_parted_where_the_speed_jumps(x64):
    """Of the pressure 1/2 comes back from three times the speed and 3/2 go on, three times as long."""
    equation = read_equation({"kind": "acoustics", "speed": "c"}, None, 1)
    grid = cells(400, lengths=(4.0,), ends="outflow")
    x = grid.axes()[0]
    c, pulse = np.where(x < 2, 1.0, 3.0), np.exp(-(((x - 1.2) / 0.1) ** 2))
    pressure = c**2 * flow(equation, grid, np.stack([pulse, pulse, c], -1), 1.2)[:, 0]
    np.testing.assert_allclose(pressure[x < 2].sum() / pulse.sum(), 0.5, rtol=0.01)
    np.testing.assert_allclose(pressure[x > 2].sum() / pulse.sum(), 4.5, rtol=0.01)


def test_layers_of_each_axis_are_said_by_a_list():
    layers = Equation(
        [
            "q_t = -dx(u) - dy(v) - x*(q - qy) - y**2*qy",
            "u_t = -dx(p) - x*u",
            "v_t = -dy(p) - y**2*v",
            "qy_t = -dy(v) - y**2*qy",
        ],
        ndim=2,
        definitions={"p": "q"},
    )
    assert read_equation({"kind": "acoustics", "damping": ["x", "y**2"]}, None, 2).forms == layers.forms
    space = read_equation({"kind": "acoustics", "damping": ["0", "y", "z"], "speed": "c"}, None, 3)
    assert space.fields == ("q", "u", "v", "w", "qy", "qz", "c")
    for ndim, damping in ((1, ["x"]), (2, ["x"]), (3, ["x", "y"])):
        with pytest.raises(ValueError, match=rf"a list of as many, one for each axis, got .* in {ndim}"):
            read_equation({"kind": "acoustics", "damping": damping}, None, ndim)
    with pytest.raises(ValueError, match=r"layers across y should depend on y alone, got '1 \+ x' with x"):
        read_equation({"kind": "acoustics", "damping": ["x", "1 + x"]}, None, 2)


LAYERS = [f"166*(positive(1 - 8*{x})**2 + positive(8*{x} - 7)**2)" for x in "xy"]


@pytest.mark.long
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.4, 0.2)])
def test_little_of_a_ring_comes_back_from_layers(place, x64):
    """A ring in a box, and in one thrice as wide that it does not cross: straight, at an angle and along a layer."""

    def end(n, length, origin, loss):
        equation = read_equation({"kind": "acoustics", "damping": loss}, None, 2)
        grid = cells(n, n, lengths=(length, length), ends="outflow")
        r2 = ((grid.coordinates() + origin - np.array(place)) ** 2).sum(-1)
        state = [np.exp(-r2 / 0.005), *[0 * r2] * (equation.channels - 1)]
        return flow(equation, grid, np.stack(state, -1), 0.7)[..., 0]

    outer = end(192, 3.0, -1.0, "0")[64:128, 64:128][10:-10, 10:-10]
    reflection = lambda loss: np.abs(end(64, 1.0, 0.0, loss)[10:-10, 10:-10] - outer).max()
    layered = reflection(LAYERS)
    assert layered < 5e-3  # of one; the corners of the inner box are seen at 70 degrees from the second place
    assert reflection(" + ".join(LAYERS)) > 5 * layered  # where all fields decay at once
