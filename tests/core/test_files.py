"""Files are whole or absent, nobody else's are touched, and a folder has one writer."""

import contextlib
import errno
import os
import signal
import subprocess
import sys

import pytest

from pdejax._read import FileError, parse_json, printable, read_json, read_lines, read_plain_yaml, read_text
from pdejax._write import WriteError, check_folder, check_target
from pdejax.core import LOCK, exclusive, remove_partial, replacing, write_text


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "below" / "a.txt"
    write_text(path, "one")
    with contextlib.suppress(KeyError), replacing(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "one"
    write_text(path, "two")
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert path.read_text() == "two"
    (tmp_path / "other").write_text("")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_disk_without_room_is_told_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "one")
    for number, reason in ((errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "the quota"), (errno.EFBIG, "ulimit -f")):
        for error in (OSError(number, ""), ValueError(f"Failed to write 3 bytes to file 4: {os.strerror(number)}")):
            with pytest.raises(WriteError, match=f"^{path} cannot be written: .*{reason}"), replacing(path):
                raise ValueError("a library above it") from error
    with pytest.raises(ValueError, match=r"^another"), replacing(path):
        raise ValueError("another")
    assert path.read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("there", ["file", "link"])
def test_where_no_folder_can_be_is_told_before(there, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "link")
    target = tmp_path / there / "below" / "a.txt"
    for write in (lambda: check_folder(target.parent), lambda: write_text(target, ""), lambda: check_target(target)):
        with pytest.raises(FileError, match=rf"^{tmp_path / there} is no folder, and files shall be written into"):
            write()
    with pytest.raises(FileError, match="is a folder, and a file shall be written there"):
        check_target(tmp_path)
    check_folder(tmp_path / "new" / "below")


def test_links_in_the_way_are_not_followed(tmp_path):
    """What somebody laid there before keeps what it holds."""
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / "a.txt.tmp").symlink_to(other)
    (tmp_path / "a.txt").symlink_to(other)
    write_text(tmp_path / "a.txt", "new")
    assert other.read_text() == "mine"
    assert (tmp_path / "a.txt").read_text() == "new"
    (tmp_path / LOCK).symlink_to(other)
    with pytest.raises(ValueError, match="is a link, and a lock is a file"), exclusive(tmp_path):
        pass
    assert other.read_text() == "mine"


KILLED = """
import os, signal, sys
from pathlib import Path
from pdejax.core import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "a.txt"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1
    others = ["a.tmp", "a.pdejax-partial", "notes.0123456789abcdef.pdejax-partial.txt"]
    for name in others:
        (tmp_path / name).write_text("mine")
    (tmp_path / "link.0123456789abcdef.pdejax-partial").symlink_to(tmp_path / "a.tmp")
    remove_partial(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "link.0123456789abcdef.pdejax-partial"])


def test_a_file_system_without_locks_is_said_and_used(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("pdejax.core._files.fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="is on a file system without locks"), exclusive(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


def test_a_folder_has_one_writer(tmp_path):
    with exclusive(tmp_path):
        with pytest.raises(ValueError, match=f"is being written by process {os.getpid()}"), exclusive(tmp_path):
            pass
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
    with exclusive(tmp_path):
        pass


BROKEN = {
    "empty": (b"", r":1: not valid JSON: expecting value"),
    "cut": (b'{"a": [1,', r":1: not valid JSON"),
    "latin": (b'{"a": "\xe4"}', "is no text in UTF-8: byte 7 is 0xe4"),
    "zeros": (b"\0" * 9, "not valid JSON"),
    "list": (b"[1]", "should hold a mapping, found list"),
    "deep": (b"[" * 100_000, "thousands of levels"),
    "digits": (b'{"a": ' + b"1" * 10_000 + b"}", "thousands of levels or of digits"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_json_is_said_in_one_sentence(kind, tmp_path):
    content, sentence = BROKEN[kind]
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=sentence) as refused:
        read_json(path)
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_what_is_no_file_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a.json does not exist"):
        read_json(tmp_path / "a.json")
    with pytest.raises(FileError, match="is a folder, expected a file"):
        read_json(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="is a device, a pipe or a socket"):
        read_text(tmp_path / "pipe")
    (tmp_path / "long").write_text("12345")
    with pytest.raises(FileError, match="has 5 bytes, a file of its kind has at most 4"):
        read_text(tmp_path / "long", 4)


def test_lines_are_read_up_to_the_one_that_is_cut(tmp_path):
    path = tmp_path / "a.jsonl"
    assert read_lines(path) == []
    path.write_text('{"a": 1}\n{"a": 2}\n{"a"')
    assert read_lines(path) == [{"a": 1}, {"a": 2}]


def test_yaml_of_programs(tmp_path):
    path = tmp_path / "a.yaml"
    for text, sentence in (("a: [", "not valid YAML"), ("- 1", "should hold a mapping"), ("a: \x07", "not valid YAML")):
        path.write_text(text)
        with pytest.raises(FileError, match=sentence):
            read_plain_yaml(path)
    path.write_text("")
    assert read_plain_yaml(path) == {}


def test_text_for_a_terminal_moves_no_cursor():
    assert printable("\x1b[31mred\x07\n\tä") == "\\x1b[31mred\\x07\n\tä"
    assert parse_json('{"a": 1}', "text") == {"a": 1}
