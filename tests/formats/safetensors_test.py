"""safetensors files, with the official library as the judge."""
from __future__ import annotations

import json
import math
from typing import Any

import ml_dtypes
import numpy
import pytest
import safetensors as official
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.core.manifest import Entry
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import of_bytes
from git_model_driver.formats import base
from git_model_driver.formats import registry
from git_model_driver.formats import safetensors
from tests.testing.models import info
from tests.testing.models import safetensors as make
from tests.testing.properties import PROPERTY
from tests.testing.properties import texts

ARRAYS = [word for word in dtypes.SAFETENSORS if dtypes.as_numpy(word)]
PACKED = {'F4': 2, 'F6_E2M3': 4, 'F6_E3M2': 4}      # elements that end on a byte
Tensors = dict[str, tuple[str, tuple[int, ...], bytes]]


def by_us(data: bytes, layout: Layout) -> Tensors:
    return {
        t.name: (t.dtype, t.shape, data[t.extent.offset:t.extent.end])
        for t in layout.tensors
    }


def by_them(data: bytes) -> Tensors:
    return {
        name: (found['dtype'], tuple(found['shape']), bytes(found['data']))
        for name, found in official.deserialize(data)
    }


def canonical(data: bytes) -> bytes:
    """What our writer makes of the tensors that we read."""
    layout = base.read(safetensors, data)
    found = by_us(data, layout)
    skeleton = safetensors.canonical(Manifest('safetensors', None, layout.meta, {
        name: Entry(name, dtype, shape, of_bytes(content))
        for name, (dtype, shape, content) in found.items()
    }))
    head, *slots = skeleton.segments
    assert head == (0, len(skeleton.literals))
    return bytes(skeleton.literals) + b''.join(found[slot.name][2] for slot in slots)


@pytest.mark.parametrize('word', dtypes.SAFETENSORS)
def test_every_dtype_is_read_as_the_library_reads_it(word: str) -> None:
    count = PACKED.get(word, 1)
    shapes = [(count, 3), (2, 0), (count,), *([()] if count == 1 else [])]
    header, at = {}, 0
    for i, shape in enumerate(shapes):
        end = at + math.prod(shape) * dtypes.BITS[word] // 8
        header[f't{i}'] = info(word, shape, at, end)
        at = end
    data = make(header, bytes(range(at)))
    layout = base.read(safetensors, data)
    assert by_us(data, layout) == by_them(data)
    assert [tensor.shape for tensor in layout.tensors] == shapes
    assert registry.read_any(data) == layout


@st.composite
def _arrays(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.sets(texts.filter(lambda name: name != '__metadata__'), max_size=5))
    return {
        name: numpy.zeros(
            draw(st.lists(st.integers(0, 3), max_size=3)),
            dtypes.as_numpy(draw(st.sampled_from(ARRAYS))),
        ) for name in sorted(names)
    }


@PROPERTY
@given(_arrays(), st.none() | st.dictionaries(texts, texts, min_size=1, max_size=1))
def test_the_canonical_writer_writes_what_the_library_writes(
    arrays: dict[str, Any], metadata: dict[str, str] | None,
) -> None:
    data = save(arrays, metadata)
    assert base.read(safetensors, data).meta == (metadata or {})
    assert canonical(data) == data


@PROPERTY
@given(_arrays(), st.dictionaries(texts, texts, max_size=4))
def test_the_library_reads_what_the_canonical_writer_writes(
    arrays: dict[str, Any], metadata: dict[str, str],
) -> None:
    data = canonical(save(arrays, metadata or None))
    assert by_them(data) == by_them(save(arrays))
    assert canonical(data) == data
    layout = base.read(safetensors, data)
    assert list(layout.meta.items()) == sorted(metadata.items())


def test_packed_dtypes_are_written_in_their_place() -> None:
    words = ('U8', 'F4', 'BOOL', 'F6_E3M2', 'F6_E2M3', 'F32')
    entries = {
        word: Entry(word, word, (8,), of_bytes(b'')) for word in words
    }
    skeleton = safetensors.canonical(Manifest('safetensors', None, {}, entries))
    slots = [segment.name for segment in skeleton.segments[1:]]
    assert slots == sorted(words, key=dtypes.SAFETENSORS.index, reverse=True)
    data = bytes(skeleton.literals) + bytes(skeleton.size - len(skeleton.literals))
    assert by_us(data, base.read(safetensors, data)) == by_them(data)


