"""Networks that neuraloperator 2.0.0 wrote, with random weights: `python -m benchmarks._peer_fno golden FOLDER`."""

import os
import pickle
import zipfile
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from pdejax.networks import from_neuraloperator, load_neuraloperator
from pdejax.networks.released.torch_file import Named, read_torch

FOLDER = Path(__file__).parent / "neuraloperator"


@pytest.fixture
def state():
    return read_torch(FOLDER / "2d.pt")


def weights(state):
    return {name: array for name, array in state.items() if name != "_metadata"}


@pytest.mark.parametrize("name", ["1d", "2d", "3d"])
def test_gives_the_output_that_neuraloperator_gave(name):
    expected = np.load(FOLDER / f"{name}.npz")
    net = load_neuraloperator(FOLDER / f"{name}.pt")
    np.testing.assert_allclose(eqx.filter_jit(net)(expected["x"]), expected["y"], atol=1e-6)


def test_needs_nothing_but_the_weights(state, tmp_path):
    save_file(weights(state), tmp_path / "2d.safetensors")
    expected = np.load(FOLDER / "2d.npz")
    y = eqx.filter_jit(load_neuraloperator(tmp_path / "2d.safetensors"))(expected["x"])
    np.testing.assert_allclose(y, expected["y"], atol=1e-6)


def test_every_weight_finds_its_place(state):
    # of an axis with four modes, -2 .. 1, the frequency +2 is made up
    net = from_neuraloperator(state)
    assert net.blocks[0].spectral.modes == (3, 4)
    weight = state["fno_blocks.convs.0.weight.tensor"]
    ours = np.asarray(net.blocks[0].spectral.weight_re) + 1j * np.asarray(net.blocks[0].spectral.weight_im)
    for position, frequency in enumerate([0, 1, 2, -1, -2]):
        expected = 0 if frequency == 2 else weight[:, :, frequency + 2].transpose(2, 0, 1)
        np.testing.assert_array_equal(ours[position], expected * np.ones((4, 3, 3)))


def test_a_lifting_without_coordinates(state):
    assert from_neuraloperator(weights(state), in_channels=4).positions == ("none", "none")
    assert from_neuraloperator(weights(state), in_channels=2).positions == ("fraction", "fraction")
    with pytest.raises(ValueError, match="takes 2 or 4 channels, got in_channels 3"):
        from_neuraloperator(weights(state), in_channels=3)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("norm", "group_norm"),
        ("stabilizer", "tanh"),
        ("domain_padding", 0.25),
        ("resolution_scaling_factor", [1, 2]),
        ("factorization", "Tucker"),
        ("complex_data", True),
        ("preactivation", True),
        ("separable", True),
    ],
)
def test_refuses_a_setting_without_counterpart(setting, value, state):
    state["_metadata"][setting] = value
    with pytest.raises(ValueError, match=f"neuraloperator's {setting} must be"):
        from_neuraloperator(state)


def test_refuses_weights_of_more_modes_than_are_used(state):
    state["_metadata"] |= {"n_modes": (2, 6), "max_n_modes": (4, 6)}
    with pytest.raises(ValueError, match=r"max_n_modes must be None .* its weights are of \(4, 4\)"):
        from_neuraloperator(state)


def test_refuses_grids_on_which_neuraloperator_keeps_other_modes(state):
    net = from_neuraloperator(state)
    assert net(jnp.zeros((1, 5, 4, 2))).shape == (1, 5, 4, 1)
    with pytest.raises(ValueError, match=r"grids of at least \(5, 1\) points, got \(4, 12\)"):
        net(jnp.zeros((1, 4, 12, 2)))


