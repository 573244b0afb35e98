"""Which manifest a worktree file had when it was last read.

Git runs clean several times for one ``git diff`` or ``git stash``. A file per
path, private to the worktree: a line with the stat data, then the manifest.
"""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import xxhash

from git_model_driver.core import manifest as manifests
from git_model_driver.core.manifest import Manifest
from git_model_driver.git.repository import Repository
from git_model_driver.store.places import remove_abandoned
from git_model_driver.store.source import Status
from git_model_driver.store.source import status_of

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
            *key, beside = json.loads(head)
            same = key == _key(path, stat, manifest) and all(
                _as_list(status_of(os.fsdecode(bytes.fromhex(file)))) == status
                for file, status in beside
            )
            return manifest if same else None
        except (OSError, ValueError, TypeError):
            return None

    def clock(self) -> int:
        """The file system's time in ns, to be asked before a file is read."""
        probe = self.folder / f'clock.{os.urandom(4).hex()}'
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
        beside: Mapping[str, Status | None] = MappingProxyType({}),
    ) -> None:
        """Remember the manifest of a file that was read from ``began`` on.

        ``beside`` are the other files that it depends on, as they were then.

        A file that was written to just before that is not remembered: it may have
        been written to again, in the same tick, while it was read.
        """
        times = [max(stat.st_mtime_ns, stat.st_ctime_ns)]
        times += [max(status[1:3]) for status in beside.values() if status]
        if not any(_is_racy(time, began) for time in times):
            self._store(path, stat, manifest, beside)

    def put_written(self, path: str, stat: os.stat_result, manifest: bytes) -> None:
        """Remember the manifest of a file that we wrote.

        Its mtime was set to a time before it got its name, which its ctime tells:
        whoever writes to it from then on gives it another one.
        """
        if not _is_racy(stat.st_mtime_ns, stat.st_ctime_ns):
            self._store(path, stat, manifest, {})

    def _store(
        self, path: str, stat: os.stat_result, manifest: bytes,
        beside: Mapping[str, Status | None],
    ) -> None:
        target = self._file(path)
        temporary = target.with_name(f'{target.name}.{os.urandom(4).hex()}')
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files = [[os.fsencode(f).hex(), s] for f, s in sorted(beside.items())]
            head = json.dumps([*_key(path, stat, manifest), files]).encode()
            temporary.write_bytes(head + b'\n' + manifest)
            os.replace(temporary, target)
        except OSError:
            with suppress(OSError):
                temporary.unlink()

    def sweep(self) -> None:
        """Remove what killed processes left, which has a dot in its name."""
        for path in self.folder.glob('*.*'):
            remove_abandoned(path)


def _key(path: str, stat: os.stat_result, manifest: bytes) -> list[object]:
    """What must be the same; the sum tells an entry that a crash cut short."""
    name, xxh = os.fsencode(path).hex(), xxhash.xxh3_64_hexdigest(manifest)
    return [name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, xxh]


def _as_list(status: Status | None) -> list[int] | None:
    return None if status is None else list(status)


def _is_racy(time: int, now: int) -> bool:
    return time > now - (_FINE_TICK if time % _SECOND else _COARSE_TICK)


def known_manifest(name: str, fd: int, repository: Repository) -> Manifest | None:
    """That which clean has left of the very file, if it has."""
    if repository.top is None:
        return None
    path = os.path.relpath(os.path.abspath(name), repository.top)
    cache = StatCache(repository.private / 'clean')
    text = cache.get(path.replace(os.sep, '/'), os.fstat(fd))
    return manifests.parse(text) if text else None
