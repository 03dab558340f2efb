"""From a plain mapping to a method."""

from collections.abc import Callable, Mapping
from typing import Any

from pdejax.core import known
from pdejax.methods.diffusion.diffusion import Diffusion
from pdejax.methods.diffusion.distilled import Distilled
from pdejax.methods.diffusion.noise import build_noise
from pdejax.methods.diffusion.samplers import build_sampler
from pdejax.methods.method import AbstractMethod
from pdejax.methods.neural_ode.spec import build_neural_ode
from pdejax.methods.physics.physics_informed import Adaptive, Causal, PhysicsInformed
from pdejax.methods.supervised.losses import build_loss
from pdejax.methods.supervised.steady import Steady
from pdejax.methods.supervised.supervised import Supervised


def _with_loss(method: Callable[..., AbstractMethod]) -> Callable[..., AbstractMethod]:
    def build(loss: Mapping[str, Any] | None = None, **options: Any) -> AbstractMethod:
        return method(**options) if loss is None else method(error=build_loss(loss), **options)

    return build


def _diffusion(noise: Mapping[str, Any], sampler: Mapping[str, Any], **options: Any) -> AbstractMethod:
    passes = None if options.get("passes") is None else tuple(options["passes"])
    return Diffusion(noise=build_noise(noise), sampler=build_sampler(sampler), **{**options, "passes": passes})


def _physics_informed(
    weights: Mapping[str, float] | None = None,
    causal: Mapping[str, Any] | None = None,
    adaptive: Mapping[str, Any] | None = None,
    lift: Mapping[str, str] | None = None,
) -> AbstractMethod:
    return PhysicsInformed(
        tuple((weights or {}).items()),
        None if causal is None else Causal(**causal),
        None if adaptive is None else Adaptive(**adaptive),
        tuple((lift or {}).items()),
    )


METHODS: Mapping[str, Callable[..., AbstractMethod]] = {
    "supervised": _with_loss(Supervised),
    "steady": _with_loss(Steady),
    "diffusion": _diffusion,
    "distilled": Distilled,
    "neural_ode": build_neural_ode,
    "physics_informed": _physics_informed,
}


def build_method(spec: Mapping[str, Any]) -> AbstractMethod:
    """The method of a plain mapping such as `{"kind": "supervised", "unroll": 2}`.

    **Raises:** `ValueError` for an unknown kind, with the nearest spelling.
    """
    if spec["kind"] not in METHODS:
        raise ValueError(known("method", spec["kind"], METHODS))
    return METHODS[spec["kind"]](**{k: v for k, v in spec.items() if k != "kind"})
