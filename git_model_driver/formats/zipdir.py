"""The directory of a ZIP archive, read strictly (APPNOTE.TXT 6.3).

The standard library's ``zipfile`` accepts archives whose directory and local
headers disagree, whose members overlap or whose names repeat: what is in such a
file depends on who reads it. Here that is a FormatError.
"""
from __future__ import annotations

import struct
from contextlib import suppress
from typing import NamedTuple
from weakref import ReferenceType
from weakref import ref

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.base import Source

STORED = 0
DEFLATED = 8
MAGIC = b'PK\3\4'

_END = struct.Struct('<4sHHHHIIH')
_END64_LOCATOR = struct.Struct('<4sIQI')
_END64 = struct.Struct('<4sQHHIIQQQQ')
_CENTRAL = struct.Struct('<4sHHHHHHIIIHHHHHII')
_LOCAL = struct.Struct('<4sHHHHHIIIHH')
_LONGEST_TAIL = _END.size + 0xffff
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 1, 8, 0x800
_LOCAL_CRC_AT, _CENTRAL_CRC_AT = 14, 16


class Member(NamedTuple):
    """A file in the archive; offsets are into the archive."""

    name: str
    method: int
    offset: int         # of its data
    length: int         # of its data as it lies there
    size: int           # when decompressed
    crc_at: tuple[int, ...]     # every place where its CRC-32 stands
    start: int          # of its local header
    end: int            # behind its data and descriptor


class _Directory(NamedTuple):
    offset: int
    length: int
    members: int


class _Central(NamedTuple):
    """An entry of the central directory."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    length: int
    size: int
    start: int
    crc_at: int


_last: tuple[ReferenceType[Source], list[Member]] | None = None


def members(source: Source) -> list[Member]:
    """The members in the order of the directory. Raises FormatError.

    Those of the last file are remembered: several formats look at them in turn.
    """
    global _last
    if _last is not None and _last[0]() is source:
        return _last[1]
    found = _members(source)
    with suppress(TypeError):       # of bytes there are no weak references
        _last = ref(source), found
    return found


def _members(source: Source) -> list[Member]:
    directory = _find_directory(source)
    data = bytes(source[directory.offset:directory.offset + directory.length])
    found, at = [], 0
    for _ in range(directory.members):
        entry, at = _central(data, at, directory.offset)
        found.append(_member(source, entry))
    if at != len(data):
        raise FormatError('zip: the directory has another size than it says')
    _check_disjoint(found, directory.offset)
    if len({member.name for member in found}) != len(found):
        raise FormatError('zip: a name stands in the directory twice')
    return found


def _find_directory(source: Source) -> _Directory:
    size = len(source)
    tail_at = max(0, size - _LONGEST_TAIL)
    tail = bytes(source[tail_at:size])
    at = tail.rfind(b'PK\5\6')
    if at < 0 or len(tail) < at + _END.size:
        raise FormatError('zip: no end record')
    _, disk, other, here, count, length, offset, comment = _END.unpack_from(tail, at)
    end = tail_at + at
    if end + _END.size + comment != size or disk or other or here != count:
        raise FormatError('zip: a malformed end record')
    locator = bytes(source[max(0, end - _END64_LOCATOR.size):end])
    if locator.startswith(b'PK\6\7'):
        end, directory = _end64(source, locator)
    else:
        directory = _Directory(offset, length, count)
    if directory.offset + directory.length != end:
        raise FormatError('zip: something lies before or behind the directory')
    if directory.members * _CENTRAL.size > directory.length:
        raise FormatError('zip: more members than the directory holds')
    return directory


def _end64(source: Source, locator: bytes) -> tuple[int, _Directory]:
    _, disk, at, disks = _END64_LOCATOR.unpack(locator)
    record = bytes(source[at:at + _END64.size])
    if len(record) < _END64.size:
        raise FormatError('zip: no zip64 end record')
    sig, _, _, _, d1, d2, here, count, length, offset = _END64.unpack(record)
    if sig != b'PK\6\6' or disk or disks != 1 or d1 or d2 or here != count:
        raise FormatError('zip: a malformed zip64 end record')
    return at, _Directory(offset, length, count)


def _central(data: bytes, at: int, base: int) -> tuple[_Central, int]:
    if len(data) < at + _CENTRAL.size:
        raise FormatError('zip: the directory is cut off')
    (sig, _, _, flags, method, _, _, crc, length, size, name_length, extra_length,
     comment_length, disk, _, _, start) = _CENTRAL.unpack_from(data, at)
    if sig != b'PK\1\2' or flags & _ENCRYPTED or disk not in (0, 0xffff):
        raise FormatError('zip: a malformed directory entry')
    name_at = at + _CENTRAL.size
    extra_at = name_at + name_length
    extra = data[extra_at:extra_at + extra_length]
    size, length, start = _zip64(extra, [size, length, start])
    name = data[name_at:extra_at]
    crc_at = base + at + _CENTRAL_CRC_AT
    entry = _Central(name, flags, method, crc, length, size, start, crc_at)
    return entry, extra_at + extra_length + comment_length


def _zip64(extra: bytes, values: list[int]) -> list[int]:
    """Replace the values that are all ones by those of the zip64 extra field."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from('<HH', extra, at)
        field = extra[at + 4:at + 4 + length]
        if tag == 1:
            wide = iter(struct.unpack(f'<{len(field) // 8}Q', field[:len(field) & ~7]))
            return [next(wide, -1) if v == 0xffffffff else v for v in values]
        at += 4 + length
    return values


