"""Data sets of the tasks: generated where they are used, and kept in memory."""

import tempfile
from collections.abc import Mapping
from typing import Any

from pdejax.data import Dataset, SplitSize, generate, read_problem


def data_in_memory(problem: Mapping[str, Any], sizes: Mapping[str, SplitSize]) -> Dataset:
    """A generated data set whose states are in memory and whose files are gone."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset.open(generate(*read_problem(problem), folder, sizes, batch_size=128))
        for name in sizes:
            _ = dataset.split(name).states
        _ = dataset.statistics
    return dataset
