"""Blobs that are manifests, in a range of commits or in the index."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.git import run
from git_model_driver.git.catfile import CatFile

_OBJECT = re.compile(rb'([0-9a-f]{40,64})(?: (.*))?')
_SMALLEST = len(manifests.FIRST_LINE)
_LARGEST = 256 << 20


class Found(NamedTuple):
    """A blob with the text of a manifest, and a path that has or had it."""

    blob: str
    path: str
    data: bytes


def manifests_in(revisions: Sequence[str]) -> Iterator[Found]:
    """The manifests in the commits that ``git rev-list`` gives for its arguments."""
    yield from those_of(run.output('rev-list', '--objects', *revisions, '--'))


def those_of(listed: bytes) -> Iterator[Found]:
    """The manifests among the objects that ``git rev-list --objects`` lists."""
    matches = filter(None, map(_OBJECT.fullmatch, listed.split(b'\n')))
    yield from _those({m[1].decode(): os.fsdecode(m[2] or b'') for m in matches})


def manifests_in_index() -> Iterator[Found]:
    """Those of every stage of the index."""
    paths = {}
    for record in run.zsplit('ls-files', '-s', '-z', '--full-name', '--', ':/'):
        facts, _, path = record.partition(b'\t')
        paths[facts.split()[1].decode()] = os.fsdecode(path)
    yield from _those(paths)


def _those(paths: dict[str, str]) -> Iterator[Found]:
    asked = '\n'.join(paths).encode()
    checked = run.output('cat-file', '--batch-check', input=asked)
    with CatFile() as blobs:
        for line in checked.decode().split('\n'):
            words = line.split()
            if len(words) != 3 or words[1] != 'blob':
                continue
            if not _SMALLEST <= int(words[2]) <= _LARGEST:
                continue
            data = blobs.blob(words[0])
            if data is not None and manifests.is_manifest(data):
                yield Found(words[0], paths[words[0]], data)