@pytest.mark.parametrize(('name', 'dtype', 'extra'), [
    ('a', 'C128', ()), ('a', '|S3', ()), ('a', 'BYTES', ()),
    ('__metadata__', 'F32', ()),
    ('a', 'F32', (('order', 'F'),)), ('a', 'F32', (('endian', 'big'),)),
    ('a', 'F32', (('unknown', '1'),)),
])
def test_what_a_file_cannot_hold_has_no_canonical_layout(
    name: str, dtype: str, extra: tuple[tuple[str, str], ...],
) -> None:
    entry = Entry(name, dtype, (1,), of_bytes(b''), extra)
    with pytest.raises(FormatError, match=f"cannot hold the tensor '{name}'"):
        safetensors.canonical(Manifest('safetensors', None, {}, {name: entry}))


ONE = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
GOOD = f'{{{ONE}}}'


def tensor(**changes: str) -> str:
    """A header of one tensor, with JSON in place of some of its values."""
    parts = {'dtype': '"F32"', 'shape': '[1]', 'data_offsets': '[0,4]', **changes}
    fields = ','.join(f'"{key}":{json}' for key, json in parts.items() if json)
    return f'{{"a":{{{fields}}}}}'


def two(first: tuple[int, int], second: tuple[int, int]) -> str:
    return json.dumps({
        name: info('U8', [end - start], start, end)
        for name, (start, end) in (('a', first), ('b', second))
    })


def long(text: str, length: int) -> str:
    return text + ' ' * (length - len(text))


