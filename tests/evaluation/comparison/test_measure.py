import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import StepperPredictor
from pdejax.evaluation import Result, bootstrap_interval, compare, evaluate


class Scale(eqx.Module):
    factor: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return self.factor * u


class Kick(eqx.Module):
    """Decays by 0.9 and is kicked."""

    size: float = eqx.field(static=True)

    def __call__(self, u, *, key=None):
        return 0.9 * u + self.size * jax.random.normal(key, u.shape, u.dtype)


class Extrapolate(eqx.Module):
    def __call__(self, z, *, key=None):
        older, newer = jnp.split(z, 2, axis=-1)
        return jnp.concatenate([newer, 2 * newer - older], axis=-1)


class Called(eqx.Module):
    """A predictor that says how often it calls its network."""

    calls: int = eqx.field(static=True)

    def predict(self, initial, times, *, key=None):
        return jnp.broadcast_to(initial[None], (len(times), *initial.shape))


def stepping(step, stepper, history=1):
    return StepperPredictor(lambda p: stepper, step, history=history)


@pytest.fixture(scope="module")
def dataset(diffusion):
    return diffusion(trajectories=6)


@pytest.fixture(scope="module")
def comparison(dataset):
    predictors = {
        "decays": stepping(dataset.step, Scale(0.9)),
        "decays_more": stepping(dataset.step, Scale(0.7)),
        "kicked": stepping(dataset.step, Kick(0.05)),
        "extrapolates": stepping(dataset.step, Extrapolate(), history=2),
        "stays": Called(4),
    }
    return compare(predictors, dataset, members=4, long_steps=1000)


@pytest.mark.long
def test_all_start_from_the_newest_frame_of_the_longest_history(dataset, comparison):
    assert comparison.models() == ["decays", "decays_more", "kicked", "extrapolates", "stays"]
    assert comparison.document["protocol"]["start_frame"] == 1
    assert comparison.document["protocol"]["reference"] == "decays"
    states = dataset.split("test").states.astype(np.float64)
    norm = lambda u: np.linalg.norm(u, axis=(1, 2))
    expected = {
        "decays": norm(0.9 * states[:, 1] - states[:, 2]),
        "extrapolates": norm(2 * states[:, 1] - states[:, 0] - states[:, 2]),
        "stays": norm(states[:, 1] - states[:, 2]),
    }
    for name, error in expected.items():
        np.testing.assert_allclose(comparison.arrays[f"{name}/nrmse"][0], error / norm(states[:, 2]), rtol=1e-3)


def test_numbers_are_those_of_an_evaluation(dataset):
    predictor = stepping(dataset.step, Scale(0.9))
    compared = compare({"one": predictor}, dataset, price=False)
    alone = evaluate(predictor, dataset, baselines=["solver"], price=False)
    for mine, name in (("one", "model"), ("solver", "solver")):
        for metric, entry in alone.document["systems"][name]["metrics"].items():
            found = compared.system(mine)["metrics"][metric]
            assert {k: found[k] for k in entry} == entry, metric
    assert list(compared.document["systems"]) == ["one", "solver"]
    assert compared.system("one")["against_reference"] is None
    cost = compared.system("one")["cost"]  # of the rollout itself, as nothing was measured by turns
    assert cost["seconds_per_step"] > 0
    np.testing.assert_allclose(cost["seconds_per_time"] * dataset.step, cost["seconds_per_step"])
    assert not {"range", "repeats"} & set(cost)


def test_gains_are_ratios_with_paired_intervals(comparison):
    """Errors of each mode are known, so both systems' one-step errors are; draws of both are the same."""
    found = comparison.system("decays_more")["against_reference"]["one_step_nrmse"]
    mine, other = (comparison.arrays[f"{name}/nrmse"][0].astype(np.float64) for name in ("decays_more", "decays"))
    np.testing.assert_allclose(found["difference"], mine.mean() - other.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["gain"], mine.mean() / other.mean() - 1, rtol=1e-5)
    low, high = found["gain_interval"]
    assert low < found["gain"] < high
    assert low > 0
    assert found["better"] is False


def test_an_interval_of_a_ratio_is_paired():
    samples = np.random.default_rng(0).uniform(1, 2, 50)
    low, high = bootstrap_interval(1.3 * samples, minus=samples, relative=True)
    np.testing.assert_allclose((low, high), 0.3)  # every draw has the same ratio, whatever its mean
    independent = np.random.default_rng(1).uniform(1, 2, 50)
    low, high = bootstrap_interval(1.3 * independent, minus=samples, relative=True)
    assert high - low > 0.1
    assert np.isnan(bootstrap_interval(samples, minus=np.zeros(50), relative=True)).all()


