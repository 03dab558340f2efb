"""Points of a box and its faces where equations shall hold: drawn on the device, anew or once, exactly resumable."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from pdejax.core import Key, TensorGrid, known
from pdejax.equations import BoundaryValueProblem

Box = Sequence[tuple[float, float]]
Points = Float[Array, "point axis"] | TensorGrid


class PointBatch(eqx.Module):
    """What a physics-informed update sees; a sample is a whole set of points.

    - `interior`: points inside the box, arrays `(sample, point, axis)` or a `TensorGrid` of axes `(sample, point)`.
    - `faces`: by the name of the condition, such points of each of its faces.
    - `observed`, `values`: where fields were measured and what, not a number where a field was not.
    - `row`: number of the draw since the start of training, `mask`: 1 for samples that count.
    """

    interior: Any
    faces: dict[str, tuple[Any, ...]]
    observed: Float[Array, "sample observation axis"]
    values: Float[Array, "sample observation channel"]
    row: Int[Array, " sample"]
    mask: Float[Array, " sample"]


@runtime_checkable
class PointSampler(Protocol):
    """A way to spread points over a box, some of whose axes may have no extent."""

    def draw(self, box: Box, key: Key) -> Points: ...


def _extent(box: Box) -> tuple[Float[Array, " axis"], Float[Array, " axis"]]:
    low = jnp.asarray([b[0] for b in box], jnp.result_type(float))
    return low, jnp.asarray([b[1] for b in box], low.dtype) - low


@dataclasses.dataclass(frozen=True)
class GridPoints:
    """A tensor grid, each axis divided into equal cells with one point in each: at random in it, or in its middle.

    **Arguments:** `counts`: cells per axis; `jitter`: whether the points are drawn.
    """

    counts: tuple[int, ...]
    jitter: bool = True

    def draw(self, box: Box, key: Key) -> TensorGrid:
        """The grid of a box."""
        low, extent = _extent(box)
        axes = []
        for i, count in enumerate(self.counts):
            cells = 1 if box[i][0] == box[i][1] else count
            shape = (cells,)
            inside = jax.random.uniform(jax.random.fold_in(key, i), shape, low.dtype) if self.jitter else 0.5
            axes.append(low[i] + extent[i] * (jnp.arange(cells, dtype=low.dtype) + inside) / cells)
        return TensorGrid(tuple(axes))


@dataclasses.dataclass(frozen=True)
class UniformPoints:
    """Independent uniform points.

    **Arguments:** `count`: on the box; `face_count`: on a face.
    """

    count: int
    face_count: int

    def draw(self, box: Box, key: Key) -> Float[Array, "point axis"]:
        """Points of a box."""
        low, extent = _extent(box)
        shape = (_count(self, box), len(box))
        return low[None] + extent[None] * jax.random.uniform(key, shape, low.dtype)


@dataclasses.dataclass(frozen=True)
class QuasiRandomPoints:
    """A lattice of low discrepancy, shifted at random (Roberts 2018, the sequence R_d).

    **Arguments:** `count`: on the box; `face_count`: on a face.
    """

    count: int
    face_count: int

    def draw(self, box: Box, key: Key) -> Float[Array, "point axis"]:
        """Points of a box."""
        low, extent = _extent(box)
        steps = _roberts(len(box))
        lattice = np.arange(1, _count(self, box) + 1)[:, None] * steps[None] % 1.0
        shift = jax.random.uniform(key, (1, len(box)), low.dtype)
        return low[None] + extent[None] * jnp.mod(jnp.asarray(lattice, low.dtype) + shift, 1)


def _roberts(ndim: int) -> np.ndarray:
    """Powers of the root of g^(d+1) = g + 1."""
    root = 1.5
    for _ in range(64):
        root = (1 + root) ** (1 / (ndim + 1))
    return root ** -np.arange(1.0, ndim + 1)


def _count(sampler: Any, box: Box) -> int:
    free = sum(low < high for low, high in box)
    return 1 if free == 0 else sampler.count if free == len(box) else sampler.face_count


SAMPLERS: Mapping[str, Any] = {"grid": GridPoints, "uniform": UniformPoints, "quasi_random": QuasiRandomPoints}


def build_point_sampler(spec: Mapping[str, Any], ndim: int) -> PointSampler:
    """The sampler of a plain mapping such as `{"kind": "grid", "counts": [64, 64]}`.

    **Raises:** `ValueError` for an unknown kind, or counts that are not one per axis.
    """
    if spec["kind"] not in SAMPLERS:
        raise ValueError(known("kind of points", spec["kind"], SAMPLERS))
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in spec.items() if k != "kind"}
    if "counts" in options and len(options["counts"]) != ndim:
        raise ValueError(f"points.counts should have one entry for each of {ndim} axes, got {list(options['counts'])}")
    return SAMPLERS[spec["kind"]](**options)


def read_observations(path: str | Path, axes: Sequence[str], fields: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Measured points `(observation, axis)` and values `(observation, channel)`, NaN where a field was not measured.

    **Arguments:** `path`: a CSV file with a header, or an NPZ file, with one column (array) per axis and per measured
    field, by their names.

    **Raises:** `ValueError` naming the file for a missing axis, a column that is none, or what is no number.
    """
    path = Path(path)
    columns = _npz(path) if path.suffix == ".npz" else _csv(path)
    for name in columns:
        if name not in (*axes, *fields):
            raise ValueError(f"{path}: {known('column', name, [*axes, *fields])}")
    for axis in axes:
        if axis not in columns:
            raise ValueError(f"{path}: the column {axis!r} is missing, found {', '.join(columns)}")
        if not np.all(np.isfinite(columns[axis])):
            raise ValueError(f"{path}: the column {axis!r} has a cell without a number")
    if not any(field in columns for field in fields):
        raise ValueError(f"{path}: no column is a field, one of {', '.join(fields)}; found {', '.join(columns)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"{path}: columns differ in length: { {k: len(v) for k, v in columns.items()} }")
    if columns[axes[0]].size == 0:
        raise ValueError(f"{path}: there are no rows")
    missing = np.full(len(columns[axes[0]]), np.nan)
    return np.stack([columns[a] for a in axes], -1), np.stack([columns.get(f, missing) for f in fields], -1)


def _npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return {name: np.asarray(file[name], np.float64).ravel() for name in file.files}


def _csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row] or [[]]
    if not head:
        raise ValueError(f"{path}: the file is empty")
    if any(len(row) != len(head) for row in rows):
        raise ValueError(f"{path}: every row should have {len(head)} cells as the header has")
    try:
        table = np.array([[float(cell) if cell else np.nan for cell in row] for row in rows]).reshape(-1, len(head))
    except ValueError as error:
        raise ValueError(f"{path}: every cell should be a number or empty ({error})") from None
    return {name: table[:, i] for i, name in enumerate(head)}


