"""Riemann's problem of an ideal gas solved exactly, with NumPy alone: Toro (2009), "Riemann Solvers", chapter 4."""

import numpy as np
from scipy.optimize import brentq

GAMMA = 1.4


def star(left, right):
    """Pressure and velocity between the waves."""

    def change(p, side):
        rho, _, pressure = side
        c = np.sqrt(GAMMA * pressure / rho)
        if p > pressure:
            return (p - pressure) * np.sqrt(2 / ((GAMMA + 1) * rho) / (p + (GAMMA - 1) / (GAMMA + 1) * pressure))
        return 2 * c / (GAMMA - 1) * ((p / pressure) ** ((GAMMA - 1) / (2 * GAMMA)) - 1)

    jump = right[1] - left[1]
    p = brentq(lambda p: change(p, left) + change(p, right) + jump, 1e-12, 1e5, xtol=1e-14, rtol=1e-14)
    return p, (left[1] + right[1] + change(p, right) - change(p, left)) / 2


def behind(p, side):
    """Density between a wave and the contact."""
    rho, _, pressure = side
    ratio, share = p / pressure, (GAMMA - 1) / (GAMMA + 1)
    return rho * (ratio + share) / (share * ratio + 1) if ratio > 1 else rho * ratio ** (1 / GAMMA)


def density(left, right, speed):
    """Density at places over time `speed`."""
    p, u = star(left, right)
    out = np.empty_like(speed)
    for side, sign in ((left, 1), (right, -1)):
        rho, v, pressure = side
        # seen from this side, so that its wave goes to the left
        s, here, c = sign * speed, sign * v, np.sqrt(GAMMA * pressure / rho)
        mine = s <= sign * u
        if p > pressure:
            front = here - c * np.sqrt((GAMMA + 1) / (2 * GAMMA) * p / pressure + (GAMMA - 1) / (2 * GAMMA))
            values = np.where(s < front, rho, behind(p, side))
        else:
            head, tail = here - c, sign * u - c * (p / pressure) ** ((GAMMA - 1) / (2 * GAMMA))
            inside = 2 / (GAMMA + 1) + (GAMMA - 1) / ((GAMMA + 1) * c) * (here - s)
            fan = rho * np.maximum(inside, 1e-300) ** (2 / (GAMMA - 1))
            values = np.where(s < head, rho, np.where(s > tail, behind(p, side), fan))
        out = np.where(mine, values, out)
    return out


def averages(left, right, jump, time, cells, samples=200):
    """Density averaged over cells of the unit interval."""
    x = (np.arange(cells * samples) + 0.5) / (cells * samples)
    return density(left, right, (x - jump) / time).reshape(cells, samples).mean(1)
