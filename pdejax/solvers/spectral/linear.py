"""The linear part of a right-hand side in Fourier space: for each mode a small matrix, one number where fields are
apart.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from pdejax.solvers._arrays import as_complex, plain, scale

Spectra = tuple[Complex[Array, "..."], ...]
Entry = tuple[int, int]


class Linear(eqx.Module):
    """Acts on the half spectra of fields: equation number r gets the sum over s of `symbols[r, s] * spectra[s]`.

    **Arguments:** `symbols`: real, imaginary or complex factors `(batch?, *modes)`; `entries`: the equation and the
    field of each, one at least for every equation.
    """

    symbols: tuple[Any, ...]
    entries: tuple[Entry, ...] = eqx.field(static=True)

    @classmethod
    def of(cls, symbols: Mapping[Entry, Any]) -> "Linear":
        """With these entries, equation by equation."""
        entries = tuple(sorted(symbols))
        return cls(tuple(symbols[entry] for entry in entries), entries)

    @property
    def by_entry(self) -> dict[Entry, Any]:
        """The symbols by equation and field."""
        return dict(zip(self.entries, self.symbols, strict=True))

    @property
    def blocks(self) -> list[tuple[int, ...]]:
        """The fields that depend on each other, directly or through others; one alone where it does on none."""
        return joined(max(row for row, _ in self.entries) + 1, self.entries)

    def __call__(self, spectra: Spectra) -> Spectra:
        """The sum over the fields, for every equation."""
        out: list[Any] = [None] * len(spectra)
        for (row, source), symbol in zip(self.entries, self.symbols, strict=True):
            part = scale(symbol, spectra[source])
            out[row] = part if out[row] is None else out[row] + part
        return tuple(out)


def joined(count: int, pairs: Iterable[Entry]) -> list[tuple[int, ...]]:
    """The connected parts of a graph of `count` nodes."""
    part = list(range(count))
    for a, b in pairs:
        old, new = part[b], part[a]
        part = [new if one == old else one for one in part]
    return [tuple(i for i in range(count) if part[i] == name) for name in dict.fromkeys(part)]


def reached(block: tuple[int, ...], entries: Iterable[Entry]) -> list[Entry]:
    """Which entries a power of the matrix of a block may have: the fields that an equation depends on in the end."""
    there = np.eye(len(block), dtype=bool)
    for row, source in entries:
        if row in block and source in block:
            there[block.index(row), block.index(source)] = True
    for _ in block:
        there = there @ there
    return [(block[i], block[j]) for i, j in np.argwhere(there).tolist()]


def as_matrix(linear: Linear, block: tuple[int, ...]) -> Any:
    """The matrix of the fields of a block, `(batch?, *modes, field, field)`; of NumPy unless a symbol is JAX's."""
    parts = {entry: plain(symbol) for entry, symbol in linear.by_entry.items() if entry[0] in block}
    if any(map(jnp.iscomplexobj, parts.values())):
        parts = {entry: as_complex(part) for entry, part in parts.items()}
    shape = np.broadcast_shapes(*(part.shape for part in parts.values()))
    xp: Any = jnp if any(isinstance(part, jax.Array) for part in parts.values()) else np
    spread = lambda part: xp.broadcast_to(part, shape)
    zero = np.zeros((), np.result_type(*(part.dtype for part in parts.values())))
    rows = [[spread(parts.get((row, source), zero)) for source in block] for row in block]
    return xp.stack([xp.stack(row, -1) for row in rows], -2)
