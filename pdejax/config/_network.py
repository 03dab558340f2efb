"""What function is learned: the types of the `network` section, one per kind."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pdejax.config._types import Count, Flag, NotNegative, Positive, Section, fault


def _one_or_per_axis(kind: type, what: str, value: Any) -> Any:
    fits = lambda x: type(x) is kind and (kind is bool or x > 0)
    if fits(value):
        return value
    if isinstance(value, list | tuple) and 1 <= len(value) <= 3 and all(map(fits, value)):
        return tuple(value)
    raise fault(f"should be {what} or a list of one per axis, got {value!r}")


def _per_block(value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list | tuple):
        raise fault(f"should be a list of factors, one per block, got {value!r}")
    whole = lambda x: float(x) if type(x) is int else x  # YAML reads 2 as an integer
    factors = [[*map(whole, x)] if isinstance(x, list | tuple) else whole(x) for x in value]
    return tuple(_one_or_per_axis(float, "a positive factor", x) for x in factors)


Modes = Annotated[
    int | tuple[int, ...], BeforeValidator(lambda value: _one_or_per_axis(int, "a positive number", value))
]
Flags = Annotated[
    bool | tuple[bool, ...], BeforeValidator(lambda value: _one_or_per_axis(bool, "true or false", value))
]
Counts = Annotated[tuple[Count, ...], Field(min_length=1)]
Activation = Literal["gelu", "gelu_exact", "relu", "silu", "tanh"]
Norm = Literal["none", "instance", "group"]
Skip = Literal["linear", "identity", "soft_gating"]
Scaling = Annotated[tuple[float | tuple[float, ...], ...] | None, BeforeValidator(_per_block)]


class NetworkSection(Section):
    """What the kinds of networks share; each is a class below, and a member of `Network`."""

    def spec(self) -> dict[str, Any]:
        """The plain mapping `build_network` takes."""
        return self.model_dump(mode="json")


class FNO(NetworkSection):
    """Fourier neural operator; the options are explained at `pdejax.networks.FNO`."""

    kind: Literal["fno"]
    modes: Modes = 16
    width: Count = 64
    depth: Count = 4
    activation: Activation = "gelu"
    skip: Skip = "linear"
    norm: Norm = "none"
    channel_mlp_ratio: NotNegative = 0.5
    channel_mlp_skip: Skip = "soft_gating"
    lifting_ratio: Positive = 2.0
    projection_ratio: Positive = 2.0
    periodic: Flags | None = None
    embedding: Literal["auto", "none", "coordinates", "fraction"] = "auto"
    padding: NotNegative = 0.0
    scaling: Scaling = None
    final_activation: Flag = True
    kernel: Literal["auto", "fft", "dft"] = "auto"

    @model_validator(mode="after")
    def _room(self) -> "FNO":
        if self.padding > 0 and (self.periodic is True or (isinstance(self.periodic, tuple) and all(self.periodic))):
            raise fault("is for axes that are not periodic: set network.periodic too", "padding")
        if self.scaling is not None and len(self.scaling) != self.depth:
            raise fault(f"should be a list of {self.depth}, one per block, got {len(self.scaling)}", "scaling")
        return self


class LSM(NetworkSection):
    """Latent spectral model; the options are explained at `pdejax.networks.LSM`."""

    kind: Literal["lsm"]
    width: Count = 64
    scales: Count = 5
    patch_size: Modes | None = None
    tokens: Count = 4
    bases: Count = 12
    heads: Count = 8
    spectral: Flag = True
    norm: Norm = "group"
    projection_width: Count = 128
    periodic: Flags | None = None
    embedding: Literal["auto", "none", "coordinates"] = "auto"

    @model_validator(mode="after")
    def _equal_heads(self) -> "LSM":
        if self.spectral and self.width % self.heads:
            raise fault(f"should divide network.width={self.width}, got {self.heads}", "heads")
        return self


class UNet(NetworkSection):
    """Modern U-Net; the options are explained at `pdejax.networks.UNet`."""

    kind: Literal["unet"]
    width: Count = 64
    multipliers: Counts = (1, 2, 4, 8)
    depth: Count = 2
    groups: Count = 1
    activation: Activation = "gelu"
    modulation: Literal["scale_shift", "shift"] = "scale_shift"
    periodic: Flags | None = None

    @model_validator(mode="after")
    def _equal_groups(self) -> "UNet":
        if self.width % self.groups:
            raise fault(f"should divide network.width={self.width}, got {self.groups}", "groups")
        return self


class DilatedResNet(NetworkSection):
    """Dilated residual network; the options are explained at `pdejax.networks.DilatedResNet`."""

    kind: Literal["dilated_resnet"]
    width: Count = 48
    depth: Count = 4
    dilations: Counts = (1, 2, 4, 8, 4, 2, 1)
    activation: Activation = "relu"
    norm: Norm = "none"
    periodic: Flags | None = None


class ConvNeXtUNet(NetworkSection):
    """U-Net of ConvNeXt blocks; the options are explained at `pdejax.networks.ConvNeXtUNet`."""

    kind: Literal["convnext_unet"]
    width: Count = 42
    stages: Count = 4
    depth: Count = 2
    neck_depth: Count = 1
    kernel_size: Count = 7
    expansion: Count = 4
    layer_scale: Positive = 1e-6
    periodic: Flags | None = None


class Perceptron(NetworkSection):
    """Perceptron at every point; the options are explained at `pdejax.networks.Perceptron`."""

    kind: Literal["perceptron"]
    width: Count = 64
    depth: Count = 2
    activation: Activation = "tanh"
