r"""Encryption of what a remote keeps, for one that is not trusted to read it.

    offset  bytes
    0       8       b'\x89GMS\r\n\x1a\n'
    8       1       version, 1
    9       7       0
    16      32      salt, drawn for this file
    48      16      id of the key: HKDF-SHA256 of it
    64      8       the first bytes of the SHA-256 of the 64 before
    72      ...     segments of 64 KiB and one of what is left, each with a tag of 16

A segment is sealed with AES-256-GCM. Its key is HKDF-SHA256 of the key, the salt, and
what the file is (an object's oid), so that a file in another's place does not open.
Its nonce is its number (11 bytes, big-endian) and 1 for the last one, else 0: none can
be left out, moved or cut off. This is the STREAM construction (Hoang, Reyhanitabar,
Rogaway, Vizar: Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance,
2015) with the nonces and the segments of age (C2SP, age-encryption.org/v1). The header
is the associated data of all segments. A last segment is empty only if all is.

An object's name on the remote is HMAC-SHA256 of its oid, under a key of its own.
"""
from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Iterable
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import digest_of
from git_model_driver.store.codec.zstd import Buffer
from git_model_driver.store.disk import write_all
from git_model_driver.transfer.seals import Seal

SEGMENT = 64 << 10
TAG = 16
KEY_LENGTH = 32
_MAGIC = b'\x89GMS\r\n\x1a\n'
_VERSION = 1
_HEAD = struct.Struct('>8sB7x32s16s')
_SUM_LENGTH = 8
_PIECE = 1 << 20
HEADER = _HEAD.size + _SUM_LENGTH
_WORDS = b'git-model sealing v1 '


class Sealed:
    """Everything is, with a key of 32 bytes; ``hint`` says what to do for another."""

    def __init__(self, key: bytes, hint: str = '') -> None:
        if len(key) != KEY_LENGTH:
            raise ValueError('a key has 32 bytes')
        self._key = key
        self._hint = hint

    @cached_property
    def _id(self) -> bytes:
        return _derived(self._key, b'', b'id')[:16]

    @property
    def id(self) -> str:
        return self._id.hex()

    @cached_property
    def _name_key(self) -> bytes:
        return _derived(self._key, b'', b'names')

    def name(self, oid: Oid) -> str:
        return hmac.new(self._name_key, digest_of(oid), hashlib.sha256).hexdigest()

    def size(self, nbytes: int) -> int:
        return HEADER + nbytes + TAG * max(1, -(-nbytes // SEGMENT))

    def content_size(self, nbytes: int) -> int:
        segments = max(1, -(-(nbytes - HEADER) // (SEGMENT + TAG)))
        found = nbytes - HEADER - TAG * segments
        if found < 0 or self.size(found) != nbytes:
            raise ValueError('nothing sealed has that size')
        return found

    def seal(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        salt = os.urandom(32)
        head = _HEAD.pack(_MAGIC, _VERSION, salt, self._id)
        head += _sum(head)
        cipher = self._cipher(salt, what)
        yield head
        for number, (segment, last) in enumerate(_cut(pieces, SEGMENT)):
            yield cipher.encrypt(_nonce(number, last), segment, head)

    def open(self, pieces: Iterable[Buffer], what: bytes) -> Iterator[Buffer]:
        from cryptography.exceptions import InvalidTag

        rest = iter(pieces)
        head, begun = _first(rest, HEADER)
        cipher = self._cipher(self._salt(head), what)
        parts = _cut(_chained(begun, rest), SEGMENT + TAG)
        for number, (segment, last) in enumerate(parts):
            try:
                data = cipher.decrypt(_nonce(number, last), segment, head)
            except (InvalidTag, ValueError):
                raise _damaged() from None
            if not data and number:
                raise _damaged()
            yield data

    def beginning(self, data: bytes, total: int, what: bytes) -> bytes:
        if total <= len(data):
            return b''.join(self.open([data], what))
        whole = max(0, (len(data) - HEADER) // (SEGMENT + TAG))
        begun = data[:HEADER + whole * (SEGMENT + TAG)] + b'\0'     # more follows
        pieces = self.open([begun], what)
        return b''.join(bytes(next(pieces)) for _ in range(whole))

    def check(self, head: bytes) -> None:
        """Raise GitModelError for the header of what another key has sealed."""
        self._salt(head[:HEADER])

    def _salt(self, head: bytes) -> bytes:
        if not is_sealed(head) or head[_HEAD.size:] != _sum(head[:_HEAD.size]):
            raise _damaged()
        _, version, salt, id_ = _HEAD.unpack_from(head)
        if version != _VERSION:
            raise GitModelError(
                'what is there was encrypted by a newer git-model',
                'upgrade with "pip install --upgrade git-model-driver"',
            )
        if not hmac.compare_digest(id_, self._id):
            raise GitModelError(
                'what is there was encrypted with another key',
                *filter(None, [self._hint]),
            )
        return bytes(salt)

    def _cipher(self, salt: bytes, what: bytes) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(_derived(self._key, salt, b'file ' + what))


def open_file(seal: Seal, source: Path, target: Path, what: bytes) -> None:
    """Write what is in an encrypted file into a new one; into none where it is damaged.

    Raises CorruptObject, GitModelError (another key), OSError.
    """
    with open(source, 'rb', buffering=0) as file:
        opened = seal.open(iter(lambda: file.read(_PIECE), b''), what)
        try:
            with open(target, 'xb', buffering=0) as new:
                for piece in opened:
                    write_all(new.fileno(), piece)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def is_sealed(head: bytes) -> bool:
    return len(head) >= HEADER and head.startswith(_MAGIC)


def _derived(key: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA256 (RFC 5869), one block of it."""
    extracted = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
    return hmac.new(extracted, _WORDS + info + b'\1', hashlib.sha256).digest()


def _sum(head: bytes) -> bytes:
    return hashlib.sha256(head).digest()[:_SUM_LENGTH]


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, 'big') + bytes([last])


def _damaged() -> CorruptObject:
    return CorruptObject('what is there is damaged, or was exchanged')


def _first(pieces: Iterator[Buffer], length: int) -> tuple[bytes, bytes]:
    """So many bytes, and what of the pieces was read beyond them."""
    data = b''
    for piece in pieces:
        data += piece
        if len(data) >= length:
            break
    return data[:length], data[length:]


def _chained(first: bytes, rest: Iterator[Buffer]) -> Iterator[Buffer]:
    yield first
    yield from rest


def _cut(
    pieces: Iterable[Buffer], length: int,
) -> Iterator[tuple[Buffer, bool]]:
    """Parts of that length, the last one shorter or as long; whether it is the last."""
    kept = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        # One part is always kept: the next piece may be the last, and empty.
        while len(kept) + len(view) > length:
            taken = length - len(kept)
            yield (bytes(kept) + view[:taken] if kept else view[:taken]), False
            kept.clear()
            view = view[taken:]
        kept += view
    yield bytes(kept), True
