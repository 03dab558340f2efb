"""Random initial conditions: coefficients are drawn, never grid noise, so that a finer grid shows the same field."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Grid, Key, known, resample, transform
from pdejax.core import inverse_transform as inverse
from pdejax.equations._random_field import NeumannRandomField


@runtime_checkable
class InitialSampler(Protocol):
    """A distribution of initial states; `channels` is the number of fields."""

    @property
    def channels(self) -> int: ...

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]: ...


def _normal(key: Key, shape: tuple[int, ...]) -> Array:
    # drawn in float32 whatever the precision, so that float64 runs see the same numbers
    return jax.random.normal(key, shape, jnp.float32).astype(jnp.result_type(float))


def _uniform(key: Key, shape: tuple[int, ...], low: float, high: float) -> Array:
    return jax.random.uniform(key, shape, jnp.float32, low, high).astype(jnp.result_type(float))


def _modes(cutoff: int, ndim: int) -> tuple[np.ndarray, ...]:
    """Integer modes -cutoff..cutoff of each axis in the layout of `transform`."""
    n = 2 * cutoff + 1
    out = [np.rint(np.fft.fftfreq(n, 1 / n))] * (ndim - 1) + [np.arange(cutoff + 1.0)]
    return tuple(m.reshape((1,) * i + (-1,) + (1,) * (ndim - 1 - i)) for i, m in enumerate(out))


def _coloured(key: Key, grid: Grid, amplitude: np.ndarray, cutoff: int, channels: int) -> Array:
    """Real Gaussian field whose Fourier coefficients c_m have E|c_m|^2 = amplitude^2 for all |m_i| <= cutoff."""
    shape = (2 * cutoff + 1,) * grid.ndim
    spectrum = transform(_normal(key, (*shape, channels)), grid.ndim) * math.sqrt(math.prod(shape))
    factor = jnp.asarray(amplitude[..., None], jnp.result_type(float))
    return resample(inverse(spectrum * factor.astype(spectrum.dtype), shape), grid.shape)


@dataclasses.dataclass(frozen=True)
class TruncatedFourier:
    """`mean + amplitude *` a random Fourier series with equally strong modes up to `cutoff` on each axis.

    **Arguments:** `cutoff`: highest mode; `zero_mean`: whether the series has no constant; `max_one`: whether it is
    scaled to largest absolute value one (found on a fixed grid of eight points per shortest wave, so that the scale
    does not depend on the resolution), otherwise it has unit variance; `amplitude`, `mean`: applied afterwards.
    """

    cutoff: int = 5
    zero_mean: bool = True
    max_one: bool = True
    amplitude: float = 1.0
    mean: float = 0.0
    channels: int = 1

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        coarse = _normal(key, (2 * self.cutoff + 1,) * grid.ndim + (self.channels,))
        axes = tuple(range(grid.ndim))
        coarse = coarse - coarse.mean(axes, keepdims=True) if self.zero_mean else coarse
        if self.max_one:
            fine = resample(coarse, (8 * self.cutoff + 8,) * grid.ndim)
            coarse = coarse / jnp.abs(fine).max(axes, keepdims=True)
        return self.mean + self.amplitude * resample(coarse, grid.shape)


@dataclasses.dataclass(frozen=True)
class GaussianRandomField:
    """The Gaussian field with covariance `2 sigma^2 (4 pi^2 |m|^2 + tau^2)^-alpha` per integer mode `m`, without mean.

    This is the measure of the Fourier neural operator's data, N(0, tau^(2 alpha - d) (-lap + tau^2)^-alpha) on the unit
    box with that code's factor sqrt(2); on other boxes it is stretched with the box.

    **Arguments:** `alpha`, `tau`; `sigma`: `tau^(alpha - d/2)` when omitted; `cutoff`: highest mode drawn, fixed, so
    that all grids show the same field; `mean`: added afterwards.
    """

    alpha: float = 2.5
    tau: float = 7.0
    sigma: float | None = None
    cutoff: int = 64
    mean: float = 0.0
    channels: int = 1

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        square = sum(m**2 for m in _modes(self.cutoff, grid.ndim))
        sigma = self.tau ** (self.alpha - grid.ndim / 2) if self.sigma is None else self.sigma
        amplitude = np.sqrt(2.0) * sigma * (4 * np.pi**2 * square + self.tau**2) ** (-self.alpha / 2)
        amplitude = np.where(square == 0, 0.0, amplitude)
        return self.mean + _coloured(key, grid, amplitude, self.cutoff, self.channels)


@dataclasses.dataclass(frozen=True)
class Matern:
    """The periodic Gaussian field with Matern spectrum (2 nu / length^2 + |k|^2)^-(nu + d/2) and variance `sigma^2`.

    **Arguments:** `nu`: smoothness; `length`: correlation length, in units of the problem; `sigma`: standard deviation
    at a point; `cutoff`: highest mode drawn; `mean`: added afterwards.
    """

    nu: float = 2.5
    length: float = 0.1
    sigma: float = 1.0
    cutoff: int = 64
    mean: float = 0.0
    channels: int = 1

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        modes = _modes(self.cutoff, grid.ndim)
        square = sum((2 * np.pi * m / length) ** 2 for m, length in zip(modes, grid.lengths, strict=True))
        power = (2 * self.nu / self.length**2 + square) ** -(self.nu + grid.ndim / 2)
        weight = np.where(modes[-1] == 0, 1.0, 2.0)  # modes of the half spectrum stand for two
        power = power / (power * weight).sum() * self.sigma**2
        return self.mean + _coloured(key, grid, np.sqrt(power), self.cutoff, self.channels)


@dataclasses.dataclass(frozen=True)
class SumOfSines:
    """Sum of `count` sines with random amplitude, phase and integer wavenumbers.

    The initial states of LPSDA (Brandstetter et al. 2022).

    **Arguments:** `count`; `wavenumbers`: smallest and largest, inclusive, on each axis (signs are random beyond 1D);
    `amplitude`: amplitudes are uniform in `[-amplitude, amplitude]`; `mean`: added afterwards.
    """

    count: int = 10
    wavenumbers: tuple[int, int] = (1, 2)
    amplitude: float = 0.5
    mean: float = 0.0
    channels: int = 1

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        low, high = self.wavenumbers
        keys, shape = jax.random.split(key, 4), (self.count, self.channels)
        amplitude = _uniform(keys[0], shape, -self.amplitude, self.amplitude)
        phase = _uniform(keys[1], shape, 0.0, 2 * np.pi)
        modes = jax.random.randint(keys[2], (grid.ndim, *shape), low, high + 1, jnp.int32)
        signs = jax.random.rademacher(keys[3], modes.shape, modes.dtype) if grid.ndim > 1 else jnp.ones_like(modes)
        modes = (signs * modes).astype(phase.dtype)
        place = jnp.asarray(2 * np.pi * (grid.coordinates() - np.asarray(grid.origin)) / np.asarray(grid.lengths))
        angle = jnp.einsum("...d,dnc->...nc", place.astype(phase.dtype), modes, precision="highest")
        phase = phase.reshape((1,) * grid.ndim + shape)
        return self.mean + jnp.einsum("...nc,nc->...c", jnp.sin(angle + phase), amplitude, precision="highest")


@dataclasses.dataclass(frozen=True)
class GaussianBlobs:
    """A uniform state with smooth round patches of another state, as reaction-diffusion systems are started.

    **Arguments:** `count`: number of patches; `background`, `peak`: value of each channel outside and in the middle of
    a patch; `widths`: smallest and largest width, as a fraction of the box.
    """

    count: int = 10
    background: tuple[float, ...] = (1.0, 0.0)
    peak: tuple[float, ...] = (0.5, 0.25)
    widths: tuple[float, float] = (0.02, 0.05)
    channels: int = 2

    def __post_init__(self) -> None:
        if not len(self.background) == len(self.peak) == self.channels:
            raise ValueError(
                f"GaussianBlobs needs one background and one peak value for each of {self.channels} channels, "
                f"got {self.background} and {self.peak}"
            )

    def __call__(self, key: Key, grid: Grid) -> Float[Array, "*space channel"]:
        first, second = jax.random.split(key)
        centre = _uniform(first, (self.count, grid.ndim), 0.0, 1.0)
        width = _uniform(second, (self.count,), *self.widths)
        place = jnp.asarray((grid.coordinates() - np.asarray(grid.origin)) / np.asarray(grid.lengths), width.dtype)
        one = (1,) * grid.ndim
        angle = 2 * np.pi * (place[..., None, :] - centre.reshape(*one, self.count, grid.ndim))
        # the periodic counterpart of exp(-r^2 / (2 width^2)), analytic everywhere
        bump = jnp.exp((jnp.cos(angle) - 1).sum(-1) / (2 * np.pi * width.reshape(*one, self.count)) ** 2)
        inside = 1 - jnp.prod(1 - bump, axis=-1)[..., None]
        background, peak = (jnp.asarray(v, width.dtype).reshape(*one, -1) for v in (self.background, self.peak))
        return background + (peak - background) * inside


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
