"""How JAX is set up for the command line."""

import contextlib
import hashlib
import os
import platform
import warnings
from pathlib import Path

import jax


def _processor() -> str:
    """A short name of this kind of processor: a home folder may be shared by machines of several kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"


def cache_folder() -> Path:
    """Where compiled programs are kept: `JAX_COMPILATION_CACHE_DIR`, or `~/.cache/pdejax/xla/PROCESSOR`."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    return Path(given) if given else Path.home() / ".cache" / "pdejax" / "xla" / _processor()


def _join() -> None:
    """Meets the other processes of the run, before anything else is asked of JAX."""
    number, mine = os.environ.get("JAX_NUM_PROCESSES"), os.environ.get("JAX_PROCESS_ID")
    try:
        jax.distributed.initialize(
            num_processes=None if number is None else int(number), process_id=None if mine is None else int(mine)
        )
    except ValueError as error:  # where neither variables nor a cluster that JAX knows say who is there
        raise SystemExit(
            f"train.distributed=true: {error} Give JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID"
        ) from error


def start(devices: int | str = "auto", *, distributed: bool = False) -> None:
    """Switches XLA's persistent compilation cache on, for everything that takes more than 0.1 s to compile.

    **Arguments:** `devices`: how many the run wants; on CPU XLA makes that many, if it did not start yet;
    `distributed`: whether this process is one of several.
    """
    if isinstance(devices, int):
        with contextlib.suppress(RuntimeError):  # too late: the run itself tells how many there are
            jax.config.update("jax_num_cpu_devices", devices)
    if distributed and not jax.distributed.is_initialized():
        _join()
    # a program that could not be kept, or was kept in part, is compiled again: that costs time alone
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry")
    jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