def test_equal_systems_gain_nothing(dataset):
    one = stepping(dataset.step, Kick(0.05))
    compared = compare({"a": one, "b": one}, dataset, reference="b", price=False)
    np.testing.assert_array_equal(compared.arrays["a/nrmse"], compared.arrays["b/nrmse"])  # common random numbers
    for metric, entry in compared.system("a")["against_reference"].items():
        assert entry["difference"] == 0.0, metric
        assert entry["difference_interval"] == [0.0, 0.0], metric
        assert entry["better"] is False, metric
    assert compared.system("b")["against_reference"] is None


def test_diffusion_is_not_chaotic(comparison):
    lyapunov = comparison.document["lyapunov"]
    np.testing.assert_allclose(lyapunov["exponent"], 0, atol=1e-3)  # the mean neither grows nor decays
    assert lyapunov["time"] is None
    assert "do not part" in lyapunov["reason"]
    assert comparison.system("decays")["metrics"]["correlation_time_0.8"]["lyapunov_times"]["value"] is None


def test_the_solver_that_made_the_data_is_beside(comparison):
    solvers = [name for name, one in comparison.document["systems"].items() if one["kind"] == "solver"]
    assert solvers == ["solver"]
    solver = comparison.system("solver")
    assert solver["resolution"] == {"shape": [16], "substeps": 4, "precision": "float64"}
    assert solver["metrics"]["one_step_nrmse"]["value"] < 1e-5
    assert solver["calls"] is None


def test_every_model_has_its_price(comparison):
    """A linear equation of few modes is solved exactly on any grid by one step: nothing learned repays."""
    price = comparison.document["price"]
    assert list(price["networks"]) == comparison.models()
    for one in price["solvers"]:
        assert one["error"]["one_step_nrmse"]["median"] < 1e-5, one["setting"]
    for name in comparison.models():
        quote = price["networks"][name]["quotes"][0]
        assert quote["end"] == "cheap", name
        assert comparison.metric("speed_up", name)["value"] == quote["speed_up"]
    assert str(comparison).count("price: The cheapest classical solver tested, ") == 5


def test_costs_are_per_time(dataset, comparison):
    for one in comparison.document["systems"].values():
        cost = one["cost"]
        np.testing.assert_allclose(cost["seconds_per_time"] * dataset.step, cost["seconds_per_step"])
        assert cost["range"][0] <= cost["seconds_per_time"] <= cost["range"][1]
        assert cost["batch"] == 6
    assert [comparison.system(name)["calls"] for name in ("decays", "stays")] == [1, 4]


def test_ensembles_are_of_stochastic_systems_only(dataset, comparison):
    deterministic = comparison.document["ensembles"]["decays"]
    assert deterministic["members"] == 1
    assert "deterministic" in deterministic["reason"]
    found = comparison.document["ensembles"]["kicked"]
    assert (found["members"], found["lost"], found["reason"]) == (4, 0, None)
    assert comparison.arrays["kicked/ensemble_ranks"].shape == (11, 5)
    np.testing.assert_array_equal(comparison.arrays["kicked/ensemble_ranks"].sum(1), 6 * 16)
    # after one step the spread is that of one kick, times the factor of four members
    spread = np.sqrt((comparison.arrays["kicked/ensemble_spread"][0].astype(float) ** 2).mean())
    np.testing.assert_allclose(spread, 0.05 * np.sqrt(5 / 4), rtol=0.15)


def test_several_models_are_an_ensemble(dataset):
    models = {str(f): stepping(dataset.step, Scale(f)) for f in (0.7, 0.9)}
    found = compare(models, dataset, together={"both": ["0.7", "0.9"]}, price=False)
    assert list(found.document["ensembles"]) == ["both"]
    start = dataset.split("test").states[:, 0].astype(np.float64)
    deviation = np.sqrt((start**2).mean((1, 2))) * (0.9 - 0.7) / np.sqrt(2)
    np.testing.assert_allclose(found.arrays["both/ensemble_spread"][0], deviation * np.sqrt(3 / 2), rtol=1e-4)
    with pytest.raises(ValueError, match=r"unknown predictor '0\.8'"):
        compare(models, dataset, together={"both": ["0.8", "0.9"]}, price=False)
    with pytest.raises(ValueError, match="at least 2 different predictors"):
        compare(models, dataset, together={"both": ["0.9"]}, price=False)


