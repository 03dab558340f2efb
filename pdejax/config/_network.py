"""What function is learned: the types of the `network` section, one per kind."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from pdejax.config._types import Count, NotNegative, Positive, Section, fault


def _one_or_per_axis(kind: type, what: str, value: Any) -> Any:
    fits = lambda x: type(x) is kind and (kind is bool or x > 0)
    if fits(value):
        return value
    if isinstance(value, list | tuple) and 1 <= len(value) <= 3 and all(map(fits, value)):
        return tuple(value)
    raise fault(f"should be {what} or a list of one per axis, got {value!r}")


Modes = Annotated[
    int | tuple[int, ...], BeforeValidator(lambda value: _one_or_per_axis(int, "a positive number", value))
]
Flags = Annotated[
    bool | tuple[bool, ...], BeforeValidator(lambda value: _one_or_per_axis(bool, "true or false", value))
]
Skip = Literal["linear", "identity", "soft_gating"]


class FNO(Section):
    """Fourier neural operator; the options are explained at `pdejax.networks.FNO`."""

    kind: Literal["fno"]
    modes: Modes = 16
    width: Count = 64
    depth: Count = 4
    activation: Literal["gelu", "relu", "silu", "tanh"] = "gelu"
    skip: Skip = "linear"
    norm: Literal["none", "instance", "group"] = "none"
    channel_mlp_ratio: NotNegative = 0.5
    channel_mlp_skip: Skip = "soft_gating"
    lifting_ratio: Positive = 2.0
    projection_ratio: Positive = 2.0
    periodic: Flags = True
    embedding: Literal["auto", "none", "coordinates"] = "auto"
    padding: NotNegative = 0.0
    kernel: Literal["auto", "fft", "dft"] = "auto"

    @model_validator(mode="after")
    def _room(self) -> "FNO":
        if self.padding > 0 and (self.periodic is True or (isinstance(self.periodic, tuple) and all(self.periodic))):
            raise fault("is for axes that are not periodic: set network.periodic too", "padding")
        return self

    def spec(self) -> dict[str, Any]:
        """The plain mapping `build_network` takes."""
        return self.model_dump(mode="json")


# a second kind makes this a union with `Field(discriminator="kind")`, as `Loss` is
Network = FNO
