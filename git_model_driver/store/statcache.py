"""Which manifest a worktree file had when it was last read.

Git runs clean several times for one ``git diff`` or ``git stash``. A file per
path, private to the worktree: a line with the stat data, then the manifest.
"""
from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path

import xxhash

# A file written to in the same tick of the clock as it was read may have changed
# after the reading without a sign of it (Git's "racy" entries). Ticks of the
# kernel are at most 10 ms, those of a file system without fractions 1 or 2 s.
_FINE_TICK = 20_000_000
_COARSE_TICK = 2_000_000_000
_SECOND = 1_000_000_000


class StatCache:
    """Manifests by (path, size, mtime, ctime, inode), below ``folder``.

    It is only ever a saving: what cannot be read or written is not cached.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _file(self, path: str) -> Path:
        return self.folder / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]

    def get(self, path: str, stat: os.stat_result) -> bytes | None:
        """The manifest of the file at path if it is still the file we read."""
        try:
            head, _, manifest = self._file(path).read_bytes().partition(b'\n')
            key = _key(path, stat, manifest)
            return manifest if json.loads(head) == key else None
        except (OSError, ValueError):
            return None

    def clock(self) -> int:
        """The file system's time in ns, to be asked before a file is read."""
        probe = self.folder / f'clock.{secrets.token_hex(4)}'
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            now = probe.stat().st_mtime_ns
            probe.unlink()
        except OSError:
            return 0        # then everything is too new to be remembered
        return now

    def put(
        self, path: str, stat: os.stat_result, began: int, manifest: bytes,
    ) -> None:
        """Remember the manifest of a file that was read from ``began`` on.

        A file that was written to just before that is not remembered: it may have
        been written to again, in the same tick, while it was read.
        """
        if _is_racy(stat, began):
            return
        target = self._file(path)
        temporary = target.with_name(f'{target.name}.{secrets.token_hex(4)}')
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            head = json.dumps(_key(path, stat, manifest)).encode()
            temporary.write_bytes(head + b'\n' + manifest)
            os.replace(temporary, target)
        except OSError:
            return


def _key(path: str, stat: os.stat_result, manifest: bytes) -> list[object]:
    """What must be the same; the sum tells an entry that a crash cut short."""
    name, xxh = os.fsencode(path).hex(), xxhash.xxh3_64_hexdigest(manifest)
    return [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, xxh]


def _is_racy(stat: os.stat_result, now: int) -> bool:
    tick = _FINE_TICK if stat.st_mtime_ns % _SECOND else _COARSE_TICK
    return max(stat.st_mtime_ns, stat.st_ctime_ns) > now - tick
