"""PyTorch's ZIP archives (torch.save since 1.6, TorchScript): .pt, .pth, .bin, .ckpt.

One member is a pickle, each storage another. Extents are the storages that tensors
are made of: several tensors may share one, or see a part of it.
"""
from __future__ import annotations

import io

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Checksum
from git_model_driver.core.layout import Extent
from git_model_driver.core.layout import Layout
from git_model_driver.formats import zipdir
from git_model_driver.formats.base import Source
from git_model_driver.formats.pytorch import objects
from git_model_driver.formats.pytorch import pickled
from git_model_driver.formats.zipdir import Member

NAME = 'pytorch'
_PICKLE = '/data.pkl'
_LONGEST_PICKLE = 1 << 28


def sniff(head: bytes, size: int) -> bool:
    return head.startswith(zipdir.MAGIC)


def read(source: Source) -> Layout:
    members = {member.name: member for member in zipdir.members(source)}
    roots = [
        name[:-len(_PICKLE)] for name in members
        if name.endswith(_PICKLE) and name.count('/') == 1
    ]
    if len(roots) != 1:
        raise FormatError('no PyTorch archive')
    root = roots[0]
    big = f'{root}/byteorder' in members and (
        _content(source, members[f'{root}/byteorder']) == b'big'
    )
    data = _content(source, members[root + _PICKLE])
    views, meta = objects.walk(pickled.load(io.BytesIO(data)))
    used: dict[str, Member] = {}

    def find(key: str) -> Extent:
        member = used[key] = members[f'{root}/data/{key}']
        if member.method != zipdir.STORED:
            raise FormatError('a compressed storage')
        return Extent(member.offset, member.length)

    tensors = objects.tensors(views, find, big)
    checksums = tuple(
        Checksum('crc32', Extent(member.offset, member.length), at)
        for member in used.values() for at in member.crc_at
    )
    return Layout(NAME, len(source), tensors, meta, checksums)


def _content(source: Source, member: Member) -> bytes:
    if member.method != zipdir.STORED or member.size > _LONGEST_PICKLE:
        raise FormatError(f"'{member.name}' is compressed or too long")
    return bytes(source[member.offset:member.offset + member.length])
