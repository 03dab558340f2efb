"""Data of others: NumPy's files with a card, and a reader of one's own."""

import json

import numpy as np
import pytest
import yaml

from pdejax.core import Grid, register
from pdejax.core._registry import _FACTORIES
from pdejax.data import Arrays, Dataset, DiskFeed, Split, Trajectories, Window, batches_of, open_data
from pdejax.data.store import statistics
from pdejax.evaluation.reference import select

RNG = np.random.default_rng(1)
STATES = RNG.normal(size=(20, 5, 6, 1))
NU = RNG.uniform(size=20)
FORCE = RNG.normal(size=(20, 6))


def test_an_array_with_a_card(tmp_path):
    np.save(tmp_path / "heat.npy", STATES)
    card = {"name": "warm", "step": 0.5, "lengths": [2], "periodic": [False], "fields": ["T"],
            "splits": {"train": 0.5, "test": 0.5}}  # fmt: skip
    (tmp_path / "heat.json").write_text(json.dumps(card))
    data = open_data(tmp_path / "heat.npy")
    assert (data.name, data.step, data.field_names, data.split_names) == ("warm", 0.5, ("T",), ("train", "test"))
    assert data.domain.lengths == (2.0,)
    assert not data.domain.periodic
    np.testing.assert_array_equal(data.split("test").states, np.float32(STATES[10:]))


def test_one_array_with_parameters_and_inputs_needs_no_card(tmp_path):
    np.savez(tmp_path / "heat.npz", states=STATES, nu=NU, f=FORCE)
    data = open_data(str(tmp_path / "heat.npz"))
    assert (data.name, data.step, data.parameter_names, data.input_names) == ("heat", 1.0, ("nu",), ("f",))
    assert [len(data.split(name)) for name in ("train", "valid", "test")] == [16, 2, 2]
    np.testing.assert_array_equal(data.split("valid").parameters["nu"], np.float32(NU[16:18]))
    np.testing.assert_array_equal(data.split("test").inputs[..., 0], np.float32(FORCE[18:]))


def test_an_array_for_each_split(tmp_path):
    halves = {"train": slice(0, 12), "test": slice(12, 20)}
    arrays = {name: STATES[rows] for name, rows in halves.items()}
    arrays |= {f"{name}_nu": NU[rows] for name, rows in halves.items()}
    arrays |= {f"{name}_f": FORCE[rows] for name, rows in halves.items()}
    np.savez_compressed(tmp_path / "heat.npz", **arrays)
    (tmp_path / "heat.yaml").write_text("step: 0.25\n")
    data = open_data(tmp_path / "heat.npz", "npz")
    assert (data.step, data.split_names, data.input_names) == (0.25, ("train", "test"), ("f",))
    np.testing.assert_array_equal(data.split("test").states, np.float32(STATES[12:]))
    np.testing.assert_array_equal(data.split("test").parameter_array[:, 0], np.float32(NU[12:]))


def test_statistics_are_computed_once_and_kept(tmp_path, monkeypatch):
    path, calls = tmp_path / "heat.npz", []
    np.savez(path, states=STATES, nu=NU)
    real = statistics.statistics_of
    monkeypatch.setattr(statistics, "statistics_of", lambda split: (calls.append(split), real(split))[1])
    first, again = open_data(path).statistics, open_data(path).statistics
    assert len(calls) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["heat.npz", "heat.npz.stats.yaml"]
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name], err_msg=name)
    np.testing.assert_allclose(first["mean"][0], STATES[:16].mean(), rtol=1e-5)
    np.savez(path, states=2 * STATES, nu=NU)  # other numbers below the same name
    np.testing.assert_allclose(open_data(path).statistics["std"], 2 * first["std"], rtol=1e-5)
    assert len(calls) == 2
    (tmp_path / "heat.npz.stats.yaml").write_text("{")  # nobody's file
    np.testing.assert_allclose(open_data(path).statistics["std"], 2 * first["std"], rtol=1e-5)


