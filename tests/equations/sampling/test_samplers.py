import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.fft
import scipy.stats

from pdejax.core import Grid, Value, build, describe, registered, resample
from pdejax.equations import (
    Expression,
    GaussianBlobs,
    GaussianRandomField,
    LogUniform,
    Matern,
    NeumannRandomField,
    SelectedSines,
    SumOfSines,
    TruncatedFourier,
)

NEEDED = {
    "mixture": {"samplers": [{"kind": "truncated_fourier"}, {"kind": "sum_of_sines"}]},
    "scaled": {"sampler": {"kind": "truncated_fourier"}, "factor": {"kind": "log_uniform", "low": 1.0, "high": 10.0}},
}
SMALL = {
    **NEEDED,
    "gaussian_random_field": {"cutoff": 8},
    "matern": {"cutoff": 8},
    "gaussian_blobs": {"widths": [0.1, 0.2]},
    "neumann_random_field": {"cutoff": 8},
    "expression": {"value": "a*cos(2*pi*x/3)", "vary": {"a": [1.0, 2.0]}},
}


def many(initial, grid, key, count):
    """First channel of independent samples."""
    return jax.jit(lambda k: jax.vmap(lambda k: initial(k, grid))(jax.random.split(k, count))[..., 0])(key)


def one(initial, grid, key):
    """A sample, in one program."""
    return jax.jit(lambda k: initial(k, grid))(key)


OURS = [name for name, kind in registered("sampler").items() if kind.__module__.startswith("pdejax.")]
OURS.remove("from_file")  # whose tests have files
OURS.remove("curl")  # whose tests have cells
OURS.remove("selected_sines")  # which are of one dimension


