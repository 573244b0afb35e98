"""The framing of Git's filter protocol."""
from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.git import pktline
from git_model_driver.git.pktline import MAX_DATA
from git_model_driver.git.pktline import ProtocolError
from git_model_driver.git.pktline import Reader
from git_model_driver.git.pktline import Writer
from tests.testing.properties import PROPERTY

SIZES = [0, 1, 2, MAX_DATA - 1, MAX_DATA, MAX_DATA + 1, 2 * MAX_DATA, 3 * MAX_DATA + 7]


def reader(data: bytes) -> Reader:
    """A reader of these bytes, from a pipe that is filled meanwhile."""
    out, into = os.pipe()

    def fill() -> None:
        pktline.write_all(into, data)
        os.close(into)

    threading.Thread(target=fill).start()
    return Reader(out)


def written(write: Callable[[Writer], None]) -> bytes:
    """What reaches the other end of a pipe."""
    out, into = os.pipe()
    taken: list[bytes] = []

    def take() -> None:
        with os.fdopen(out, 'rb') as file:
            taken.append(file.read())

    thread = threading.Thread(target=take)
    thread.start()
    write(Writer(into))
    os.close(into)
    thread.join()
    return taken[0]


def framed(data: bytes) -> bytes:
    pieces = (data[i:i + MAX_DATA] for i in range(0, len(data), MAX_DATA))
    return b''.join(b'%04x' % (len(piece) + 4) + piece for piece in pieces)


@pytest.mark.parametrize('size', SIZES)
def test_data_is_cut_into_packets_of_the_largest_size(size: int) -> None:
    data = os.urandom(size)
    assert written(lambda writer: writer.data(data)) == framed(data)
    assert written(lambda writer: writer.data(memoryview(data))) == framed(data)
    assert b''.join(reader(framed(data) + b'0000').until_flush()) == data


@pytest.mark.parametrize('copy', ['by the kernel', 'by hand'])
@pytest.mark.parametrize('size', SIZES)
def test_a_part_of_a_file_is_sent_in_the_same_packets(
    size: int, copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    if copy == 'by hand':
        monkeypatch.delattr(os, 'sendfile', raising=False)
    data = os.urandom(size)
    (tmp_path / 'file').write_bytes(b'before' + data + b'behind')
    with open(tmp_path / 'file', 'rb') as file:
        sent = written(lambda writer: writer.file(file.fileno(), 6, size))
    assert sent == framed(data)


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / 'file').write_bytes(b'12345')
    with open(tmp_path / 'file', 'rb') as file, pytest.raises(EOFError):
        written(lambda writer: writer.file(file.fileno(), 3, 9))


def test_lines_are_packets_and_a_flush() -> None:
    sent = written(lambda writer: writer.lines('status=success', 'é', '\udcff'))
    assert sent == b'0013status=success\n0007\xc3\xa9\n0006\xff\n0000'
    assert written(lambda writer: writer.lines()) == b'0000'
    assert written(lambda writer: writer.flush()) == b'0000'
    assert reader(sent).lines() == ['status=success', 'é', '\udcff']


@PROPERTY
@given(st.lists(st.binary(max_size=99).filter(bool)))
def test_packets_are_read_one_by_one(packets: list[bytes]) -> None:
    data = b''.join(map(pktline.packet, packets)) + pktline.FLUSH
    found = reader(data + data)
    assert list(found.until_flush()) == packets
    assert list(found.until_flush()) == packets
    with pytest.raises(EOFError):
        found.packet()


def test_an_empty_packet_is_no_flush() -> None:
    found = reader(b'0004' + b'0005x' + b'0000')
    assert list(found.until_flush()) == [b'', b'x']


@pytest.mark.parametrize('data', [
    b'zzzz', b'GET ', b'00', b'0010abc', b'0005', b'\0\0\0\0', b'fff', b'-001', b'0x10',
    b' 005x', b'0001', b'0002', b'0003', b'+00512345', b'1_0012345678901234',
])
def test_what_is_no_packet_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises((ProtocolError, EOFError)):
        list(reader(data).until_flush())


def test_a_lower_or_upper_case_length_is_read() -> None:
    assert reader(b'000Ahello\n0000').lines() == ['hello']
    assert reader(b'000ahello\n0000').lines() == ['hello']
