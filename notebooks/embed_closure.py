# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Closure: a network for the flux that a coarse grid does not resolve
#
# The truth is solved on 384 points and kept on 48. The solver on 48 points misses what the waves in between do; the
# network gives a flux, whose divergence the solver subtracts from its right-hand side, so that means stay as they are.

# %%
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import pdejax
from pdejax.cli import main

if Path.cwd().name == "notebooks":
    os.chdir("..")  # so that paths are those of the command line
plt.rcParams |= {"figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False}
plt.rcParams |= {"font.size": 9, "legend.frameon": False, "figure.dpi": 90}
SHORT = os.environ.get("PDEJAX_NOTEBOOK_SHORT") == "1"  # seconds, as in CI, instead of minutes

# %%
NAME = "closure_short" if SHORT else "closure"
COUNT, UPDATES = (64, 600) if SHORT else (128, 3000)
WORDS = [
    "problem=burgers",
    f"problem.name={NAME}",
    "problem.domain={shape: [48], lengths: [1.0]}",
    "problem.parameters={nu: 2e-3}",
    "problem.solver={kind: etdrk, substeps: 40, shape: [384]}",
    f"problem.splits={{train: {{trajectories: {COUNT}, frames: 41}}, valid: {{trajectories: 4, frames: 41}}, "
    "test: {trajectories: 16, frames: 41}}",
    "network.width=16",
    "network.modes=12",
    "network.depth=2",
    "train=smoke",
    "train.learning_rate=1e-3",
    f"train.steps={UPDATES}",
    "train.updates_per_dispatch=50",
    "train.log_every=100",
    "train.evaluate_every=300",
    "train.checkpoint_every=300",
    "method.base={kind: solver, simulator: {kind: etdrk, order: 2, substeps: 4}}",
    "method.role=closure",
    "method.unroll=8",
    f"name={NAME}",
]
assert main(["generate", *WORDS]) == 0
assert main(["train", *WORDS]) == 0

# %% [markdown]
# The network is trained through eight steps of the solver and itself, with gradients through both.

# %%
operator = pdejax.load(f"runs/{NAME}")
truth = np.moveaxis(pdejax.open_data(f"data/{NAME}").split("test").states, 1, 0)  # (time, trajectory, x, channel)
u = jnp.asarray(truth[0])
rollout = jax.jit(lambda step, u: pdejax.trajectory(step, u, len(truth) - 1), static_argnums=0)
closed, alone = (np.asarray(rollout(step, u)) for step in (operator, operator.base))
size = lambda x: np.sqrt(np.mean(np.square(x), axis=(2, 3)))
errors = {
    name: np.median(size(x - truth[1:]) / size(truth[1:]), 1) for name, x in (("alone", alone), ("closed", closed))
}
print({name: round(float(values[-1]), 4) for name, values in errors.items()})

# %%
time, steep = len(truth) - 2, int(np.argmax(size(alone - truth[1:])[-1]))
x = np.arange(48) / 48
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8))
for name, states, style in (
    ("truth", truth[1:], "k-"),
    ("solver alone", alone, "C1-"),
    ("with closure", closed, "C0--"),
):
    axes[0].plot(x, states[time, steep, :, 0], style, label=name, lw=1.2)
axes[0].set(xlabel="x", ylabel="u", title="the trajectory that the solver alone gets worst")
axes[0].legend()
for name, values in errors.items():
    axes[1].semilogy(0.02 * np.arange(1, len(truth)), values, "C0--" if name == "closed" else "C1-", label=name)
axes[1].set(xlabel="t", ylabel="relative error")
plt.show()

# %% [markdown]
# The mean is that of the first state, whatever the network says.

# %%
drift = np.abs(closed.mean(axis=2) - truth[0].mean(axis=1)).max()
print(f"largest change of a mean: {drift:.1e}")