@pytest.mark.parametrize("ndim", [1, 2, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", OURS)
def test_a_finer_grid_shows_the_same_field(kind, ndim, key, x64):
    initial = build("sampler", {"kind": kind, **SMALL.get(kind, {})}, channels=2)
    coarse, fine = Grid((32,) * ndim, (3.0,) * ndim), Grid((64,) * ndim, (3.0,) * ndim)
    u, v = jax.jit(lambda k: (initial(k, coarse), initial(k, fine)))(key)
    assert u.shape == (*coarse.shape, 2)
    every_second = v[(slice(None, None, 2),) * ndim]
    np.testing.assert_allclose(u, every_second, atol=1e-12)
    assert np.std(u) > 1e-2


@pytest.mark.parametrize("kind", sorted(set(OURS) - {"neumann_random_field", "piecewise"}))
def test_periodic_fields_are_resolved(kind, key, x64):
    initial = build("sampler", {"kind": kind, **SMALL.get(kind, {})}, channels=2)
    coarse, fine = Grid((32, 32), (3.0, 3.0)), Grid((64, 64), (3.0, 3.0))
    tolerance = 1e-5 if kind == "gaussian_blobs" else 1e-12  # blobs are not band-limited
    u, v = jax.jit(lambda k: (resample(initial(k, coarse), fine.shape), initial(k, fine)))(key)
    np.testing.assert_allclose(u, v, atol=tolerance)


@pytest.mark.parametrize("kind", OURS)
def test_content_does_not_depend_on_precision(kind, key):
    initial, grid = build("sampler", {"kind": kind, **NEEDED.get(kind, {})}, channels=2), Grid((64,), (2.0,))
    single = one(initial, grid, key)
    with jax.enable_x64(True):
        double = one(initial, grid, key)
    assert single.dtype == jnp.float32
    assert double.dtype == jnp.float64
    np.testing.assert_allclose(single, double, atol=2e-4)


def test_truncated_fourier_options(key, x64):
    grid = Grid((64, 64), (1.0, 2.0))
    u = np.asarray(one(TruncatedFourier(cutoff=4, amplitude=0.5, mean=0.5), grid, key))
    assert np.mean(u) == pytest.approx(0.5, abs=1e-12)
    assert np.abs(u - 0.5).max() == pytest.approx(0.5, rel=0.05)
    spectrum = np.abs(np.fft.fft2(u[..., 0]))
    modes = np.abs(np.fft.fftfreq(64, 1 / 64))
    outside = np.maximum(modes[:, None], modes[None, :]) > 4.5
    assert spectrum[outside].max() < 1e-10
    plain = TruncatedFourier(cutoff=4, zero_mean=False, max_one=False)
    assert np.std(many(plain, Grid((16,), (1.0,)), key, 2000)) == pytest.approx(1, rel=0.03)


def test_gaussian_random_field_has_the_declared_spectrum(key, x64):
    field = GaussianRandomField(alpha=2.0, tau=5.0, cutoff=10)
    u = many(field, Grid((32,), (1.0,)), key, 4000)
    power = np.mean(np.abs(np.fft.rfft(u) / 32) ** 2, axis=0)
    m = np.arange(1, 11)
    expected = 2 * 5.0**3 * (4 * np.pi**2 * m**2 + 25) ** -2.0
    np.testing.assert_allclose(power[1:11], expected, rtol=0.1)
    assert power[0] < 1e-25
    assert power[11:].max() < 1e-25


def test_matern_has_unit_variance_and_its_correlation_length(key, x64):
    field = Matern(nu=0.5, length=0.1, cutoff=64)
    u = many(field, Grid((128,), (2.0,)), key, 4000)
    assert np.var(u) == pytest.approx(1, rel=0.03)
    lag = 8 * 2.0 / 128  # for nu = 1/2 the covariance is exp(-r / length)
    assert np.mean(u * np.roll(u, 8, axis=1)) == pytest.approx(np.exp(-lag / 0.1), abs=0.03)


def test_matern_without_its_mean_keeps_its_variance(key, x64):
    u = many(Matern(length=0.5, cutoff=8, zero_mean=True), Grid((32,), (2.0,)), key, 4000)
    assert np.abs(u.mean(axis=1)).max() < 1e-14
    assert np.var(u) == pytest.approx(1, rel=0.05)


def test_selected_sines_are_few_and_folded_or_cut_as_often_as_said(key, x64):
    u = many(SelectedSines(folded=0.0, cut=0.0), Grid((64,), (5.0,)), key, 2000)
    power = np.abs(np.fft.rfft(u) / 64) ** 2
    share = (power[:, 1:] > 1e-20).mean(0)
    assert set((power[:, 1:] > 1e-20).sum(1)) == {1, 2}
    assert power[:, 17:].max() < 1e-25
    # 1/8 and 1/8, but for 1/64 that both are the same; that goes to the doubled one
    expected = [2 / 8 - 2 / 64 + (m % 2 == 0) / 64 if m <= 8 else (m % 2 == 0) / 64 for m in range(1, 17)]
    np.testing.assert_allclose(share[:16], expected, atol=0.03)
    # each mode that is not chosen leaves E (A sin)^2 = 1/6
    assert np.var(u.mean(1)) == pytest.approx((6 + 1 / 8) / 6, rel=0.1)
    some = many(SelectedSines(folded=0.5, cut=0.0), Grid((64,), (5.0,)), key, 2000)
    assert np.mean(some.min(1) >= 0) > np.mean(u.min(1) >= 0) + 0.1
    cut = many(SelectedSines(folded=0.0, cut=0.25), Grid((64,), (5.0,)), key, 2000)
    assert np.mean(np.abs(cut[:, 0]) < 1e-6) == pytest.approx(0.25, abs=0.03)
    inside = many(SelectedSines(normalised=True), Grid((64,), (5.0,)), key, 200)
    assert inside.min() > -1e-12
    assert inside.max() < 1 + 1e-12
    coarse, fine = (many(SelectedSines(normalised=True), Grid((n,), (5.0,)), key, 20) for n in (64, 128))
    np.testing.assert_allclose(fine[:, ::2], coarse, atol=1e-12)
    with pytest.raises(ValueError, match=r"count\*highest reaches to 16 waves, and an axis of 16 points"):
        SelectedSines()(key, Grid((16,), (1.0,)))


def test_sum_of_sines_keeps_to_its_wavenumbers(key, x64):
    u = many(SumOfSines(wavenumbers=(2, 4)), Grid((32,), (5.0,)), key, 500)
    power = np.mean(np.abs(np.fft.rfft(u) / 32) ** 2, axis=0)
    assert power[[0, 1, *range(5, 17)]].max() < 1e-25
    # ten sines of amplitude U(-1/2, 1/2), a third in each mode: E|c_m|^2 = 10/3 * (1/12) / 4
    np.testing.assert_allclose(power[2:5], 10 / 3 / 48, rtol=0.15)


def test_blobs_lie_between_background_and_peak(key):
    u = np.asarray(one(GaussianBlobs(count=4), Grid((64, 64), (2.5, 2.5)), key))
    assert 0.5 <= u[..., 0].min() < 0.6
    assert u[..., 0].max() == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(u[..., 1], (1 - u[..., 0]) / 2, atol=1e-6)


def test_neumann_field_has_the_declared_spectrum_and_flat_ends(key, x64):
    field, grid = NeumannRandomField(alpha=2.0, tau=3.0, cutoff=8), Grid((65,), (2.0,), Value())
    u = many(field, grid, key, 4000)
    power = np.mean(np.square(scipy.fft.dct(np.asarray(u), type=1, axis=1) / 64), axis=0)
    k = np.arange(1, 8)  # a cosine sqrt(2) c cos has the type-1 coefficient sqrt(2) c
    np.testing.assert_allclose(power[1:8], 2 * 3.0**3 * (np.pi**2 * k**2 + 9) ** -2.0, rtol=0.1)
    assert power[0] < 1e-25
    assert power[8:].max() < 1e-25


def test_maps_of_random_fields(key, x64):
    grid = Grid((33, 33), (1.0, 1.0), Value())
    maps = NeumannRandomField(), NeumannRandomField(map="exponential"), NeumannRandomField(map="threshold")
    u, exponential, threshold = jax.jit(lambda k: [field(k, grid) for field in maps])(key)
    np.testing.assert_allclose(exponential, np.exp(u))
    np.testing.assert_array_equal(threshold, np.where(u < 0, 3.0, 12.0))
    # with types checked, as here, before the value is; else with the nearest spelling
    with pytest.raises((ValueError, TypeError), match="threshold"):
        NeumannRandomField(map="treshold")


def test_wrong_specifications_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'sum_of_sines'"):
        build("sampler", {"kind": "sum_of_sine"})
    with pytest.raises(ValueError, match="Did you mean 'count'"):
        build("sampler", {"kind": "sum_of_sines", "counts": 3})
    with pytest.raises(ValueError, match="3 channels"):
        build("sampler", {"kind": "gaussian_blobs"}, channels=3)


def test_a_stated_field_has_the_values_of_its_text(key, x64):
    grid = Grid((8, 4), (1.0, 2.0))
    x, y = np.moveaxis(grid.coordinates(), -1, 0)
    found = one(Expression("sin(2*pi*x)*y + 1/3"), grid, key)
    np.testing.assert_allclose(found[..., 0], np.sin(2 * np.pi * x) * y + 1 / 3, rtol=1e-14)
    assert one(Expression(0, channels=2), grid, key).shape == (8, 4, 2)


def test_the_numbers_of_a_stated_field_follow_laws(key):
    together = {"kind": "copula", "low": [0, 0], "high": [1, 2], "correlation": [[1, -1], [-1, 1]]}
    field = Expression("a + 2*b + 10*c*x", vary={"b, a": together, "c": LogUniform(0.1, 10.0)})
    assert build("sampler", describe(field), channels=1) == field
    left, right = np.asarray(many(field, Grid((2,), (1.0,)), key, 1000), np.float64).T
    np.testing.assert_allclose(left, 2.0, atol=1e-5)  # a falls from 2 to 0 as b rises from 0 to 1
    assert scipy.stats.kstest((np.log10((right - left) / 5) + 1) / 2, "uniform").pvalue > 0.05


def test_the_numbers_of_a_stated_field_are_drawn(key):
    values = many(Expression("a + 100*b", vary={"a": (1.0, 2.0), "b": (-1.0, -1.0)}), Grid((2,), (1.0,)), key, 400)[
        :, 0
    ]
    drawn = values + 100
    assert 1 <= drawn.min() < 1.05
    assert 1.95 < drawn.max() <= 2.0001
    assert abs(drawn.mean() - 1.5) < 0.05


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"value": "a*x"}, r"value='a\*x': unknown name 'a'. Parameters: none."),
        ({"value": "x + w"}, "unknown name 'w'"),
        ({"value": "t*x"}, "value='t[*]x' depends on t, and a state that is drawn stands at one time"),
        ({"value": "x*dx", "vary": {"dx": (0.0, 1.0)}}, "vary.dx is a reserved name"),
        ({"value": "x", "vary": {"b": (0.0, 1.0)}}, "vary.b has no effect: 'b' does not occur in value='x'"),
        ({"value": "b*x", "vary": {"b": (1.0, 0.0)}}, r"vary.b should be a range \[low, high\], got \[1.0, 0.0\]"),
        ({"value": "u_x"}, "unknown name 'u_x'"),
        ({"value": "x +"}, "value='x [+]': 'x [+]' is not an arithmetic expression"),
    ],
)
def test_a_text_that_cannot_be_drawn_is_told(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Expression(**options)


@pytest.mark.parametrize("sampler", [TruncatedFourier(cutoff=3), GaussianRandomField(cutoff=3)])
def test_on_cells_fields_are_averages(sampler, key, x64):
    coarse, fine = (Grid((n, n + 4), (1.0, 2.0), cells=True) for n in (8, 40))
    fine = fine.with_shape((8 * 5, 12 * 5))
    np.testing.assert_allclose(fine.transfer(sampler(key, fine), coarse), sampler(key, coarse), atol=1e-13)
    points = Grid((64, 64), (1.0, 2.0))  # the same field as on points, seen elsewhere
    many = Grid((64 * 8, 64 * 8), (1.0, 2.0), cells=True)
    np.testing.assert_allclose(sampler(key, many)[::8, ::8], sampler(key, points), atol=0.05)


def test_an_axis_that_is_not_there_is_told(key):
    with pytest.raises(ValueError, match=r"value='x [+] y': there is no 'y' in 1D, whose axes are x"):
        Expression("x + y")(key, Grid((8,), (1.0,)))


def test_waves_that_the_grid_does_not_hold_are_refused(key):
    grid = Grid((32,), (1.0,))
    with pytest.raises(ValueError, match="cutoff reaches to 40 waves, and an axis of 32 points holds 16"):
        build("sampler", {"kind": "truncated_fourier", "cutoff": 40})(key, grid)
    with pytest.raises(ValueError, match="wavenumbers reaches to 17 waves"):
        build("sampler", {"kind": "sum_of_sines", "wavenumbers": (1, 17)})(key, grid)
