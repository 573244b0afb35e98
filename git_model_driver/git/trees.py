"""What is in a version: all files of a tree, as ``git ls-tree -r`` lists them."""
from __future__ import annotations

import os
from collections.abc import Iterator
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
