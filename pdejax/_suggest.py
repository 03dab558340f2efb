"""The sentence that helps after a misspelt name; beside the packages, so that reading a configuration needs no JAX."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

# what the field, other libraries or people call the same thing
MEANT: Mapping[str, Sequence[str]] = {
    "trajectories": ("samples", "num_samples", "n_samples", "n_train", "n_test", "simulations", "count", "size"),
    "frames": ("time_steps", "timesteps", "snapshots", "n_steps", "nt"),
    "shape": ("resolution", "points", "grid", "grid_size", "nx", "n", "num_points"),
    "lengths": ("length", "extent", "box", "size", "l"),
    "ends": ("periodic", "boundary", "boundaries", "bc", "bcs"),
    "riemann": ("flux", "numerical_flux"),
    "steps": ("epochs", "num_epochs", "n_epochs", "iterations", "max_steps", "max_epochs", "updates", "num_steps"),
    "learning_rate": ("lr", "step_size", "eta"),
    "final_learning_rate": ("min_lr", "lr_min", "end_learning_rate", "final_lr"),
    "schedule": ("scheduler", "lr_schedule", "lr_scheduler", "learning_rate_schedule"),
    "optimiser": ("optimizer", "optim"),
    "weight_decay": ("wd", "l2"),
    "clip": ("grad_clip", "gradient_clip", "max_grad_norm", "gradient_clip_val"),
    "warmup": ("warmup_steps", "num_warmup_steps"),
    "batch_size": ("batch", "bs", "batchsize"),
    "devices": ("gpus", "num_devices", "n_devices"),
    "precision": ("dtype",),
    "width": ("hidden_channels", "channels", "hidden", "hidden_size", "hidden_dim", "features", "units"),
    "depth": ("n_layers", "num_layers", "layers", "num_blocks", "n_blocks", "blocks"),
    "modes": ("n_modes", "num_modes", "modes1", "modes2"),
    "activation": ("act", "nonlinearity", "non_linearity"),
    "history": ("n_history", "time_history", "context", "num_input_frames"),
    "unroll": ("rollout", "unroll_steps", "n_unroll", "num_rollout_steps"),
    "kind": ("type", "name", "class", "_target_"),
    "fields": ("channels", "variables"),
    "nu": ("viscosity",),
    "train": ("training",),
    "valid": ("val", "validation", "dev"),
    "test": ("testing",),
}


def meant(wrong: object) -> set[str]:
    """Names of ours of which `wrong` is another one."""
    return {name for name, others in MEANT.items() if str(wrong).casefold() in others}


def nearest(wrong: object, options: Iterable[object], least: float = 0.6) -> list[str]:
    """At most two options that are spelt like `wrong`, best first; by other cases of letters where there is none.

    Those that `wrong` is another name of come before all that look like it, which have at `least` this share of
    letters in common.
    """
    names = sorted(map(str, options))
    if also := sorted(meant(wrong) & {*names}):
        return also[:2]
    lower = {name.casefold(): name for name in reversed(names)}
    match = lambda word, possible: difflib.get_close_matches(word, possible, n=2, cutoff=least)
    return match(str(wrong), names) or [lower[near] for near in match(str(wrong).casefold(), sorted(lower))]


def suggestion(wrong: object, options: Iterable[object]) -> str:
    """The nearest valid spelling of `wrong`, or all valid ones, as the end of an error message.

    **Arguments:** `wrong`: what was found; `options`: what would have been accepted.

    **Returns:** `" Did you mean 'x'?"`, or `" Known: a, b."` when nothing is near.
    """
    names = sorted(str(o) for o in options)
    if near := nearest(wrong, names):
        return f" Did you mean {' or '.join(repr(n) for n in near)}?"
    return f" Known: {', '.join(names)}." if names else ""


def known(kind: str, wrong: object, options: Iterable[object]) -> str:
    """The whole sentence for an unknown name: `unknown network 'fnoo'. Did you mean 'fno'?`."""
    return f"unknown {kind} {str(wrong)!r}.{suggestion(wrong, options)}"
