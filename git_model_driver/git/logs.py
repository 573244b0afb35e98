"""Commits with the files that they changed, as ``git log`` finds them, one by one."""
from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Sequence
from typing import IO
from typing import NamedTuple
from typing import Optional

from git_model_driver.core.errors import GitError
from git_model_driver.git import ancestry
from git_model_driver.git.ancestry import Commit

_PIECE = 1 << 16
_FORMAT = '%x01' + '%x00'.join(ancestry.FIELDS)
_RAW = ('--raw', '-c', '-z', '--no-abbrev', '-M', '--no-color', '--no-notes',
        '--no-ext-diff', '--ignore-submodules', f'--format={_FORMAT}')


class File(NamedTuple):
    """A file that differs from every parent; blobs are None where there is none.

    ``olds`` are those of the parents, in their order.
    """

    olds: tuple[Optional[str], ...]
    new: Optional[str]
    old_path: str
    path: str


class Logged(NamedTuple):
    commit: Commit
    files: tuple[File, ...]


def log(arguments: Sequence[str]) -> Generator[Logged, None, None]:
    """In git log's order, as soon as git has it. Raises GitError in its words.

    A merge has what differs from all its parents.
    """
    process = subprocess.Popen(
        ('git', *ancestry.PLAIN, 'log', *_RAW, *arguments),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stderr
    done = False
    try:
        yield from _parsed(_fields(process.stdout))
        done = True
    finally:
        if not done:        # whoever asked has seen enough
            process.kill()
        said = process.communicate()[1].decode(errors='replace').splitlines()
    if process.returncode:
        lines = [line.removeprefix('fatal: ') for line in said if line]
        raise GitError(*lines or ["'git log' failed"])


def _fields(stream: IO[bytes]) -> Iterator[str]:
    rest = b''
    while piece := os.read(stream.fileno(), _PIECE):
        *fields, rest = (rest + piece).split(b'\0')
        yield from map(os.fsdecode, fields)
    if rest:
        yield os.fsdecode(rest)


def _parsed(fields: Iterator[str]) -> Iterator[Logged]:
    commit: Commit | None = None
    files: list[File] = []
    for field in fields:
        if field.startswith('\x01'):
            if commit is not None:
                yield Logged(commit, tuple(files))
            more = [next(fields) for _ in ancestry.FIELDS[1:]]
            commit, files = ancestry.commit_of([field[1:], *more]), []
        elif field.lstrip('\n').startswith(':'):
            files += filter(None, [_file(field.lstrip('\n'), fields)])
    if commit is not None:
        yield Logged(commit, tuple(files))


def _file(record: str, fields: Iterator[str]) -> File | None:
    """None for a link or a submodule."""
    parents = len(record) - len(record.lstrip(':'))
    words = record[parents:].split(' ')
    modes, oids, letters = words[:parents + 1], words[parents + 1:-1], words[-1]
    old_path = path = next(fields)
    if parents == 1 and letters[0] in 'RC':
        path = next(fields)
    blobs = [
        oid if mode.startswith('100') else None for mode, oid in zip(modes, oids)
    ]
    if not any(blobs):
        return None
    return File(tuple(blobs[:-1]), blobs[-1], old_path, path)
