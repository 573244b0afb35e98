"""What a version of a model consists of, without taking its manifest apart.

A history may have thousands of versions of a manifest of thousands of lines, nearly
all of them the same: whole lines are compared, and only those that differ are read.
"""
from __future__ import annotations

from collections.abc import Iterable

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.git.catfile import CatFile

WHOLE = ''              # what the pieces of a file without tensors are called
_LARGEST = 256 << 20    # bytes of a manifest
_KEPT = 64              # versions whose lines are kept
_TENSOR, _CHUNK = b'tensor ', b'chunk '

Lines = frozenset[bytes]
_NOTHING: Lines = frozenset()


class Versions:
    """The lines of manifests by the oids of their blobs; a context manager."""

    def __init__(self) -> None:
        self.blobs = CatFile()
        self._known: dict[str, Lines] = {}

    def __enter__(self) -> Versions:
        return self

    def __exit__(self, *exc: object) -> None:
        self.blobs.__exit__(*exc)

    def lines(self, blob: str | None) -> Lines:
        """As ``lines_of``; nothing for None."""
        if blob is None:
            return _NOTHING
        if blob not in self._known:
            if len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            self._known[blob] = lines_of(self._read(blob))
        return self._known[blob]

    def _read(self, blob: str) -> bytes:
        if self.blobs.size(blob) > _LARGEST:
            return b''
        return self.blobs.blob(blob) or b''


def lines_of(data: bytes) -> Lines:
    """All lines of a manifest; of a file without tensors one, of all its pieces.

    Nothing if it is no manifest.
    """
    if not manifests.is_manifest(data):
        return _NOTHING
    lines = data.split(b'\n')
    if b'\n' + _CHUNK in data:
        pieces = [line for line in lines if line.startswith(_CHUNK)]
        return frozenset([b'\n'.join(pieces)])
    return frozenset(lines)


def named(lines: Iterable[bytes]) -> dict[str, bytes]:
    """Lines by the names of their tensors, in natural order; damaged ones are left."""
    found = {}
    for line in lines:
        if line.startswith(_CHUNK):
            found[WHOLE] = line
        elif line.startswith(_TENSOR):
            try:
                found[words.decode(line.decode().split(' ')[1])] = line
            except ValueError:
                continue
    return {name: found[name] for name in sorted(found, key=words.natural_key)}


def count(lines: Lines) -> int:
    """How many tensors these are."""
    return sum(line.startswith(_TENSOR) for line in lines)
