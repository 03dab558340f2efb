"""Functions of coordinates: the types of the `network` section for problems that are stated by their conditions."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from pdejax.config._network import Counts, Modes, NetworkSection
from pdejax.config._types import Count, Flag, NotNegative, Positive, Whole, fault


def _number(value: Any) -> Any:
    return float(value) if type(value) is int else value  # YAML reads 2 as an integer


def _real_per_axis(value: Any) -> Any:
    values = [_number(v) for v in value] if isinstance(value, list | tuple) else [_number(value)]
    if not values or not all(type(v) is float and v >= 0 for v in values):
        raise fault(f"should be a number or a list of one per axis, got {value!r}")
    return tuple(values) if isinstance(value, list | tuple) else values[0]


RealPerAxis = Annotated[float | tuple[float, ...], BeforeValidator(_real_per_axis)]


def _whole_per_axis(value: Any) -> Any:
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values or not all(type(v) is int and v >= 0 for v in values):
        raise fault(f"should be a whole number or a list of one per axis, got {value!r}")
    return tuple(values) if isinstance(value, list | tuple) else value


WholePerAxis = Annotated[int | tuple[int, ...], BeforeValidator(_whole_per_axis)]


Walls = Literal["none", "left", "right", "both"]


class Gaussians(NetworkSection):
    """Gaussians and a light head; the options are explained at `pdejax.networks.GaussianField`."""

    kind: Literal["gaussians"]
    count: Modes = 400
    features: Count | None = None
    shared: Flag = True
    covariance: Literal["diagonal", "dense"] = "diagonal"
    head: Literal["linear", "mlp"] = "mlp"
    hidden: Count = 16
    width: RealPerAxis | None = None
    margin: NotNegative = 0.0
    scale: NotNegative = 0.01
    walls: Walls | tuple[Walls, ...] = "none"

    @model_validator(mode="after")
    def _features(self) -> "Gaussians":
        if self.head == "linear" and self.features is not None:
            raise fault("is for head=mlp: with a linear head the features are the fields", "features")
        return self


class GaussianLattice(NetworkSection):
    """Gaussians on a lattice in each slab of time; the options are explained at `pdejax.networks.GaussianLattice`."""

    kind: Literal["gaussian_lattice"]
    counts: Counts
    slabs: Count = 1
    overlap: RealPerAxis = 2.5
    beyond: WholePerAxis = 1
    wide: Flag | None = None
    scale: NotNegative = 0.0


class MLPField(NetworkSection):
    """Multilayer perceptron of coordinates; the options are explained at `pdejax.networks.MLPField`."""

    kind: Literal["mlp"]
    width: Count = 64
    depth: Count = 4
    activation: Literal["tanh", "sin", "silu", "gelu", "gelu_exact"] = "tanh"
    harmonics: Count = 1
    fourier_features: Whole = 0
    fourier_scale: Positive = 1.0
    factorised: Flag = False


class SIREN(NetworkSection):
    """Sines of sines; the options are explained at `pdejax.networks.SIREN`."""

    kind: Literal["siren"]
    width: Count = 64
    depth: Count = 4
    omega0: Positive = 30.0
    harmonics: Count = 1


class PirateNet(NetworkSection):
    """Residual adaptive network; the options are explained at `pdejax.networks.PirateNet`."""

    kind: Literal["piratenet"]
    width: Count = 64
    depth: Count = 3
    activation: Literal["tanh", "sin", "silu", "gelu", "gelu_exact"] = "tanh"
    harmonics: Count = 1
    fourier_scale: Positive = 2.0
    factorised: Flag = False


FIELDS = ("gaussians", "gaussian_lattice", "mlp", "siren", "piratenet")
