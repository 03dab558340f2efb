"""Which sampler, on which noise levels, gives PDE fields with few network calls?

First on fields whose denoiser is known exactly, with a spectrum like that of a PDE's solution; then on trained models.

    python -m experiments.samplers.run --preset small     # minutes on two cores; writes results.json and figures/
    python -m experiments.samplers.run --preset smoke     # seconds, the exact part alone; asserts the orders
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from experiments._kit.refinement import REFINER, train_toys, with_refinements
from experiments._kit.results import Record, Row, row
from experiments._kit.rollouts import measured
from experiments._kit.study import Options, Study, picture
from pdejax import load
from pdejax.core import build
from pdejax.data import Dataset
from pdejax.evaluation import evaluate
from pdejax.methods import LinearNoise, NoiseLevels

HERE = Path(__file__).parent
QUESTION = "Which sampler, on which noise levels, gives PDE fields with few network calls?"
POINTS, SAMPLES = 128, 64
TAIL = slice(29, None)
SAMPLERS: Mapping[str, tuple[dict[str, Any], int]] = {  # with the order each should have
    "DDIM": ({"kind": "ancestral", "eta": 0.0}, 1),
    "DPM-Solver-2": ({"kind": "dpm_solver", "order": 2}, 2),
    "Heun": ({"kind": "heun"}, 2),
    "DPM-Solver++(2M)": ({"kind": "dpm_solver_pp", "order": 2}, 2),
    "DPM-Solver++(3M)": ({"kind": "dpm_solver_pp", "order": 3}, 3),
}
GRIDS = {"uniform in time": "trained", "uniform in log-SNR": "log_snr", "as EDM": "karras"}
PREFIX, TRAINED = "refiner_toy", ("refiner", "acdm")
ARMS = {"one_step": ("method=one_step",), "refiner": REFINER, "acdm": ("method=acdm",)}


def variances() -> jax.Array:
    """Variance of each Fourier mode of the fields, of amplitude k^-3, in units of white noise's; the mean is zero."""
    k = np.arange(POINTS // 2 + 1, dtype=float)
    power = np.where(k > 0, np.maximum(k, 1) ** -6.0, 0.0)
    both = np.where((k == 0) | (k == POINTS // 2), 1.0, 2.0)
    return jnp.asarray(power / (power * both).sum() * POINTS)[:, None]


def filtered(x: jax.Array, gain: jax.Array) -> jax.Array:
    """A field with each mode multiplied."""
    return jnp.fft.irfft(jnp.fft.rfft(x, axis=-2) * gain[None], POINTS, axis=-2)


def exact(x: Any, alpha: Any, sigma: Any, key: Any) -> Any:
    """The denoiser of these normal fields: Wiener's filter."""
    variance = variances().astype(x.dtype)
    return filtered(x, alpha * variance / (alpha**2 * variance + sigma**2))


def flown(levels: NoiseLevels, x: jax.Array) -> jax.Array:
    """Where the exact probability flow ends, denoised at the last level."""
    size = lambda i: jnp.sqrt(levels.alpha[i] ** 2 * variances() + levels.sigma[i] ** 2)
    return exact(filtered(x, size(-1) / size(0)), levels.alpha[-1], levels.sigma[-1], None)


def _levels(smallest: float | None = None) -> NoiseLevels:
    """The thousand levels of DDPM in float64, or as many equally spaced in log-SNR down to a smaller noise."""
    levels = LinearNoise().levels()
    levels = NoiseLevels(levels.alpha.astype(float), levels.sigma.astype(float), True)
    if smallest is None:
        return levels
    return levels.at(jnp.linspace(levels.log_snr[0], -np.log(smallest), 1000))


def _start(levels: NoiseLevels) -> jax.Array:
    white = jax.random.normal(jax.random.key(0), (SAMPLES, POINTS, 1))
    truth = filtered(jax.random.normal(jax.random.key(1), white.shape), jnp.sqrt(variances()))
    return levels.alpha[0] * truth + levels.sigma[0] * white


def _count(sampler: Any, calls: int) -> int:
    """As many levels as a number of calls allows."""
    return max(n for n in range(2, calls + 2) if sampler.calls(n) <= calls)


def error_of(name: str, grid: str, calls: int, whole: NoiseLevels) -> float:
    """Relative error to the exact flow with a number of calls."""
    sampler = build("diffusion_sampler", SAMPLERS[name][0])
    levels, x = whole.spread(_count(sampler, calls), grid), _start(whole)
    found = jax.jit(lambda x: sampler(exact, levels, x, key=jax.random.key(2)))(x)
    truth = flown(levels, x)
    return float(jnp.linalg.norm(found - truth) / jnp.linalg.norm(truth))


def tail_energy(name: str, smallest: float | None, last: bool) -> float:
    """Energy of wavenumbers from 29 over what it should be, with 20 calls; `last`: with the last denoising step."""
    sampler, whole = build("diffusion_sampler", SAMPLERS[name][0]), _levels(smallest)
    levels, x = whole.spread(_count(sampler, 20), "log_snr"), _start(whole)

    def denoise(x: Any, alpha: Any, sigma: Any, key: Any) -> Any:
        clean = exact(x, alpha, sigma, key)
        return clean if last else jnp.where(sigma <= levels.sigma[-1] * (1 + 1e-9), x / alpha, clean)

    found = jax.jit(lambda x: sampler(denoise, levels, x, key=jax.random.key(2)))(x)
    power = np.asarray(jnp.mean(jnp.abs(jnp.fft.rfft(found, axis=-2)) ** 2, (0, 2))) / POINTS
    return float(power[TAIL].sum() / np.asarray(variances())[TAIL, 0].sum())


def order_of(name: str) -> float:
    """Order observed between 201 and 401 calls, from so much noise that the steps of low order, with which multistep
    methods begin, do not count.
    """
    deep = _levels().at(jnp.linspace(-8.0, 4.6, 1000))
    fine = [error_of(name, "log_snr", n, deep) for n in (201, 401)]
    return float(np.log2(fine[0] / fine[1]))


@functools.cache  # rows and picture are of the same measurement
def exact_rows() -> tuple[list[Row], dict[str, dict[str, list[float]]]]:
    """Errors, orders and energies of the exact part."""
    rows, curves = [], {}
    with jax.enable_x64(True):
        for name, (_, order) in SAMPLERS.items():
            for label, grid in GRIDS.items():
                calls = (4, 6, 8, 10, 15, 20, 40)
                curves.setdefault(name, {})[label] = [error_of(name, grid, n, _levels()) for n in calls]
                error = curves[name][label][calls.index(10)]
                rows.append(row(f"{name}, {label}", "relative error with 10 calls", error, better="lower", seeds=[0]))
            observed = order_of(name)
            rows.append(row(name, "observed order", observed, better="higher", reference=float(order), seeds=[0]))
        for smallest in (None, 1e-3, 1e-5):
            for last in (False, True):
                case = f"DDIM, smallest noise {smallest or 1e-2:g}, {'with' if last else 'without'} last denoising"
                ratio = tail_energy("DDIM", smallest, last)
                metric = "energy of wavenumbers from 29 over the true one"
                rows.append(row(case, metric, ratio, better="lower", reference=1.0, seeds=[0]))
    return rows, curves


def trained_rows(base: Path) -> list[Row]:
    """Error after one step and correlation time of trained models by network calls."""
    dataset = Dataset.open(base / "data" / "ks_toy")
    models: dict[str, Any] = {"one step": load(base / "runs" / f"{PREFIX}_one_step")}
    refiner, acdm = (load(base / "runs" / f"{PREFIX}_{name}") for name in TRAINED)
    models |= {f"refiner, {k} refinements": with_refinements(refiner, k) for k in range(4)}
    for label, spec in (
        ("ancestral", {"kind": "ancestral"}),
        ("DDIM", {"kind": "ancestral", "eta": 0.0}),
        ("DPM-Solver++(2M)", {"kind": "dpm_solver_pp", "order": 2}),
    ):
        for steps in (1, 2, 3, 5, 10):
            changed = dataclasses.replace(
                acdm.network, sampler=build("diffusion_sampler", spec), steps=steps, grid="log_snr"
            )
            one = eqx.tree_at(lambda o: o.network, acdm, changed)
            models[f"ACDM, {label}"] = (*models.get(f"ACDM, {label}", ()), one)
    rows = []
    for name, one in models.items():
        for model in one if isinstance(one, tuple) else (one,):
            case = f"{name}, {model.calls} call{'s' if model.calls > 1 else ''}"
            found = evaluate(model, dataset, steps=200, baselines=False, price=False, key=jax.random.key(0))
            metrics = found.document["systems"]["model"]["metrics"]
            rows += [measured(case, key, metrics, seeds=[0]) for key in ("one_step_nrmse", "correlation_time_0.8")]
    return rows


def _check(options: Options, base: Path) -> None:
    """Methods have their order, and log-SNR is the better grid for the fast one."""
    with jax.enable_x64(True):
        for name, (_, order) in SAMPLERS.items():
            if (observed := order_of(name)) < order - 0.3:
                raise SystemExit(f"{name}: order {observed:.2f}, not {order:g}")
        good, bad = (error_of("DPM-Solver++(2M)", grid, 10, _levels()) for grid in ("log_snr", "trained"))
    if not good < bad:
        raise SystemExit(f"log-SNR {good}, time {bad}")
    print(f"orders hold; DPM-Solver++(2M) with 10 calls: {good:.2g} in log-SNR, {bad:.2g} in time")


def _run(options: Options, base: Path) -> None:
    if options.preset != "smoke":
        train_toys((), PREFIX, ARMS, base)


def _rows(options: Options, base: Path) -> list[Row]:
    _check(options, base)
    return [*exact_rows()[0], *trained_rows(base)]


def _draw(options: Options, base: Path, record: Record) -> None:
    colours = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7")
    shape = {"figsize": (11, 3.4), "sharey": True}
    with picture(HERE / "figures" / "errors.png", 1, len(GRIDS), dpi=140, **shape) as (_, axes):
        for label, one in zip(GRIDS, axes, strict=True):
            for (name, found), colour in zip(exact_rows()[1].items(), colours, strict=True):
                one.loglog((4, 6, 8, 10, 15, 20, 40), found[label], "o-", ms=3, lw=1.3, color=colour, label=name)
            one.set(title=label, xlabel="network calls")
            one.set_xticks([4, 6, 10, 20, 40], ["4", "6", "10", "20", "40"], minor=False)
            one.minorticks_off()
        axes[0].set_ylabel("relative error to the exact flow")
        axes[-1].legend(frameon=False, fontsize=8)


STUDY = Study(HERE, QUESTION, _run, _check, _rows, _draw)

if __name__ == "__main__":
    STUDY.main(__doc__)
