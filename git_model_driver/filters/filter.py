"""Clean and smudge as git means them: for a path, with all that may come in."""
from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from collections.abc import Iterable
from functools import cached_property
from functools import partial
from itertools import chain
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import MissingObject
from git_model_driver.core.errors import StoreError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters import content
from git_model_driver.filters import entering
from git_model_driver.filters.clean import take_apart
from git_model_driver.filters.parent import Parent
from git_model_driver.filters.smudge import Assembly
from git_model_driver.filters.smudge import Sink
from git_model_driver.filters.waiting import Waiting
from git_model_driver.git import caller
from git_model_driver.git import checkouts
from git_model_driver.git import hooks
from git_model_driver.git import repository
from git_model_driver.git.catfile import CatFile
from git_model_driver.git.checkouts import Checkouts
from git_model_driver.store.objects import Store
from git_model_driver.store.source import FileSource
from git_model_driver.store.statcache import StatCache
from git_model_driver.transfer.locate import store_of

SKIP_SMUDGE = 'GIT_MODEL_SKIP_SMUDGE'


class Filter:
    """One repository's filter; git may ask it for many files."""

    def __init__(self) -> None:
        self._blobs = CatFile()
        self._hooked = False
        self.later: dict[str, bytes] = {}   # manifests that stand for models as yet
        self.waiting = Waiting()

    def __enter__(self) -> Filter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._blobs.__exit__(*exc)

    @cached_property
    def repository(self) -> repository.Repository:
        return repository.find()

    @cached_property
    def store(self) -> Store:
        return store_of(self.repository)

    @cached_property
    def checkouts(self) -> Checkouts:
        return checkouts.settings()

    def clean(self, path: str, packets: Iterable[bytes]) -> bytes:
        """What git is to store for the bytes of path."""
        packets = iter(packets)
        head = next(packets, b'')
        if not head:
            return b''
        packets = chain([head], packets)
        if head.startswith(manifests.SUMMARY.encode()):
            return self._clean_summary(path, b''.join(packets))
        if manifests.is_manifest(head):
            return self.clean_manifest(path, b''.join(packets))
        return self._clean_model(path, packets)

    def _clean_summary(self, path: str, data: bytes) -> bytes:
        """What ``git blame`` has cleaned; in the index it would replace a model."""
        if self._enters_index() and data != self._indexed(path):
            raise entering.is_summary(path, self._is_unmerged(path))
        return data

    def clean_manifest(self, path: str, data: bytes) -> bytes:
        """A manifest stays one. What is already in the index is not judged.

        Conflicts are refused where they would get into the index, and shown as
        they are to what only compares (``git diff --stat``, ``git mergetool``).
        """
        if data == self._indexed(path):
            return data
        text = manifests.decode_text(data, path)
        enters = caller.git_pid() is None or self._enters_index()
        if manifests.has_conflict(text) and not enters:
            return data
        manifest = manifests.parse(text, path)
        if enters:
            entering.check_fit(manifest, self.store, path, self._is_unmerged(path))
        return self._as_indexed(path, manifests.serialize(manifest))

    def _enters_index(self) -> bool:
        index = os.environ.get('GIT_INDEX_FILE') or self.repository.git_dir / 'index'
        return caller.adds_to(index)

    def _is_unmerged(self, path: str) -> bool:
        return self._blobs.blob(f':2:{path}') is not None

    def _clean_model(self, path: str, packets: Iterable[bytes]) -> bytes:
        scratch = self.repository.store_root / 'tmp'
        with content.receive(path, packets, scratch) as (source, status):
            text = self._take_apart(path, source, status)
        return self._as_indexed(path, text)

    def _take_apart(
        self, path: str, source: FileSource, status: os.stat_result | None,
    ) -> str:
        """The manifest of the worktree file, from the cache if it is not new."""
        cached = self._cached(path, status) if status else None
        if cached is not None:
            return cached
        cache = self.stat_cache
        began = cache.clock() if status else 0
        parent = Parent(partial(self._last_commit, path))
        text = manifests.serialize(take_apart(source, self.store, parent))
        if not self._hooked:
            hooks.ensure(self.repository)
            cache.sweep()
            self._hooked = True
        if status:
            cache.put(path, status, began, text.encode(), source.found_beside)
        return text

    @property
    def stat_cache(self) -> StatCache:
        return StatCache(self.repository.private / 'clean')

    def _cached(self, path: str, status: os.stat_result) -> str | None:
        cached = self.stat_cache.get(path, status)
        if cached is None:
            return None
        text = cached.decode()
        return text if all(map(self.store.wants, manifests.oids_in(text))) else None

    def clean_known(self, path: str, head: bytes) -> bytes | None:
        """What ``clean`` would return, where the head tells which file it is of."""
        fd = content.worktree_file(path, head) if head else None
        if fd is None:
            return None
        try:
            text = self._cached(path, os.fstat(fd))
        finally:
            os.close(fd)
        return None if text is None else self._as_indexed(path, text)

    def worktree_manifest(self, path: str) -> Manifest:
        """The manifest of what is in the worktree now; an empty one for a bad one."""
        file_name = (self.repository.top or Path()) / path
        try:
            if not stat.S_ISREG(file_name.lstat().st_mode):
                return Manifest('')
            with open(file_name, 'rb') as file:
                if manifests.is_manifest(file.read(len(manifests.MAGIC))):
                    file.seek(0)
                    return manifests.parse(file.read(), path)
                source = FileSource(file.fileno(), path, str(file_name.parent))
                try:
                    text = self._take_apart(path, source, os.fstat(file.fileno()))
                finally:
                    source.close_siblings()
                return manifests.parse(text, path)
        except (OSError, ManifestError):
            return Manifest('')

    def take_apart(self, file: Path, path: str) -> Manifest:
        """The manifest of a model file that is not in the worktree."""
        with open(file, 'rb') as opened:
            return take_apart(FileSource(opened.fileno(), path), self.store)

    def blob(self, oid: str) -> bytes | None:
        """A blob of the repository."""
        return self._blobs.blob(oid)

    def _last_commit(self, path: str) -> Manifest | None:
        """The manifest of path in HEAD, or else in the index."""
        for name in (f'HEAD:{path}', f':0:{path}'):
            data = self._blobs.blob(name)
            if data and manifests.is_manifest(data):
                try:
                    return manifests.parse(data, path)
                except ManifestError:
                    continue
        return None

    def _indexed(self, path: str) -> bytes | None:
        return self._blobs.blob(f':0:{path}')

    def _as_indexed(self, path: str, text: str) -> bytes:
        """The manifest's text; the index's own where that says the same."""
        data = text.encode()
        blob = self._indexed(path)
        if blob is None or blob == data or not manifests.is_manifest(blob):
            return data
        same = manifests.same_meaning(blob.decode('utf-8', 'replace'), text)
        return blob if same else data

    @staticmethod
    def _skips() -> bool:
        return os.environ.get(SKIP_SMUDGE, '0') not in ('', '0')

    def smudge(
        self, path: str, data: bytes, can_wait: bool = False,
    ) -> Callable[[Sink], None]:
        """A function that writes to a sink what the worktree is to have at path.

        Whatever is wrong is found before, and told: the file then is what git
        stores, and the checkout goes on. Where git writes a file of the worktree
        (``can_wait``) the manifest may be put there first (``later``).
        """
        def as_it_is(sink: Sink) -> None:
            sink.data(data)

        if self._skips():
            return as_it_is
        if not manifests.is_manifest(data):
            self._warn_of_raw(path, data)
            return as_it_is
        if self._is_excluded(path, data):
            return as_it_is
        may_be_later = can_wait and self.checkouts.later
        try:
            if manifests.has_conflict(manifests.decode_text(data, path)):
                return as_it_is
            assembly = Assembly(manifests.parse(data, path), self.store, path)
            if self.checkouts.must_be_there:
                assembly.prepare()
            if may_be_later and self._is_large(assembly):
                self.later[path] = data
                return as_it_is
            assembly.check()
        except GitModelError as e:
            if self.checkouts.must_be_there:
                raise
            warn(e, f"'{path}' stays a manifest")
            if isinstance(e, StoreError) and not isinstance(e, MissingObject):
                print(f'hint: then write it with "git model pull {words.shell(path)}"',
                      file=sys.stderr)
            return as_it_is
        return assembly.write

    def must_wait(self, path: str, data: bytes) -> bool:
        """Whether a model's tensors are to be fetched, with those of others."""
        settings = self.checkouts
        if self._skips() or (settings.later and not settings.must_be_there):
            return False
        if not settings.choice.has_path(path):
            return False
        return self.waiting.add(path, data, self.store)

    def _is_excluded(self, path: str, data: bytes) -> bool:
        """Whether it is not to be fetched, and is not here."""
        if self.checkouts.choice.has_path(path):
            return False
        oids = manifests.oids_in(data.decode('utf-8', 'replace'))
        return bool(self.store.missing(oids))

    def _is_large(self, assembly: Assembly) -> bool:
        threshold = self.checkouts.threshold
        return not threshold or assembly.size >= threshold

    def _warn_of_raw(self, path: str, data: bytes) -> None:
        if data and not data.startswith(manifests.SUMMARY.encode()):
            print(
                f"warning: '{words.printable(path)}' is committed as raw bytes "
                f'({len(data)} bytes), not as a manifest\n'
                'hint: convert it from now on: '
                f'git add --renormalize {words.shell(path)}',
                file=sys.stderr,
            )


def warn(error: GitModelError, consequence: str) -> None:
    lines = [f'warning: {error.message}: {words.printable(consequence)}']
    lines += [f'hint: {hint}' for hint in error.hints]
    print('\n'.join(lines), file=sys.stderr)
