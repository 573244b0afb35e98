"""What one push brought to a Git remote: a list of objects, and where they are.

Two refs for each batch, of which nothing is ever changed:

    refs/models/<id>/index      a commit with one file, "index"
    refs/models/<id>/objects    a commit with the objects as blobs

so that the list can be had without the objects, and any of these by the name of its
blob. <id> is the beginning of the list's own SHA-256. A line of the list:

    <oid> <bytes> <oid of the base or -> <name of the blob>[,<next part>...]

A blob is an object as a store has it (store.objectheader), or a part of one. Where the
remote has a key, lists and objects are encrypted (transfer.sealing), and <id> is of the
encrypted list: nothing on the remote has an oid in it.
"""
from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

from git_model_driver.core.oid import Oid
from git_model_driver.git.transport import NAMESPACE

_FIRST_LINE = 'git-model batch v1'
_LINE = re.compile(
    r'(sha256:[0-9a-f]{64}) ([0-9]{1,15}) (-|sha256:[0-9a-f]{64}) '
    r'((?:[0-9a-f]{40}|[0-9a-f]{64})(?:,(?:[0-9a-f]{40}|[0-9a-f]{64}))*)',
)
_ID_LENGTH = 40
PART = 64 << 20         # bytes of a blob at most: common hosts take as many
INDEX, OBJECTS = 'index', 'objects'
LIST = b'list'          # what a list is, to a seal
_REF = re.compile(f'{NAMESPACE}([0-9a-f]{{{_ID_LENGTH}}})/({INDEX}|{OBJECTS})')


class Stored(NamedTuple):
    """An object on a Git remote: ``nbytes`` in the blobs, one after another."""

    oid: Oid
    nbytes: int
    base: Oid | None
    blobs: tuple[str, ...]
    batch: str = ''         # that it came with; no part of a list


def part_sizes(nbytes: int) -> list[int]:
    """How many bytes there are in each blob of an object; of an empty one, in one."""
    whole, rest = divmod(nbytes, PART)
    return [PART] * whole + ([rest] if rest or not whole else [])


def serialize(stored: Iterable[Stored]) -> str:
    lines = [
        f'{oid} {nbytes} {base or "-"} {",".join(blobs)}'
        for oid, nbytes, base, blobs, _ in sorted(stored)
    ]
    return '\n'.join([_FIRST_LINE, *lines, ''])


def parse(text: str, batch: str = '') -> list[Stored]:
    """Inverse of ``serialize``. Raises ValueError for any other text."""
    first, *lines = text.split('\n')
    if first != _FIRST_LINE or not lines or lines.pop():
        raise ValueError('no list of a batch')
    return [_stored(line, batch) for line in lines]


def _stored(line: str, batch: str) -> Stored:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f'no line of a batch: {line[:80]!r}')
    base = None if match[3] == '-' else Oid(match[3])
    blobs = tuple(match[4].split(','))
    return Stored(Oid(match[1]), int(match[2]), base, blobs, batch)


def id_of(data: bytes) -> str:
    """``data`` is the list as it is sent."""
    return hashlib.sha256(data).hexdigest()[:_ID_LENGTH]


def ref(id_: str, what: str) -> str:
    return f'{NAMESPACE}{id_}/{what}'


def parse_ref(name: str) -> tuple[str, str] | None:
    """(id, index or objects); None for a ref that is none of these."""
    match = _REF.fullmatch(name)
    return (match[1], match[2]) if match else None
