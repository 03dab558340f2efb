"""The same training by `neuraloperator`, in an environment of its own: `pip install torch neuraloperator`.

    python peer.py ARRAYS.npz SETTINGS.json RESULT.json

Arrays, batches a step, optimiser, schedule, loss and error are those of the operator it is compared with.
"""

import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
from neuralop.models import FNO


def _schedule(settings: dict, step: int) -> float:
    warmup, steps = settings["warmup"], settings["steps"]
    if step < warmup:
        return step / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _relative(prediction: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Relative L2 error per sample, of fields `(batch, channel, *space)`."""
    flat = lambda x: x.flatten(1)
    return torch.linalg.norm(flat(prediction - truth), dim=1) / torch.linalg.norm(flat(truth), dim=1)


class Operator:
    """The network between normalisations, stepping `history` frames to the next one."""

    def __init__(self, arrays: dict, settings: dict):
        scale = lambda x: (float(x.mean()), float(x.std()))
        self.history = settings["history"]
        given = arrays["train_inputs"] if self.history == 0 else arrays["train_states"]
        (self.in_mean, self.in_std), (self.mean, self.std) = scale(given), scale(arrays["train_states"])
        ndim = arrays["train_states"].ndim - 2
        self.network = FNO(
            n_modes=(2 * settings["modes"],) * ndim,
            in_channels=max(self.history, 1),
            out_channels=1,
            hidden_channels=settings["width"],
            n_layers=settings["depth"],
            domain_padding=settings["padding"] / 2 or None,  # on both sides
        )

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.mean + self.std * self.network((x - self.in_mean) / self.in_std)

    def rollout(self, x: torch.Tensor, steps: int) -> torch.Tensor:
        """Frames `(batch, step, *space)` after the known ones."""
        out = []
        for _ in range(steps):
            y = self(x)
            x = torch.cat([x[:, 1:], y], 1) if self.history > 1 else y
            out.append(y)
        return torch.cat(out, 1)


def _windows(arrays: dict, settings: dict, rows: np.ndarray, starts: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """What is known and what is to be predicted, `(batch, frame, *space)` each."""
    history, states = settings["history"], arrays["train_states"]
    if history == 0:
        return torch.from_numpy(arrays["train_inputs"][rows][:, None]), torch.from_numpy(states[rows])
    length = history + settings["unroll"]
    cut = np.stack([states[r, s : s + length] for r, s in zip(rows, starts, strict=True)])
    return torch.from_numpy(cut[:, :history]), torch.from_numpy(cut[:, history:])


def _train(operator: Operator, arrays: dict, settings: dict) -> float:
    random, states = np.random.default_rng(settings["seed"]), arrays["train_states"]
    optimiser = torch.optim.AdamW(
        operator.network.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _schedule(settings, step))
    last = max(states.shape[1] - settings["history"] - settings["unroll"], 0) if settings["history"] else 0
    pairs = np.array([(r, s) for r in range(len(states)) for s in range(last + 1)])
    order, started = np.zeros(0, int), time.perf_counter()
    for _ in range(settings["steps"]):
        if len(order) < settings["batch_size"]:
            order = random.permutation(len(pairs))
        chosen, order = pairs[order[: settings["batch_size"]]], order[settings["batch_size"] :]
        known, target = _windows(arrays, settings, chosen[:, 0], chosen[:, 1])
        prediction = operator.rollout(known, target.shape[1])
        loss = torch.stack([_relative(prediction[:, i], target[:, i]) for i in range(target.shape[1])]).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(operator.network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return time.perf_counter() - started


@torch.no_grad()
def _test(operator: Operator, arrays: dict, settings: dict) -> list[float]:
    history, states = settings["history"], torch.from_numpy(arrays["test_states"])
    if history == 0:
        return _relative(operator(torch.from_numpy(arrays["test_inputs"])[:, None]), states).tolist()
    return _relative(operator.rollout(states[:, :history], states.shape[1] - history), states[:, history:]).tolist()


def main() -> None:
    """Trains and writes errors per test sample, seconds and the number of parameters."""
    arrays, settings = dict(np.load(sys.argv[1])), json.loads(Path(sys.argv[2]).read_text())
    torch.manual_seed(settings["seed"])
    torch.set_num_threads(1)
    operator = Operator(arrays, settings)
    seconds = _train(operator, arrays, settings)
    count = sum(p.numel() * (2 if p.is_complex() else 1) for p in operator.network.parameters())
    result = {"relative_l2": _test(operator, arrays, settings), "seconds": seconds, "parameters": count}
    Path(sys.argv[3]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
