"""Samplers by name."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from pdejax.core import known
from pdejax.equations.sampling.gaussian_blobs import GaussianBlobs
from pdejax.equations.sampling.gaussian_random_field import GaussianRandomField
from pdejax.equations.sampling.matern import Matern
from pdejax.equations.sampling.neumann_random_field import NeumannRandomField
from pdejax.equations.sampling.sampler import InitialSampler
from pdejax.equations.sampling.sum_of_sines import SumOfSines
from pdejax.equations.sampling.truncated_fourier import TruncatedFourier

INITIAL: Mapping[str, Callable[..., InitialSampler]] = {
    "truncated_fourier": TruncatedFourier,
    "gaussian_random_field": GaussianRandomField,
    "matern": Matern,
    "sum_of_sines": SumOfSines,
    "gaussian_blobs": GaussianBlobs,
    "neumann_random_field": NeumannRandomField,
}


def build_initial(spec: Mapping[str, Any], channels: int = 1) -> InitialSampler:
    """The sampler of a plain mapping such as `{"kind": "sum_of_sines", "count": 10}`.

    **Raises:** `ValueError` for an unknown kind or option, with the nearest spelling.
    """
    kind = str(spec.get("kind"))
    if kind not in INITIAL:
        raise ValueError(known("initial condition", kind, INITIAL))
    options = {f.name for f in dataclasses.fields(INITIAL[kind])} - {"channels"}  # type: ignore[arg-type]
    for name in spec:
        if name not in options and name != "kind":
            raise ValueError(known(f"option of initial condition {kind!r}", name, options))
    values = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in spec.items() if k != "kind"}
    return INITIAL[kind](**values, channels=channels)
