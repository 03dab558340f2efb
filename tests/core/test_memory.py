"""What is free, of the machine and of what a container or a queue gave of it."""

import math

import pytest

from pdejax.core import _memory, check_memory


@pytest.mark.parametrize(
    ("folder", "names"), [("", ("max", "current")), ("memory", ("limit_in_bytes", "usage_in_bytes"))]
)
def test_the_limit_of_a_control_group_counts(folder, names, tmp_path, monkeypatch):
    monkeypatch.setattr(_memory, "GROUP", tmp_path)
    (tmp_path / folder).mkdir(exist_ok=True)
    assert _memory.free_memory() > 2**28
    for name, text in zip((*names, "stat"), ("3000\n", "2500\n", "anon 900\ninactive_file 400\n"), strict=True):
        (tmp_path / folder / f"memory.{name}").write_text(text)
    assert _memory.free_memory() == 900
    with pytest.raises(ValueError, match=r"a thing needs about .* GiB of memory, .* are free: take less"):
        check_memory(901, "a thing", "take less")
    (tmp_path / folder / f"memory.{names[0]}").write_text("max\n")
    assert 2**28 < _memory.free_memory() < math.inf
