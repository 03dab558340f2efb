"""`pdejax inspect`: what a folder holds."""

import argparse
from pathlib import Path

from pdejax._read import check_there
from pdejax._write import check_target


def run(arguments: argparse.Namespace) -> int:
    """Describes a run, a released model, a solution or a data set; or draws a data set."""
    from pdejax.cli._facts import print_data, print_model, print_run, print_truth

    path = Path(arguments.path)
    check_there(path)
    ours = {"config.yaml": print_run, "model.json": print_model, "truth.h5": lambda p: print_truth(p / "truth.h5")}
    describe = next((one for name, one in ours.items() if (path / name).exists()), print_data)
    if not arguments.picture:
        if arguments.split is not None or arguments.trajectory is not None:
            raise ValueError("--split and --trajectory choose what is drawn: say --picture FILE too")
        describe(path)
        return 0
    if describe is not print_data:
        raise ValueError(f"--picture draws data sets, {path} is none")
    print(draw(path, Path(arguments.picture), arguments.split, arguments.trajectory or 0))
    return 0


def draw(path: Path, out: Path, split: str | None, trajectory: int) -> Path:
    """Writes a picture of a data set; its ending tells the format."""
    check_target(out)
    from pdejax.core import known, replacing
    from pdejax.data import examples
    from pdejax.plot import Drawn, trajectories_figure

    title, found = examples(path, split=split, trajectory=trajectory)
    figure, kind = trajectories_figure([Drawn(*one) for one in found], title), out.suffix.removeprefix(".") or "png"
    if kind not in figure.canvas.get_supported_filetypes():
        raise ValueError(known("format of pictures:", kind, figure.canvas.get_supported_filetypes()))
    with replacing(out) as temporary:
        figure.savefig(temporary, dpi=120, format=kind)
    return out
