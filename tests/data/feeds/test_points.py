"""Collocation points: where they lie, that they are resumable, and measured points from files."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax._read import as_path
from pdejax.core import TensorGrid, build
from pdejax.data import GridPoints, PointFeed, QuasiRandomPoints, UniformPoints, read_observations
from pdejax.equations import BoundaryValueProblem

BOX = ((0.0, 2.0), (-1.0, 0.5))
FACE = ((0.7, 0.7), (-1.0, 0.5))
SPEC = {
    "equation": {"terms": ["u_t = v_xx", "v_t = u_x"]},
    "domain": {"t": BOX[0], "x": BOX[1]},
    "conditions": {
        "start": {"at": "t=0", "terms": "u = 0"},
        "walls": {"at": "boundary", "terms": ["u = 0", "v = 0"]},
        "corner": {"at": "t=2, x=-1", "terms": "u_x = 0"},
    },
}
SAMPLERS = {
    "grid": GridPoints((4, 3)),
    "uniform": UniformPoints(12, 3),
    "quasi_random": QuasiRandomPoints(12, 3),
}
every_sampler = pytest.mark.parametrize("kind", SAMPLERS)


def flat(points):
    return np.asarray(jax.jit(lambda p: p.points() if isinstance(p, TensorGrid) else p)(points))


@every_sampler
def test_points_lie_in_the_box_and_on_its_faces(kind, key, x64):
    sampler = SAMPLERS[kind]
    point = ((0.7, 0.7), (0.1, 0.1))

    @jax.jit
    def draw(key, other):
        return [sampler.draw(box, k) for box, k in ((BOX, key), (FACE, key), (point, key), (BOX, other))]

    inside, on_face, corner, another = map(flat, draw(key, jax.random.key(1)))
    assert (inside.shape, on_face.shape) == ((12, 2), (3, 2))
    for points, box in ((inside, BOX), (on_face, FACE)):
        low, high = np.array(box).T
        assert np.all((low <= points) & (points <= high))
        assert len(np.unique(points, axis=0)) == len(points)
    np.testing.assert_array_equal(on_face[:, 0], 0.7)
    np.testing.assert_array_equal(corner, [[0.7, 0.1]])
    assert not np.array_equal(inside, another)


def test_jitter_stays_in_its_cell(key, x64):
    for axis, (low, high), cells in zip(GridPoints((5, 7)).draw(BOX, key).axes, BOX, (5, 7), strict=True):
        np.testing.assert_array_equal(np.floor((axis - low) / (high - low) * cells), np.arange(cells))
    middles = GridPoints((4, 3), jitter=False).draw(BOX, key)
    np.testing.assert_allclose(middles.axes[0], [0.25, 0.75, 1.25, 1.75])
    np.testing.assert_allclose(middles.axes[1], [-0.75, -0.25, 0.25])


def discrepancy(points):
    """The L2 star discrepancy of points of the unit square (Warnock's formula)."""
    n, largest = len(points), np.maximum(points[:, None], points[None])
    cross = np.sum(np.prod(1 - points**2, axis=1)) / n
    return (1 / 9 - cross / 2 + np.sum(np.prod(1 - largest, axis=2)) / n**2) ** 0.5


def test_quasi_random_points_are_spread_more_evenly_than_independent_ones(x64):
    square = ((0.0, 1.0),) * 2
    keys = jax.vmap(jax.random.key)(np.arange(5))
    drawn = lambda sampler: np.asarray(jax.jit(jax.vmap(lambda k: sampler.draw(square, k)))(keys))
    even, independent = (
        [discrepancy(points) for points in drawn(kind(256, 1))] for kind in (QuasiRandomPoints, UniformPoints)
    )
    assert np.mean(even) < 0.5 * np.mean(independent)


def test_samplers_by_name(key):
    assert build("points", {"kind": "grid", "counts": [4, 3]}) == SAMPLERS["grid"]
    assert build("points", {"kind": "uniform", "count": 12, "face_count": 3}) == SAMPLERS["uniform"]
    with pytest.raises(ValueError, match=r"unknown points 'quasi-random'. Did you mean 'quasi_random'"):
        build("points", {"kind": "quasi-random"})
    with pytest.raises(ValueError, match=r"counts should have one entry for each of 3 axes, got \[4, 3\]"):
        GridPoints((4, 3)).draw((*BOX, (0.0, 1.0)), key)
    with pytest.raises(ValueError, match=r"counts should have one entry for each of 2 axes, got \[4\]"):
        PointFeed(BoundaryValueProblem(**SPEC), GridPoints((4,)))


# the feed


def feed(kind="quasi_random", batch_size=4, spec=SPEC, **options):
    return PointFeed(BoundaryValueProblem(**spec), SAMPLERS[kind], batch_size, **options)


def batches(feed, count):
    state, found, fetch = feed.init(), [], jax.jit(feed.fetch)
    for _ in range(count):
        state, item = feed.next(state)
        found.append(fetch(feed.arrays, item))
    return found


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize(
    ("precision", "kind"),
    [
        *(("float32", kind) for kind in SAMPLERS),
        ("float64", "uniform"),
        *(pytest.param("float64", kind, marks=pytest.mark.long) for kind in ("grid", "quasi_random")),
    ],
)
def test_a_batch_holds_points_of_every_face(kind, precision):
    with jax.enable_x64(precision == "float64"):
        (batch,) = batches(feed(kind), 1)
        points = {name: [flat_sets(part) for part in parts] for name, parts in batch.faces.items()}
        shapes = {name: [p.shape for p in parts] for name, parts in points.items()}
        assert flat_sets(batch.interior).shape == (4, 12, 2)
        assert {x.dtype for x in jax.tree.leaves((batch.interior, batch.faces, batch.mask, batch.values))} == {
            jnp.dtype(precision)
        }
    time, space = (4, 4, 2) if kind == "grid" else (4, 3, 2), (4, 3, 2)
    assert shapes == {"start": [space], "walls": [time, time], "corner": [(4, 1, 2)]}
    np.testing.assert_array_equal(points["start"][0][..., 0], 0)
    np.testing.assert_array_equal(points["walls"][0][..., 1], -1)
    np.testing.assert_array_equal(points["walls"][1][..., 1], 0.5)
    np.testing.assert_array_equal(points["corner"][0], np.broadcast_to([2.0, -1.0], (4, 1, 2)))
    np.testing.assert_array_equal(batch.row, np.arange(4))
    assert (batch.observed.shape, batch.values.shape) == ((4, 0, 2), (4, 0, 2))
    assert not np.array_equal(points["walls"][0][..., 0], points["walls"][1][..., 0])  # each face has its own
    assert not np.array_equal(flat_sets(batch.interior)[0], flat_sets(batch.interior)[1])  # and each set


def flat_sets(points):
    return np.asarray(jax.jit(jax.vmap(lambda p: p.points() if isinstance(p, TensorGrid) else p))(points))


def test_points_are_drawn_anew_when_asked_for():
    sets = lambda redraw: [b.interior for b in batches(feed("uniform", batch_size=2, redraw=redraw), 5)]
    always, never, third = sets(1), sets(0), sets(3)
    assert not any(same(always[0], later) for later in always[1:])
    assert all(same(never[0], later) for later in never[1:])
    assert same(third[0], third[1])
    assert same(third[0], third[2])
    assert same(third[3], third[4])
    assert not same(third[2], third[3])
    assert same(always[0], never[0])
    assert same(always[1], third[3])  # the second draw, whenever it is made
    assert not same(always[0], batches(feed("uniform", batch_size=2, seed=1), 1)[0].interior)


@pytest.mark.parametrize(
    "kind", ["quasi_random", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("grid", "uniform"))]
)
def test_points_follow_from_the_state_and_not_from_how_a_batch_is_divided(kind):
    whole = feed(kind)
    state = whole.init()
    for _ in range(3):
        state, item = whole.next(state)
    resumed, item_again = feed(kind).next({"step": 2})
    assert (resumed, item_again.tolist()) == (state, item.tolist())
    batch, *parts = (whole.fetch(whole.arrays, jnp.asarray(rows)) for rows in (item, item[:1], item[1:]))
    assert same(batch, jax.tree.map(lambda *x: np.concatenate(x), *parts))
    compiled = jax.jit(whole.fetch)(jax.tree.map(jnp.asarray, whole.arrays), jnp.asarray(item))
    for a, b in zip(jax.tree.leaves(batch), jax.tree.leaves(compiled), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


# observations

CSV = "x, t, v\n0.1, 1.0, 3.0\n0.2,1.5,\n\n-0.5,0.0,-1e-2\n"
POINTS = [[1.0, 0.1], [1.5, 0.2], [0.0, -0.5]]
VALUES = [[np.nan, 3.0], [np.nan, np.nan], [np.nan, -0.01]]


@pytest.fixture
def csv(tmp_path):
    (tmp_path / "seen.csv").write_text(CSV)
    return tmp_path / "seen.csv"


def test_observations_are_read_by_name(csv, tmp_path):
    np.savez(tmp_path / "seen.npz", x=[[0.1], [0.2], [-0.5]], t=[1.0, 1.5, 0.0], v=[3.0, np.nan, -0.01])
    for path in (csv, str(tmp_path / "seen.npz")):
        points, values = read_observations(path, SPEC["domain"], ("u", "v"))
        np.testing.assert_array_equal(points, POINTS)
        np.testing.assert_array_equal(values, VALUES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,t,w\n1,2,3\n", r"seen.csv: unknown column 'w'. Known: t, u, v, x"),
        ("x,T,u\n0,2,3\n", r"seen.csv: unknown column 'T'. Did you mean 't'\?"),
        ("x,u\n0,2\n", r"seen.csv: the column 't' is missing, found x, u"),
        ("x,t,u,u\n0,2,3,4\n", r"seen.csv:1: the column 'u' is there 2 times"),
        ("\nx,t,u\n0,2,3\n\n0,2,three\n", r"seen.csv:5: u should be a number or nothing, found 'three'"),
        ("x,t,u\n0,2,1_0\n", r"seen.csv:2: u should be a number or nothing, found '1_0'"),
        ("x,t,u\n0,2,inf\n", r"seen.csv:2: u should be a number or nothing, found 'inf'"),
        ("x,t,u\n0,2,1\n0,2,1e400\n", r"seen.csv:3: u should be a finite number, or nothing .*, found inf"),
        ("x,t,u,v\n0,2,,\n0,1,nan,NaN\n", r"seen.csv: no value of u, v was measured"),
        ("x,t,u\n0,2,1\n1,2\n", r"seen.csv:3: every row should have 3 cells as the header has, found 2"),
        ("x,t,u\n0,2,1\n0,,3\n", r"seen.csv:3: t should be a number in every row, found nothing"),
        ("x,t,u\n0,7,3\n", r"seen.csv:2: t should be what the domain of the problem holds, 0 to 2, found 7"),
        ("x;t;u\n0,1;2;3\n", r"seen.csv:1: columns are separated by commas and .* found ';' between 'x;t;u'"),
        ("x\tt\tu\n0\t2\t3\n", r"seen.csv:1: columns are separated by commas and .* found '\\t'"),
        ("x,t,u\n0,5,1,0,3,0\n", r"seen.csv:2: every row should have 3 cells .* decimal point"),
        ("# seen\nx,t,u\n0,2,3\n", r"seen.csv:1: the first line names the columns, found the comment '# seen'"),
        ("x,t,u\n0,2,'" + "1" * 200_000, r"seen.csv:2: not valid CSV: field larger than field limit"),
        ('x,t,u\n0,2,"1\n', r"seen.csv:2: not valid CSV: unexpected end of data"),
        ("x,t\n0,2\n", r"seen.csv: no column is a field, one of u, v; found x, t"),
        ("x,t,u\n", r"seen.csv: there are no rows"),
        ("", r"seen.csv: the file is empty"),
        ("ü".encode("latin-1"), r"seen.csv is no text in UTF-8: byte 0 is 0xfc"),
        ("x,t,u".encode("utf-16"), r"seen.csv is no text in UTF-8"),
        (b"PK\x03\x04", r"seen.csv is no text: measured values are a table in CSV, or arrays in a file .npz"),
    ],
)
def test_what_cannot_be_read_is_named(csv, text, words):
    csv.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=words):
        read_observations(csv, SPEC["domain"], ("u", "v"))