def test_a_folder_that_cannot_be_written_to_is_read_all_the_same(tmp_path, monkeypatch):
    np.savez(tmp_path / "heat.npz", states=STATES)

    def refuse(path, text):
        raise PermissionError(path)

    monkeypatch.setattr(statistics, "write_text", refuse)
    np.testing.assert_allclose(open_data(tmp_path / "heat.npz").statistics["std"], STATES[:16].std(), rtol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["heat.npz"]


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            {"state": STATES},
            r"expected an array 'states', or one for each of the splits train, .*; found state",
        ),
        ({"states": STATES, "train": STATES}, r"expected an array 'states', or one for each of the splits"),
        ({"train": STATES, "nu": NU}, r"the array 'nu' belongs to no split, expected train_nu"),
        ({"train": STATES, "val": STATES}, r"the array 'val' belongs to no split. Did you mean 'valid'\?"),
        ({"train": STATES, "Train_nu": NU}, r"the array 'Train_nu' belongs to no split. Did you mean 'train_nu'\?"),
        ({"states": STATES, "nu": NU[:3]}, r"parameter 'nu' should have the shape \(20,\), got \(3,\)"),
        ({"states": STATES, "f": FORCE[:, :2]}, r"input 'f' should have the shape \(20, 6\), got \(20, 2\)"),
        ({"train": STATES[..., 0]}, r"train should be \(trajectory, time, \*space, channel\)"),
        ({"states": np.where(STATES > 2, np.nan, STATES)}, r"states has \d+ of 600 numbers that are not finite"),
        ({"states": np.array([None])}, r"holds Python objects, which are not read: store arrays of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, arrays, words):
    np.savez(tmp_path / "heat.npz", **arrays)
    with pytest.raises(ValueError, match=rf"heat\.npz:? {words}"):
        open_data(tmp_path / "heat.npz")


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ("stepp: 1", r"heat.yaml: unknown key 'stepp'. Did you mean 'step'"),
        ("step: fast", r"heat.yaml: step should be a number above 0, got 'fast'"),
        ("step: -1", r"heat.yaml: step should be a number above 0, got -1"),
        ("lengths: 2", r"heat.yaml: lengths should be a list of numbers above 0, got 2"),
        ("periodic: 1", r"heat.yaml: periodic should be true, false, or a list of these, got 1"),
        ("fields: u", r"heat.yaml: fields should be a list of words, got 'u'"),
        ("splits: [train]", r"heat.yaml: splits should be a mapping of splits to shares"),
        ("lengths: [1, 2]", r"heat.npz: lengths=\[1.0, 2.0\] should have one entry for each of 1 axes of space"),
        ("fields: [u, v]", r"heat.npz: fields=\['u', 'v'\] should name 1 channel"),
        ("splits: {train: 2}", r"heat.npz: splits=.* should be shares above 0"),
        ("- step", r"heat.yaml should hold a mapping, found list"),
        ("step: [", r"heat.yaml:1: not valid YAML"),
    ],
)
def test_a_card_that_does_not_fit_is_named(tmp_path, card, words):
    np.savez(tmp_path / "heat.npz", states=STATES)
    (tmp_path / "heat.yaml").write_text(card)
    with pytest.raises(ValueError, match=words):
        open_data(tmp_path / "heat.npz")


def test_two_cards_are_one_too_many(tmp_path):
    np.save(tmp_path / "heat.npy", STATES)
    for suffix in ("json", "yml"):
        (tmp_path / f"heat.{suffix}").write_text("{}")
    with pytest.raises(ValueError, match=r"heat.npy has 2 cards, .*heat.yml and .*heat.json: keep one"):
        open_data(tmp_path / "heat.npy")


