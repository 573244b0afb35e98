"""Blobs that are manifests, in a range of commits or in the index."""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.git import run
from git_model_driver.git.catfile import CatFile

# For rev-list: commits and trees are looked at, but not listed (Git 2.32).
BLOBS = '--filter=object:type=blob'
_LARGEST = 256 << 20


class Found(NamedTuple):
    """A blob with the text of a manifest, and a path that has or had it."""

    blob: str
    path: str
    data: bytes


def everything() -> list[str]:
    """What names all that a ref, a reflog or the index of any worktree has."""
    found = ['--all', '--reflog', '--indexed-objects']
    if run.attempt('rev-parse', '--verify', '--quiet', 'HEAD').code == 0:
        found.append('HEAD')
    return found


def manifests_in(
    revisions: Sequence[str], without: Iterable[str] = (),
) -> Iterator[Found]:
    """The manifests in what ``git rev-list`` gives for its arguments, newest first.

    But for those that the commits ``without`` have; some of these may not be here.
    """
    said = ''.join(f'^{oid}\n' for oid in without).encode()
    yield from those_of(run.output(
        'rev-list', '--objects', BLOBS, *revisions, '--ignore-missing', '--stdin', '--',
        input=said,
    ))


def those_of(listed: bytes) -> Iterator[Found]:
    """The manifests among the objects that ``git rev-list --objects`` lists."""
    start = manifests.MAGIC.encode()
    with CatFile() as blobs:
        for blob, path in _paths(listed).items():
            data = blobs.beginning_with(start, blob, _LARGEST)
            if data is not None:
                yield Found(blob, path, data)


def raw_models(revisions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Blobs, with a path, that the filter would have made manifests of."""
    listed = _paths(run.output('rev-list', '--objects', *revisions, '--'))
    paths = {blob: path for blob, path in listed.items() if path}
    ours = _models(paths.values())
    with CatFile() as blobs:
        for blob, size in _sized({b: p for b, p in paths.items() if p in ours}):
            if size > _LARGEST or not manifests.is_manifest(blobs.blob(blob) or b''):
                yield blob, paths[blob]


def _models(paths: Iterable[str]) -> set[str]:
    names = b''.join(os.fsencode(path) + b'\0' for path in paths)
    said = run.zsplit('check-attr', '-z', '--stdin', 'filter', input=names)
    return {
        os.fsdecode(path) for path, value in zip(said[::3], said[2::3])
        if value == b'model'
    }


def _paths(listed: bytes) -> dict[str, str]:
    """Blob or other object, to its path; '' where it has none."""
    pairs = (line.partition(b' ') for line in listed.split(b'\n') if line)
    return {name.decode(): os.fsdecode(path) for name, _, path in pairs}


def _sized(paths: Iterable[str]) -> Iterator[tuple[str, int]]:
    asked = '\n'.join(paths).encode()
    checked = run.output('cat-file', '--batch-check', input=asked)
    for line in checked.decode().split('\n'):
        words = line.split()
        if len(words) == 3 and words[1] == 'blob':
            yield words[0], int(words[2])


def commits(tips: Iterable[str]) -> list[str]:
    """All that these reach, parents before their children."""
    names = b''.join(tip.encode() + b'\n' for tip in dict.fromkeys(tips))
    listed = run.output('rev-list', '--topo-order', '--reverse', '--stdin', input=names)
    return listed.decode().split()
