"""Arrays as a data set: names, splits, statistics, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from pdejax.core import Grid
from pdejax.data import ArrayFeed, Arrays

RNG = np.random.default_rng(0)
STATES = RNG.normal(size=(10, 6, 8, 5, 2)).astype(np.float32)
NU = np.linspace(0.1, 1.0, 10)
COEFFICIENT = RNG.uniform(size=(10, 8, 5))


def test_what_is_not_said_has_a_plain_meaning():
    data = Arrays(STATES)
    assert (data.field_names, data.input_names, data.parameter_names) == (("u0", "u1"), (), ())
    assert (data.step, data.domain, data.split_names) == (1.0, Grid((8, 5), (1.0, 1.0)), ("train",))
    assert (data.family, data.simulator) == (None, None)
    assert Arrays(STATES[:, :1]).step == 0  # one frame is steady
    assert Arrays(STATES[..., :1]).field_names == ("u",)
    split = data.split("train")
    assert split.source is data
    assert (len(split), split.frames, split.shape) == (10, 6, STATES.shape)
    assert split.nbytes == STATES.nbytes
    np.testing.assert_array_equal(split.states, STATES)


def test_what_is_said_is_kept():
    data = Arrays(
        STATES, step=0.1, lengths=(2.0, 3.0), periodic=(True, False), fields=["rho", "m"], name="gas",
        inputs={"b": COEFFICIENT, "a": 2 * COEFFICIENT}, parameters={"nu": NU, "c": 1 - NU},
    )  # fmt: skip
    assert (data.name, data.step, data.field_names) == ("gas", 0.1, ("rho", "m"))
    assert (data.input_names, data.parameter_names) == (("b", "a"), ("c", "nu"))
    assert data.domain.spacing == (2.0 / 8, 3.0 / 4)
    split = data.split("train")
    np.testing.assert_array_equal(split.inputs, np.float32(np.stack([COEFFICIENT, 2 * COEFFICIENT], -1)))
    np.testing.assert_array_equal(split.parameter_array, np.float32(np.stack([1 - NU, NU], -1)))
    window = split.window(3, 2, 3)
    np.testing.assert_array_equal(window.states, STATES[3, 2:5])
    np.testing.assert_array_equal(window.inputs, split.inputs[3])
    np.testing.assert_array_equal(split.read(4, 2), STATES[:4, :2])
    with pytest.raises(ValueError, match=r"split 'train' has 10 trajectories of 6 frames, 11 of 6 were asked for"):
        split.read(11, 6)
    with pytest.raises(ValueError, match=r"unknown split 'tain'. Did you mean 'train'"):
        data.split("tain")


def test_integers_and_arrays_of_jax_are_taken():
    whole = np.arange(2 * 3 * 4).reshape(2, 3, 4, 1)
    states = Arrays(whole).split("train").states
    assert states.dtype == np.float32
    np.testing.assert_array_equal(states, whole)
    np.testing.assert_array_equal(Arrays(jnp.asarray(STATES)).split("train").states, STATES)


def test_shares_take_trajectories_in_their_order():
    data = Arrays(STATES, parameters={"nu": NU}, splits={"train": 0.75, "valid": 0.05, "test": 0.2})
    found = [data.split(name) for name in ("train", "valid", "test")]
    assert [len(split) for split in found] == [7, 1, 2]
    np.testing.assert_array_equal(np.concatenate([split.states for split in found]), STATES)
    np.testing.assert_array_equal(np.concatenate([split.parameters["nu"] for split in found]), np.float32(NU))
    assert [len(Arrays(STATES, splits={"train": 0.5}).split("train"))] == [5]


def test_splits_of_their_own_and_statistics_of_train():
    parts = {"test": STATES[:2, :3], "train": STATES[2:]}
    data = Arrays(parts, parameters={"test": {"nu": NU[:2]}, "train": {"nu": NU[2:]}}, inputs=None)
    assert data.split_names == ("test", "train")
    assert (data.split("test").frames, data.split("train").frames) == (3, 6)
    train = STATES[2:].astype(np.float64)
    for suffix, values in (("", train), ("_delta", np.diff(train, axis=1))):
        flat = values.reshape(-1, 2)
        for name, value in {"mean": flat.mean(0), "std": flat.std(0), "rms": np.sqrt((flat**2).mean(0))}.items():
            np.testing.assert_allclose(data.statistics[name + suffix], value, rtol=1e-6)
    np.testing.assert_allclose(data.statistics["parameter_mean"], NU[2:].mean(), rtol=1e-6)
    assert data.statistics["input_mean"].shape == (0,)


def test_the_fingerprint_follows_the_content():
    same = [Arrays(STATES, parameters={"nu": NU}).fingerprint for _ in range(2)]
    assert same[0] == same[1]
    other = STATES.copy()
    other[3, 2, 1, 0, 1] += 1e-3
    others = [
        Arrays(other, parameters={"nu": NU}),
        Arrays(STATES, parameters={"nu": NU[::-1]}),
        Arrays(STATES, parameters={"mu": NU}),
        Arrays(STATES, parameters={"nu": NU}, step=0.5),
        Arrays(STATES, parameters={"nu": NU}, lengths=(1.0, 2.0)),
        Arrays(STATES, parameters={"nu": NU}, splits={"train": 0.5, "test": 0.5}),
    ]
    assert len({same[0], *(data.fingerprint for data in others)}) == 1 + len(others)


def with_nan():
    states = STATES.copy()
    states[4, 1, 7, 0, 1] = np.nan
    return states


@pytest.mark.parametrize(
    ("states", "options", "words"),
    [
        (
            STATES[:, :, 0, 0],
            {},
            r"states should be \(trajectory.*states\[..., None\].*, got the shape \(10, 6, 2\)",
        ),
        (STATES[None, None], {}, r"states should be \(trajectory, time.*got the shape \(1, 1, 10"),
        (STATES[:0], {}, r"states has no trajectories, its shape is \(0, 6"),
        (STATES + 0j, {}, r"states is complex: give its real and imaginary part as two fields"),
        (np.full((1, 2, 3, 1), "a"), {}, r"states should hold numbers, got the type <U1"),
        (with_nan(), {}, r"states has 1 of 4800 numbers that are not finite .* the first at \[4, 1, 7, 0, 1\]"),
        (np.full((1, 2, 3, 1), 1e39), {}, r"states has 6 of 6 numbers that are not finite \(in single precision\)"),
        (STATES, {"fields": ["u"]}, r"fields=\['u'\] should name 2 channel\(s\)"),
        (STATES, {"parameters": {"nu": NU[:4]}}, r"parameter 'nu' should have the shape \(10,\), got \(4,\)"),
        (STATES, {"inputs": {"a": COEFFICIENT[:, :4]}}, r"input 'a' should have the shape \(10, 8, 5\)"),
        (STATES, {"lengths": (1.0,)}, r"lengths=\(1.0,\) should have one entry for each of 2 axes of space"),
        (STATES, {"domain": Grid((4,), (1.0,))}, r"the domain has the shape \(4,\), the states \(8, 5\)"),
        (STATES, {"domain": Grid((8, 5), (1.0, 1.0)), "periodic": True}, r"lengths and periodic belong to the domain"),
        (STATES, {"splits": {"train": 0.9, "test": 0.2}}, r"splits=.* should be shares above 0 whose sum is 1 at most"),
        (STATES[:1], {"splits": {"train": 0.5, "test": 0.5}}, r"1 trajectories cannot be divided into train, test"),
        ({"train": STATES}, {"splits": {"train": 1.0}}, r"splits divide one array of states, here are train"),
        ({"train": STATES, "test": STATES[..., :1]}, {}, r"space and channels of test are \(8, 5, 1\), those of train"),
        ({"train": STATES, "test": STATES}, {"parameters": {"train": {"nu": NU}}}, r"parameters of test are \(\)"),
        ({}, {}, "there are no states"),
    ],
)
def test_what_does_not_fit_is_said(states, options, words):
    with pytest.raises(ValueError, match=f"^Arrays: {words}"):
        Arrays(states, **options)


BASE = np.random.default_rng(2).normal(size=(4, 3, 8, 1))
BOTH = {"train": BASE, "test": BASE}
# what is of another type than the annotations say is refused before, by the type checks that these tests run with
SLIPS = {
    "parameters without splits": ((BOTH,), {"parameters": {"nu": np.ones(4)}},
                                  "parameters are of splits, as the states are: unknown split 'nu'"),
    "misspelt splits": ((BOTH,), {"parameters": {"trian": {"nu": np.ones(4)}}}, "unknown split 'trian'"),
    "inputs without splits": (({"train": BASE[:, :1]},), {"inputs": {"a": BASE[:, 0, :, 0]}}, "unknown split 'a'"),
    "names twice": ((np.concatenate([BASE, BASE], -1),), {"fields": ("u", "u")}, "'u' is the name of 2 things"),
    "a parameter like a field": ((BASE,), {"parameters": {"u": np.ones(4)}}, "'u' is the name of 2 things"),
    "no word": ((BASE,), {"fields": ("the v",)}, "'the v' is no name: a letter, digit or _"),
    "a path": ((BASE,), {"parameters": {"../x": np.ones(4)}}, "'../x' is no name"),
    "letters as names": ((BASE,), {"fields": "u"}, "fields should be a list of names, such as"),
    "step -1": ((BASE,), {"step": -1.0}, "step should be a number above 0, .* got -1.0"),
    "step nan": ((BASE,), {"step": float("nan")}, "step should be a number above 0"),
    "step 0": ((BASE,), {"step": 0}, "step=0 is steady, one frame a trajectory, got 3 frames"),
    "masked": ((np.ma.masked_less(BASE, 0),), {}, "states has .* masked numbers: fill them"),
    "ragged": (([[1], [1, 2]],), {}, "states is no array: its parts have different lengths"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_and_nothing_is_left_out(slip):
    given, options, sentence = SLIPS[slip]
    with pytest.raises(ValueError, match=rf"Arrays: .*{sentence}"):
        Arrays(*given, **options)


def test_names_of_other_alphabets_are_names():
    data = Arrays(BASE, fields=("ρ",), parameters={"λ": np.ones(4), "x_0.5": np.ones(4)})
    assert (data.field_names, data.parameter_names) == (("ρ",), ("x_0.5", "λ"))


def test_slips_of_names_sizes_and_splits_are_told():
    for given, options, said in (
        (BASE, {"fields": "u"}, r"fields should be a list of names, such as fields=\('u',\)"),
        (BASE[:0], {}, r"states has no trajectories, its shape is \(0, 3, 8, 1\)"),
    ):
        with pytest.raises(ValueError, match=said):
            Arrays(given, **options)
    with pytest.raises(ValueError, match="there is no split 'train' to learn from, found test, training"):
        ArrayFeed(Arrays({"test": BASE, "training": BASE}, step=0.1), batch_size=2)
    assert ArrayFeed(Arrays({"test": BASE}, step=0.1), batch_size=2).source.split_names == ("test",)


@pytest.mark.parametrize("shape", [(2, 3, 1, 64), (2, 3, 2, 64), (2, 3, 3, 16, 16), (2, 3, 1, 8, 8)])
def test_channels_before_space_are_asked_about(shape):
    states = np.ones(shape)
    space, fields = " x ".join(map(str, shape[2:-1])), shape[-1]
    with pytest.raises(ValueError, match=rf"gives {space} point\(s\) of space with {fields} fields: .*moveaxis"):
        Arrays(states)
    assert Arrays(np.moveaxis(states, 2, -1)).domain.shape == shape[3:]
    assert Arrays(states, fields=[f"a{i}" for i in range(fields)]).domain.shape == shape[2:-1]


def test_ends_are_of_the_fields_of_the_states():
    states = np.ones((2, 3, 8, 2))
    ends = lambda *fields: [[dict.fromkeys(fields, "value"), "wall"]]
    assert Arrays(states, fields=["p", "q"], domain=Grid((8,), (1.0,), ends("p", "q"))).field_names == ("p", "q")
    for named in (("p",), ("p", "v"), ("p", "q", "v")):
        with pytest.raises(ValueError, match=f"an end of the domain names the fields {', '.join(named)}, .* p, q"):
            Arrays(states, fields=["p", "q"], domain=Grid((8,), (1.0,), ends(*named)))


def test_rows_of_different_lengths_are_no_array():
    with pytest.raises(ValueError, match="Arrays: states is no array: its parts have different lengths"):
        Arrays([[[[1.0], [2.0]]], [[[1.0]]]])


def test_a_split_that_was_not_made_is_told_how():
    with pytest.raises(ValueError, match=r"unknown split 'test'. Known: train. Arrays\(splits=.* would divide them"):
        Arrays(STATES).split("test")


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (2, 3, 8, 8, 8)])
def test_an_axis_of_channels_that_is_missing_is_asked_about(shape):
    states = np.ones(shape)
    with pytest.raises(ValueError, match=r"with 8 fields: .*if there is no axis of channels, states\[..., None\]"):
        Arrays(states)
    assert Arrays(states[..., None]).domain.shape == shape[2:]
