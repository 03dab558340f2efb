"""The residual of rollouts as an indicator of trust."""

import equinox as eqx
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.data import Arrays
from pdejax.evaluation import evaluate


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


def relative(frames, step, nu):
    """Simpson's form of u_t = nu u_xx by NumPy, (time, trajectory, x)."""
    k = np.fft.fftfreq(frames.shape[-1], 1 / frames.shape[-1])
    right = np.fft.ifft(-np.reshape(nu, (-1, 1)) * k**2 * np.fft.fft(frames)).real
    rate = (frames[2:] - frames[:-2]) / (2 * step)
    return np.sqrt(np.mean((rate - (right[:-2] + 4 * right[1:-1] + right[2:]) / 6) ** 2) / np.mean(rate**2))


@pytest.mark.parametrize("vary", [False, True])
def test_the_residual_is_that_of_an_independent_computation(diffusion, vary):
    data = diffusion(frames=7, vary=vary)
    split = data.split("test")
    nu = split.parameters["nu"] if vary else 0.05
    truth = np.moveaxis(split.states[..., 0].astype(np.float64), 1, 0)
    rolled = truth[:1] * 0.9 ** np.arange(7).reshape(-1, 1, 1)
    model = StepperPredictor(lambda parameters: Scale(0.9), data.step)
    found = evaluate(model, data, baselines=False, price=False, evaluators=["grid_residual"])
    for name, frames in (("grid_residual", rolled), ("grid_residual_truth", truth)):
        assert found.metric(name)["value"] == pytest.approx(relative(frames, data.step, nu), rel=1e-3, abs=1e-6)
    assert found.metric("grid_residual")["value"] > 100 * found.metric("grid_residual_truth")["value"]


def test_a_solver_has_as_good_as_no_residual(diffusion):
    data = diffusion(frames=7)
    model = StepperPredictor(lambda parameters: data.simulator.stepper(data.family, parameters), data.step)
    found = evaluate(model, data, baselines=False, price=False, evaluators=[{"kind": "grid_residual", "steps": 4}])
    for name in ("grid_residual", "grid_residual_truth"):  # round-off, and the error of the differences in time
        assert 0 < found.metric(name)["value"] < 1e-5


def test_data_of_unknown_origin_have_none(diffusion):
    data = Arrays({"test": diffusion(frames=5).split("test").states})
    with pytest.raises(ValueError, match="do not say which equation they solve"):
        evaluate(Scale(0.9), data, evaluators=["grid_residual"])
