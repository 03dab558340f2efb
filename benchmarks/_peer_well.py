"""Every window of a data set by The Well's own loader: `PYTHON benchmarks/_peer_well.py ROOT OUT STEPS SPLIT...`.

Needs nothing of pdejax.
"""

import sys

import numpy as np
from the_well.data import WellDataset


def main(root: str, out: str, steps: str, *splits: str) -> None:
    """Writes fields, scalars and boundary codes of all windows of each split."""
    held = {}
    for split in splits:
        data = WellDataset(path=root, well_split_name=split, n_steps_input=int(steps) - 1, n_steps_output=1)
        items = [data[i] for i in range(len(data))]
        pair = lambda item: np.concatenate([item["input_fields"].numpy(), item["output_fields"].numpy()])
        held[f"{split}_states"] = np.stack([pair(item) for item in items])
        held[f"{split}_scalars"] = np.stack([item["constant_scalars"].numpy() for item in items])
        held[f"{split}_ends"] = np.stack([item["boundary_conditions"].numpy() for item in items])
    np.savez(out, **held)


if __name__ == "__main__":
    main(*sys.argv[1:])
