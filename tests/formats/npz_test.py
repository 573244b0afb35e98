""".npz files, with NumPy and zipfile as the judges."""
from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats import base
from git_model_driver.formats import npz
from git_model_driver.formats import registry
from git_model_driver.formats import zipdir
from tests.testing.models import archive
from tests.testing.models import npy
from tests.testing.models import npy_by_hand
from tests.testing.models import numbered

DEFLATED = zipfile.ZIP_DEFLATED
ARRAYS = {
    'w': numbered(3, 4), 'counts': numpy.arange(5), 'scalar': numpy.float64(2.5),
    'empty': numbered(0, 3), 'big': numbered(4, dtype='>f8'),
    'F': numpy.asfortranarray(numbered(2, 3)), 'flags': numpy.array([True, False]),
}


def saved(save: Callable[..., None], **arrays: Any) -> bytes:
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()


def tensors(data: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {t.name: (t.dtype, t.shape) for t in base.read(npz, data).tensors}


def sums_hold(data: bytes, layout: Layout) -> bool:
    return all(
        struct.unpack_from('<I', data, at)[0]
        == zlib.crc32(data[over.offset:over.end])
        for _, over, at, _ in layout.checksums
    )


def test_what_savez_writes_is_read_array_by_array() -> None:
    data = saved(numpy.savez, **ARRAYS)
    layout = registry.read_any(data)
    assert layout and layout.format == 'npz'
    loaded = numpy.load(io.BytesIO(data))
    assert {t.name for t in layout.tensors} == set(loaded.files)
    for tensor in layout.tensors:
        array = loaded[tensor.name]
        order = 'F' if ('order', 'F') in tensor.extra else 'C'
        assert tensor.shape == array.shape
        extent = data[tensor.extent.offset:tensor.extent.end]
        assert extent == array.tobytes(order)
    assert len(layout.checksums) == 2 * len(ARRAYS)
    assert sums_hold(data, layout)


def test_what_savez_compressed_writes_is_kept_as_it_lies_there() -> None:
    data = saved(numpy.savez_compressed, **ARRAYS)
    layout = base.read(npz, data)
    assert layout.checksums == ()
    assert tensors(data) == tensors(saved(numpy.savez, **ARRAYS))
    for tensor in layout.tensors:
        extra = dict(tensor.extra)
        assert extra['encoding'] == 'deflate'
        assert int(extra['bytes']) == tensor.extent.length
    assert ('endian', 'big') in next(
        t.extra for t in layout.tensors if t.name == 'big'
    )


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, DEFLATED])
def test_members_that_are_no_plain_arrays_are_bytes(method: int) -> None:
    pickled = npy(numpy.array([{}], object))
    members = {
        'w.npy': npy(numbered(2)), 'objects.npy': pickled, 'notes.txt': b'hello',
        'cut.npy': npy(numbered(9))[:-1], 'bad.npy': npy_by_hand('{', b''),
        'folder/': b'', 'weird.npy': b'\x93NUMPY', 'noise': bytes(range(256)),
    }
    found = tensors(archive(members, method))
    assert found.pop('w') == ('F32', (2,))
    assert found == {
        name: ('BYTES', (len(data),)) for name, data in members.items()
        if name != 'w.npy'
    }


@pytest.mark.parametrize('stream', [False, True])
@pytest.mark.parametrize('zip64', [False, True])
@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, DEFLATED])
def test_archives_of_all_kinds_are_read_alike(
    method: int, zip64: bool, stream: bool,
) -> None:
    members = {f'{name}.npy': npy(array) for name, array in ARRAYS.items()}
    data = archive(members, method, zip64=zip64, stream=stream, comment=b'PK\5\7')
    layout = base.read(npz, data)
    assert tensors(data) == tensors(archive(members))
    assert sums_hold(data, layout)
    if method == zipfile.ZIP_STORED:
        assert len(layout.checksums) == 2 * len(members)


def test_a_member_of_a_name_beyond_ascii_keeps_it() -> None:
    assert list(tensors(archive({'é/\U0001f600.npy': npy(numbered(1))}))) == [
        'é/\U0001f600',
    ]


def replaced(data: bytes, old: bytes, new: bytes, count: int = -1) -> bytes:
    assert old in data
    return data.replace(old, new, count)


def end_record(data: bytes, at: int, form: str, add: int) -> bytes:
    """The archive with another number in its end record."""
    place = data.rindex(b'PK\5\6') + at
    value, = struct.unpack_from(form, data, place)
    changed = bytearray(data)
    struct.pack_into(form, changed, place, value + add)
    return bytes(changed)


def central(data: bytes, at: int, form: str, value: int) -> bytes:
    """The archive with another number in its first directory entry."""
    changed = bytearray(data)
    struct.pack_into(form, changed, data.index(b'PK\1\2') + at, value)
    return bytes(changed)


