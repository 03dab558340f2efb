import dataclasses

import equinox as eqx
import jax.numpy as jnp
import pytest

from pdejax.methods import DataCard, Identity, Mean, Normalisation, Operator, OperatorInfo


class Affine(eqx.Module):
    """A network whose output is known: gain * newest frame + 0.1 * sum of the condition."""

    gain: jnp.ndarray
    channels: int = eqx.field(static=True)

    def __call__(self, x, *, condition=None, key=None):
        y = self.gain * x[..., -self.channels :]
        if condition is None:
            return y
        return y + 0.1 * jnp.sum(condition, -1).reshape((-1,) + (1,) * (x.ndim - 1))


@pytest.fixture
def card():
    return DataCard(
        shape=(16,),
        lengths=(4.0,),
        step=0.5,
        field_names=("u", "v"),
        parameter_names=("nu",),
        statistics={
            "mean": [1.0, -1.0],
            "std": [2.0, 0.5],
            "rms_delta": [0.2, 0.1],
            "parameter_mean": [3.0],
            "parameter_std": [0.5],
        },
    )


@pytest.fixture
def make_operator(card):
    def make(increment=True, history=1, conserve_mean=False, gain=0.3, names=("nu",)):
        normalisation = Normalisation.of(card)
        return Operator(
            Affine(jnp.asarray(gain), 2),
            normalisation,
            Identity() if increment else Mean(normalisation.mean),
            dataclasses.replace(OperatorInfo.of(card, history), parameters=names),
            conserve_mean,
        )

    return make
