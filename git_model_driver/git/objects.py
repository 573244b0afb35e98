"""Objects of a repository, read by one process each for small and for large ones.

What Git can give piece by piece is never in memory as a whole. Objects that
``git replace`` hides are read as they are where GIT_NO_REPLACE_OBJECTS says so.
"""
from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from git_model_driver.core.errors import GitError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository

_HEAD = re.compile(rb'[0-9a-f]{40,64} (blob|tree|commit|tag) ([0-9]+)\n')
_PIECE = 1 << 20
_ASKED = 50        # names that any pipe holds, while git waits for us to read
# From this size on git streams a blob, unless it is stored as a difference; and it maps
# a whole pack otherwise, which counts as using it.
STREAMED = (
    '-c', 'core.bigFileThreshold=1m', '-c', 'core.packedGitWindowSize=8m',
    '-c', 'core.packedGitLimit=64m',
)
_DURABLE = ('-c', 'core.fsync=all', '-c', 'core.fsyncObjectFiles=true')


class Objects:
    """Reads objects by their names; use it as a context manager."""

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self._env = env or {}
        self._batch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._batch is not None:
            assert self._batch.stdin and self._batch.stdout
            self._batch.stdin.close()
            self._batch.stdout.close()
            self._batch.wait()

    def read(self, name: str) -> tuple[str, bytes]:
        """Kind and bytes. Raises GitError for one that is not there."""
        self._ask([name])
        return self._answer(name)

    def read_all(self, names: Sequence[str]) -> Iterator[bytes]:
        """The bytes of each; all are to be taken before anything else is read."""
        for start in range(0, len(names), _ASKED):
            some = names[start:start + _ASKED]
            self._ask(some)
            for name in some:
                yield self._answer(name)[1]

    def _answer(self, name: str) -> tuple[str, bytes]:
        kind, size, out = self._begun(name)
        data = out.read(size + 1)
        if len(data) != size + 1:
            raise _cut_short(name)
        return kind, data[:-1]

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes, a piece at a time; all are to be taken."""
        self._ask([name])
        _, left, out = self._begun(name)
        while left:
            piece = out.read(min(_PIECE, left))
            if not piece:
                raise _cut_short(name)
            left -= len(piece)
            yield piece
        out.read(1)

    def _ask(self, names: Sequence[str]) -> None:
        if self._batch is None:
            self._batch = subprocess.Popen(
                ('git', *STREAMED, 'cat-file', '--batch'), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=1 << 16,
                env={**os.environ, **self._env},
            )
        assert self._batch.stdin
        self._batch.stdin.write(''.join(f'{name}\n' for name in names).encode())
        self._batch.stdin.flush()

    def _begun(self, name: str) -> tuple[str, int, IO[bytes]]:
        assert self._batch and self._batch.stdout
        head = _HEAD.fullmatch(self._batch.stdout.readline())
        if head is None:
            raise GitError(
                f"the object '{name}' is not in the repository",
                'see what is missing with "git fsck --connectivity-only"',
            )
        return head[1].decode(), int(head[2]), self._batch.stdout


def _cut_short(name: str) -> GitError:
    return GitError(
        f"the object '{name}' was cut short while it was read",
        'see whether it is damaged with "git fsck"',
    )


def head_of(name: str, length: int) -> bytes:
    """The first bytes of a large blob, without reading the rest."""
    with subprocess.Popen(
        ('git', *STREAMED, 'cat-file', 'blob', name),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout
        data = process.stdout.read(length)
        process.kill()
    return data


def sizes(names: Iterable[str]) -> dict[str, int]:
    """The sizes of those that are there."""
    asked = ''.join(f'{name}\n' for name in names).encode()
    lines = run.output('cat-file', '--batch-check', input=asked).decode().splitlines()
    words = [line.split() for line in lines]
    return {each[0]: int(each[2]) for each in words if len(each) == 3}


class BlobWriter:
    """Has git store files of one folder as blobs, as they are; a context manager."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self._folder = folder
        self._env = {**os.environ, 'GIT_DIR': str(repository.git_dir)}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def write(self, name: str) -> str:
        """Store the file of that name. Raises GitError."""
        if self._process is None:
            self._process = subprocess.Popen(
                ('git', *STREAMED, *_DURABLE, 'hash-object', '-w', '--no-filters',
                 '--stdin-paths'),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, cwd=self._folder, env=self._env,
            )
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(name.encode() + b'\n')
        self._process.stdin.flush()
        oid = self._process.stdout.readline().decode().strip()
        if not oid:
            raise GitError(
                'git could not store a blob',
                'see to the space there ("df -h"), then run the command again',
            )
        return oid
