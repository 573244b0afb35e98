from __future__ import annotations

import zlib

import pytest

from git_model_driver.core.errors import FormatError
from git_model_driver.formats import deflate


def deflated(raw: bytes) -> bytes:
    compress = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compress.compress(raw) + compress.flush()


# With some lengths zlib has taken all input before it has given all output.
@pytest.mark.parametrize('count', [
    0, 1, 262_143, 262_144, 262_145, 1_048_545, 1_048_548, 1_048_554, 1_048_574,
    1_048_576, 2_097_160,
])
@pytest.mark.parametrize('step', [5, 1 << 20])
def test_the_last_byte_is_not_lost(count: int, step: int) -> None:
    raw = bytes(4 * count)
    data = deflated(raw)
    chunks = [data[i:i + step] for i in range(0, len(data), step)]
    pieces = list(deflate.inflated(chunks))
    assert b''.join(pieces) == raw
    assert all(len(piece) <= deflate.PIECE for piece in pieces)


def test_a_stream_that_is_cut_off_is_told() -> None:
    with pytest.raises(FormatError) as e:
        list(deflate.inflated([deflated(b'hello' * 99)[:-1]]))
    assert e.value.message == 'a compressed member is cut off'


def test_a_damaged_stream_is_told() -> None:
    with pytest.raises(FormatError) as e:
        list(deflate.inflated([b'\xff' * 20]))
    assert e.value.message.startswith('a compressed member is damaged: Error -3')
