"""A backup of branches and tags with all that they reach, in one file."""
from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from git_model_driver.git import run
from git_model_driver.git.objects import STREAMED


def create(file: Path, refs: Iterable[str]) -> None:
    """Raises GitError. Delta compression is left out: it is a copy for a while."""
    names = b''.join(os.fsencode(ref) + b'\n' for ref in refs)
    run.output(
        *STREAMED, 'bundle', 'create', '-q', str(file), '--stdin', input=names,
    )
    with open(file, 'rb') as written:
        os.fsync(written.fileno())
