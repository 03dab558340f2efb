"""Which feed a split gets."""

import os

import jax

from pdejax.core import known
from pdejax.data.feeds.disk import DiskFeed
from pdejax.data.feeds.window import WindowFeed
from pdejax.data.store.trajectories import Split


def _memory() -> int:
    """Bytes that the smallest device offers."""
    limits = [(device.memory_stats() or {}).get("bytes_limit") for device in jax.local_devices()]
    if all(limits):
        return min(limit for limit in limits if limit)
    # CPU devices share the machine's memory, and each keeps its own copy
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // (len(limits) + 1)


def choose_feed(
    split: Split,
    window: int,
    batch_size: int,
    *,
    seed: int = 0,
    kind: str = "auto",
    fraction: float = 0.3,
    memory: int | None = None,
) -> WindowFeed | DiskFeed:
    """The feed of a split: from the device's memory where it fits, otherwise from disk.

    **Arguments:**

    - `split`, `window`, `batch_size`, `seed`: as for `WindowFeed`.
    - `kind`: `device` for `WindowFeed`, `disk` for `DiskFeed`, `auto` for the first where it fits.
    - `fraction`: of the memory that data may take.
    - `memory`: bytes a device offers; asked of the device when omitted.

    **Raises:** `ValueError` for another `kind`.
    """
    kinds = {"device": WindowFeed, "disk": DiskFeed}
    if kind == "auto":
        kind = "device" if split.nbytes <= fraction * (_memory() if memory is None else memory) else "disk"
    if kind not in kinds:
        raise ValueError(known("feed", kind, ["auto", *kinds]))
    return kinds[kind](split, window, batch_size, seed=seed)
