"""Trees, commits and tags as bytes: what is not changed stays what it is, to the bit.
"""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from git_model_driver.core.errors import GitError

FOLDER = b'40000'
FILES = (b'100644', b'100755', b'100664')
Renamed = Callable[[str], str]
_SIGNATURES = (b'gpgsig', b'gpgsig-sha256', b'mergetag')
_SIGNED = re.compile(
    rb'^-----BEGIN (?:PGP SIGNATURE|PGP MESSAGE|SSH SIGNATURE|SIGNED MESSAGE)-----$',
    re.MULTILINE,
)


class Entry(NamedTuple):
    """An entry of a tree."""

    mode: bytes
    name: bytes
    oid: str

    @property
    def is_folder(self) -> bool:
        return self.mode.lstrip(b'0') == FOLDER

    @property
    def is_file(self) -> bool:
        """A regular one: no link, no submodule."""
        return self.mode in FILES


def entries(data: bytes, width: int) -> list[Entry]:
    """The entries of a tree; ``width`` bytes name an object."""
    found, at = [], 0
    while at < len(data):
        space = data.index(b' ', at)
        end = data.index(b'\0', space)
        after = end + 1 + width
        oid = data[end + 1:after].hex()
        found.append(Entry(data[at:space], data[space + 1:end], oid))
        at = after
    return found


def tree(listed: list[Entry]) -> bytes:
    return b''.join(
        e.mode + b' ' + e.name + b'\0' + bytes.fromhex(e.oid) for e in listed
    )


def placed(listed: list[Entry], new: Entry) -> list[Entry]:
    """With a file more, in Git's order: folders as if a slash ended their names."""
    def key(entry: Entry) -> bytes:
        return entry.name + b'/' if entry.is_folder else entry.name

    before = [e for e in listed if key(e) < key(new)]
    return [*before, new, *listed[len(before):]]


class Commit(NamedTuple):
    """A commit's tree and parents, and all of it."""

    tree: str
    parents: tuple[str, ...]
    data: bytes

    def rewritten(self, tree: str, parents: tuple[str, ...]) -> tuple[bytes, int]:
        """The commit with another tree and other parents, and how many signatures
        it has lost: they would be wrong.
        """
        head, blank, message = self.data.partition(b'\n\n')
        kept, lost = [], 0
        for field in _fields(head)[1 + len(parents):]:
            if field.split(b' ', 1)[0] in _SIGNATURES:
                lost += 1
            else:
                kept.append(field)
        names = [b'tree ' + tree.encode()]
        names += [b'parent ' + parent.encode() for parent in parents]
        return b'\n'.join([*names, *kept]) + blank + message, lost


def commit(data: bytes, oid: str) -> Commit:
    """Raises GitError for one that is malformed."""
    fields = [line.split(b' ', 1) for line in _fields(data.partition(b'\n\n')[0])]
    if len(fields[0]) != 2 or fields[0][0] != b'tree':
        raise GitError(f"the commit '{oid}' is malformed", 'see it with "git fsck"')
    parents = []
    for name, *rest in fields[1:]:
        if name != b'parent':
            break
        parents.append(rest[0].decode())
    return Commit(fields[0][1].decode(), tuple(parents), data)


def _fields(head: bytes) -> list[bytes]:
    """The header's fields; one goes on in lines that begin with a space."""
    return re.split(rb'\n(?! )', head)


class Tag(NamedTuple):
    """An annotated tag: what it points to, and all of it."""

    oid: str
    kind: str
    data: bytes

    def rewritten(self, oid: str) -> tuple[bytes, int]:
        """The tag on another object, and whether it lost a signature."""
        head, blank, message = self.data.partition(b'\n\n')
        fields = [f for f in _fields(head)[1:] if not f.startswith(b'gpgsig')]
        lost = len(fields) + 1 < len(_fields(head))
        signatures = [match.start() for match in _SIGNED.finditer(message)]
        if signatures:
            message, lost = message[:signatures[-1]], True
        return b'\n'.join([b'object ' + oid.encode(), *fields]) + blank + message, lost


def tag(data: bytes) -> Tag:
    fields = [line.split(b' ', 1) for line in _fields(data.partition(b'\n\n')[0])]
    return Tag(fields[0][1].decode(), fields[1][1].decode(), data)
