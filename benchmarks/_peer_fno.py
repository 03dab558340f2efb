"""The peer's side of comparisons: neuraloperator's FNO on torch. It runs in an environment of its own, without JAX.

python benchmarks/_peer_fno.py train CASE       # answers the requests of benchmarks.operators on standard input
python benchmarks/_peer_fno.py write FOLDER     # state dicts, inputs and outputs of networks with random weights
python benchmarks/_peer_fno.py golden FOLDER    # the same, small: what tests/networks/neuraloperator holds
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
from neuralop.losses import LpLoss
from neuralop.models import FNO

from benchmarks._serve import peak, serve

# keyword arguments of FNO and points per axis; odd modes, odd last axes, every kind of skip
CASES = {
    "1d": ({"n_modes": (16,)}, (32,)),
    "2d": ({"n_modes": (12, 10)}, (24, 30)),
    "3d": ({"n_modes": (6, 8, 6)}, (12, 10, 9)),
    "1d odd": ({"n_modes": (15,), "fno_skip": "identity"}, (33,)),
    "2d odd modes": ({"n_modes": (7, 9), "channel_mlp_skip": "linear"}, (16, 17)),
    "2d without embedding": ({"n_modes": (8, 8), "positional_embedding": None, "fno_skip": "soft-gating"}, (16, 16)),
}
GOLDEN = {
    "1d": ({"n_modes": (6,)}, (12,)),
    "2d": ({"n_modes": (4, 6)}, (10, 12)),
    "3d": ({"n_modes": (4, 4, 4)}, (6, 8, 7)),
}


def write(folder, networks, width):
    """For each network its state dict as torch writes it, and an input with its output."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (options, shape)) in enumerate(networks.items()):
        torch.manual_seed(seed)
        network = FNO(in_channels=2, out_channels=1, hidden_channels=width, n_layers=2, **options)
        x = torch.randn(2, 2, *shape)
        with torch.inference_mode():
            y = network(x)
        torch.save(network.state_dict(), folder / f"{name}.pt")
        last = lambda a: np.moveaxis(a.numpy(), 1, -1)
        np.savez(folder / f"{name}.npz", x=last(x), y=last(y))


def write_tensors(folder):
    """Tensors of several types and strides, all of them parts of 0, 1, 2, .."""
    count = torch.arange(12, dtype=torch.float32)
    tensors = {
        "transposed": count.reshape(3, 4).T,
        "part": count[3:9:2],
        "parameter": torch.nn.Parameter(count[:4].clone()),
        "scalar": torch.tensor(7.0),
        "empty": count[:0],
        "long": torch.arange(3),
        "half": count[:3].half(),
        "complex": torch.complex(count[:3], count[3:6]),
        "bfloat16": count[:3].bfloat16(),
    }
    torch.save(tensors, folder / "tensors.pt")


def training(case):
    """Forward pass and training step of a case, as functions of nothing."""
    torch.manual_seed(0)
    shape, batch = case["shape"], case["batch"]
    network = FNO(n_modes=tuple(case["n_modes"]), in_channels=1, out_channels=1, hidden_channels=case["width"])
    x, y = torch.randn(batch, 1, *shape), torch.randn(batch, 1, *shape)
    loss = LpLoss(d=len(shape), p=2, reduction="mean")
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)

    def forward():
        with torch.inference_mode():
            network(x)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss(network(x), y).backward()
        optimiser.step()

    parameters = sum(p.numel() * (2 if p.is_complex() else 1) for p in network.parameters())
    return {"forward": forward, "step": step}, parameters


def main():
    """Does what the first argument says."""
    what, argument = sys.argv[1:]
    if what == "train":
        case = json.loads(argument)
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        before = peak()
        runs, parameters = training(case)
        serve(runs, parameters=parameters, before=before)
    elif what == "write":
        write(Path(argument), CASES, 8)
    elif what == "golden":
        write(Path(argument), GOLDEN, 3)
        write_tensors(Path(argument))


if __name__ == "__main__":
    main()
