"""Whether something fits into memory or on a disk, asked before anything is allocated."""

import contextlib
import os
import shutil
from pathlib import Path

GIB = 2**30
GROUP = Path("/sys/fs/cgroup")


def free_memory() -> float:
    """Bytes of memory that a process may still take, of the machine and of what it was given of it (by a container or
    a queue of jobs); infinite where the system does not tell.
    """
    return min(_of_machine(), _of_group())


def _of_group() -> float:
    """What is left of the limit of a control group; files that it has read and no longer uses make room."""
    for folder, limit, used in (("", "max", "current"), ("memory", "limit_in_bytes", "usage_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # there is none, or it is "max"
            read = lambda name, at=GROUP / folder: (at / f"memory.{name}").read_text(encoding="utf-8")
            kept = [int(line.split()[1]) for line in read("stat").splitlines() if line.startswith("inactive_file ")]
            return float(max(int(read(limit)) - int(read(used)) + sum(kept), 0))
    return float("inf")


def _of_machine() -> float:
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