@pytest.mark.long
def test_an_ensemble_drawn_like_the_truth_is_calibrated(diffusion):
    """Truth and members are the same random walk: spread is error, ranks are flat, CRPS is that of a Gaussian."""
    dataset = diffusion(trajectories=64, frames=7)
    test = dataset.split("test").states
    kicks = np.random.default_rng(5).normal(size=test[:, 1:].shape)
    frames = [test[:, 0]]
    for i in range(6):
        frames.append(0.9 * frames[-1] + 0.05 * kicks[:, i])
    test[:] = np.stack(frames, axis=1)
    found = compare({"walk": stepping(dataset.step, Kick(0.05))}, dataset, members=8, price=False)
    entry = found.document["ensembles"]["walk"]
    np.testing.assert_allclose(entry["spread_over_error"]["all_steps"], 1.0, rtol=0.03)
    np.testing.assert_allclose(entry["crps"]["one_step"], 0.05 / np.sqrt(np.pi), rtol=0.06)
    counts = found.arrays["walk/ensemble_ranks"][0].astype(float)
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 26.1  # 0.1 % of chi^2 with 8 degrees
    spread, error = (found.arrays[f"walk/ensemble_{k}_spectrum"][-1] for k in ("spread", "mean_error"))
    np.testing.assert_allclose(spread[1:-1], error[1:-1], rtol=0.5)


def test_stability(comparison):
    decays = comparison.system("decays")["stability"]
    assert (decays["bounded"], decays["steps"]) == (1.0, 1000)
    assert decays["spectrum_distance_last"] > 3  # 0.9^1000 is nothing at all
    extrapolates = comparison.system("extrapolates")["stability"]
    assert extrapolates["bounded"] == 0.0  # a straight line leaves the range of the data
    assert extrapolates["spectrum_distance_last"] is None
    assert "needs a Stepper" in comparison.system("stays")["stability"]["reason"]
    assert comparison.arrays["decays/long_rms"].shape == (50, 6)


@pytest.mark.parametrize("drawn", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_result_and_its_page(comparison, tmp_path, request, drawn):
    if not drawn:
        request.getfixturevalue("undrawn")
    text = comparison.save(tmp_path).read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    again = Result.load(tmp_path)
    assert again.document == json.loads(json.dumps(comparison.document))
    for name, values in comparison.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)
    page = comparison.write_page(tmp_path).read_text()
    assert page.endswith("</html>\n")
    assert not re.search(r"<script|<link|https?://", page)
    gain = comparison.system("decays_more")["against_reference"]["one_step_nrmse"]["gain"]
    assert f"{100 * gain:+.1f} %" in page
    pictures = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    expected = {"alarm", "curves", "gains", "mode_errors", "price", "ranks", "spectra", "spread", "stability"}
    assert pictures == expected


def test_a_page_needs_a_comparison(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no evaluation\.json: .* \(nor a comparison\.json\)"):
        Result.load(tmp_path)


def test_one_diverging_system_leaves_only_finite_numbers(dataset, undrawn, tmp_path):
    compared = compare({"wild": stepping(dataset.step, Scale(5e6))}, dataset, price=False, long_steps=10)
    assert compared.system("wild")["diverged"]["count"] == 6
    text = compared.save(tmp_path).read_text()
    assert "NaN" not in text
    assert compared.write_page(tmp_path).exists()


@pytest.mark.long
def test_two_dimensions_and_parameters_of_each_trajectory(diffusion, undrawn, tmp_path):
    dataset = diffusion((8, 8), trajectories=3, frames=3, vary=True)
    models = {"a": stepping(dataset.step, Scale(0.9)), "b": stepping(dataset.step, Scale(0.8))}
    found = compare(models, dataset, steps=1, long_steps=3)
    assert found.system("solver")["metrics"]["one_step_nrmse"]["value"] < 1e-5
    for one in found.document["price"]["solvers"]:  # knows the diffusivity of every trajectory
        assert one["error"]["one_step_nrmse"]["median"] < 1e-5, one["setting"]
    assert "8 x 8 points, 1 step, order " in found.write_page(tmp_path).read_text()


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        ((), {}, "at least one predictor"),
        (("a",), {"reference": "b"}, "unknown reference 'b'"),
        (("a",), {"members": 1}, "at least 2 members, got 1"),
        (("solver_2",), {}, "cannot be called 'solver_2'"),
        (("a",), {"trajectories": 7}, "has 6 trajectories, 7 were asked for"),
    ],
)
def test_requests_that_cannot_be_met(dataset, names, options, message):
    with pytest.raises(ValueError, match=message):
        compare({name: stepping(dataset.step, Scale(0.9)) for name in names}, dataset, **options)
