"""Object ids: the SHA-256 of an extent's raw bytes, written ``sha256:<hex>``.

The hexadecimal part is also the Git LFS object id of the same bytes.
"""
from __future__ import annotations

import re
from typing import NewType

Oid = NewType('Oid', str)

PREFIX = 'sha256:'
_OID = re.compile(r'sha256:[0-9a-f]{64}')


def is_oid(text: str) -> bool:
    return _OID.fullmatch(text) is not None


def from_digest(digest: bytes) -> Oid:
    return Oid(PREFIX + digest.hex())


def digest_of(oid: Oid) -> bytes:
    """The 32 bytes: inverse of from_digest."""
    return bytes.fromhex(oid[len(PREFIX):])


def of_bytes(data: bytes | memoryview) -> Oid:
    import hashlib  # 6 ms, and not everybody makes new ones

    return from_digest(hashlib.sha256(data).digest())


def hex_of(oid: Oid) -> str:
    """The 64 hexadecimal digits without the prefix."""
    return oid[len(PREFIX):]


def short(oid: Oid) -> str:
    """Twelve digits, for people."""
    return hex_of(oid)[:12]
