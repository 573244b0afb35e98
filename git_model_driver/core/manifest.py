"""Manifest v1: the small text that Git stores in place of a model file.

The rules are in docs/spec.md. ``serialize`` gives the one encoding of a
manifest; ``parse`` reads that and what text merges make of it.
"""
from __future__ import annotations

import re
from collections import Counter

from git_model_driver.core import dtype as dtypes
from git_model_driver.core import words
from git_model_driver.core.errors import ConflictMarkers
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import UnsupportedManifest
from git_model_driver.core.model import Blob as Blob
from git_model_driver.core.model import Entry as Entry
from git_model_driver.core.model import Manifest as Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import is_oid

MAGIC = 'git-model manifest '
FIRST_LINE = 'git-model manifest v1'
COMMENT = (
    '# The weights of this model are stored outside this file. To get them:',
    '#   pip install git-model-driver && git model install && git model pull',
)
OPAQUE = 'opaque'
# What textconv prints begins so. "git blame" cleans that: it passes through.
SUMMARY = '# git-model summary: name dtype shape oid mean std min max norm'
_OIDS = r'(?m) (sha256:[0-9a-f]{64})(?= |$)'     # compiled when it is needed
_FORMAT = re.compile(r'[a-z0-9][a-z0-9_-]*')
_KEY = r'[a-z][a-z0-9_-]*'
_OPENING = r'(?m)^<{7,}(?: .*)?$'


def same_meaning(one: str, other: str) -> bool:
    """Whether two texts are manifests of the same file.

    Blank lines, comments, quoting and the order of tensors do not count, nor do
    keys that this version does not know. Only lines that differ are looked into.
    """
    ours, theirs = _said(one), _said(other)
    if any(line.startswith('chunk ') for line in ours):
        return ours == theirs
    mine, others = Counter(ours), Counter(theirs)
    return _meanings(mine - others) == _meanings(others - mine)


def _said(text: str) -> list[str]:
    lines = text.split('\n')
    return [line for line in lines if line and not line.startswith('#')]


def _meanings(lines: Counter[str]) -> Counter[object]:
    return Counter(map(_meaning, lines.elements()))


def _meaning(line: str) -> object:
    try:
        if line.startswith('tensor '):
            return parse_entry(line.split(' ')[1:]).known
        return tuple(map(words.decode, line.split(' ')))
    except (ValueError, FormatError):
        return line


