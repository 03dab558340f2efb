"""Networks by name, as an experiment's configuration asks for them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pdejax.core import Key, known
from pdejax.networks.operators.convnext_unet import ConvNeXtUNet
from pdejax.networks.operators.dilated_resnet import DilatedResNet
from pdejax.networks.operators.fno import FNO
from pdejax.networks.operators.lsm import LSM
from pdejax.networks.operators.perceptron import Perceptron
from pdejax.networks.operators.unet import UNet

NETWORKS: Mapping[str, Callable[..., Any]] = {
    "fno": FNO,
    "lsm": LSM,
    "unet": UNet,
    "dilated_resnet": DilatedResNet,
    "convnext_unet": ConvNeXtUNet,
    "perceptron": Perceptron,
}
_GIVEN = ("self", "in_channels", "out_channels", "ndim", "condition_features", "key")


def network_options(kind: str) -> tuple[str, ...]:
    """Names of the options that a kind of network takes beside `kind`.

    **Raises:** `ValueError` for an unknown kind.
    """
    if kind not in NETWORKS:
        raise ValueError(known("network", kind, NETWORKS))
    return tuple(name for name in inspect.signature(NETWORKS[kind].__init__).parameters if name not in _GIVEN)


def build_network(
    spec: Mapping[str, Any], *, in_channels: int, out_channels: int, ndim: int, condition_features: int = 0, key: Key
) -> Any:
    """The network that a plain mapping describes.

    **Arguments:**

    - `spec`: `{"kind": "fno", ...}`, the rest being options of that network's class.
    - `in_channels`, `out_channels`: channels of the fields.
    - `ndim`: number of space axes, from one to three; a perceptron also takes zero, for vectors.
    - `condition_features`: size of the condition vector, zero for none.
    - `key`: random key of the weights. (Keyword only argument.)

    **Returns:** a module `network(x, *, condition=None, key=None)` on `(batch, *space, channel)`.

    **Raises:** `ValueError` if the kind is missing or unknown, or an option is.
    """
    if "kind" not in spec:
        raise ValueError(f"a network needs a kind, got {dict(spec)}; known kinds: {', '.join(sorted(NETWORKS))}")
    kind, options = spec["kind"], {name: value for name, value in spec.items() if name != "kind"}
    names = network_options(kind)
    for name in options:
        if name not in names:
            raise ValueError(known(f"option of network {kind!r}:", name, names))
    sizes = {"in_channels": in_channels, "out_channels": out_channels, "ndim": ndim}
    return NETWORKS[kind](**sizes, **options, condition_features=condition_features, key=key)
