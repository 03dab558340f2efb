"""`pdejax report`."""

import argparse
from pathlib import Path


def run(arguments: argparse.Namespace) -> int:
    """Writes the page of a result that was saved: of an evaluated run, or of a comparison."""
    folder = Path(arguments.run)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist")
    from pdejax.evaluation import Result

    print(Result.load(folder).write_page(folder))
    return 0
