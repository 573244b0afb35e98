"""What is in a version: all files of a tree, as ``git ls-tree -r`` lists them."""
from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

from git_model_driver.git import run


class Entry(NamedTuple):
    """``kind`` is blob, or commit for a submodule; the path is from the tree's top."""

    mode: str
    kind: str
    oid: str
    path: str


def entries(tree: str) -> Iterator[Entry]:
    """Of a commit or tree. Raises GitError."""
    for record in run.zsplit('ls-tree', '-r', '-z', '--full-tree', tree):
        facts, _, path = record.partition(b'\t')
        mode, kind, oid = facts.decode().split()
        yield Entry(mode, kind, oid, os.fsdecode(path))


def replaced(tree: str, blobs: Mapping[str, str]) -> str:
    """A tree with other blobs at some paths that it has; its oid. Raises GitError."""
    records = b''.join(
        f'{entry.mode} {blobs[entry.path]} 0\t'.encode() + os.fsencode(entry.path)
        + b'\0' for entry in entries(tree) if entry.path in blobs
    )
    with tempfile.TemporaryDirectory() as folder:
        index = {'GIT_INDEX_FILE': os.path.join(folder, 'index')}
        run.output('read-tree', tree, env=index)
        run.output('update-index', '-z', '--index-info', input=records, env=index)
        return run.output('write-tree', env=index).decode().strip()