class CollocationFeed:
    """Sets of points of a problem; an item is the numbers of the draws, `(sample,)`.

    **Arguments:**

    - `problem`; `sampler`: of points inside and on faces.
    - `batch_size`: sets a batch: over several devices each takes its share of them.
    - `redraw`: updates after which points are drawn anew; 0 for never.
    - `seed`: of the points.
    - `observation_batch`: measured points a set holds, drawn at random; all of them when omitted.
    """

    def __init__(
        self,
        problem: BoundaryValueProblem,
        sampler: PointSampler,
        batch_size: int = 1,
        *,
        redraw: int = 1,
        seed: int = 0,
        observation_batch: int | None = None,
    ) -> None:
        self.problem, self.sampler, self.batch_size = problem, sampler, batch_size
        self.redraw, self.seed, self.observation_batch = redraw, seed, observation_batch
        empty = (np.empty((0, len(problem.axes))), np.empty((0, problem.channels)))
        given = problem.spec["observations"]
        points, values = read_observations(given["path"], problem.axes, problem.fields) if given else empty
        self.arrays = {"points": points, "values": values}

    def init(self) -> dict[str, int]:
        """The state before the first batch."""
        return {"step": 0}

    def next(self, state: Mapping[str, int]) -> tuple[dict[str, int], np.ndarray]:
        """The next state, and the numbers of this batch's draws."""
        step = state["step"]
        row = (step * self.batch_size + np.arange(self.batch_size)) & 0x7FFFFFFF
        return {"step": step + 1}, row.astype(np.int32)

    def fetch(self, arrays: Any, item: Any) -> PointBatch:
        """Draws the points."""
        real = jnp.result_type(float)
        interior, faces, (points, values) = jax.vmap(lambda row: self._set(arrays, row))(item)
        cast = lambda tree: jax.tree.map(lambda x: x.astype(real), tree)
        return PointBatch(cast(interior), cast(faces), cast(points), cast(values), item, jnp.ones(item.shape[0], real))

    def _set(self, arrays: Any, row: Array) -> Any:
        step, place = row // self.batch_size, row % self.batch_size
        epoch = step // self.redraw if self.redraw else jnp.zeros_like(step)
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(self.seed), epoch), place)
        interior = self.sampler.draw(self.problem.box, jax.random.fold_in(key, 0))
        faces = {}
        for number, condition in enumerate(self.problem.conditions, 1):
            branch = jax.random.fold_in(key, number)
            keys = [jax.random.fold_in(branch, i) for i in range(len(condition.faces))]
            drawn = [self.sampler.draw(self._face(f), k) for f, k in zip(condition.faces, keys, strict=True)]
            faces[condition.name] = tuple(drawn)
        return interior, faces, self._observations(arrays, key)

    def _face(self, face: Mapping[str, float]) -> Box:
        problem = self.problem
        return [(face[a], face[a]) if a in face else ends for a, ends in zip(problem.axes, problem.box, strict=True)]

    def _observations(self, arrays: Any, key: Key) -> tuple[Array, Array]:
        points, values = jnp.asarray(arrays["points"]), jnp.asarray(arrays["values"])
        if self.observation_batch is None or self.observation_batch >= len(points):
            return points, values
        branch = jax.random.fold_in(key, 1 << 16)
        chosen = jax.random.randint(branch, (self.observation_batch,), 0, len(points), jnp.int32)
        return points[chosen], values[chosen]
