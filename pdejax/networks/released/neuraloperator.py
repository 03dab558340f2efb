"""Trained Fourier neural operators of the package neuraloperator as networks of this one."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from pdejax._read import check_file
from pdejax.networks.layers.channel_mlp import ChannelMLP
from pdejax.networks.layers.skip import SoftGating
from pdejax.networks.operators.fno import FNO
from pdejax.networks.released.torch_file import Named, read_torch

# what a network has to be built with, as far as its weights do not show it
_SUPPORTED: Mapping[str, tuple[Any, ...]] = {
    "positional_embedding": ("grid", None),
    "norm": (None,),
    "complex_data": (False,),
    "resolution_scaling_factor": (None,),
    "domain_padding": (None, 0),
    "fno_block_precision": ("full",),
    "stabilizer": (None,),
    "factorization": (None, "dense", "Dense"),
    "separable": (False,),
    "preactivation": (False,),
}
_WEIGHT = re.compile(r"fno_blocks\.convs\.\d+\.weight\.tensor")
_POINTWISE = ("fcs.0.weight", "fcs.1.weight", "conv.weight")


def _check_settings(settings: Mapping[str, Any]) -> None:
    for name, supported in _SUPPORTED.items():
        if name in settings and settings[name] not in supported:
            raise ValueError(f"neuraloperator's {name} must be {supported[0]!r} to be imported, got {settings[name]!r}")
    function = settings.get("non_linearity")
    if isinstance(function, Named) and function.name.split(".")[-1] != "gelu":
        raise ValueError(f"neuraloperator's non_linearity must be gelu to be imported, got {function.name}")


def _spectral(weight: np.ndarray) -> np.ndarray:
    """Modes-first, on signed axes the frequencies 0, 1, .., -1, -2, .. instead of -M/2 .. M/2-1; +M/2 is zero."""
    weight = np.moveaxis(weight, (0, 1), (-2, -1))
    for axis, count in enumerate(weight.shape[:-3]):
        half = count // 2
        missing = [(0, int(i == axis and count % 2 == 0)) for i in range(weight.ndim)]
        order = np.concatenate([np.arange(half + 1), -np.arange(1, half + 1)])
        weight = np.take(np.pad(weight, missing), order + half, axis)
    return weight


def _check_axes(arrays: Mapping[str, np.ndarray], ndim: int) -> None:
    """Whether weights have the axes that they have in a network of `ndim` space axes."""
    for name, array in arrays.items():
        spectral = _WEIGHT.fullmatch(name) is not None
        if spectral and array.ndim == ndim + 1:
            raise ValueError(f"neuraloperator's separable must be False to be imported, got {name} {array.shape}")
        if (spectral and array.ndim != ndim + 2) or (name.endswith(_POINTWISE) and array.ndim != 3):
            axes = f"(in, out, *modes) with {ndim} modes" if spectral else "(out, in, 1)"
            raise ValueError(f"{name} of neuraloperator should have the axes {axes}, got the shape {array.shape}")


def _rendered(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """An array of the state dict in the layout of this package."""
    if _WEIGHT.fullmatch(name):
        weight = _spectral(array)
        return {f"{name}.re": np.real(weight), f"{name}.im": np.imag(weight)}
    if name.endswith(_POINTWISE):
        return {name: array[..., 0].T}
    return {name: array.reshape(-1)}


def _mlp_places(mlp: ChannelMLP, name: str) -> dict[str, Any]:
    return {
        f"{name}.fcs.0.weight": mlp.hidden.weight,
        f"{name}.fcs.0.bias": mlp.hidden.bias,
        f"{name}.fcs.1.weight": mlp.out.weight,
        f"{name}.fcs.1.bias": mlp.out.bias,
    }


def _places(net: FNO) -> dict[str, Any]:
    """The leaves of a network under the names that neuraloperator gives them."""
    places = _mlp_places(net.lifting, "lifting") | _mlp_places(net.projection, "projection")
    for i, block in enumerate(net.blocks):
        convolution, blocks = f"fno_blocks.convs.{i}", "fno_blocks."
        places[f"{convolution}.weight.tensor.re"] = block.spectral.weight_re
        places[f"{convolution}.weight.tensor.im"] = block.spectral.weight_im
        places[f"{convolution}.bias"] = block.spectral.bias
        skips = {"fno_skips": block.skip, "channel_mlp_skips": block.mlp_skip}
        for name, skip in skips.items():
            for leaf in jax.tree.leaves(skip):
                places[f"{blocks}{name}.{i}.{'weight' if isinstance(skip, SoftGating) else 'conv.weight'}"] = leaf
        places |= {} if block.mlp is None else _mlp_places(block.mlp, f"{blocks}channel_mlp.{i}")
    return places


def _check_modes(kept: tuple[int, ...], settings: Mapping[str, Any]) -> None:
    """Whether the weights are those of the modes in use; with `max_n_modes` they are of more."""
    used = settings.get("n_modes")
    if used is None:
        return
    used = (used,) if isinstance(used, int) else tuple(used)
    if kept != (*used[:-1], used[-1] // 2 + 1):
        raise ValueError(f"neuraloperator's max_n_modes must be None to be imported: the network uses n_modes {used}, "
                         f"its weights are of {kept} modes, the last axis halved")  # fmt: skip


def _skip(arrays: Mapping[str, np.ndarray], name: str, setting: Any) -> str:
    if f"fno_blocks.{name}s.0.conv.weight" in arrays:
        return "linear"
    if f"fno_blocks.{name}s.0.weight" in arrays:
        return "soft_gating"
    if setting != "identity":
        raise ValueError(
            f"neuraloperator's {name} must be linear, soft-gating or identity to be imported, got {setting!r}"
        )
    return "identity"


def _embedding(inputs: int, ndim: int, in_channels: int | None, settings: Mapping[str, Any]) -> tuple[int, str]:
    """Channels of the field and the network's embedding, from the channels of the lifting."""
    plain = in_channels == inputs or ("positional_embedding" in settings and settings["positional_embedding"] is None)
    channels = inputs if plain else inputs - ndim
    if in_channels not in (None, channels):
        raise ValueError(
            f"the state dict's network takes {channels} or {inputs} channels, got in_channels {in_channels}"
        )
    return channels, "none" if plain else "fraction"


