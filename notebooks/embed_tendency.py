# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Tendency: a network as a part of the right-hand side
#
# What is added to a right-hand side perturbs a chaotic solution less than what is added to a state after the step. Our
# steppers have a slot for it, `stepper(u, tendency=...)`; the network is asked once a call, or in every stage.

# %%
import os
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import pdejax
from pdejax.cli import main
from pdejax.solvers import rhs

if Path.cwd().name == "notebooks":
    os.chdir("..")  # so that paths are those of the command line
plt.rcParams |= {"figure.constrained_layout.use": True, "axes.spines.top": False, "axes.spines.right": False}
plt.rcParams |= {"font.size": 9, "legend.frameon": False, "figure.dpi": 90}
SHORT = os.environ.get("PDEJAX_NOTEBOOK_SHORT") == "1"  # seconds, as in CI, instead of minutes

# %%
NAME = "tendency_short" if SHORT else "tendency"
COUNT, UPDATES = (32, 300) if SHORT else (256, 3000)
WORDS = [
    "problem=ks",
    f"problem.name={NAME}",
    "problem.domain={shape: [48], lengths: [32.0]}",
    f"problem.splits={{train: {{trajectories: {COUNT}, frames: 40}}, valid: {{trajectories: 4, frames: 40}}, "
    "test: {trajectories: 8, frames: 61}}",
    "network.width=16",
    "network.modes=12",
    "train=smoke",
    f"train.steps={UPDATES}",
    "method.base={kind: solver, simulator: {kind: etdrk, order: 2, substeps: 1}}",
]
assert main(["generate", *WORDS]) == 0
for role in ("tendency", "correct"):
    assert main(["train", *WORDS, f"method.role={role}", f"name={NAME}_{role}"]) == 0

# %%
data = pdejax.open_data(f"data/{NAME}")
truth = np.moveaxis(data.split("test").states, 1, 0)  # (time, trajectory, x, channel)
driven, corrected = (pdejax.load(f"runs/{NAME}_{role}") for role in ("tendency", "correct"))


def error(step):
    """Relative error of a rollout at every time, the median over trajectories."""
    states = jax.jit(lambda u: pdejax.trajectory(step, u, len(truth) - 1))(jnp.asarray(truth[0]))
    size = lambda x: np.sqrt(np.mean(np.square(x), axis=(2, 3)))
    return np.median(size(np.asarray(states) - truth[1:]) / size(truth[1:]), axis=1)


errors = {"the solver alone": error(driven.base), "tendency": error(driven), "correction": error(corrected)}
figure, axis = plt.subplots(figsize=(6, 3))
for name, values in errors.items():
    axis.semilogy(0.8 * np.arange(1, len(truth)), values, label=name, color="0.5" if "alone" in name else None)
axis.set(xlabel="t", ylabel="relative error")
axis.legend()
plt.show()
print({name: round(float(values[0]), 5) for name, values in errors.items()})

# %% [markdown]
# ## A scheme of your own
#
# Any step that takes `tendency`, an array to add to du/dt, is a host. This one is of finite differences, and what it
# does not resolve is not what the network has learned to mend: it runs, and how good it is must be measured.

# %%
grid = pdejax.Grid((48,), (32.0,))
h = grid.spacing[0]


class Differences(eqx.Module):
    """Implicit in the linear part, by its symbol; explicit in the advection."""

    steps: int = eqx.field(static=True, default=16)

    def __call__(self, u, tendency=0.0):
        k = jnp.asarray(2 * np.pi * np.fft.rfftfreq(48, h), u.dtype)[:, None]
        dt = 0.8 / self.steps
        for _ in range(self.steps):
            slope = (jnp.roll(u, -1, -2) ** 2 - jnp.roll(u, 1, -2) ** 2) / (4 * h)
            v = jnp.fft.rfft(u + dt * (tendency - slope), axis=-2) / (1 - dt * (k**2 - k**4))
            u = jnp.fft.irfft(v, n=48, axis=-2)
        return u


host = Differences()
print({"differences": float(error(host)[0]), "with it": float(error(driven.within(host))[0])})

# %% [markdown]
# ## In a solve of Diffrax
#
# `operator.term()` stands beside a term of the known physics.

# %%
equation = data.family.equation
known = diffrax.ODETerm(lambda t, u, args: rhs(equation, u, grid, dealias=2 / 3))
terms = diffrax.MultiTerm(known, driven.term())
u = jnp.asarray(truth[0, :1])
solve = lambda u: diffrax.diffeqsolve(
    terms, diffrax.Tsit5(), 0.0, 0.8, 0.002, u,
    stepsize_controller=diffrax.PIDController(rtol=1e-4, atol=1e-5), max_steps=4000,
).ys[-1]  # fmt: skip
print("largest difference to the driven stepper:", float(jnp.max(jnp.abs(jax.jit(solve)(u) - driven(u)))))
