import fcntl

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from pdejax.core import resample
from pdejax.data import Dataset, SplitSize, first_difference, generate, read_problem
from pdejax.data.generation.solve import split_seed
from pdejax.data.store.well import open_shard
from tests.data.conftest import BURGERS


def states_of(root, split="train"):
    return Dataset.open(root).split(split).states


@pytest.mark.parametrize(("which", "seed", "split", "index"), [("burgers", 3, "valid", 2), ("plane", 0, "train", 1)])
def test_states_are_the_solution_of_the_problem(request, which, seed, split, index):
    """One trajectory, solved alone and frame by frame, from the initial condition its number stands for."""
    dataset = request.getfixturevalue(f"{which}_set")
    family, simulator, stored = dataset.family, dataset.simulator, dataset.split(split)
    with jax.enable_x64(True):
        fields, parameters = family.draw(split_seed(seed, split, 0), index, simulator.domain(family))
        initial, burn_in = jnp.stack([fields[name] for name in family.fields], -1), family.times.burn_in
        batch = {name: jnp.asarray(value)[None] for name, value in parameters.items()}
        stepper = eqx.filter_jit(simulator.stepper(family, batch))
        u, frames = jnp.asarray(initial)[None], []
        for _ in range(burn_in + stored.frames):
            frames.append(np.asarray(resample(u, family.domain.shape)[0]))
            u = stepper(u)
    np.testing.assert_allclose(stored.states[index], frames[burn_in:], rtol=2e-7, atol=1e-9)
    assert {name: np.float32(value) for name, value in parameters.items()} == {
        name: values[index] for name, values in stored.parameters.items()
    }


@pytest.mark.parametrize(("shard_size", "batch_size"), [(64, 16), (3, 2)])
def test_content_does_not_depend_on_the_division(burgers, burgers_root, tmp_path, shard_size, batch_size):
    splits = {"train": SplitSize(10, 8)}
    other = generate(*burgers, tmp_path / "set", splits, seed=3, shard_size=shard_size, batch_size=batch_size)
    np.testing.assert_array_equal(states_of(other), states_of(burgers_root))
    parameters = [Dataset.open(root).split("train").parameters for root in (other, burgers_root)]
    for name in ("length", "nu", "step"):
        np.testing.assert_array_equal(parameters[0][name], parameters[1][name])


def test_a_smaller_split_is_the_beginning_of_a_larger_one(burgers, burgers_root, tmp_path):
    other = generate(*burgers, tmp_path / "set", {"train": SplitSize(6, 5)}, seed=3, shard_size=4, batch_size=4)
    np.testing.assert_array_equal(states_of(other), states_of(burgers_root)[:6, :5])


def test_trajectories_differ_between_numbers_splits_and_seeds(burgers, burgers_root, tmp_path):
    other = generate(*burgers, tmp_path / "set", {"train": SplitSize(3, 3)}, seed=4, batch_size=2)
    first = [states_of(burgers_root), states_of(burgers_root, "valid"), states_of(other)]
    every = np.concatenate([s[:, 0].reshape(len(s), -1) for s in first])
    distance = np.abs(every[:, None] - every[None]).max(-1) + np.eye(len(every))
    assert distance.min() > 1e-3


def test_statistics_are_those_of_the_train_split(burgers_set):
    states = burgers_set.split("train").states.astype(np.float64)
    for suffix, values in (("", states), ("_delta", np.diff(states, axis=1))):
        flat = values.reshape(-1, 1)
        expected = {"mean": flat.mean(0), "std": flat.std(0), "rms": np.sqrt((flat**2).mean(0))}
        for name, value in expected.items():
            np.testing.assert_allclose(burgers_set.statistics[name + suffix], value, rtol=1e-6, atol=1e-9)
    columns = burgers_set.split("train").parameter_array
    np.testing.assert_allclose(burgers_set.statistics["parameter_mean"], columns.mean(0), rtol=1e-6)
    np.testing.assert_allclose(burgers_set.statistics["parameter_std"], columns.std(0), rtol=1e-5)
    assert burgers_set.parameter_names == ("length", "nu", "step")
    stored = yaml.safe_load((burgers_set.root / "stats.yaml").read_text())
    assert stored["mean"]["u"] == pytest.approx(float(states.mean()))


def small(problem, root, **changes):
    settings = {"seed": 1, "shard_size": 2, "batch_size": 2, **changes}
    splits = settings.pop("splits", {"train": SplitSize(4, 3)})
    return generate(*problem, root, splits, **settings)


@pytest.fixture(scope="module")
def made(burgers, tmp_path_factory):
    return small(burgers, tmp_path_factory.mktemp("made") / "set")


CLOCKED = (".lock", "seconds.json")  # not of the data


def fingerprint(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.name not in CLOCKED}


