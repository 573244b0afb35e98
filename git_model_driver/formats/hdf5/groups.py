"""The links of a group: symbol tables and link messages (IV.A.2.g and r, III.A–C)."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import FormatError
from git_model_driver.formats.hdf5.file import File
from git_model_driver.formats.hdf5.file import Message

_GROUP = 0          # a B-tree's kind
_CACHED_SOFT = 2
_LONGEST_NAME = 4096


class Link(NamedTuple):
    name: str
    address: int | None     # None: soft or external, never followed


def symbol_table(file: File, message: Message) -> list[Link]:
    """The links of a group as the first versions of HDF5 wrote it."""
    tree, heap = file.number(8, message.at), file.number(8, message.at + 8)
    if file.take(heap, 4) != b'HEAP':
        raise FormatError('hdf5: no local heap')
    size, names_at = file.number(8, heap + 8), file.number(8, heap + 24)
    links = []
    for node in _leaves(file, tree):
        for i in range(file.number(2, node + 6)):
            at = node + 8 + 40 * i
            offset = file.number(8, at)
            if offset >= size:
                raise FormatError('hdf5: a name outside its heap')
            name = _name(file, names_at + offset, size - offset)
            soft = file.number(4, at + 16) == _CACHED_SOFT
            links.append(Link(name, None if soft else file.number(8, at + 8)))
    return links


def _leaves(file: File, tree: int) -> Iterator[int]:
    """The symbol table nodes of a B-tree, in order."""
    todo, seen = [tree], set()
    while todo:
        at = todo.pop()
        if at in seen:
            raise FormatError('hdf5: a tree that bites its tail')
        seen.add(at)
        signature = file.take(at, 4)
        if signature == b'SNOD':
            yield at
        elif signature == b'TREE' and file.number(1, at + 4) == _GROUP:
            count = file.number(2, at + 6)
            children = (file.number(8, at + 32 + 16 * i) for i in range(count))
            todo.extend(reversed(list(children)))
        else:
            raise FormatError('hdf5: no node of a group')


def _name(file: File, at: int, most: int) -> str:
    data = file.take(at, min(most, _LONGEST_NAME, file.size - at))
    end = data.find(b'\0')
    if end < 0:
        raise FormatError('hdf5: a name without an end')
    return data[:end].decode()


def link(file: File, message: Message) -> Link:
    """One link of a group as HDF5 1.8 and later write it."""
    flags, at = file.number(1, message.at + 1), message.at + 2
    kind = 0
    if flags & 8:
        kind, at = file.number(1, at), at + 1
    at += (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    length = file.number(width, at)
    name = file.take(at + width, length).decode()
    address = file.number(8, at + width + length) if kind == 0 else None
    return Link(name, address)