def test_rounding_marks_of_editors_and_doubled_rows_are_no_mistakes(csv):
    end = float(np.nextafter(np.float32(2), np.float32(3)))
    csv.write_bytes(f"\ufeffx,t,u\n0,{end!r},3\n0,{end!r},3\n".encode())
    points, values = read_observations(csv, SPEC["domain"], ("u",))
    np.testing.assert_array_equal(points, [[end, 0.0]] * 2)
    np.testing.assert_array_equal(values, [[3.0]] * 2)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"t": [1.0, 2.0]}, r"columns differ in shape: .*'t': \(2,\)"),
        ({"x": np.zeros((2, 3)), "t": np.zeros((3, 2)), "u": np.zeros((2, 3))}, r"columns differ in shape"),
        ({"u": [1j]}, r"u is real, got complex128"),
        ({"u": ["1"]}, r"u holds real numbers, got <U1"),
        ({"t": np.array(["2020-01-01"], "datetime64[D]")}, r"t holds real numbers, got datetime64"),
        ({"t": np.array([1], "timedelta64[s]")}, r"t holds real numbers, got timedelta64"),
        ({"u": [np.inf]}, r"entry 0: u should be a finite number, or nothing"),
        ({"t": [-1.0]}, r"entry 0: t should be what the domain"),
        ({"u": np.array([None])}, r"holds Python objects, which are not read"),
    ],
)
def test_arrays_that_are_no_columns_of_numbers_are_named(tmp_path, arrays, words):
    np.savez(tmp_path / "seen.NPZ", **({"x": [0.0], "t": [1.0], "u": [1.0]} | arrays))
    (tmp_path / "seen.NPZ.npz").rename(tmp_path / "seen.NPZ")
    with pytest.raises(ValueError, match=rf"seen.NPZ(:|,)? {words}"):
        read_observations(tmp_path / "seen.NPZ", SPEC["domain"], ("u", "v"))