def _options(arrays: Mapping[str, np.ndarray], in_channels: int | None, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of `FNO`, from the shapes of the arrays."""
    weights = sorted(name for name in arrays if _WEIGHT.fullmatch(name))
    # without the channel MLP neuraloperator applies the activation twice in a row
    convolution, mlp = "fno_blocks.convs.0", "fno_blocks.channel_mlp.0"
    perceptrons = (f"{mlp}.fcs.0.weight", "lifting.fcs.0.weight", "projection.fcs.0.weight", "projection.fcs.1.weight")
    biases = (f"{convolution}.bias", f"{mlp}.fcs.1.bias", "lifting.fcs.1.bias")
    for name in (f"{convolution}.weight.tensor", *biases, *perceptrons):
        if name not in arrays:
            raise ValueError(f"an FNO of neuraloperator to be imported has the entry {name!r}, this state dict has not")
    ndim = arrays[f"{convolution}.bias"].ndim - 1
    _check_axes(arrays, ndim)
    weight = arrays[weights[0]]
    width, _, *signed, last = weight.shape
    _check_modes((*signed, last), settings)
    channels, embedding = _embedding(arrays["lifting.fcs.0.weight"].shape[1], ndim, in_channels, settings)
    hidden = lambda name: arrays[f"{name}.fcs.0.weight"].shape[0] / width
    return {
        "in_channels": channels,
        "out_channels": arrays["projection.fcs.1.weight"].shape[0],
        "ndim": ndim,
        "modes": (*(m // 2 + 1 for m in signed), last),
        "width": width,
        "depth": len(weights),
        "activation": "gelu_exact",
        "skip": _skip(arrays, "fno_skip", settings.get("fno_skip")),
        "channel_mlp_ratio": hidden("fno_blocks.channel_mlp.0"),
        "channel_mlp_skip": _skip(arrays, "channel_mlp_skip", settings.get("channel_mlp_skip")),
        "lifting_ratio": hidden("lifting"),
        "projection_ratio": hidden("projection"),
        "embedding": embedding,
        # neuraloperator keeps other frequencies where a signed axis has no more points than modes
        "min_points": (*(m + 1 for m in signed), 1),
        "final_activation": False,
    }


def from_neuraloperator(state: Mapping[str, Any], *, in_channels: int | None = None) -> FNO:
    """The network whose state dict this is, of neuraloperator 2.0's class `FNO`.

    The outputs agree on grids with more points than `n_modes` on every axis but the last; others are refused, see
    `min_points` of `FNO`. On a grid with an odd number of points on
    another axis than the last, neuraloperator 2.0.0 itself is wrong: it shifts the modes by one.

    **Arguments:**

    - `state`: arrays by name; the entry `"_metadata"`, with which the network was built, is read if it is there,
        otherwise its activation is taken to be GELU, and whatever else leaves no trace in the weights to be as by
        default.
    - `in_channels`: channels of the network's input; if omitted, those its lifting has beside one coordinate per axis.

    **Returns:** an `FNO` on channels-last fields with periodic axes.

    **Raises:** `ValueError` naming the setting or the entry that has no counterpart: norms, factorised or separable
    weights, `max_n_modes`, padding, changes of resolution, complex data.
    """
    settings = state.get("_metadata", {})
    arrays = {name: np.asarray(array) for name, array in state.items() if name != "_metadata"}
    _check_settings(settings)
    build = functools.partial(FNO, **_options(arrays, in_channels, settings))
    net = eqx.filter_eval_shape(lambda key: build(key=key), jax.random.key(0))
    rendered = {k: v for name, array in arrays.items() for k, v in _rendered(name, array).items()}
    places = _places(net)
    if odd := sorted(set(rendered) ^ set(places)):
        where = "this package's FNO" if odd[0] in rendered else "the state dict"
        raise ValueError(f"{where} has no counterpart of {odd[0]!r}")
    for name, leaf in places.items():
        if rendered[name].shape != leaf.shape:
            raise ValueError(f"{name} should have the shape {leaf.shape} here, got {rendered[name].shape}")
    return eqx.tree_at(
        lambda net: list(_places(net).values()),
        net,
        [jnp.asarray(rendered[name], leaf.dtype) for name, leaf in places.items()],
    )


def load_neuraloperator(path: Path | str, *, in_channels: int | None = None) -> FNO:
    """As `from_neuraloperator`, from a safetensors file or one of `torch.save`, of which no code is run.

    **Arguments:** `path`: of the file, ending in `.safetensors` or not; `in_channels`: channels of the input.

    **Raises:** `FileNotFoundError`; `ValueError` as `from_neuraloperator` does, or if the file holds no state dict.
    """
    check_file(Path(path))
    state = load_file(path) if Path(path).suffix == ".safetensors" else read_torch(path)
    if not isinstance(state, Mapping):
        raise ValueError(f"{path} should hold a state dict, got {type(state).__name__}")
    return from_neuraloperator(state, in_channels=in_channels)
