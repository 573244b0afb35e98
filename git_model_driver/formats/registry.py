"""The formats there are, and which one a file is in.

A format's module is loaded when a file may be in it, by its first bytes or its name:
a filter that sees one format does not pay for the others.
"""
from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats import foreign
from git_model_driver.formats.base import Format
from git_model_driver.formats.base import Source
from git_model_driver.formats.base import name_of
from git_model_driver.formats.base import read

_HEAD = 64
_PACKAGE = 'git_model_driver.formats'
_ZIP = (b'PK\3\4', b'PK\5\6')
_MAPS = tuple(bytes([code]) for code in (*range(0x81, 0x90), 0xde, 0xdf))


class Builtin:
    """A format of this package: what tells that a file may be in it.

    ``heads`` are first bytes, ``names`` is a pattern of the file's name, ``member``
    one that the name of some file in a ZIP archive matches.
    """

    def __init__(
        self, name: str, module: str, heads: tuple[bytes, ...] = (b'',),
        names: str = '.*', member: str = '',
    ) -> None:
        self.NAME = name
        self._path = f'{_PACKAGE}.{module}'
        self._heads = heads
        self._names = re.compile(names, re.DOTALL)
        self._member = re.compile(member, re.DOTALL) if member else None

    def may_be(self, head: bytes, source: Source) -> bool:
        """Whether it is worth the loading."""
        if not head.startswith(self._heads):
            return False
        if not self._names.fullmatch(name_of(source)):
            return False
        return self._member is None or _has_member(source, self._member)

    def has_name(self, name: str) -> bool:
        """Whether the format is told by names, and this is one."""
        return self._names.pattern != '.*' and bool(self._names.fullmatch(name))

    def sniff(self, head: bytes, size: int) -> bool:
        return bool(import_module(self._path).sniff(head, size))

    def read(self, source: Source) -> Layout:
        layout: Layout = import_module(self._path).read(source)
        return layout

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._path), name)


# The first that can read the file has it.
FORMATS: dict[str, Builtin] = {form.NAME: form for form in (
    Builtin('tensorflow-data', 'tensorflow.data', names=r'.+\.data-\d{5}-of-\d{5}'),
    Builtin('tensorflow-index', 'tensorflow.index', names=r'.+\.index'),
    Builtin('savedmodel', 'tensorflow.savedmodel', (b'\x08',),
            r'saved_model\.pb|fingerprint\.pb'),
    Builtin('onnx-data', 'onnxdata', names=r'.+[._](?:data|bin|weights?|pb)'),
    Builtin('npy', 'npy', (b'\x93NUMPY',)),
    Builtin('keras', 'keras.archive', _ZIP, member=r'model\.weights\.h5'),
    Builtin('pytorch', 'pytorch.archive', _ZIP, member=r'[^/]*/data\.pkl'),
    Builtin('npz', 'npz', _ZIP, member=r'.*\.npy'),
    Builtin('pytorch-legacy', 'pytorch.legacy', (b'\x80\x02\x8a\x0a',)),
    Builtin('hdf5', 'hdf5.format', (b'\x89HDF',)),
    Builtin('gguf', 'gguf', (b'GGUF',)),
    Builtin('onnx', 'onnx', (b'\x08',)),
    Builtin('flax', 'flax', _MAPS),
    Builtin('safetensors', 'safetensors'),
)}


def find(name: str) -> Format:
    """The format of that name. Raises FormatError."""
    if name in FORMATS:
        return FORMATS[name]
    for form in foreign.installed():
        if name == form.NAME:
            return form
    raise FormatError(
        f"the format '{name}' is not known here",
        'upgrade with "pip install --upgrade git-model-driver", or install the '
        'package that knows it',
    )


def depends_on_name(name: str) -> bool:
    """Whether the same bytes under another name may be read in another way."""
    return any(form.has_name(name) for form in FORMATS.values()) or (
        bool(foreign.installed())
    )


def read_any(source: Source) -> Layout | None:
    """The layout of a file in any known format, or None: it is opaque.

    Raises FormatError where a format of another package is broken.
    """
    head = bytes(source[0:_HEAD])
    for form in _worth_trying(head, source):
        if form.sniff(head, len(source)):
            try:
                return read(form, source)
            except FormatError:
                continue
    return None


def _worth_trying(head: bytes, source: Source) -> Iterator[Format]:
    for form in FORMATS.values():
        if form.may_be(head, source):
            yield form
    yield from foreign.installed()      # looked for only where ours do not know it


def _has_member(source: Source, pattern: re.Pattern[str]) -> bool:
    from git_model_driver.formats import zipdir  # for archives only

    try:
        return any(pattern.fullmatch(m.name) for m in zipdir.members(source))
    except (FormatError, ValueError, LookupError, struct.error):
        return False
