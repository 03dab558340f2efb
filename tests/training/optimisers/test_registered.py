"""An optimiser and a schedule from outside are one function each, with a name."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pdejax.core import register, registered
from pdejax.training import TrainSettings, build_optimiser, fit, reads
from tests.training.toy import PointFeed, Regression, line


@register("optimiser", "signs")
def signs(learning_rate, *, decay: float = 0.9):
    """Steps of equal length in every direction."""
    return optax.chain(optax.trace(decay), optax.scale_by_sign(), optax.scale_by_learning_rate(learning_rate))


@register("schedule", "halving")
def halving(learning_rate, *, every: int = 2):
    """Half the rate after so many updates."""
    return lambda step: learning_rate * 0.5 ** (step // every)


def test_own_optimisers_and_schedules_are_asked_for_by_name():
    names = {"optimiser": {"kind": "signs", "decay": 0.0}, "schedule": {"kind": "halving", "every": 1}}
    trained = fit(Regression(), line(), PointFeed(), steps=3, learning_rate=0.25, show=False, **names)
    moved = np.abs(np.asarray(trained.weight - line().weight))
    allowed = np.array([0.25 + 0.125 + 0.0625, 0.25 + 0.125 - 0.0625, 0.25 - 0.125 + 0.0625, 0.25 - 0.125 - 0.0625])
    assert np.all(np.min(np.abs(moved[..., None] - allowed), axis=-1) < 1e-6)
    assert {"signs", "adamw"} <= set(registered("optimiser"))


def test_what_they_do_not_read_is_refused():
    assert reads("signs", "halving") == {"learning_rate", "schedule", "warmup"}
    with pytest.raises(ValueError, match="clip has no effect, since optimiser 'signs' does not read it"):
        fit(Regression(), line(), PointFeed(), steps=3, optimiser="signs", clip=1.0)
    with pytest.raises(ValueError, match="final_learning_rate has no effect, since schedule 'halving' does not"):
        fit(Regression(), line(), PointFeed(), steps=3, schedule="halving", final_learning_rate=1e-3)


def test_named_optimisers_are_those_of_optax():
    params = {"matrix": jnp.ones((2, 3)), "vector": jnp.ones(3)}
    grads = {"matrix": jnp.full((2, 3), 3.0), "vector": jnp.full(3, -1.0)}
    settings = {"adamw": {"b1": 0.8, "eps_root": 1e-4, "nesterov": True}, "lion": {"b2": 0.95}}
    for kind, options in settings.items():
        ours = build_optimiser(
            TrainSettings(9, 1e-2, "constant", optimiser={"kind": kind, **options}, clip=2.0, weight_decay=0.1)
        ).transformation
        mask = {"matrix": True, "vector": False}
        made = getattr(optax, kind)(1e-2, weight_decay=0.1, mask=mask, **options)
        theirs = optax.chain(optax.clip_by_global_norm(2.0), made)
        with jax.numpy_dtype_promotion("standard"):
            step = lambda t: jax.jit(lambda grads, params: t.update(grads, t.init(params), params)[0])
            found = [step(t)(grads, params) for t in (ours, theirs)]
        for a, b in zip(found[0].values(), found[1].values(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_cosine_goes_down():
    with pytest.raises(ValueError, match=r"final_learning_rate should be at most train.learning_rate=0.01 .* got 0.1"):
        fit(Regression(), line(), PointFeed(), steps=3, learning_rate=0.01, final_learning_rate=0.1)


@pytest.mark.parametrize("setting", [{"only": ("weigth",)}, {"frozen": ("weigth",)}, {"rates": {"weigth": 2.0}}])
def test_an_unknown_group_is_told_with_the_setting_that_names_it(setting):
    with pytest.raises(
        ValueError, match=rf"train.{next(iter(setting))}: unknown parameter group 'weigth'. Did you mean 'weight'"
    ):
        fit(Regression(), line(), PointFeed(), steps=3, **setting)
