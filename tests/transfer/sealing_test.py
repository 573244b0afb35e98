"""Encryption: all of it comes back, and whatever is changed is found."""
from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.transfer.sealing import HEADER
from git_model_driver.transfer.sealing import SEGMENT
from git_model_driver.transfer.sealing import TAG
from git_model_driver.transfer.sealing import Sealed
from git_model_driver.transfer.seals import Plain
from git_model_driver.transfer.seals import object_
from tests.testing.properties import FEW
from tests.testing.properties import PROPERTY

KEY = bytes(range(32))
OURS = Sealed(KEY)
OID = Oid(f'sha256:{5:064x}')
WHAT = object_(OID)

# Around the ends of segments, where mistakes are.
SIZES = st.one_of(
    st.integers(0, 300),
    st.builds(lambda n, d: max(0, n * SEGMENT + d), st.integers(0, 3),
              st.integers(-2, 2)),
)


def data_of(nbytes: int) -> bytes:
    return (hashlib.sha256(b'%d' % nbytes).digest() * (nbytes // 32 + 1))[:nbytes]


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    ends = sorted(cut % (len(data) + 1) for cut in cuts)
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)])]


def seal(data: bytes, what: bytes = WHAT, by: Sealed = OURS) -> bytes:
    return b''.join(by.seal([data], what))


def open_(data: bytes, what: bytes = WHAT, by: Sealed = OURS) -> bytes:
    return b''.join(by.open([data], what))


CUTS = st.lists(st.integers(0, 1 << 30), max_size=6)


@FEW
@given(SIZES, CUTS, CUTS)
def test_what_was_sealed_is_opened(nbytes: int, cuts: list[int], c2: list[int]) -> None:
    data = data_of(nbytes)
    sealed = b''.join(OURS.seal(pieces(data, cuts), WHAT))
    assert b''.join(OURS.open(pieces(sealed, c2), WHAT)) == data
    assert len(sealed) == OURS.size(nbytes)
    assert OURS.content_size(len(sealed)) == nbytes
    assert nbytes < 16 or data[:16] not in sealed


@PROPERTY
@given(st.integers(0, 1 << 40))
def test_a_size_tells_what_is_in_it(size: int) -> None:
    assert OURS.content_size(OURS.size(size)) == size
    try:
        found = OURS.content_size(size)
    except ValueError:
        return
    assert OURS.size(found) == size


@FEW
@given(SIZES, st.integers(0, 1 << 30), st.integers(0, 7))
def test_a_flipped_bit_is_found(nbytes: int, at: int, bit: int) -> None:
    sealed = bytearray(seal(data_of(nbytes)))
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(CorruptObject, match='damaged, or was exchanged'):
        open_(bytes(sealed))


@FEW
@given(SIZES, st.integers(0, 1 << 30))
def test_what_was_cut_short_is_found(nbytes: int, at: int) -> None:
    sealed = seal(data_of(nbytes))
    with pytest.raises(CorruptObject):
        open_(sealed[:at % len(sealed)])


@pytest.mark.parametrize('nbytes', [2 * SEGMENT, 2 * SEGMENT + 1, 3 * SEGMENT])
def test_no_segment_can_be_left_out_moved_or_added(nbytes: int) -> None:
    sealed = seal(data_of(nbytes))
    head, rest = sealed[:HEADER], sealed[HEADER:]
    step = SEGMENT + TAG
    parts = [rest[i:i + step] for i in range(0, len(rest), step)]
    other = seal(data_of(nbytes))[HEADER:HEADER + step]
    for wrong in (
        parts[:-1], parts[1:], parts[:1], [], [parts[1], parts[0], *parts[2:]],
        [*parts, parts[-1]], [parts[0], *parts], [other, *parts[1:]], [*parts, b'x'],
    ):
        with pytest.raises(CorruptObject):
            open_(head + b''.join(wrong))


def test_one_object_does_not_pass_for_another() -> None:
    sealed = seal(b'x' * 100)
    for what in (object_(Oid(f'sha256:{6:064x}')), b'list', b''):
        with pytest.raises(CorruptObject):
            open_(sealed, what)


@FEW
@given(st.binary(max_size=300))
def test_what_is_not_sealed_is_not_opened(data: bytes) -> None:
    with pytest.raises(CorruptObject):
        open_(data)


def test_another_key_is_told_from_damage() -> None:
    other = Sealed(bytes(32), 'find it')
    with pytest.raises(GitModelError, match='with another key') as found:
        open_(seal(b'x'), by=other)
    assert not isinstance(found.value, CorruptObject)
    assert found.value.hints == ('find it',)
    assert other.name(OID) != OURS.name(OID)


@FEW
@given(SIZES, st.integers(0, 1 << 30))
def test_the_beginning_of_a_file_is_read_alone(nbytes: int, at: int) -> None:
    data = data_of(nbytes)
    sealed = seal(data)
    known = at % (len(sealed) + 1)
    found = OURS.beginning(sealed[:known], len(sealed), WHAT)
    assert data.startswith(found)
    if known == len(sealed):
        assert found == data
    elif known >= HEADER + SEGMENT + TAG:
        assert len(found) >= SEGMENT


def test_two_files_of_one_content_have_nothing_in_common() -> None:
    one, two = seal(b'x' * 100), seal(b'x' * 100)
    assert one[:16] == two[:16]         # magic, version
    assert one[48:64] == two[48:64]     # which key
    assert not set(zip(*[iter(one[64:])] * 4)) & set(zip(*[iter(two[64:])] * 4))


def test_it_is_made_of_what_it_says() -> None:
    """With the library's own HKDF, and segments opened by hand."""
    data = data_of(SEGMENT + 5)
    sealed = seal(data)
    head, salt = sealed[:HEADER], sealed[16:48]

    def derived(info: bytes, salt: bytes | None = None) -> bytes:
        words = b'git-model sealing v1 ' + info
        return HKDF(hashes.SHA256(), 32, salt, words).derive(KEY)

    assert sealed[48:64] == derived(b'id')[:16]
    assert OURS.id == derived(b'id')[:16].hex()
    assert OURS.name(OID) == hmac.new(
        derived(b'names'), digest_of(OID), hashlib.sha256,
    ).hexdigest()
    cipher = AESGCM(derived(b'file object ' + digest_of(OID), salt))
    cut = HEADER + SEGMENT + TAG
    assert cipher.decrypt(bytes(12), sealed[HEADER:cut], head) == data[:SEGMENT]
    last = bytes(10) + b'\1\1'
    assert cipher.decrypt(last, sealed[cut:], head) == data[SEGMENT:]


def test_without_a_key_all_stays_as_it_is() -> None:
    plain = Plain()
    assert b''.join(plain.open(plain.seal([b'a', b'b'], WHAT), WHAT)) == b'ab'
    assert plain.name(OID) == f'{5:064x}'
    assert (plain.size(7), plain.content_size(7)) == (7, 7)


@pytest.mark.parametrize('length', [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match='32 bytes'):
        Sealed(bytes(length))
