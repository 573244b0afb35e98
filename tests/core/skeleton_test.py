"""The skeleton: what remains of a file when its tensors are cut out."""
from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core import skeleton as skeletons
from git_model_driver.core.errors import FormatError
from git_model_driver.core.skeleton import Literal
from git_model_driver.core.skeleton import RangeSum
from git_model_driver.core.skeleton import Slot
from tests.testing.properties import PROPERTY
from tests.testing.properties import texts

_PARTS = st.lists(st.one_of(
    st.binary(max_size=9),
    st.builds(Slot, texts, st.integers(0, 1 << 60)),
    st.tuples(st.integers(0, 1 << 60), st.integers(0, 1 << 60)).map(
        lambda numbers: RangeSum('crc32', *numbers),
    ),
))


def make(parts: list[bytes | Slot | RangeSum]) -> tuple[list[skeletons.Segment], bytes]:
    segments: list[skeletons.Segment] = []
    literals = b''
    for part in parts:
        if isinstance(part, bytes):
            segments.append(Literal(len(literals), len(part)))
            literals += part
        else:
            segments.append(part)
    return segments, literals


@PROPERTY
@given(_PARTS)
def test_parsing_undoes_writing(parts: list[bytes | Slot | RangeSum]) -> None:
    segments, literals = make(parts)
    data = skeletons.serialize(segments, literals)
    read = skeletons.parse(data)
    assert list(read.segments) == segments
    assert bytes(read.literals) == literals
    assert skeletons.serialize(read.segments, bytes(read.literals)) == data
    assert [bytes(read.literal(s)) for s in segments if isinstance(s, Literal)] == [
        part for part in parts if isinstance(part, bytes)
    ]
    assert read.size == sum(
        len(part) if isinstance(part, bytes) else part.length for part in parts
    )


def test_a_skeleton_is_these_bytes() -> None:
    segments = Literal(0, 2), Slot('a é', 8), RangeSum('crc32', 2, 8), Literal(2, 1)
    assert skeletons.serialize(segments, b'xyz') == (
        b'git-model skeleton v1\n'
        b'[["bytes",2],["tensor","a \\u00e9",8],["crc32",2,8],["bytes",1]]\n'
        b'xyz'
    )


@PROPERTY
@given(_PARTS, st.data())
def test_whatever_happened_to_it_is_a_format_error_or_fine(
    parts: list[bytes | Slot | RangeSum], data: st.DataObject,
) -> None:
    text = bytearray(skeletons.serialize(*make(parts)))
    at = data.draw(st.integers(0, len(text)))
    text[at:at + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from([
        b'', b'[', b']', b'{', b'"', b'1', b'-', b',', b'.5', b'null', b'\xff', b'\n',
        b'9' * 5000, b'[' * 100000,
    ]))
    try:
        read = skeletons.parse(bytes(text))
    except FormatError:
        return
    assert sum(s.length for s in read.segments if isinstance(s, Literal)) == len(
        read.literals,
    )


@pytest.mark.parametrize('rows', [
    [['bytes', -1]], [['bytes', True]], [['bytes', 1.0]], [['bytes', '1']],
    [['bytes', 1 << 63]], [['bytes']], [['bytes', 0, 0]], [['bytes', None]],
    [['tensor', 'a']], [['tensor', 'a', 4, 4]], [['tensor', 'a', -4]],
    [['tensor', 5, 4]], [['tensor', None, 4]],
    [['crc32', 0]], [['crc32', 0, 4, 4]], [['crc32', 0, 4, 100]], [['crc32', -1, 4]],
    [['skip', 4]], [[]], [5], ['bytes'], {'bytes': 1}, 5, None, [[['bytes'], 1]],
    [['bytes', 1]],
])
def test_any_other_row_is_refused(rows: object) -> None:
    table = json.dumps(rows).encode()
    with pytest.raises(FormatError):
        skeletons.parse(skeletons.FIRST_LINE + table + b'\n')


@pytest.mark.parametrize('data', [
    b'', b'git-model skeleton v1\n', b'git-model skeleton v2\n[]\n', b'[]\n',
    b'git-model skeleton v1\n[]', b'git-model skeleton v1\n\n',
    b'git-model skeleton v1\n' + b'[' * 100_000 + b'\n',
])
def test_what_is_no_skeleton_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        skeletons.parse(data)
