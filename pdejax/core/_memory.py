"""Whether something fits into memory or on a disk, asked before anything is allocated."""

import os
import shutil
from pathlib import Path

GIB = 2**30


def free_memory() -> float:
    """Bytes of memory that a process may still take; infinite where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError, IndexError):
        pass
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * float(os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):
        return float("inf")


def check_memory(needed: float, what: str, mend: str) -> None:
    """**Raises:** `ValueError` for what needs more bytes than there are, saying how many and what would help."""
    if needed > (free := free_memory()):
        raise ValueError(f"{what} needs about {needed / GIB:.3g} GiB of memory, {free / GIB:.3g} are free: {mend}")


def check_disk(needed: float, folder: Path, what: str, mend: str) -> None:
    """**Raises:** `ValueError` for files of more bytes than are free on the disk of a folder, which need not exist."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if needed > (free := shutil.disk_usage(there).free):
        raise ValueError(f"{what} needs about {needed / GIB:.3g} GiB, {free / GIB:.3g} are free in {there}: {mend}")
