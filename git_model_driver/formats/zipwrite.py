"""The skeleton of a new ZIP archive: all but the members' data (APPNOTE.TXT 6.3).

Dated 1980-01-01 as numpy.savez does, so that it follows from the members alone.
"""
from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple
from typing import Union

from git_model_driver.core.skeleton import Builder
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Slot

_DATE = 0x21        # 1980-01-01
_VERSION = 45       # zip64
_ZIP64 = 1
_WIDE = 0xffffffff
_UTF8 = 0x800
_REGULAR_FILE = 0o600 << 16


Part = Union[bytes, Slot]


class Member(NamedTuple):
    """A file of the archive; ``parts`` are its data as they lie there.

    ``crc`` is that of the data when decompressed; None: it is computed where the
    file is written, which can be done for stored members.
    """

    file: str
    method: int
    parts: Sequence[Part]
    size: int           # when decompressed
    crc: int | None


class Writer:
    """Collects members, then gives the skeleton of the archive."""

    def __init__(self) -> None:
        self._archive = Builder()
        self._central: list[tuple[Member, int, Union[bytes, RangeSum]]] = []

    def add(self, member: Member) -> None:
        start = self._archive.size
        name, flags = _name(member)
        extra = struct.pack('<HHQQ', _ZIP64, 16, member.size, _stored(member))
        data_at = start + 30 + len(name) + len(extra)
        crc = _crc(member, data_at)
        self._archive.add(struct.pack(
            '<4sHHHHH', b'PK\3\4', _VERSION, flags, member.method, 0, _DATE,
        ))
        self._archive.add(crc)
        self._archive.add(struct.pack('<IIHH', _WIDE, _WIDE, len(name), len(extra)))
        self._archive.add(name + extra)
        for part in member.parts:
            self._archive.add(part)
        self._central.append((member, start, crc))

    def finish(self) -> bytes:
        """Write the directory; returns the skeleton."""
        directory_at = self._archive.size
        for member, start, crc in self._central:
            self._write_central(member, start, crc)
        end, count = self._archive.size, len(self._central)
        length = end - directory_at
        self._archive.add(struct.pack(
            '<4sQHHIIQQQQ', b'PK\6\6', 44, _VERSION, _VERSION, 0, 0, count, count,
            length, directory_at,
        ))
        self._archive.add(struct.pack('<4sIQI', b'PK\6\7', 0, end, 1))
        self._archive.add(struct.pack(
            '<4sHHHHIIH', b'PK\5\6', 0, 0, min(count, 0xffff), min(count, 0xffff),
            min(length, _WIDE), min(directory_at, _WIDE), 0,
        ))
        return self._archive.serialize()

    def _write_central(
        self, member: Member, start: int, crc: Union[bytes, RangeSum],
    ) -> None:
        name, flags = _name(member)
        extra = struct.pack('<HHQQQ', _ZIP64, 24, member.size, _stored(member), start)
        self._archive.add(struct.pack(
            '<4sHHHHHH', b'PK\1\2', _VERSION | 3 << 8, _VERSION, flags, member.method,
            0, _DATE,
        ))
        self._archive.add(crc)
        self._archive.add(struct.pack(
            '<IIHHHHHII', _WIDE, _WIDE, len(name), len(extra), 0, 0, 0,
            _REGULAR_FILE, _WIDE,
        ))
        self._archive.add(name + extra)


def _name(member: Member) -> tuple[bytes, int]:
    name = member.file.encode()
    return name, 0 if member.file.isascii() else _UTF8


def _stored(member: Member) -> int:
    """Bytes of the member's data as they lie in the archive."""
    return sum(
        part.length if isinstance(part, Slot) else len(part) for part in member.parts
    )


def _crc(member: Member, data_at: int) -> Union[bytes, RangeSum]:
    if member.crc is None:
        return RangeSum('crc32', data_at, _stored(member))
    return struct.pack('<I', member.crc)
