"""`pdejax convert`."""

import argparse
from pathlib import Path

from pdejax._read import check_there
from pdejax._write import check_folder


def run(arguments: argparse.Namespace) -> int:
    """Writes data of others as a data set of ours, or the rest of it."""
    path, root = Path(arguments.path), Path(arguments.into)
    check_there(path)
    check_folder(root)
    from pdejax.data import convert, progress_bar

    with progress_bar(f"converting {path.name}") as progress:
        convert(path, root, shard_size=arguments.shard_size, progress=progress)
    print(f"{root}: complete; `pdejax train data={root}` learns from it")
    return 0