def is_manifest(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a manifest of any version."""
    return head.startswith(MAGIC.encode())


def oids_in(text: str) -> set[Oid]:
    """Every object that a manifest we wrote names, without taking it apart."""
    return {Oid(found) for found in re.findall(_OIDS, text)}


def has_conflict(text: str) -> bool:
    """Whether the text holds a conflict as Git marks it."""
    return '<<<<<<<' in text and re.search(_OPENING, text) is not None


def serialize(manifest: Manifest) -> str:
    """The one encoding of a manifest, ending in a newline."""
    lines = [FIRST_LINE, *COMMENT, *header_lines(manifest)]
    if manifest.chunks:
        lines.append('')
        lines.extend(f'chunk {oid} {nbytes}' for oid, nbytes in manifest.chunks)
    group: str | None = None
    for name in sorted(manifest.tensors, key=words.natural_key):
        if words.group(name) != group:
            group = words.group(name)
            lines.append('')
        lines.append(tensor_line(manifest.tensors[name]))
    return '\n'.join(lines) + '\n'


def header_lines(manifest: Manifest) -> list[str]:
    lines = [f'format {manifest.format}']
    if manifest.format != OPAQUE:
        lines.append(layout_line(manifest.skeleton))
    for key in sorted(manifest.meta):
        lines.append(meta_line(key, manifest.meta[key]))
    return lines


def layout_line(skeleton: Blob | None) -> str:
    if skeleton is None:
        return 'layout canonical'
    return f'layout {skeleton.oid} {skeleton.nbytes}'


def meta_line(key: str, value: str) -> str:
    return f'meta {words.quote(key)} {words.quote(value)}'


def tensor_line(entry: Entry) -> str:
    parts = ['tensor', words.encode(entry.name), entry.dtype]
    parts += [dtypes.format_shape(entry.shape), entry.oid]
    parts += [f'{key}={words.encode(value)}' for key, value in sorted(entry.extra)]
    return ' '.join(parts)


def decode_text(data: bytes, path: str) -> str:
    """UTF-8 with LF line ends, or ManifestError."""
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        raise _damaged(path, f'is not UTF-8 at byte {e.start}') from None
    if '\r' in text:
        raise ManifestError(
            f"the manifest in '{path}' has CRLF line ends",
            'the path needs "-text" in .gitattributes: git model track <pattern>',
        )
    return text


def parse(data: bytes | str, path: str = '-') -> Manifest:
    """Read a manifest; ``path`` is what error messages call it.

    Raises UnsupportedManifest for another version, ConflictMarkers where
    tensors are unsettled, and ManifestError, with the line, for anything else.
    """
    text = decode_text(data, path) if isinstance(data, bytes) else data
    lines = text.split('\n')
    if lines[0] != FIRST_LINE:
        raise _not_version_1(lines[0], path)
    if has_conflict(text):
        n, file = conflict_count(text), words.shell(path)
        raise ConflictMarkers(
            f"'{path}' has {n} conflict{'s' * (n != 1)} left to settle",
            f'see them with "git model resolve --list {file}", settle them with '
            f'"git model resolve --ours|--theirs|--base {file} [<tensor>...]"',
        )
    if lines[-1] != '':
        raise _damaged(path, f'line {len(lines)}: it is cut off')
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        try:
            if number > 1 and line and not line.startswith('#'):
                reader.take(line.split(' '))
        except FormatError as e:
            raise _damaged(path, f'line {number}: {e.message}') from None
        except ValueError as e:
            raise _damaged(path, f'line {number}: {e}') from None
    try:
        return reader.finish()
    except ValueError as e:
        raise _damaged(path, f'is incomplete: {e}') from None


def conflict_count(text: str) -> int:
    return len(re.findall(_OPENING, text))


def _damaged(path: str, what: str) -> ManifestError:
    return ManifestError(
        f"the manifest in '{path}' {what}",
        'it was probably edited by hand; the last good version is '
        f'"git show {words.shell("HEAD:" + path)}", and '
        f'"git checkout HEAD -- {words.shell(path)}" brings it back',
    )


def _not_version_1(line: str, path: str) -> ManifestError:
    if line.startswith(MAGIC):
        return UnsupportedManifest(
            f"the manifest in '{path}' is of version '{line[len(MAGIC):][:40]}': "
            'it was written by a newer git-model',
            'upgrade with "pip install --upgrade git-model-driver"',
        )
    return _damaged(path, f"line 1: expected '{FIRST_LINE}'")


class _Reader:
    """Takes the words of one line after the other."""

    def __init__(self) -> None:
        self.format: str | None = None
        self.layout: tuple[Blob | None] | None = None
        self.meta: dict[str, str] = {}
        self.tensors: dict[str, Entry] = {}
        self.chunks: list[Blob] = []

    def take(self, line: list[str]) -> None:
        if line[0] == 'tensor':
            return self.take_tensor(line[1:])
        take = getattr(self, f'take_{line[0]}', None)
        if take is None:
            raise ValueError(f"unknown word '{line[0][:40]}'")
        take(line[1:])

    def take_format(self, line: list[str]) -> None:
        if self.format is not None:
            raise ValueError('the format is given twice')
        (self.format,) = _expect(line, 1)
        if not _FORMAT.fullmatch(self.format):
            raise ValueError(f"'{self.format[:40]}' is no name of a format")

    def take_layout(self, line: list[str]) -> None:
        if self.layout is not None:
            raise ValueError('the layout is given twice')
        self.layout = (None if line == ['canonical'] else _blob(line),)

    def take_meta(self, line: list[str]) -> None:
        key, value = map(words.decode, _expect(line, 2))
        if key in self.meta:
            raise ValueError(f"metadata '{key}' is given twice")
        self.meta[key] = value

    def take_chunk(self, line: list[str]) -> None:
        self.chunks.append(_blob(line))

    def take_tensor(self, line: list[str]) -> None:
        entry = parse_entry(line)
        if entry.name in self.tensors:
            raise ValueError(f"tensor '{entry.name}' is given twice")
        self.tensors[entry.name] = entry

    def finish(self) -> Manifest:
        if self.format is None:
            raise ValueError("no line 'format'")
        if self.format == OPAQUE and (self.tensors or self.meta or self.layout):
            raise ValueError("format 'opaque' has chunks only")
        if self.format != OPAQUE and self.layout is None:
            raise ValueError("no line 'layout'")
        if self.format != OPAQUE and self.chunks:
            raise ValueError(f"format '{self.format}' has no chunks")
        ordered = sorted(self.tensors, key=words.natural_key)
        return Manifest(
            self.format,
            self.layout[0] if self.layout else None,
            {key: self.meta[key] for key in sorted(self.meta)},
            {name: self.tensors[name] for name in ordered},
            tuple(self.chunks),
        )


def parse_entry(line: list[str]) -> Entry:
    """The words of a tensor line after ``tensor``. Raises ValueError, FormatError."""
    if len(line) < 4:
        raise ValueError(f'expected 5 words, found {len(line) + 1}')
    name, dtype, shape, oid = line[:4]
    if not is_oid(oid):
        raise ValueError(f"'{oid[:80]}' is no oid")
    try:
        dimensions = dtypes.parse_shape(shape)
    except ValueError:
        raise ValueError(f"'{shape[:80]}' is no shape") from None
    extra: tuple[tuple[str, str], ...] = ()
    if len(line) > 4:
        extra = tuple(sorted(map(_key_value, line[4:])))
        if len(dict(extra)) != len(extra):
            raise ValueError('a key is given twice')
    entry = Entry(words.decode(name), dtype, dimensions, Oid(oid), extra)
    _ = entry.nbytes    # dtype and shape must make sense together
    return entry


def _key_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition('=')
    if not (equals and re.fullmatch(_KEY, key)):
        raise ValueError(f"expected key=value, found '{word[:40]}'")
    return key, words.decode(value)


def _blob(line: list[str]) -> Blob:
    oid, nbytes = _expect(line, 2)
    if not is_oid(oid):
        raise ValueError(f"'{oid[:80]}' is no oid")
    if not (nbytes.isascii() and nbytes.isdecimal() and len(nbytes) < 20):
        raise ValueError(f"'{nbytes[:40]}' is no number of bytes")
    return Blob(Oid(oid), int(nbytes))


def _expect(line: list[str], count: int) -> list[str]:
    if len(line) != count:
        raise ValueError(f'expected {count + 1} words, found {len(line) + 1}')
    return line