def test_damaged_archives_are_named(tmp_path):
    path = tmp_path / "seen.npz"
    np.savez_compressed(path, x=np.zeros(50), t=np.ones(50), u=np.arange(50.0))
    content = path.read_bytes()
    flips = (content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :] for at in range(0, len(content), 23))
    for damaged in (b"", b"text", content[:100], content[:-30], b"\x93NUMPY" + content, *flips):
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            values = read_observations(path, SPEC["domain"], ("u",))[1]
            np.testing.assert_array_equal(values[:, 0], np.arange(50.0))  # a flipped bit that means nothing


def test_no_path_is_refused():
    with pytest.raises(ValueError, match=r"a path is a text, got list$"):
        as_path([1, 2])
    with pytest.raises(ValueError, match="a path is a text of at least one character"):
        feed("uniform", spec={**SPEC, "observations": {"path": ""}})


def test_a_set_holds_all_observations_or_as_many_as_asked_for(csv):
    spec = {**SPEC, "observations": {"path": str(csv)}}
    (batch,) = batches(feed("uniform", spec=spec), 1)
    np.testing.assert_allclose(batch.observed, np.broadcast_to(POINTS, (4, 3, 2)), rtol=1e-6)
    np.testing.assert_allclose(batch.values, np.broadcast_to(VALUES, (4, 3, 2)), rtol=1e-6)
    first, second = batches(feed("uniform", spec=spec, observation_batch=2), 2)
    assert (first.observed.shape, first.values.shape) == ((4, 2, 2), (4, 2, 2))
    pairs = {(t, x): v for (t, x), (_, v) in zip(np.float32(POINTS).tolist(), VALUES, strict=True)}
    for batch in (first, second):
        for point, value in zip(batch.observed.reshape(-1, 2), batch.values.reshape(-1, 2), strict=True):
            np.testing.assert_allclose(value[1], pairs[tuple(point.tolist())], rtol=1e-6)
    assert not same(first.observed, second.observed)
