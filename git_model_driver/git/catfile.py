"""Blobs by name, from one long-running ``git cat-file --batch``."""
from __future__ import annotations

import os
import re
import subprocess
from typing import IO

from git_model_driver.core.errors import GitError

# Anything else is "<name> missing" or "<name> ambiguous".
_FOUND = re.compile(rb'[0-9a-f]{40,64} (blob|tree|commit|tag) ([0-9]+)\n')
_SKIPPED = 1 << 20      # bytes; to start git again costs as much as to read these


class CatFile:
    """Started when first asked, so that a command that needs none pays nothing.

    Raises GitError where git dies of what it reads: that is another thing than a blob
    that is not there.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._sizes: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> CatFile:
        return self

    def __exit__(self, *exc: object) -> None:
        for process in filter(None, (self._process, self._sizes)):
            process.communicate()
        self._process = self._sizes = None

    def size(self, oid: str) -> int:
        """The bytes of an object, 0 if there is none of this oid."""
        if self._sizes is None:
            self._sizes = _started('--batch-check=%(objectsize)')
        assert self._sizes.stdout and self._sizes.stdin
        self._sizes.stdin.write(f'{oid}\n'.encode())
        self._sizes.stdin.flush()
        said = self._sizes.stdout.readline().strip()
        return int(said) if said.isdigit() else 0

    def blob(self, name: str) -> bytes | None:
        """The blob of that name (``:path``, ``HEAD:path``), None if there is none."""
        if '\n' in name:
            return self._single(name)
        kind, size, out = self._asked(name)
        if size is None:
            return None
        data = _all(out, size + 1, name)[:-1]
        return data if kind == b'blob' else None

    def beginning_with(self, start: bytes, name: str, largest: int) -> bytes | None:
        """The blob of that name, if it begins so and is no larger. What is larger is
        not waited for; all else is read to its end, where git finds what is damaged.
        """
        kind, size, out = self._asked(name)
        if size is None:
            return None
        if size > max(largest, _SKIPPED):
            self._stop()
            return None
        data = _all(out, size + 1, name)[:-1]
        is_it = kind == b'blob' and size <= largest and data.startswith(start)
        return data if is_it else None

    def _asked(self, name: str) -> tuple[bytes, int | None, IO[bytes]]:
        """The kind and the size of the object whose bytes come next, if there is one.
        """
        out, into = self._pipes()
        into.write(os.fsencode(name) + b'\n')
        into.flush()
        line = out.readline()
        if not line:
            raise _unreadable(name)
        head = _FOUND.fullmatch(line)
        return (head[1], int(head[2]), out) if head else (b'', None, out)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process:
            process.kill()
            process.communicate()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        if self._process is None:
            self._process = _started('--batch')
        assert self._process.stdout and self._process.stdin
        return self._process.stdout, self._process.stdin

    def _single(self, name: str) -> bytes | None:
        done = subprocess.run(
            ('git', 'cat-file', 'blob', name), capture_output=True, check=False,
        )
        return done.stdout if done.returncode == 0 else None


def _all(out: IO[bytes], nbytes: int, name: str) -> bytes:
    data = out.read(nbytes)
    if len(data) != nbytes:
        raise _unreadable(name)
    return data


def _unreadable(name: str) -> GitError:
    return GitError(
        f"git cannot read '{name}'",
        'see what is damaged with "git fsck"; another clone has it: git fetch <clone>',
    )


def _started(option: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ('git', 'cat-file', option), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
