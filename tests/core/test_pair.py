"""Two files that belong together are read as one of the pairs that were written, wherever a kill came."""

import pytest

from pdejax._read import FileError
from pdejax.core import _pair, read_pair, write_pair

NAMES = ("document", "arrays")


class Killed(Exception):
    pass


@pytest.fixture
def pair(tmp_path):
    """How to write a pair of one number, killed before a function of the module, and how to read it."""

    def write(number, before=None):
        def kill(*_, **__):
            raise Killed

        with pytest.MonkeyPatch.context() as patch:
            if before:
                patch.setattr(_pair, before, kill)
            write_pair(tmp_path / "a.json", {"n": number}, tmp_path / "a.bin", bytes([number] * 9), NAMES)

    def read():
        plain, content = read_pair(tmp_path / "a.json", tmp_path / "a.bin", NAMES, "write it again")
        assert content == bytes([plain["n"]] * 9)
        return plain["n"]

    write.folder = tmp_path
    return write, read


def test_the_rename_of_the_document_is_the_moment(pair):
    write, read = pair
    write(1)
    for number, before, left in ((2, "replacing", 1), (3, "write_text", 1), (4, "_promote", 4), (5, "write_text", 4),
                                 (6, "_promote", 6), (7, "replacing", 6)):  # fmt: skip
        with pytest.raises(Killed):
            write(number, before)
        assert read() == left
    write(8)
    assert read() == 8
    assert sorted(path.name for path in write.folder.iterdir()) == ["a.bin", "a.json"]


def test_what_belongs_to_no_document_is_refused(pair, monkeypatch):
    write, read = pair
    monkeypatch.setattr(_pair, "WAIT", 0)
    write(1)
    (write.folder / "a.bin").write_bytes(b"other")
    with pytest.raises(FileError, match=r"a.bin is damaged, or belongs to another a.json: write it again"):
        read()
    (write.folder / "a.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"a.bin does not exist"):
        read()


def test_a_document_that_json_cannot_hold_leaves_the_pair_as_it_was(pair):
    write, read = pair
    write(1)
    for wrong in ({"n": float("nan")}, {"n": object()}):
        with pytest.raises((ValueError, TypeError)):
            write_pair(write.folder / "a.json", wrong, write.folder / "a.bin", b"", NAMES)
        assert read() == 1


def test_keys_that_are_numbers_come_back_as_they_are_read(tmp_path):
    paths = tmp_path / "a.json", tmp_path / "a.bin"
    write_pair(paths[0], {"seeds": {2: 1, 10: 2}}, paths[1], b"", NAMES)
    assert read_pair(*paths, NAMES, "")[0] == {"seeds": {"2": 1, "10": 2}}