def test_refuses_entries_without_counterpart(state):
    with pytest.raises(ValueError, match=r"this package's FNO has no counterpart of 'fno_blocks.norm.0.weight'"):
        from_neuraloperator(weights(state) | {"fno_blocks.norm.0.weight": np.ones(3)})
    factorised = {name.replace("weight.tensor", "weight.core"): array for name, array in weights(state).items()}
    with pytest.raises(ValueError, match=r"has the entry 'fno_blocks.convs.0.weight.tensor'"):
        from_neuraloperator(factorised)
    without = {name: array for name, array in state.items() if "fno_skips" not in name and name != "_metadata"}
    with pytest.raises(ValueError, match="fno_skip must be linear, soft-gating or identity"):
        from_neuraloperator(without)
    state["_metadata"]["non_linearity"] = Named("torch.nn.functional.relu")
    with pytest.raises(ValueError, match="non_linearity must be gelu"):
        from_neuraloperator(state)
    with pytest.raises(ValueError, match=r"lifting.fcs.0.bias should have the shape \(6,\) here, got \(5,\)"):
        from_neuraloperator(weights(state) | {"lifting.fcs.0.bias": np.ones(5)})


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [
        ("fno_blocks.convs.0.weight.tensor", (3,), r"\(in, out, \*modes\) with 2 modes"),
        ("fno_blocks.convs.1.weight.tensor", (3, 3, 4, 3, 2), r"\(in, out, \*modes\) with 2 modes"),
        ("lifting.fcs.0.weight", (6,), r"\(out, in, 1\)"),
        ("projection.fcs.1.weight", (1, 6), r"\(out, in, 1\)"),
    ],
)
def test_refuses_weights_with_other_axes(name, shape, axes, state):
    with pytest.raises(ValueError, match=f"{name} of neuraloperator should have the axes {axes}, got the shape"):
        from_neuraloperator(state | {name: np.zeros(shape, np.float32)})


def test_refuses_a_state_without_a_projection(state):
    del state["projection.fcs.1.weight"]
    with pytest.raises(ValueError, match=r"has the entry 'projection.fcs.1.weight', this state dict has not"):
        from_neuraloperator(state)


def test_reads_tensors_of_all_types_and_strides():
    tensors = read_torch(FOLDER / "tensors.pt")
    count = np.arange(12, dtype=np.float32)
    expected = {
        "transposed": count.reshape(3, 4).T,
        "part": count[3:9:2],
        "parameter": count[:4],
        "scalar": np.float32(7),
        "empty": count[:0],
        "long": np.arange(3),
        "half": count[:3].astype(np.float16),
        "complex": count[:3] + np.complex64(1j) * count[3:6],
    }
    for name, array in expected.items():
        assert tensors[name].dtype == array.dtype
        np.testing.assert_array_equal(tensors[name], array)
    assert isinstance(tensors["bfloat16"], Named)


def archive(path, content, storage=b""):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
        file.writestr("archive/data/0", storage)
    return path


class _Call:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def test_runs_nothing_that_a_file_names(tmp_path):
    victim = tmp_path / "victim"
    victim.mkdir()
    content = pickle.dumps({"a": _Call(os.rmdir, str(victim)), "b": _Call(eval, "1 + 1")}, protocol=2)
    state = read_torch(archive(tmp_path / "calls.pt", content))
    assert victim.exists()
    assert isinstance(state["a"], Named)
    assert isinstance(state["b"], Named)


def tensor_of(storage):
    """Protocol 0, by hand: torch._utils._rebuild_tensor_v2(storage 0, offset 1, size (2,), stride (1,))."""
    start = b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\n"
    return start + storage.encode() + b"\nS'0'\nS'cpu'\nI2\ntQI1\n(I2\nt(I1\nttR."


@pytest.mark.parametrize(("storage", "dtype"), [("ByteStorage", "u1"), ("CharStorage", "i1"), ("ShortStorage", "<i2")])
def test_reads_small_integers(storage, dtype, tmp_path):
    found = read_torch(archive(tmp_path / "small.pt", tensor_of(storage), np.array([3, 100, 7], dtype).tobytes()))
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, [100, 7])


def test_refuses_damaged_and_foreign_files(tmp_path):
    content = tensor_of("FloatStorage")
    for damaged in (b"", b".", content[:-9]):
        with pytest.raises(ValueError, match=r"damaged.pt cannot be read as a file of torch's zip format"):
            read_torch(archive(tmp_path / "damaged.pt", damaged, bytes(12)))
    with pytest.raises(FileNotFoundError):
        read_torch(tmp_path / "none.pt")
    with pytest.raises(ValueError, match="a tensor reaches beyond its storage"):
        read_torch(archive(tmp_path / "beyond.pt", content, bytes(8)))
    np.testing.assert_array_equal(read_torch(archive(tmp_path / "within.pt", content, bytes(12))), [0, 0])
    (tmp_path / "text.pt").write_text("weights")
    with pytest.raises(ValueError, match=r"text.pt cannot be read as a file of torch's zip format"):
        load_neuraloperator(tmp_path / "text.pt")
    with pytest.raises(ValueError, match="should hold a state dict, got int"):
        load_neuraloperator(archive(tmp_path / "number.pt", pickle.dumps(3)))
