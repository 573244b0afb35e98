"""Blobs by name, from one long-running ``git cat-file --batch``."""
from __future__ import annotations

import os
import re
import subprocess
from typing import IO

# Anything else is "<name> missing" or "<name> ambiguous".
_FOUND = re.compile(rb'[0-9a-f]{40,64} (blob|tree|commit|tag) ([0-9]+)\n')


class CatFile:
    """Started when first asked, so that a command that needs none pays nothing."""

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
        out, into = self._pipes()
        into.write(os.fsencode(name) + b'\n')
        into.flush()
        head = _FOUND.fullmatch(out.readline())
        if head is None:
            return None
        data = out.read(int(head[2]) + 1)[:-1]
        return data if head[1] == b'blob' else None

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


def _started(option: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ('git', 'cat-file', option), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
