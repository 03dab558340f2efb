# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Long rollouts
#
# Where does a learned solver leave the truth, and does it know?
#
# Name your runs under *Runs*. As it stands, the notebook trains two small ones on the Kuramoto-Sivashinsky
# equation: a one-step operator, and PDE-Refiner, which draws its steps and so gives ensembles.

# %%
import contextlib
import json
import os
import warnings
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Image, display
from matplotlib.animation import FuncAnimation, PillowWriter

import pdejax
from pdejax.cli import main
from pdejax.config import read_run
from pdejax.data import Dataset
from pdejax.evaluation import (
    METRICS,
    coefficient_of_determination,
    compare,
    correlation,
    cross_correlation,
    cross_correlation_time,
    crps,
    energy_spectrum,
    ensemble,
    first_crossing,
    mean_error,
    mean_error_spectrum,
    rank_histogram,
    rollout,
    spread,
    spread_spectrum,
)

if Path.cwd().name == "notebooks":
    os.chdir("..")  # so that paths are those of the command line
plt.rcParams |= {"figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False}
plt.rcParams |= {"font.size": 9, "legend.frameon": False, "figure.dpi": 90}

# %% [markdown]
# ## Runs

# %%
SHORT = os.environ.get("PDEJAX_NOTEBOOK_SHORT") == "1"  # a minute, as in CI, instead of several
SMALL = "rollouts_short" if SHORT else "rollouts"
RUNS = [f"runs/{SMALL}_one_step", f"runs/{SMALL}_refiner_small"]  # or yours, trained on one data set

TRAJECTORIES = 8 if SHORT else 32  # at most, of the test split
MEMBERS = 8 if SHORT else 16  # of an ensemble
LONG_STEPS = 300 if SHORT else 3000  # of the rollout far beyond the data
SHOWN = 0  # the trajectory in the pictures
INTO = Path("runs") / f"{SMALL}_comparison"
KEY = jax.random.key(0)

# %% [markdown]
# The small runs, by the commands of the shell. A domain of length 44 is chaotic; one of 32 hardly is.

# %%
TRAIN, TEST, UPDATES = (48, 61, 400) if SHORT else (256, 121, 4000)
WORDS = [
    "problem=ks",
    f"problem.name={SMALL}_ks",
    "problem.domain={shape: [64], lengths: [44.0]}",
    "problem.solver={shape: [128]}",  # so that all modes of the 64 points hold signal
    f"problem.splits={{train: {{trajectories: {TRAIN}, frames: 40}}, valid: {{trajectories: 8, frames: 40}}, "
    f"test: {{trajectories: {TRAJECTORIES}, frames: {TEST}}}}}",
    "network.modes=32",
    "network.depth=2" if SHORT else "network.depth=4",
    "train.batch_size=16",
    "train.learning_rate=3e-3",
    f"train.steps={UPDATES}",
    f"train.evaluate_every={UPDATES // 2}",
    f"train.checkpoint_every={UPDATES}",
    f"train.log_every={UPDATES // 4}",
]
warnings.filterwarnings("ignore", 'install "ipywidgets"')  # a progress bar does without
methods = {f"runs/{SMALL}_{method}": method for method in ("one_step", "refiner_small")}
missing = [run for run in RUNS if run in methods and not Path(run, "model", "model.json").exists()]
commands = [["train", *WORDS, f"method={methods[run]}", f"name={Path(run).name}"] for run in missing]
for command in [["generate", *WORDS], *commands] if missing else []:
    if main(command) != 0:
        raise RuntimeError(f"pdejax {command[0]} failed, see above")

# %% [markdown]
# A run gives back an operator in physical units; all must have seen the same data.

# %%
operators = {Path(run).name.removeprefix(f"{SMALL}_"): pdejax.load(run) for run in RUNS}
if len({json.loads(Path(run, "data.json").read_text())["fingerprint"] for run in RUNS}) > 1:
    raise ValueError("the runs were trained on different data sets")
dataset = Dataset.open(read_run(Path(RUNS[0], "config.yaml")).data_folder)

colours = dict(zip(operators, ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"] * 9, strict=False))
for name, operator in operators.items():
    size = sum(x.size for x in jax.tree.leaves(operator) if hasattr(x, "size"))
    calls = getattr(operator, "calls", "as many as its solver wants")  # of a learned differential equation
    print(f"{name}: {size} numbers, network calls a step of {operator.step_size:.3g}: {calls}")

# %% [markdown]
# ## Beside the truth
#
# All operators start from the same frames of trajectories they have never seen. Below, arrays are
# `(time, trajectory, *space, channel)`.

# %%
test = dataset.split("test")
states = test.states[:TRAJECTORIES]  # (trajectory, time, *space, channel)
parameters = {name: values[:TRAJECTORIES] for name, values in test.parameters.items()}
start = max(operator.history for operator in operators.values())
truth = np.moveaxis(states[:, start:], 1, 0)
times = dataset.step * np.arange(1, len(truth) + 1)
ndim = truth.ndim - 3


def known(operator):
    """The newest frames before the rollout, oldest first in the channels."""
    return np.concatenate([states[:, start - back] for back in range(operator.history, 0, -1)], axis=-1)


predictions = {
    name: rollout(operator, known(operator), times, parameters=parameters, key=KEY).values
    for name, operator in operators.items()
}

# %% [markdown]
# Space upwards, time to the right (with several space axes a line through the middle). The difference turns from
# pale to strong where the rollout is lost.


# %%
def line(u):
    """First channel on the last space axis, in the middle of the others: `(..., point)`."""
    return u[(..., *(n // 2 for n in u.shape[-ndim - 1 : -2]), slice(None), 0)]


extent = (0, times[-1], 0, dataset.domain.lengths[-1])
limit = float(np.abs(line(truth[:, SHOWN])).max())
options = {"origin": "lower", "aspect": "auto", "extent": extent, "cmap": "RdBu_r", "vmin": -limit, "vmax": limit}

figure, axes = plt.subplots(1 + 2 * len(operators), 1, figsize=(7.5, 1.2 + 2.3 * len(operators)), sharex=True)
axes[0].imshow(line(truth[:, SHOWN]).T, **options)
axes[0].set_title("truth", loc="left")
for i, (name, prediction) in enumerate(predictions.items()):
    axes[2 * i + 1].imshow(line(prediction[:, SHOWN]).T, **options)
    axes[2 * i + 1].set_title(name, loc="left")
    axes[2 * i + 2].imshow(line(prediction[:, SHOWN] - truth[:, SHOWN]).T, **options | {"cmap": "PuOr"})
    axes[2 * i + 2].set_title(f"{name} - truth", loc="left")
axes[-1].set_xlabel("time")
plt.show()

# %% [markdown]
# ## How long, and at which scales
#
# One call measures everything that follows; `comparison.html` in the same folder holds it for colleagues.

# %%
comparison = compare(operators, dataset, trajectories=len(states), long_steps=LONG_STEPS, price=False, key=KEY)
comparison.save(INTO)
print(comparison.write_page(INTO))


def picture(name):
    """A figure of the comparison."""
    display(Image(INTO / "figures" / f"{name}.png", width=720))


# %% [markdown]
# The high-correlation time has two definitions: when the mean correlation falls below a threshold, and the mean of
# the times of each trajectory. In Lyapunov times it says how much chaos was overcome: an error grows by e in each.

# %%
lyapunov = comparison.document["lyapunov"]
print(f"Lyapunov exponent {lyapunov['exponent']:.3f} +- {lyapunov['standard_error']:.3f}")
for metric in (
    "correlation_time_0.8",
    "correlation_time_0.8_each",
    "correlation_time_0.9",
    "correlation_time_0.9_each",
):
    print(METRICS[metric].label)
    for name in comparison.models():
        entry = comparison.system(name)["metrics"][metric]
        units = (entry["lyapunov_times"] or {}).get("value")
        counted = "" if units is None else f" = {units:.2f} Lyapunov times"
        low, high = entry["interval"] or (entry["value"],) * 2
        sign = ">=" if entry["censored"] else "  "
        print(f"    {name:20} {sign} {entry['value']:5.1f} [{low:.1f}, {high:.1f}]{counted}")

# %%
picture("curves")

# %% [markdown]
# Error by wavenumber over time: it enters at the scales the operator knows least, and spreads to all.

# %%
picture("mode_errors")

# %% [markdown]
# Energy spectra: a rollout that is lost may still look like the truth, if its statistics are kept.

# %%
picture("spectra")

# %% [markdown]
# ## Far beyond the data
#
# No truth can be followed for so long. What can be asked: does it stay bounded, and keep the spectrum?

# %%
picture("stability")

# %% [markdown]
# ## Uncertainty
#
# A stochastic operator gives other futures for other keys. Where no run draws, independently trained runs are the
# ensemble. Samples are `(member, time, trajectory, *space, channel)`.


# %%
def draws(operator):
    """An ensemble of the members of one operator, or of several operators."""
    several = list(operator) if isinstance(operator, list) else [operator]
    members = None if len(several) > 1 else MEMBERS
    return ensemble(operator, known(several[0]), times, members, key=KEY, parameters=parameters)


samples = {}
for name, operator in operators.items():
    with contextlib.suppress(ValueError):  # one that does not draw is no ensemble
        samples[name] = draws(operator)
if not samples:
    samples = {"all runs": draws(list(operators.values()))}
    colours["all runs"] = "#000000"
print("ensembles:", ", ".join(samples))

# %% [markdown]
# Spread against error of the ensemble mean. Of an honest ensemble both are equal, at every time and wavenumber;
# spread below error means overconfidence.

# %%
moments = [0, len(times) // 4, len(times) - 1]
root = lambda energy: np.sqrt(np.asarray(energy).mean(0))[1:]  # over trajectories, without the mean mode

for name, values in samples.items():
    figure, axes = plt.subplots(1, 1 + len(moments), figsize=(11, 2.6))
    axes[0].plot(times, np.sqrt((mean_error(values, truth) ** 2).mean(1)), color=colours[name], label="error")
    axes[0].plot(times, np.sqrt((spread(values) ** 2).mean(1)), color=colours[name], ls="--", label="spread")
    axes[0].set(title=name, xlabel="time", ylabel="root mean square", yscale="log")
    axes[0].legend()
    for ax, i in zip(axes[1:], moments, strict=True):
        modes = np.arange(1, energy_spectrum(truth[i], ndim).shape[-1])
        ax.plot(modes, root(energy_spectrum(truth[i], ndim)), color="0.7", lw=3, label="truth")
        error = mean_error_spectrum(values[:, i : i + 1], truth[i : i + 1], ndim)[0]
        ax.plot(modes, root(error), color=colours[name])
        ax.plot(modes, root(spread_spectrum(values[:, i : i + 1], ndim)[0]), color=colours[name], ls="--")
        ax.set(title=f"t = {times[i]:.3g}", xlabel="mode number", xscale="log", yscale="log")
    axes[1].set_ylabel("amplitude per shell")
    axes[1].legend()
    plt.show()

# %% [markdown]
# CRPS scores the whole forecast in the units of the field; for a single prediction it is the absolute error, so runs
# with and without draws can be compared.

# %%
over_space = lambda u: u.mean(tuple(range(1, u.ndim)))
figure, ax = plt.subplots(figsize=(6.5, 2.8))
for name, prediction in predictions.items():
    ax.plot(times, over_space(np.abs(prediction - truth)), color=colours[name], label=f"{name}, one prediction")
for name, values in samples.items():
    score = over_space(crps(values, truth))
    ax.plot(times, score, color=colours[name], ls="--", lw=2, label=f"{name}, {len(values)} members")
    print(f"{name}: mean CRPS {score.mean():.3f}, of a field of root mean square {np.sqrt((truth**2).mean()):.3f}")
ax.set(xlabel="time", ylabel="CRPS, or absolute error")
ax.legend()
plt.show()

# %% [markdown]
# Rank of the truth among the members: flat where it could be one of them, a U where they are too sure.

# %%
for name, values in samples.items():
    figure, axes = plt.subplots(1, len(moments), figsize=(9, 2.2), sharey=True)
    for ax, i in zip(axes, moments, strict=True):
        kept = np.isfinite(values[:, i]).all((0, *range(2, values.ndim - 1)))  # trajectories without a lost member
        counts = np.asarray(rank_histogram(values[:, i][:, kept], truth[i][kept], key=KEY))
        ax.bar(np.arange(len(counts)), counts / counts.mean(), color=colours[name])
        ax.axhline(1, color="black", lw=1, ls="--")
        ax.set(title=f"t = {times[i]:.3g}", xlabel="rank of the truth")
    axes[0].set_ylabel(f"{name}\nfrequency / expected")
    plt.show()

# %% [markdown]
# ## Does it know when it fails?
#
# When members stop to agree with each other, they have likely lost the truth. The first can be seen without a truth;
# here both are known. Each point is a trajectory, open ones are lower bounds.

# %%
THRESHOLD = 0.8
for name, values in samples.items():
    to_truth = np.mean([correlation(member, truth) for member in values], axis=0)
    told, told_open = cross_correlation_time(values, times, THRESHOLD)
    true, true_open = first_crossing(to_truth, times, THRESHOLD)
    closed = ~(told_open | true_open)
    print(f"{name}: members disagree at {told.mean():.1f}, lose the truth at {true.mean():.1f} (means)")
    try:
        r_squared, _ = coefficient_of_determination(told[closed], true[closed])
        print(f"    R^2 = {r_squared:.2f} over {closed.sum()} of {len(closed)} trajectories")
    except ValueError as reason:
        print(f"    no R^2: {reason}")

    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3), width_ratios=(1.6, 1))
    left.plot(times, cross_correlation(values)[:, SHOWN], color=colours[name], ls="--", label="among members")
    left.plot(times, to_truth[:, SHOWN], color=colours[name], label="with the truth")
    left.axhline(THRESHOLD, color="black", lw=0.8)
    left.set(title=f"{name}, trajectory {SHOWN}", xlabel="time", ylabel="correlation")
    left.legend()
    right.plot(told[closed], true[closed], "o", color=colours[name])
    right.plot(told[~closed], true[~closed], "o", mfc="none", color=colours[name])
    right.axline((0, 0), slope=1, color="black", lw=0.8, ls="--")
    right.set(xlabel="members disagree", ylabel="truth lost", xlim=(0, times[-1]), ylim=(0, times[-1]))
    plt.show()

# %% [markdown]
# ## In motion
#
# Black: truth. Coloured: predictions, and thin the members of an ensemble.

# %%
frames = np.unique(np.linspace(0, len(times) - 1, 30 if SHORT else 60).astype(int))
places = dataset.domain.lengths[-1] * np.arange(truth.shape[-2]) / truth.shape[-2]
figure, axes = plt.subplots(len(operators), 1, figsize=(6, 1.8 * len(operators)), sharex=True, squeeze=False)
moving = []
for ax, (name, prediction) in zip(axes[:, 0], predictions.items(), strict=True):
    shown = [(member, {"color": colours[name], "lw": 0.5, "alpha": 0.6}) for member in samples.get(name, [])]
    shown += [(truth, {"color": "black", "lw": 2}), (prediction, {"color": colours[name], "lw": 1.5})]
    moving += [(ax.plot(places, line(u[0, SHOWN]), **look)[0], line(u[:, SHOWN])) for u, look in shown]
    ax.set(ylim=(-1.2 * limit, 1.2 * limit), ylabel=name)
axes[-1, 0].set_xlabel("place")


def draw(frame):
    """Moves every curve to a frame."""
    for curve, values in moving:
        curve.set_ydata(values[frame])
    axes[0, 0].set_title(f"t = {times[frame]:.1f}", loc="left")


film = INTO / "rollout.gif"
FuncAnimation(figure, draw, frames=frames).save(film, writer=PillowWriter(fps=10), dpi=60)
plt.close(figure)
display(Image(filename=film))