def _member(source: Source, entry: _Central) -> Member:
    local = bytes(source[entry.start:entry.start + _LOCAL.size])
    if len(local) < _LOCAL.size:
        raise FormatError('zip: a local header is cut off')
    sig, _, flags, method, _, _, crc, _, _, name_length, extra_length = (
        _LOCAL.unpack(local)
    )
    name_at = entry.start + _LOCAL.size
    name = bytes(source[name_at:name_at + name_length])
    if sig != MAGIC or name != entry.raw_name or method != entry.method or (
        flags & _DESCRIPTOR != entry.flags & _DESCRIPTOR
    ):
        raise FormatError('zip: a local header says other than the directory')
    if entry.method == STORED and entry.length != entry.size:
        raise FormatError('zip: a stored member has two sizes')
    data_at = name_at + name_length + extra_length
    places = [entry.crc_at]
    end = data_at + entry.length
    if crc == entry.crc:
        places.append(entry.start + _LOCAL_CRC_AT)
    elif crc or not flags & _DESCRIPTOR:
        raise FormatError('zip: a local header says other than the directory')
    if flags & _DESCRIPTOR:
        crc_at, end = _descriptor(source, entry, end)
        places.append(crc_at)
    text = name.decode('utf-8' if entry.flags & _UTF8 else 'cp437')
    return Member(
        text, entry.method, data_at, entry.length, entry.size,
        tuple(sorted(places)), entry.start, end,
    )


def _descriptor(source: Source, entry: _Central, at: int) -> tuple[int, int]:
    """Where the data descriptor's CRC stands, and where the descriptor ends."""
    data = bytes(source[at:at + 24])
    crc_at = 4 if data.startswith(b'PK\7\x08') else 0
    for form in ('<IQQ', '<III'):
        end = crc_at + struct.calcsize(form)
        expected = struct.pack(form, entry.crc, entry.length, entry.size) if (
            form == '<IQQ' or max(entry.length, entry.size) < 1 << 32
        ) else None
        if data[crc_at:end] == expected:
            return at + crc_at, at + end
    raise FormatError('zip: a data descriptor says other than the directory')


def _check_disjoint(found: list[Member], directory_at: int) -> None:
    end = 0
    for member in sorted(found, key=lambda member: member.start):
        if member.start < end or member.end > directory_at:
            raise FormatError('zip: members overlap')
        end = member.end
