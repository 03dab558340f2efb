"""Equations at some points as functions of the values at all nodes."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from scipy import sparse

from pdejax.equations import Order, Residual, linearised


class Rows:
    """Equations at some points, as functions of the vector of all unknowns and, in time, of the rates at the points.

    **Arguments:** `residual`; `points`: `(point, axis of space)`; `matrices`: for an order in space and a channel the
    sparse matrix from the channel's unknowns to the points; `splits`: where a channel's unknowns end; `timed`;
    `derive`: from a channel's unknowns and an order in space to the same product as that matrix, where it is cheaper.
    """

    def __init__(
        self,
        residual: Residual,
        points: np.ndarray,
        matrices: Callable[[Order, int], Any],
        splits: Sequence[int],
        parameters: Mapping[str, float],
        timed: bool,
        derive: Callable[[np.ndarray, Order], Any] | None = None,
    ) -> None:
        self.points, self.timed, self.splits, self._parameters = points, timed, splits, parameters
        self.orders = residual.orders
        self.rate = (1,) + (0,) * points.shape[1]
        self._spatial = [order for order in self.orders if not (timed and order[0])]
        self._make, self._derive = matrices, derive
        self._value = jax.jit(residual.__call__)
        self._linear = jax.jit(lambda *of: linearised(residual, *of))
        self._rates = jax.jit(lambda own, rest, *of: linearised(Shifted(residual, rest), own, *of))

    @functools.cached_property
    def _matrices(self) -> dict[Order, list[Any]]:
        channels = range(len(self.splits))
        return {order: [self._make(order[self.timed :], c) for c in channels] for order in self._spatial}

    def _derivative(self, field: np.ndarray, order: Order, channel: int) -> Any:
        if self._derive is not None:
            return self._derive(field, order[self.timed :])
        return self._matrices[order][channel] @ field

    def _jet(self, x: np.ndarray, rates: np.ndarray | None = None) -> dict[Order, np.ndarray]:
        fields = np.split(x, self.splits[:-1])
        jet = {o: np.stack([self._derivative(f, o, c) for c, f in enumerate(fields)], -1) for o in self._spatial}
        return jet if rates is None else {**jet, self.rate: rates}

    def _places(self, t: float) -> np.ndarray:
        if not self.timed:
            return self.points
        return np.concatenate([np.full((len(self.points), 1), t), self.points], axis=1)

    def value(self, x: np.ndarray, t: float = 0.0, rates: np.ndarray | None = None) -> np.ndarray:
        """Residuals `(point, equation)`."""
        return np.asarray(self._value(self._jet(x, rates), self._places(t), self._parameters))

    def slopes(self, x: np.ndarray, t: float = 0.0, rates: np.ndarray | None = None) -> dict[Order, np.ndarray]:
        """Partial derivatives of the residuals with respect to the jet, `(point, equation, channel)`."""
        _, slopes = self._linear(self._jet(x, rates), self._places(t), self._parameters)
        return {order: np.asarray(slope) for order, slope in slopes.items()}

    def matrix(self, slopes: Mapping[Order, np.ndarray], equation: int) -> Any:
        """One equation's derivative by the unknowns, sparse `(point, unknown)`."""
        block = lambda c: sum(sparse.diags_array(slopes[o][:, equation, c]) @ ms[c] for o, ms in self._matrices.items())
        return sparse.hstack([block(c) for c in range(len(self.splits))], format="csr")

    def rates(self, x: np.ndarray, t: float) -> np.ndarray:
        """The rates `(point, channel)` for which residuals that are linear in them vanish."""
        zero = {self.rate: np.zeros((len(self.points), len(self.splits)))}
        value, slopes = self._rates(zero, self._jet(x), self._places(t), self._parameters)
        return -np.linalg.solve(np.asarray(slopes[self.rate]), np.asarray(value)[..., None])[..., 0]


@dataclasses.dataclass(frozen=True)
class Shifted:
    """A residual of the rates alone, all other derivatives given."""

    residual: Residual
    rest: Mapping[Order, Any]

    @property
    def orders(self) -> tuple[Order, ...]:
        """All derivatives of the residual."""
        return self.residual.orders

    @property
    def equations(self) -> int:
        """How many equations hold."""
        return self.residual.equations

    def __call__(self, derivatives: Mapping[Order, Any], points: Any, parameters: Any) -> Any:
        return self.residual({**self.rest, **derivatives}, points, parameters)
