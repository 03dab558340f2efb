"""Whether a declared mirror symmetry is one of the problem's."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pdejax.equations._residual import SYMBOLS, SymbolicResidual
from pdejax.equations.language.evaluate import evaluate

_SAMPLES, _TOLERANCE = 64, 1e-10


def check_parity(
    parity: Sequence[str],
    axes: Sequence[str],
    box: Sequence[tuple[float, float]],
    residual: Any,
    conditions: Sequence[Any],
) -> None:
    """Compares each expression with its mirror image on random jets: it must be the same, or its negative.

    A Python function in place of expressions is taken at its word.

    **Arguments:** `parity`: `none`, `even` or `odd` per axis; `box`: ends of the axes, which are mirrored about their
    middle; `conditions`: with the faces they hold on.

    **Raises:** `ValueError` for an expression that changes, or a face without its mirror image.
    """
    for i, (axis, kind) in enumerate(zip(axes, parity, strict=True)):
        if kind == "none":
            continue
        middle = sum(box[i]) / 2
        named = [
            ("the equation", residual, None),
            *((f"condition {c.name!r}", c.residual, c.faces) for c in conditions),
        ]
        for name, one, faces in named:
            if isinstance(one, SymbolicResidual) and not _symmetric(one, i, box, kind == "odd"):
                raise ValueError(f"parity of axis {axis!r} is {kind!r}, but {name} changes when {axis} is mirrored "
                                 f"about {middle:g}")  # fmt: skip
            if faces is not None and not _closed(faces, axis, middle):
                raise ValueError(f"parity of axis {axis!r} is {kind!r}, but {name} lacks the mirror image of a face")


def _closed(faces: Sequence[Any], axis: str, middle: float) -> bool:
    mirrored = lambda face: {a: 2 * middle - v if a == axis else v for a, v in face.items()}
    return all(any(_same(mirrored(face), other) for other in faces) for face in faces)


def _same(a: Any, b: Any) -> bool:
    return set(a) == set(b) and all(np.isclose(a[k], b[k]) for k in a)


def _symmetric(residual: SymbolicResidual, index: int, box: Sequence[tuple[float, float]], odd: bool) -> bool:
    random, places = np.random.default_rng(0), [SYMBOLS[axis] for axis in residual.axes]
    symbols = sorted(set(itertools.chain.from_iterable(e.free_symbols for e in residual.expressions)), key=str)
    ends: dict[Any, tuple[float, float]] = dict(zip(places, box, strict=True))
    values: Any = {s: random.uniform(*ends.get(s, (0.1, 1.0)), size=_SAMPLES) for s in symbols}
    mirrored = dict(values)
    if places[index] in values:
        mirrored[places[index]] = sum(box[index]) - values[places[index]]
    for j in residual._jets:
        mirrored[j] = values[j] * (-1.0) ** (residual.order(j)[index] + odd)
    for expression in residual.expressions:
        with np.errstate(all="ignore"):
            here, there = np.asarray(evaluate(expression, values)), np.asarray(evaluate(expression, mirrored))
        finite = np.isfinite(here)
        if np.any(finite != np.isfinite(there)):
            return False
        here, there = here[finite], there[finite]
        size = _TOLERANCE * (1 + np.max(np.abs(here), initial=0))
        if min(np.max(np.abs(here - there), initial=0), np.max(np.abs(here + there), initial=0)) > size:
            return False
    return True