HEADERS: dict[str, tuple[str | bytes, bytes]] = {
    # Odd, and read by all
    'plain': (GOOD, b'1234'),
    'space before': (f'  {GOOD}', b'1234'),
    'all kinds of space': (f'\n\t\r {GOOD}\r\n\t ', b'1234'),
    'space within': (GOOD.replace(':', ' : ').replace(',', '\n,\t'), b'1234'),
    'much padding': (long(GOOD, 5000), b'1234'),
    'nothing': ('{}', b''),
    'nothing, padded': ('{}      ', b''),
    'metadata only': ('{"__metadata__":{"a":"b"}}', b''),
    'metadata null': ('{"__metadata__":null}', b''),
    'metadata null and a tensor': (f'{{"__metadata__":null,{ONE}}}', b'1234'),
    'metadata empty': (f'{{"__metadata__":{{}},{ONE}}}', b'1234'),
    'metadata last': (f'{{{ONE},"__metadata__":{{"a":"b"}}}}', b'1234'),
    'fields in another order': (
        '{"a":{"data_offsets":[0,4],"shape":[1],"dtype":"F32"}}', b'1234'),
    'escaped name': (GOOD.replace('"a"', r'"\u0061\n\/\ud83d\ude00"'), b'1234'),
    'escaped field': (GOOD.replace('shape', r'sh\u0061pe'), b'1234'),
    'empty name': (GOOD.replace('"a"', '""'), b'1234'),
    'name with NUL': (GOOD.replace('"a"', r'"\u0000"'), b'1234'),
    'raw UTF-8': (GOOD.replace('"a"', '"é\U0001f600\x7f"'), b'1234'),
    'scalar': (tensor(shape='[]'), b'1234'),
    'empty tensor': (tensor(shape='[0]', data_offsets='[0,0]'), b''),
    'empty of many': (tensor(shape='[0,4294967296]', data_offsets='[0,0]'), b''),
    'header order': (two((2, 5), (0, 2)), b'12345'),
    'empty ones between': (json.dumps({
        'a': info('U8', [2], 0, 2), 'b': info('U8', [0], 2, 2),
        'c': info('U8', [0, 9], 2, 2), 'd': info('U8', [1], 2, 3)}), b'123'),
    'many axes': (tensor(shape=json.dumps([1] * 99)), b'1234'),
    # Refused, if only by us
    'unknown field': (GOOD.replace('{"dtype"', '{"x":[1,{"y":null}],"dtype"'), b'1234'),
    'array': ('[]', b''),
    'number': ('17', b''),
    'text': ('"abc"', b''),
    'null': ('null', b''),
    'spaces': ('    ', b''),
    'cut off': (GOOD[:-1], b'1234'),
    'more behind': (GOOD + '{}', b'1234'),
    'NUL padding': (GOOD + '\0\0', b'1234'),
    'byte order mark': ('\ufeff' + GOOD, b'1234'),
    'form feed': (GOOD + '\f', b'1234'),
    'no-break space': (GOOD + '\xa0', b'1234'),
    'comment': (GOOD + '// x', b'1234'),
    'trailing comma': (f'{{{ONE},}}', b'1234'),
    'single quotes': (GOOD.replace('"', "'"), b'1234'),
    'control character in a name': (GOOD.replace('"a"', '"\x01"'), b'1234'),
    'newline in a name': (GOOD.replace('"a"', '"\n"'), b'1234'),
    'bad escape': (GOOD.replace('"a"', r'"\x61"'), b'1234'),
    'lone surrogate': (GOOD.replace('"a"', r'"\ud800"'), b'1234'),
    'lone low surrogate': (GOOD.replace('"a"', r'"\udc00"'), b'1234'),
    'lone surrogate in the metadata': (r'{"__metadata__":{"a":"\ud800"}}', b''),
    'lone surrogate in an unknown field': (tensor(x=r'"\ud800"'), b'1234'),
    'lone surrogate in the name of a field': (
        GOOD.replace('{"dtype"', r'{"\ud800":1,"dtype"'), b'1234'),
    'not UTF-8': (GOOD.encode().replace(b'"a"', b'"\xff"'), b'1234'),
    'surrogate in UTF-8': (GOOD.encode().replace(b'"a"', b'"\xed\xa0\x80"'), b'1234'),
    'overlong UTF-8': (GOOD.encode().replace(b'"a"', b'"\xc0\x80"'), b'1234'),
    'UTF-16': (GOOD.encode('utf-16'), b'1234'),
    'NaN': (tensor(x='NaN'), b'1234'),
    'Infinity': (tensor(x='Infinity'), b'1234'),
    '-Infinity': (tensor(x='[-Infinity]'), b'1234'),
    'a number above all': (tensor(x='1e999'), b'1234'),
    'a number of many digits': (tensor(x='1' * 400), b'1234'),
    'a number of very many digits': (tensor(x='1' * 5000), b'1234'),
    'deep': (tensor(x='[' * 200 + ']' * 200), b'1234'),
    'very deep': (tensor(x='[' * 99999 + ']' * 99999), b'1234'),
    'key twice': (f'{{{ONE},{ONE}}}', b'1234'),
    'field twice': (GOOD.replace('"shape":[1]', '"shape":[1],"shape":[1]'), b'1234'),
    'metadata twice': ('{"__metadata__":{},"__metadata__":{}}', b''),
    'metadata key twice': ('{"__metadata__":{"a":"1","a":"2"}}', b''),
    'tensor as an array': ('{"a":["F32",[1],[0,4]]}', b'1234'),
    'tensor null': ('{"a":null}', b''),
    'tensor text': ('{"a":"b"}', b''),
    'metadata of numbers': ('{"__metadata__":{"a":1}}', b''),
    'metadata of null': ('{"__metadata__":{"a":null}}', b''),
    'metadata nested': ('{"__metadata__":{"a":{}}}', b''),
    'metadata array': ('{"__metadata__":[]}', b''),
    'metadata array of pairs': ('{"__metadata__":[["a","b"]]}', b''),
    'metadata number': ('{"__metadata__":0}', b''),
    'metadata false': ('{"__metadata__":false}', b''),
    'metadata text': ('{"__metadata__":""}', b''),
    'metadata a tensor': (GOOD.replace('"a"', '"__metadata__"'), b'1234'),
    'no dtype': (tensor(dtype=''), b'1234'),
    'no shape': (tensor(shape=''), b'1234'),
    'no offsets': (tensor(data_offsets=''), b'1234'),
    'dtype in lower case': (tensor(dtype='"f32"'), b'1234'),
    'dtype unknown': (tensor(dtype='"C128"'), b'1234'),
    'dtype a list': (tensor(dtype='["F32"]'), b'1234'),
    'dtype null': (tensor(dtype='null'), b'1234'),
    'dtype an object': (tensor(dtype='{"F32":null}'), b'1234'),
    'shape a number': (tensor(shape='1'), b'1234'),
    'shape an object': (tensor(shape='{}'), b'1234'),
    'shape a text': (tensor(shape='""'), b'1234'),
    'shape null': (tensor(shape='null'), b'1234'),
    'shape of a float': (tensor(shape='[1.0]'), b'1234'),
    'shape of an exponent': (tensor(shape='[1e0]'), b'1234'),
    'shape of true': (tensor(shape='[true]'), b'1234'),
    'shape of text': (tensor(shape='["1"]'), b'1234'),
    'shape negative': (tensor(shape='[-1]'), b'1234'),
    'shape twice negative': (tensor(shape='[-1,-1]'), b'1234'),
    'shape of -0': (tensor(shape='[-0]', data_offsets='[0,0]'), b''),
    'shape with a leading zero': (tensor(shape='[01]'), b'1234'),
    'shape of 2**64': (tensor(shape='[18446744073709551616,0]'), b''),
    'shape overflows': (tensor(shape=f'[{1 << 62},{1 << 62},0]',
                               data_offsets='[0,0]'), b''),
    'shape overflows in bits': (tensor(shape=f'[{1 << 60}]',
                                       data_offsets='[0,0]'), b''),
    'shape wraps around': (tensor(shape=f'[{1 << 32},{1 << 32}]',
                                  data_offsets='[0,0]'), b''),
    'offsets of -0': (tensor(data_offsets='[-0,4]'), b'1234'),
    'offsets negative': (tensor(data_offsets='[-4,0]'), b'1234'),
    'offsets backwards': (tensor(data_offsets='[4,0]'), b'1234'),
    'offsets floats': (tensor(data_offsets='[0.0,4.0]'), b'1234'),
    'offsets three': (tensor(data_offsets='[0,4,4]'), b'1234'),
    'offsets one': (tensor(data_offsets='[0]'), b'1234'),
    'offsets an object': (tensor(data_offsets='{"0":0,"4":4}'), b'1234'),
    'offsets too long': (tensor(data_offsets='[0,8]'), b'12345678'),
    'offsets too short': (tensor(data_offsets='[0,2]'), b'12'),
    'offsets huge': (tensor(data_offsets=f'[{1 << 63},{(1 << 63) + 4}]'), b'1234'),
    'half a byte': (tensor(dtype='"F4"', shape='[3]', data_offsets='[0,1]'), b'1'),
    'two thirds of a byte': (tensor(dtype='"F6_E2M3"', data_offsets='[0,1]'), b'1'),
    'hole before': (two((1, 2), (2, 3)), b'123'),
    'hole between': (two((0, 1), (2, 3)), b'123'),
    'hole behind': (two((0, 1), (1, 2)), b'123'),
    'data missing': (two((0, 1), (1, 2)), b'1'),
    'overlap': (two((0, 2), (1, 3)), b'123'),
    'same bytes twice': (two((0, 2), (0, 2)), b'12'),
    'empty one beyond the end': (tensor(shape='[0]', data_offsets='[9,9]'), b''),
    'data without tensors': ('{}', b'1'),
}


