"""Where configuration files are: the user's folders first, then the ones that come with the package."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pdejax._read import FileError, read_text

GROUPS = ("problem", "network", "method", "train", "experiment")


def packaged_folder() -> Path:
    """`configs/` of an installed package, or of the repository it is installed from."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def search_folders(config_dir: str | Path | None = None) -> tuple[Path, ...]:
    """The folders that hold configurations, first found wins: `config_dir`, `./configs`, the package's own.

    **Raises:** `FileNotFoundError` if `config_dir` is given and is no folder, or has none of a group.
    """
    if config_dir is not None and not Path(config_dir).is_dir():
        raise FileNotFoundError(f"--config-dir {config_dir}: there is no such folder")
    if config_dir is not None and not any((Path(config_dir) / group).is_dir() for group in GROUPS):
        meant = f"; did you mean {Path(config_dir).parent}?" if Path(config_dir).resolve().name in GROUPS else ""
        raise FileNotFoundError(f"--config-dir {config_dir} has no folder of a group, such as problem/: nothing in it "
                                f"would be found{meant}")  # fmt: skip
    local = Path("configs")
    mine = [] if config_dir is None else [Path(config_dir)]
    if any((local / group).is_dir() for group in GROUPS):
        mine.append(local)
    return tuple(dict.fromkeys(folder.resolve() for folder in (*mine, packaged_folder())))


def options(group: str, folders: Sequence[Path]) -> Mapping[str, Path]:
    """Names that a group offers, sorted, and their files; hidden ones are those of editors."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (folder / group).glob("*.yaml"):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def description(path: Path) -> str:
    """The first comment line of a file, or why it cannot be read."""
    try:
        lines = read_text(path).splitlines()
    except (FileError, FileNotFoundError) as error:
        return f"cannot be read: {error}"
    for line in lines:
        if not line.startswith("#"):
            return ""
        text = line.lstrip("#").strip()
        if text and not text.startswith("@"):
            return text
    return ""


def source(path: Path) -> str:
    """Whom a file follows, by the line of its first comment that begins with `Source:`."""
    for line in read_text(path).splitlines():
        if not line.startswith("#"):
            break
        word, _, rest = line.lstrip("#").strip().partition(" ")
        if word == "Source:":
            return rest.strip()
    return ""


def shorter(path: Path) -> str:
    """A path as a reader of a message wants it: relative to the current folder if it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
