"""TensorBoard's event files, written without its packages: records of a few protocol buffer fields, with checksums.

Formats: TensorFlow's `record_writer.h` (length, CRC, data, CRC) and `event.proto`, `summary.proto`.
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path


def _table() -> tuple[int, ...]:
    """Of CRC-32C (Castagnoli), bits reversed."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC = _table()


def _checksum(data: bytes) -> bytes:
    """The CRC, turned and shifted so that a checksum of data with checksums stays one."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*parts, number))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes: text or a message."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _event(step: int, content: bytes) -> bytes:
    return b"\x09" + struct.pack("<d", time.time()) + b"\x10" + _varint(step) + content


def _value(name: str, number: float) -> bytes:
    return _field(1, _field(1, name.encode()) + b"\x15" + struct.pack("<f", number))


class EventFile:
    """A new event file of a folder.

    **Arguments:** `folder`: created if needed; `purge`: the step from which on earlier files of the folder are void.
    """

    def __init__(self, folder: Path, purge: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}").open("xb")
        self._write(_event(0, _field(3, b"brain.Event:2")))
        self._write(_event(purge, _field(7, b"\x08\x01")))  # a session starts

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """One event of all numbers, by name."""
        self._write(_event(step, _field(5, b"".join(_value(name, number) for name, number in scalars.items()))))

    def _write(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
