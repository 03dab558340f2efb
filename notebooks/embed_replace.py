# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Replace: an operator in place of a solver
#
# A trained operator is a Stepper as a solver is: it goes wherever a step goes.

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

# %% [markdown]
# ## A run
#
# One step of the operator is one frame of the data, 0.8 units of time; the solver takes 16 steps for it.

# %%
NAME = "replace_short" if SHORT else "replace"
COUNT, UPDATES = (32, 300) if SHORT else (256, 4000)
WORDS = [
    "problem=ks",
    f"problem.name={NAME}",
    "problem.domain={shape: [48], lengths: [32.0]}",
    f"problem.splits={{train: {{trajectories: {COUNT}, frames: 60}}, valid: {{trajectories: 4, frames: 40}}, "
    "test: {trajectories: 8, frames: 61}}",
    "network.width=24",
    "network.modes=12",
    "train=smoke",
    f"train.steps={UPDATES}",
    f"name={NAME}",
]
assert main(["generate", *WORDS]) == 0
assert main(["train", *WORDS]) == 0

# %% [markdown]
# ## In a program of yours
#
# `pdejax.load` needs no training code. The operator tells what it is for.

# %%
operator = pdejax.load(f"runs/{NAME}")
data = pdejax.open_data(f"data/{NAME}")
print(operator.info)
truth = data.split("test").states  # (trajectory, time, x, channel)
u = jnp.asarray(truth[:, 0])

# %%
rollout = jax.jit(lambda u: pdejax.trajectory(operator, u, truth.shape[1] - 1, include_initial=True))
states = np.moveaxis(np.asarray(rollout(u)), 0, 1)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
for axis, field, title in zip(axes, (truth[0], states[0]), ("solver", "operator"), strict=True):
    axis.imshow(field[..., 0].T, aspect="auto", origin="lower", cmap="RdBu_r", extent=(0, 48, 0, 32))
    axis.set(title=title, xlabel="t")
axes[0].set_ylabel("x")
plt.show()

# %% [markdown]
# Several steps at a time, and the state that a later program goes on from: `unroll` carries the number of the step, so
# that a rollout in two parts is that in one piece.

# %%
middle, _ = pdejax.unroll(operator, u, 10)
end, _ = pdejax.unroll(operator, middle, 10, first_step=10)
whole, _ = pdejax.unroll(operator, u, 20)
print("difference of both:", float(jnp.max(jnp.abs(end - whole))))

# %% [markdown]
# ## Gradients
#
# Which part of the first state decides the last one at a place? Reverse mode through ten steps, beside a difference
# quotient.

# %%
place = jax.jit(lambda u: pdejax.unroll(operator, u, 10)[0][0, 24, 0])
gradient = jax.grad(place)(u)
direction = jnp.asarray(np.random.default_rng(0).standard_normal(u.shape), jnp.float32)
quotient = (place(u + 1e-2 * direction) - place(u - 1e-2 * direction)) / 2e-2
print(f"by the gradient {float(jnp.vdot(gradient, direction)):.4f}, by differences {float(quotient):.4f}")
figure, axis = plt.subplots(figsize=(5, 2.2))
axis.plot(np.arange(48) * 32 / 48, gradient[0, :, 0])
axis.axvline(16, color="0.7", lw=1)
axis.set(xlabel="x", ylabel="gradient by the first state")
plt.show()

# %% [markdown]
# ## Where another package steps
#
# Packages with channels first take `pdejax.to_channels_first(operator)`, which maps `(channel, x)` to the same; a step
# of theirs becomes one of ours by `pdejax.from_channels_first(step, ndim)`.

# %%
step = pdejax.to_channels_first(operator)
print(step(u[0].T).shape, float(jnp.max(jnp.abs(step(u[0].T).T - operator(u[0])))))
