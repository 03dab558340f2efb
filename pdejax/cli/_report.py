"""`pdejax report`."""

import argparse
import stat
from pathlib import Path

from pdejax._read import FileError, check_there
from pdejax._write import check_folder


def run(arguments: argparse.Namespace) -> int:
    """Writes the page of a result that was saved: of an evaluated run, or of a comparison."""
    folder = Path(arguments.run)
    if not stat.S_ISDIR(check_there(folder).st_mode):
        raise FileError(f"{folder} is a file, expected the folder of a run or of a comparison")
    check_folder(folder / "figures")
    from pdejax.evaluation import Result

    print(Result.load(folder).write_page(folder))
    return 0
