"""Content-defined pieces of files that nobody can read."""
from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest

from git_model_driver.core.oid import of_bytes
from git_model_driver.formats import opaque
from git_model_driver.formats.opaque import LONGEST
from git_model_driver.formats.opaque import SHORTEST

MIB = 1 << 20
NOISE = hashlib.shake_128(b'noise').digest(10 * MIB)


def pieces(data: bytes) -> list[bytes]:
    return [data[e.offset:e.end] for e in opaque.pieces(data)]


@pytest.mark.parametrize('data', [
    b'', b'1', NOISE[:SHORTEST - 1], NOISE[:SHORTEST], NOISE[:SHORTEST + 1],
    NOISE[:LONGEST + 1], NOISE, bytes(9 * MIB), b'ab' * (3 * MIB), NOISE[:99] * 50000,
], ids=len)
def test_pieces_are_the_file_in_order(data: bytes) -> None:
    found = list(opaque.pieces(data))
    assert b''.join(pieces(data)) == data
    assert [e.offset for e in found[1:]] == [e.end for e in found[:-1]]
    assert all(0 < e.length <= LONGEST for e in found)
    assert all(e.length >= SHORTEST for e in found[:-1])


def test_pieces_of_noise_lie_where_they_always_lay() -> None:
    """Another cut makes every opaque file that is stored already anew."""
    ends = [extent.end for extent in opaque.pieces(NOISE)]
    assert ends == [
        1459315, 2955832, 6229847, 6580542, 8664256,
        10485760,
    ]


@pytest.mark.parametrize('at', [0, 1, 300_000, 3 * MIB, 7 * MIB + 5, len(NOISE)])
@pytest.mark.parametrize('change', [b'x', b'', bytes(17)])
def test_a_change_moves_the_cuts_with_it(at: int, change: bytes) -> None:
    gone = 0 if change else 3
    changed = NOISE[:at] + change + NOISE[at + gone:]
    before, after = (
        {of_bytes(piece) for piece in pieces(data)} for data in (NOISE, changed)
    )
    assert len(after - before) <= 2


def test_a_cut_depends_on_the_content_before_it_alone() -> None:
    """Wherever the file begins, and however it is read."""
    cuts = {extent.end for extent in opaque.pieces(NOISE)}
    shifted = {extent.end + 777 for extent in opaque.pieces(NOISE[777:])}
    assert len(cuts & shifted) >= len(cuts) - 2


def test_pieces_have_a_useful_size() -> None:
    lengths = [e.length for e in opaque.pieces(NOISE)]
    assert MIB // 2 < sum(lengths) / len(lengths) < 5 * MIB // 2
    assert len(set(lengths)) > len(lengths) // 2
    assert all(a != b for a, b in pairwise(pieces(NOISE)))
