# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Correct: a network mends the steps of a coarse solver
#
# The solver takes one step of second order where the truth takes sixteen of fourth order; the network adds what is
# missing.

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
# ## Three forms
#
# With S the solver and N the network: `parallel` is S(u) + N(u), `sequential_with_bypass` S(u) + N(S(u)), `sequential`
# N(S(u)). The unit of the network's output is what the solver alone misses on the data, measured before training.

# %%
NAME = "correct_short" if SHORT else "correct"
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
FORMS = ["parallel", "sequential_with_bypass", "sequential"]
for form in FORMS:
    role = f"method.role={{kind: correct, form: {form}}}"
    assert main(["train", *WORDS, role, f"name={NAME}_{form}"]) == 0

# %%
data = pdejax.open_data(f"data/{NAME}")
truth = np.moveaxis(data.split("test").states, 1, 0)  # (time, trajectory, x, channel)
operators = {form: pdejax.load(f"runs/{NAME}_{form}") for form in FORMS}
print("missed by the solver in a step:", operators["parallel"].residual)


def error(step):
    """Relative error of a rollout at every time, the median over trajectories."""
    states = jax.jit(lambda u: pdejax.trajectory(step, u, len(truth) - 1))(jnp.asarray(truth[0]))
    size = lambda x: np.sqrt(np.mean(np.square(x), axis=(2, 3)))
    return np.median(size(np.asarray(states) - truth[1:]) / size(truth[1:]), axis=1)


errors = {"the solver alone": error(operators["parallel"].base)}
errors |= {form: error(operator) for form, operator in operators.items()}
figure, axis = plt.subplots(figsize=(6, 3))
for name, values in errors.items():
    axis.semilogy(0.8 * np.arange(1, len(truth)), values, label=name, color="0.5" if "alone" in name else None)
axis.set(xlabel="t", ylabel="relative error")
axis.legend()
plt.show()
print({name: round(float(values[0]), 5) for name, values in errors.items()})

# %% [markdown]
# ## In a simulation of yours
#
# `within` puts your own Stepper in the place of the base. It refuses one of another step, box or fields, for what the
# network has learned holds for its own alone. The Stepper computes in your precision, the network in its own.

# %%
equation, grid = data.family.equation, pdejax.Grid((48,), (32.0,))
host = pdejax.spectral_stepper(equation, grid, 0.8, order=2)
mine = operators["parallel"].within(host)
u = jnp.asarray(truth[0])
print("as trained:", bool(jnp.allclose(mine(u), operators["parallel"](u), atol=1e-5)))
try:
    operators["parallel"].within(pdejax.spectral_stepper(equation, grid, 0.4))
except ValueError as refusal:
    print(refusal)