def test_a_complete_set_is_left_alone(burgers, made):
    before = {p: p.stat().st_mtime_ns for p in made.rglob("*.*") if p.name != ".lock"}
    calls = []
    small(burgers, made, progress=lambda done, total: calls.append((done, total)))
    assert {p: p.stat().st_mtime_ns for p in made.rglob("*.*") if p.name != ".lock"} == before
    assert calls == [(4, 4)]


def test_a_recipe_without_shards_binds_nobody(burgers, tmp_path):
    """A run that ended before its first shard, such as one that was too coarse, is no data set of other settings."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set/recipe.json").write_text('{"seed": 99}')
    root = small(burgers, tmp_path / "set")
    assert Dataset.open(root).split("train").frames == 3
    assert not (root / "recipe.json").exists()


def test_damage_is_found_and_mended(burgers, tmp_path):
    root = small(burgers, tmp_path / "set")
    before = fingerprint(root)
    shard = root / "data/train/burgers-00001.hdf5"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ValueError, match=r"burgers-00001.hdf5 is missing or differs from its checksum"):
        small(burgers, root)
    with pytest.raises(ValueError, match=r"burgers-00001.hdf5 is missing or differs from its checksum"):
        Dataset.open(root).verify()
    shard.unlink()
    small(burgers, root)
    assert fingerprint(root) == before


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"seed": 2}, "seed is 1 there and 2 here"),
        ({"shard_size": 3}, "shard_size is 2 there and 3 here"),
        ({"splits": {"train": SplitSize(4, 5)}}, "splits.train.frames is 3 there and 5 here"),
        ({"splits": {"test": SplitSize(4, 3)}}, "splits.test is missing there"),
    ],
)
def test_other_settings_are_refused_by_name(burgers, made, changes, key):
    with pytest.raises(ValueError, match=key):
        small(burgers, made, **changes)


def test_another_problem_is_refused_by_name(burgers, made):
    other = {**BURGERS, "time": {**BURGERS["time"], "step": 0.2}}
    with pytest.raises(ValueError, match=r"family.times.step is 0.1 there and 0.2 here"):
        small(read_problem(other), made)


def test_a_foreign_data_folder_is_not_written_to(burgers, tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(ValueError, match="choose another folder"):
        small(burgers, tmp_path)


def test_two_writers_are_refused(burgers, made):
    with (made / ".lock").open("a+") as file:
        file.truncate(0)
        file.write("1234")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="is being written by process 1234"):
            small(burgers, made)


def test_rejects_are_redrawn_and_noted(burgers, tmp_path):
    loose = small(burgers, tmp_path / "loose", splits={"train": SplitSize(6, 3)})
    with_all = Dataset.open(loose)
    differences = [read_difference(loose, number) for number in range(3)]
    tolerance = float(np.sort(np.concatenate(differences))[-2:].mean())  # all but the worst one pass
    worst = int(np.argmax(np.concatenate(differences)))
    strict = Dataset.open(small(burgers, tmp_path / "strict", splits={"train": SplitSize(6, 3)}, tolerance=tolerance))
    rejects = strict.manifest["rejects"]
    assert with_all.manifest["rejects"] == []
    assert rejects[0]["index"] == worst
    assert rejects[0]["attempt"] == 0
    assert rejects[0]["reason"] == "difference to half the solver step above tolerance"
    assert rejects[0]["self_difference"] == np.concatenate(differences)[worst]
    kept = [i for i in range(6) if i != worst]
    same = np.all(with_all.split("train").states == strict.split("train").states, axis=(1, 2, 3))
    assert same.tolist() == [i in kept for i in range(6)]
    assert strict.manifest["self_difference"]["train"]["max"] <= tolerance


def read_difference(root, number):
    with h5py.File(root / f"data/train/burgers-{number:05d}.hdf5") as file:
        return file["provenance/self_difference"][:]


def test_a_solver_too_coarse_is_an_error(burgers, tmp_path):
    told = r"trajectory 0 of split 'train' with length=.*, nu=.* was rejected 8 times"
    with pytest.raises(ValueError, match=told + ".*raise solver.substeps or solver.shape"):
        small(burgers, tmp_path / "set", tolerance=1e-30)


def test_blow_up_is_an_error_that_says_so(burgers, tmp_path):
    wild = {**BURGERS, "initial": {**BURGERS["initial"], "amplitude": 1e6}}
    with pytest.raises(ValueError, match="not finite"):
        small(read_problem(wild), tmp_path / "set")


def test_self_difference_falls_with_the_order_of_the_solver(burgers, tmp_path):
    """Half the solver step gives about 2^-4 of the difference."""
    coarse = Dataset.open(small(burgers, tmp_path / "coarse"))
    finer = {**BURGERS, "solver": {"substeps": 8}}
    fine = Dataset.open(small(read_problem(finer), tmp_path / "fine"))
    ratio = [d.manifest["self_difference"]["train"]["median"] for d in (coarse, fine)]
    assert 10 < ratio[0] / ratio[1] < 24


def test_progress_counts_trajectories(burgers, tmp_path):
    calls = []
    small(burgers, tmp_path / "set", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 4), (2, 4), (4, 4)]


def test_incomplete_and_missing_sets_are_told_apart(burgers, made, tmp_path):
    with pytest.raises(ValueError, match="there is no data set in"):
        Dataset.open(tmp_path)

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 4:
            raise Stop

    with pytest.raises(Stop):
        small(burgers, tmp_path / "set", progress=stop)
    with pytest.raises(ValueError, match="is not complete: generate again"):
        Dataset.open(tmp_path / "set")
    small(burgers, tmp_path / "set")
    assert fingerprint(tmp_path / "set") == fingerprint(made)


def test_manifest_rebuilds_family_and_simulator(burgers, burgers_set):
    family, simulator = burgers
    assert (burgers_set.family, burgers_set.simulator) == (family, simulator)
    assert burgers_set.domain == family.domain
    assert burgers_set.step == family.times.step
    with pytest.raises(ValueError, match=r"unknown split 'trian'\. Did you mean 'train'"):
        burgers_set.split("trian")


@pytest.mark.parametrize("size", [(0, 5), (3, 0)])
def test_empty_splits_are_refused(size):
    with pytest.raises(ValueError, match=r"(trajectories|frames) should be greater than or equal to 1, got 0"):
        SplitSize(*size)


def test_what_evolves_needs_two_frames(burgers, tmp_path):
    with pytest.raises(ValueError, match="frames should be at least 2, as problem 'burgers' evolves in time, got 1"):
        generate(*burgers, tmp_path / "data", {"train": SplitSize(2, 1)})


@pytest.mark.parametrize(("trajectories", "frames"), [(1, 2), (4, 3), (5, 8), (10, 1), (10, 8)])
def test_a_corner_is_read_without_the_rest(burgers_set, burgers_root, trajectories, frames, monkeypatch):
    split, opened = Dataset.open(burgers_root).split("train"), []
    monkeypatch.setattr("pdejax.data.store.shards.open_shard", lambda path: (opened.append(path), open_shard(path))[1])
    corner = split.read(trajectories, frames)
    assert len(opened) == -(-trajectories // 4)  # shards of four
    assert "states" not in split.__dict__
    np.testing.assert_array_equal(corner, burgers_set.split("train").states[:trajectories, :frames])
    assert np.shares_memory(split.states, split.read(trajectories, frames))


@pytest.mark.parametrize(("trajectories", "frames"), [(11, 8), (10, 9), (0, 2), (2, 0)])
def test_a_corner_outside_is_refused(burgers_set, trajectories, frames):
    with pytest.raises(ValueError, match="split 'train' has 10 trajectories of 8 frames"):
        burgers_set.split("train").read(trajectories, frames)


def test_a_split_is_read_once(burgers_set):
    assert burgers_set.split("train").states is burgers_set.split("train").states


@pytest.mark.parametrize(
    ("found", "wanted", "key"),
    [
        ({"vary": {"nu": [0, 1]}}, {"vary": {}}, "vary.nu"),
        ({"vary": {}}, {"vary": {"nu": [0, 1]}}, "vary.nu"),
        ({"a": 1, "b": {"c": None}}, {"a": 1, "b": {}}, "b.c"),
        ({"a": {}}, {"a": 1}, "a"),
        ({"a": [1, 2], "b": {"c": 0}}, {"a": [1, 2], "b": {"c": 0}}, None),
    ],
)
def test_differences_are_found_in_both_directions(found, wanted, key):
    assert first_difference(found, wanted) == first_difference(wanted, found) == key


def test_what_solving_took_is_noted_beside(burgers, made, tmp_path):
    """By split, over all starts; neither the fingerprint nor the checksums know of it."""
    noted = Dataset.open(made).solve_seconds
    assert list(noted) == list(Dataset.open(made).split_names)
    for name, entry in noted.items():
        assert entry["trajectories"] == len(Dataset.open(made).split(name))
        assert entry["wall"] > 0
        assert entry["cpu"] > 0
    before = Dataset.open(made).fingerprint
    again = small(burgers, tmp_path / "again")
    assert Dataset.open(again).fingerprint == before
    for content in ("{}", "[1]", '{"splits": {"train": 3}}', "nonsense"):
        (again / "seconds.json").write_text(content)
        assert Dataset.open(again).solve_seconds == {}
    (again / "seconds.json").unlink()
    assert Dataset.open(again).solve_seconds == {}
    Dataset.open(again).verify()