ONE = archive({'a.npy': npy(numbered(2)), 'b.npy': npy(numbered(3))})
BAD: dict[str, Callable[[], bytes]] = {
    'no end record': lambda: ONE[:-22],
    'cut off': lambda: ONE[:-1],
    'something behind': lambda: ONE + b'\0',
    'something before': lambda: b'PK\3\4' + ONE,
    'one byte before': lambda: b'x' + ONE,
    'a gap before the directory': lambda: replaced(ONE, b'PK\1\2', b'\0PK\1\2', 1),
    'an end record in the comment': lambda: archive(
        {'a.npy': npy(numbered(2))}, comment=ONE[-22:]),
    'too many members': lambda: end_record(end_record(ONE, 10, '<H', 1), 8, '<H', 1),
    'too few members': lambda: end_record(end_record(ONE, 10, '<H', -1), 8, '<H', -1),
    'two counts': lambda: end_record(ONE, 10, '<H', 1),
    'another disk': lambda: end_record(ONE, 4, '<H', 1),
    'the directory elsewhere': lambda: end_record(ONE, 16, '<I', 1),
    'a longer directory': lambda: end_record(ONE, 12, '<I', 1),
    'a longer comment': lambda: end_record(ONE, 20, '<H', 1),
    'another local name': lambda: replaced(ONE, b'a.npy', b'c.npy', 1),
    'another local method': lambda: ONE[:8] + b'\x08' + ONE[9:],
    'another local flag': lambda: ONE[:6] + b'\x08' + ONE[7:],
    'another local CRC': lambda: ONE[:14] + b'1234' + ONE[18:],
    'no local signature': lambda: b'PK\3\5' + ONE[4:],
    'encrypted': lambda: central(ONE, 8, '<H', 1),
    'a member on another disk': lambda: central(ONE, 34, '<H', 1),
    'stored in two sizes': lambda: central(ONE, 24, '<I', 9999),
    'a member beyond the end': lambda: central(ONE, 42, '<I', 1 << 30),
    'a member over another': lambda: central(
        central(ONE, 20, '<I', 300), 24, '<I', 300),
    'an unknown method': lambda: archive({'a.npy': npy(numbered(2))},
                                         zipfile.ZIP_BZIP2),
    'no array in it': lambda: archive({'a.txt': b'1'}),
    'no member': lambda: archive({}),
    'two members of one tensor': lambda: archive(
        {'a': b'1', 'a.npy': npy(numbered(2))}),
    'a zip64 locator into nowhere': lambda: (
        ONE[:-22] + struct.pack('<4sIQI', b'PK\6\7', 0, 1 << 40, 1) + ONE[-22:]),
    'a descriptor that lies': lambda: replaced(
        archive({'a.npy': npy(numbered(2))}, stream=True), b'PK\7\x08', b'PK\7\x07'),
}


@pytest.mark.parametrize('case', BAD)
def test_an_archive_that_two_readers_may_read_differently_is_opaque(case: str) -> None:
    assert registry.read_any(BAD[case]()) is None


@pytest.mark.filterwarnings('ignore:Duplicate name')
def test_a_name_given_twice_is_opaque() -> None:
    data = archive([('a.npy', npy(numbered(2))), ('a.npy', npy(numbered(3)))])
    assert registry.read_any(data) is None


def test_overlapping_members_are_opaque() -> None:
    """Two entries of the directory, one local header."""
    data = archive([('a.npy', npy(numbered(2))), ('b.npy', npy(numbered(2)))])
    first, second = (i for i in range(len(data)) if data.startswith(b'PK\1\2', i))
    entry = data[first:second]
    twice = data[:second] + entry + data[second + len(entry):]
    assert registry.read_any(twice) is None


def test_a_wrong_crc_is_no_reason_to_refuse() -> None:
    data = bytearray(ONE)
    place = data.index(b'PK\1\2')
    data[14:18] = data[place + 16:place + 20] = b'1234'
    layout = base.read(npz, bytes(data))
    assert not sums_hold(bytes(data), layout)
    with pytest.raises(zipfile.BadZipFile):
        numpy.load(io.BytesIO(bytes(data)))['a']


def test_a_changed_archive_is_opaque_or_what_zipfile_says_it_is() -> None:
    chance = random.Random(7)
    original = archive({'a.npy': npy(numbered(2)), 'b': b'12'}, comment=b'c')
    accepted = 0
    for _ in range(1000):
        data = bytearray(original)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        try:
            found = zipdir.members(bytes(data))
        except (FormatError, UnicodeDecodeError):
            continue
        accepted += 1
        try:
            with zipfile.ZipFile(io.BytesIO(bytes(data))) as file:
                theirs = [(i.filename, i.file_size, i.compress_type)
                          for i in file.infolist()]
        except NotImplementedError:     # it says that it needs a newer version
            continue
        assert [(m.name, m.size, m.method) for m in found] == theirs
    assert accepted > 100