@pytest.mark.parametrize('case', HEADERS)
def test_what_we_accept_the_library_accepts_and_reads_alike(case: str) -> None:
    data = make(*HEADERS[case])
    layout = registry.read_any(data)
    accepted = list(HEADERS).index(case) < list(HEADERS).index('unknown field')
    assert (layout is not None) == accepted
    if layout:
        assert by_us(data, layout) == by_them(data)


@pytest.mark.parametrize('length', [0, 1, 1 << 27, 1 << 63, (1 << 64) - 1])
def test_a_length_that_cannot_be_is_refused(length: int) -> None:
    data = length.to_bytes(8, 'little') + GOOD.encode() + b'1234'
    assert registry.read_any(data) is None
    with pytest.raises(FormatError):
        base.read(safetensors, data)


@pytest.mark.parametrize('size', range(9))
def test_a_file_shorter_than_a_header_is_refused(size: int) -> None:
    assert registry.read_any(make('{}')[:size]) is None


@pytest.mark.parametrize('change', [b'', b'x', b'\0' * 8])
def test_the_data_ends_with_the_file(change: bytes) -> None:
    data = save({'a': numpy.ones(3, 'f4')})
    assert (registry.read_any(data + change) is None) == bool(change)
    assert registry.read_any(data[:-1]) is None


def test_ml_dtypes_names_are_those_of_the_library() -> None:
    names = ('bfloat16', 'float8_e4m3fn', 'float8_e5m2', 'float8_e8m0fnu')
    for name in names:
        array = numpy.ones(2, getattr(ml_dtypes, name))
        (tensor,) = base.read(safetensors, save({'a': array})).tensors
        assert dtypes.as_numpy(tensor.dtype) == array.dtype


def test_a_header_comes_back_through_a_manifest() -> None:
    data = save({'x y': numpy.ones(3, 'f4'), 'ü\n': numpy.ones(2)}, {'k "': 'v\n'})
    layout = base.read(safetensors, data)
    manifest = Manifest('safetensors', None, layout.meta, {
        t.name: Entry(t.name, t.dtype, t.shape, of_bytes(b'')) for t in layout.tensors
    })
    read = manifests.parse(manifests.serialize(manifest))
    head = bytes(safetensors.canonical(read).literals)
    assert data.startswith(head)
