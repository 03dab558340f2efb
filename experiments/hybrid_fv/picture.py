"""The picture of the study: errors over prices."""

from typing import Any

import numpy as np

from experiments.hybrid_fv.prices import ALONE, Prices
from experiments.hybrid_fv.rivals import AT_ONCE, FRAME, WHOLE

SCHEMES = {"van_leer": ("0.55", "v"), "mc": ("#009e73", "^"), "weno5": ("#0072b2", "o")}


def draw(prices: Prices, axes: Any) -> None:
    """Error after a frame and over all of them, over the CPU time of a frame in a batch: rivals, host and hybrids."""
    ms = lambda name: 1e3 * float(np.median(prices.known[name]["seconds"][str(AT_ONCE)]))
    for axis, what in zip(axes, (FRAME, WHOLE), strict=True):
        points = lambda names, what=what: ([ms(n) for n in names], [prices.error(n, what) for n in names])
        for scheme, (colour, marker) in SCHEMES.items():
            names = [str(one) for one in prices.members(scheme)]
            axis.plot(*points(sorted(names, key=ms)), marker, ms=4, color=colour, label=scheme)
        front = [str(one) for one in prices.front(what)]
        axis.plot(*points(front), "-", color="0.7", lw=0.8, label="front of these")
        axis.plot(*points([ALONE]), "s", ms=7, mfc="none", color="#010101", label="the host")
        names = [name for name in prices.models if name != ALONE]
        axis.plot(*points(names), "D", ms=5, color="#d55e00", label="the host with a network")
        axis.set(xscale="log", yscale="log", xlabel="CPU time of a frame [ms]", title=f"error {what}")
    axes[0].set_ylabel("relative error")
    axes[0].legend(frameon=False, fontsize=7)
