"""A document and a file of arrays beside it that belong together: both as they were, or both as they are."""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdejax._read import FileError, check_file, read_json
from pdejax.core._files import _flush, digest, replacing, write_text

DIGESTS = "sha256"  # entry of a document: checksums of it and of what is beside it
TRIES, WAIT = 5, 0.2  # readings of a pair that is being written, and seconds between them


def _next(beside: Path) -> Path:
    """Where the newer file waits until the document that belongs to it is there."""
    return beside.with_name(f"{beside.name}.next")


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _promote(beside: Path) -> None:
    os.replace(_next(beside), beside)
    _flush(beside.parent)


def write_pair(document: Path, plain: Mapping[str, Any], beside: Path, content: bytes, names: tuple[str, str]) -> None:
    """Writes a JSON document with checksums, and the file that belongs to it.

    The document's rename is the moment at which the pair changes: before it the former two are read, after it the new
    ones, also where a kill comes between.

    **Arguments:** `document`: where `plain` goes; `beside`: where `content` goes; `names`: of both checksums in the
    document's entry `sha256`.

    **Raises:** `ValueError` for a document that JSON cannot hold, before anything is written.
    """
    plain = json.loads(json.dumps(plain, allow_nan=False))  # keys as a reader finds them
    waiting = _next(beside)
    if waiting.exists() and document.exists():
        known = read_json(document).get(DIGESTS, {})
        if isinstance(known, dict) and known.get(names[1]) == _sum(waiting.read_bytes()):
            _promote(beside)  # a kill left this undone
    with replacing(waiting) as temporary:
        temporary.write_bytes(content)
    whole = {**plain, DIGESTS: {names[1]: _sum(content), names[0]: digest(plain)}}
    write_text(document, json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
    _promote(beside)


def read_pair(document: Path, beside: Path, names: tuple[str, str], mend: str) -> tuple[dict[str, Any], bytes]:
    """A document without its checksums, and the content of the file that belongs to it.

    **Arguments:** as of `write_pair`; `mend`: what to do about files that do not belong together.

    **Raises:** `FileNotFoundError`; `FileError` for what is damaged, was changed, or is of two pairs.
    """
    for attempt in range(TRIES):
        plain = read_json(document)
        digests = plain.pop(DIGESTS, {})
        if not digests:  # files of former versions tell none
            check_file(beside)
            return plain, beside.read_bytes()
        if not isinstance(digests, dict) or digests.get(names[0]) != digest(plain):
            raise FileError(f"{document} was changed since it was written: {mend}")
        for path in (beside, _next(beside)):
            if path.exists():
                check_file(path)
                if _sum(content := path.read_bytes()) == digests.get(names[1]):
                    return plain, content
        time.sleep(WAIT if attempt < TRIES - 1 else 0)
    check_file(beside)
    raise FileError(f"{beside} is damaged, or belongs to another {document.name}: {mend}")
