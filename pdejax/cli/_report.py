"""`pdejax report`."""

import argparse
from pathlib import Path


def run(arguments: argparse.Namespace) -> int:
    """Writes the report of an evaluated run."""
    from pdejax.evaluation import write_report

    folder = Path(arguments.run)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    print(write_report(folder))
    return 0