def test_what_is_not_there_or_of_no_known_kind(tmp_path):
    with pytest.raises(ValueError, match=r"there is no data set in .*gone.npz: .*gone.npz does not exist"):
        open_data(tmp_path / "gone.npz")
    (tmp_path / "heat.npx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"heat.npx: unknown suffix 'npx'. Did you mean 'npz'.*reader="):
        open_data(tmp_path / "heat.npx")
    (tmp_path / "heat.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(ValueError, match=r"heat.npz cannot be read as a file of NumPy's"):
        open_data(tmp_path / "heat.npz")
    with pytest.raises(ValueError, match="there is no data set in"):
        open_data(tmp_path)
    with pytest.raises(ValueError, match=r"unknown reader 'npq'"):
        open_data(tmp_path / "heat.npz", "npq")


def test_our_own_sets_open_by_the_same_call(burgers_root):
    data = open_data(burgers_root)
    assert isinstance(data, Dataset)
    assert data.fingerprint == Dataset.open(burgers_root).fingerprint


@pytest.fixture
def mine():
    """A reader of one's own: columns of text, one trajectory a line."""

    @register("reader", "txt")
    def read_lines(path, frames: int = 3):
        rows = np.loadtxt(path)
        return Arrays(rows.reshape(len(rows), frames, -1, 1), where=str(path))

    yield read_lines
    del _FACTORIES["reader"]["txt"]


def test_a_reader_of_ones_own(tmp_path, mine):
    rows = RNG.normal(size=(4, 12))
    np.savetxt(tmp_path / "heat.txt", rows)
    by_suffix = open_data(tmp_path / "heat.txt").split("train").states
    np.testing.assert_allclose(by_suffix, rows.reshape(4, 3, 4, 1), rtol=1e-6)
    with_options = open_data(tmp_path / "heat.txt", {"kind": "txt", "frames": 6})
    assert with_options.split("train").shape == (4, 6, 2, 1)
    by_itself = open_data(tmp_path / "heat.txt", mine)
    np.testing.assert_array_equal(by_itself.split("train").states, by_suffix)
    with pytest.raises(ValueError, match=r"unknown option of reader 'txt': 'frame'. Did you mean 'frames'"):
        open_data(tmp_path / "heat.txt", {"kind": "txt", "frame": 6})
    with pytest.raises(ValueError, match=r"should give Trajectories, such as Arrays, got .*ndarray"):
        open_data(tmp_path / "heat.txt", lambda path: rows)


def test_a_card_of_numbers_in_words_of_yaml(tmp_path):
    np.save(tmp_path / "heat.npy", STATES)
    (tmp_path / "heat.yml").write_text(yaml.safe_dump({"step": 1, "lengths": [0.5], "periodic": True}))
    assert open_data(tmp_path / "heat.npy").step == 1.0


class Lines(Split):
    """One trajectory a line of a text file, read when it is asked for."""

    name, frames, inputs, parameters = "train", 3, np.zeros((4, 4, 0), np.float32), {}

    def __init__(self, source, path):
        self.source, self.path, self.lines_read = source, path, 0

    def __len__(self):
        return 4

    def window(self, trajectory, start, frames):
        self.lines_read += 1
        row = np.loadtxt(self.path, skiprows=trajectory, max_rows=1, dtype=np.float32)
        return Window(row.reshape(3, 4, 1)[start : start + frames], self.inputs[trajectory])

    def read(self, trajectories, frames):
        self.check_corner(trajectories, frames)
        return np.stack([self.window(i, 0, frames).states for i in range(trajectories)])


class TextFile(Trajectories):
    name, fingerprint, step, domain, family, simulator = "text", "0", 0.1, Grid((4,), (1.0,)), None, None
    field_names, input_names, parameter_names, split_names = ("u",), (), (), ("train",)

    def __init__(self, path):
        self._split = Lines(self, path)
        self.statistics = statistics.statistics_of(self._split)

    def split(self, name):
        return self._split


def test_a_reader_that_holds_nothing_in_memory(tmp_path):
    rows = RNG.normal(size=(4, 12)).astype(np.float32)
    np.savetxt(tmp_path / "heat.dat", rows)
    data = open_data(tmp_path / "heat.dat", TextFile)
    np.testing.assert_allclose(data.statistics["mean"], rows.mean(), rtol=1e-5)
    split, held = data.split("train"), Arrays(rows.reshape(4, 3, 4, 1)).split("train")
    before = split.lines_read
    lazy, ready = (next(batches_of(DiskFeed(one, 2, 5, seed=1), 1)) for one in (split, held))
    assert split.lines_read - before == 5
    np.testing.assert_array_equal(lazy.states, ready.states)
    assert (split.shape, split.nbytes) == (held.shape, held.nbytes)


def test_what_a_reader_gives_is_not_taken_for_a_divergence_of_the_model(tmp_path):
    """Not a number in the truth: neither learned from nor measured against, and the place is told."""
    rows = RNG.normal(size=(4, 12)).astype(np.float32)
    np.savetxt(tmp_path / "heat.dat", rows)
    data = open_data(tmp_path / "heat.dat", TextFile)
    rows[2, 5] = np.nan
    np.savetxt(tmp_path / "heat.dat", rows)
    with pytest.raises(
        ValueError, match=r"text, split 'train': 1 of 48 numbers .* frame 1 of trajectory 2: nothing can"
    ):
        select(data, "train", None, None, 1)
    assert select(data, "train", 2, None, 1).states.shape == (2, 3, 4, 1)
    with pytest.raises(ValueError, match="trajectory 2 of the data to learn from holds numbers that are not finite"):
        open_data(tmp_path / "heat.dat", TextFile)


@pytest.mark.parametrize("edit", ["std: {u: 1000.0}", "std: {u: .nan}", "std: {u: abc}", "sha256: none"])
def test_kept_statistics_that_were_changed_are_made_again(tmp_path, edit):
    np.savez(tmp_path / "heat.npz", states=STATES)
    right, kept = open_data(tmp_path / "heat.npz").statistics, tmp_path / "heat.npz.stats.yaml"
    content, good = yaml.safe_load(kept.read_text()), kept.read_text()
    kept.write_text(yaml.safe_dump({**content, **yaml.safe_load(edit)}))
    np.testing.assert_array_equal(open_data(tmp_path / "heat.npz").statistics["std"], right["std"])
    assert kept.read_text() == good


def test_a_file_of_another_kind_than_its_suffix_says(tmp_path):
    np.save(tmp_path / "one.npy", STATES)
    np.savez(tmp_path / "many.npz", states=STATES)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    (tmp_path / "text.npz").write_text("not a zip")
    for name, said in {"one.npz": "an archive of arrays of NumPy's, and is one array", "text.npz": "and is neither",
                       "many.npy": "one array of NumPy's, and is an archive"}.items():  # fmt: skip
        with pytest.raises(ValueError, match=f"{name} should be .*{said}: is its suffix right"):
            open_data(tmp_path / name)


def test_suffixes_in_capitals_and_keys_that_are_there_twice(tmp_path):
    np.savez(tmp_path / "heat.npz", states=STATES)
    (tmp_path / "heat.npz").rename(tmp_path / "heat.NPZ")
    (tmp_path / "heat.yaml").write_text("step: 0.1\nname: x\nstep: 0.2\n")
    with pytest.raises(ValueError, match=r"heat.yaml:1: the key 'step' is there twice"):
        open_data(tmp_path / "heat.NPZ")
    (tmp_path / "heat.yaml").write_text("step: 0.1\n")
    assert open_data(tmp_path / "heat.NPZ").step == 0.1


def test_words_of_the_card_are_no_arrays(tmp_path):
    np.savez(tmp_path / "heat.npz", states=STATES, step=0.1)
    with pytest.raises(ValueError, match=r"array 'step' has the name of a word of the card: write it into heat\.yaml"):
        open_data(tmp_path / "heat.npz")
