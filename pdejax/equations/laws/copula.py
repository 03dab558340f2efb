"""Numbers that are drawn together."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from pdejax.core import Key, Real, check_options, register
from pdejax.equations.laws.row import row

_ROUNDING = 1e-9  # of eigenvalues that are zero


@register("law", "copula")
@dataclasses.dataclass(frozen=True)
class Copula:
    """Several numbers, each uniform between its `low` and `high`, that are correlated: a Gaussian copula.

    Normal numbers of the correlation `2 sin(pi/6 correlation)` are mapped to uniform ones by their distribution
    function, so that ranks and values, which are linear in the ranks, have the correlation that is asked for (Nelsen
    2006, "An Introduction to Copulas").

    **Arguments:** `low`, `high`: one value for each number; `correlation`: of the values, symmetric, one on the
    diagonal.

    **Raises:** `ValueError` if their sizes differ, or no such numbers exist.
    """

    low: tuple[Real, ...]
    high: tuple[Real, ...]
    correlation: tuple[tuple[Real, ...], ...]

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            object.__setattr__(self, name, row(name, getattr(self, name)))
        rows = row("correlation", self.correlation, "rows")
        object.__setattr__(self, "correlation", tuple(row("correlation", one) for one in rows))
        check_options(self)
        count = len(self.low)
        if count < 2:
            raise ValueError(f"low should be at least two numbers, which are drawn together, got {list(self.low)}")
        if len(self.high) != count or any(low > high for low, high in zip(self.low, self.high, strict=False)):
            raise ValueError(f"high should be {count} numbers, none below that of low={list(self.low)}, "
                             f"got {list(self.high)}")  # fmt: skip
        if len(self.correlation) != count or any(len(row) != count for row in self.correlation):
            raise ValueError(f"correlation should be {count} rows of {count} numbers, got {self._rows}")
        matrix = np.asarray(self.correlation)
        if (matrix != matrix.T).any() or (np.diag(matrix) != 1).any() or np.abs(matrix).max() > 1:
            raise ValueError("correlation should be symmetric, with numbers from -1 to 1 and ones on the diagonal, "
                             f"got {self._rows}")  # fmt: skip
        if (least := np.linalg.eigvalsh(self._normal)[0]) < -_ROUNDING * count:
            raise ValueError(f"correlation={self._rows} is of no numbers there are: that of the normal ones below it "
                             f"has the eigenvalue {least:.3g}, expected none below zero")  # fmt: skip

    @property
    def _rows(self) -> list[list[float]]:
        return [list(row) for row in self.correlation]

    @property
    def _normal(self) -> np.ndarray:
        """Correlation of the normal numbers."""
        return 2 * np.sin(np.pi / 6 * np.asarray(self.correlation, float))

    @property
    def support(self) -> tuple[tuple[float, float], ...]:
        """Smallest and largest value of each number."""
        return tuple((float(low), float(high)) for low, high in zip(self.low, self.high, strict=True))

    def __call__(self, key: Key) -> Float[Array, " number"]:
        values, vectors = np.linalg.eigh(self._normal)
        root = jnp.asarray(vectors * np.sqrt(np.maximum(values, 0.0)), jnp.float32)
        # a sum, as products of matrices are not of single precision everywhere
        normal = (root * jax.random.normal(key, (len(self.low),), jnp.float32)[None]).sum(1)
        low, high = jnp.asarray(self.low, jnp.float32), jnp.asarray(self.high, jnp.float32)
        inside = jnp.clip(low + (high - low) * jax.scipy.stats.norm.cdf(normal), low, high)
        return inside.astype(jnp.result_type(float))
