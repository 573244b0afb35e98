"""Versions of a model, written from the store to where an evaluator can read them."""
from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.core.oid import Oid
from git_model_driver.filters.smudge import Assembly
from git_model_driver.git import ancestry
from git_model_driver.git import history
from git_model_driver.git import programs
from git_model_driver.git import run
from git_model_driver.git import trees
from git_model_driver.git.objects import Objects
from git_model_driver.git.repository import Repository
from git_model_driver.git.worktree import REGULAR_FILES
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places

_SAFE = re.compile(r'[\w@%+=:,./-]+', re.ASCII)
_UNSAFE = re.compile(r'[^\w.+-]', re.ASCII)
Facts = Mapping[str, tuple[int, int, int]]


class NoModel(UsageError):
    """A revision has no model, or not that one."""


class Version(NamedTuple):
    """A model, or a folder with one, in a commit. ``oid`` is the blob's or tree's."""

    name: str       # what the user called it
    commit: str
    path: str
    kind: str       # blob or tree
    oid: str


def find(revision: str, path: str) -> Version:
    """The model of a revision: that at ``path`` (from the top), or its only one.

    Raises NoModel where there is none, UsageError where there are several.
    """
    commit = ancestry.resolve(revision)
    if commit is None:
        raise UsageError(
            f"'{revision}' is no commit, branch or tag here",
            'see those there are with "git branch -a" and "git tag"',
        )
    path = path.strip('/') or _only_model(revision, commit)
    if path == '.':
        tree = run.text('rev-parse', f'{commit}^{{tree}}')
        return Version(revision, commit, path, 'tree', tree)
    named = f'{commit}:{path}'
    kind = run.attempt('cat-file', '-t', named)
    if kind.code:
        raise NoModel(
            f"there is no '{path}' in '{revision}'",
            f'see its models with "git model ls-files {words.shell(revision)}"',
        )
    oid = run.text('rev-parse', '--verify', named)
    return Version(revision, commit, path, kind.out.decode().strip(), oid)


def models_of(commit: str) -> list[str]:
    """The paths that have manifests in a commit."""
    blobs: dict[str, list[str]] = {}
    for entry in trees.entries(commit):
        if entry.mode in REGULAR_FILES:
            blobs.setdefault(entry.oid, []).append(entry.path)
    listed = ''.join(f'{oid}\n' for oid in blobs).encode()
    return sorted(p for one in history.those_of(listed) for p in blobs[one.blob])


def _only_model(revision: str, commit: str) -> str:
    paths = models_of(commit)
    if len(paths) == 1:
        return paths[0]
    if not paths:
        raise NoModel(
            f"there is no model in '{revision}'",
            'name one that is committed as raw bytes: --model <path>',
        )
    raise UsageError(
        f"'{revision}' has {len(paths)} models: {', '.join(paths[:5])}"
        f'{", ..." if len(paths) > 5 else ""}',
        'say which, or a folder that has all that belongs together: --model <path>',
    )


@contextmanager
def folder(repository: Repository) -> Iterator[Path]:
    """A folder for one run, on the store's disk; gone afterwards.

    What killed runs left is removed: each run holds a lock while it lives.
    """
    base = repository.store_root / 'evaluating'
    if _SAFE.fullmatch(str(base)):
        Places(repository.store_root).folder(base)
    else:       # it becomes part of a shell's line
        base = _elsewhere()
    _sweep(base)
    made = Path(tempfile.mkdtemp(prefix='run-', dir=base))
    fd = os.open(made / 'lock', os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _is_free(fd)
        yield made
    finally:
        programs.end_noted(made)
        remove(made)
        os.close(fd)


def _elsewhere() -> Path:
    base = Path(tempfile.gettempdir()) / f'git-model-evaluating-{os.getuid()}'
    if _SAFE.fullmatch(str(base)):
        base.mkdir(mode=0o700, exist_ok=True)
        if not base.is_symlink() and base.stat().st_uid == os.getuid():
            return base
    raise GitModelError(
        f"models cannot be written to '{base}': it is somebody else's, or has a name "
        'with characters that a shell takes for its own',
        'use another place: TMPDIR=<folder> git model evaluate ...',
    )


def _sweep(base: Path) -> None:
    for left in base.glob('run-*'):
        try:
            fd = os.open(left / 'lock', os.O_RDWR)
        except OSError:
            continue        # it is being made or removed this moment
        try:
            if _is_free(fd):
                remove(left)
        finally:
            os.close(fd)


def _is_free(fd: int) -> bool:
    """Whether no other run holds the lock; then this one does."""
    try:
        import fcntl
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, BlockingIOError):
        return False
    return True


def remove(made: Path) -> None:
    """Remove a folder, read-only ones in it, too."""
    for place, _, _ in os.walk(made):
        os.chmod(place, 0o700)
    shutil.rmtree(made, ignore_errors=True)


def gather(wanted: Sequence[Version], store: Store) -> None:
    """Get what the store lacks of these, all in one go. What is not to be had is told
    when they are written.
    """
    blobs: list[str] = []
    for version in wanted:
        if version.kind == 'blob':
            blobs.append(version.oid)
        else:
            blobs += [entry.oid for entry in trees.entries(version.oid)
                      if entry.mode in REGULAR_FILES]
    oids: set[Oid] = set()
    for one in history.those_of(''.join(f'{oid}\n' for oid in blobs).encode()):
        with suppress(GitModelError):
            oids.update(manifests.parse(one.data, '-').oids)
    store.gather(oids)


def write(version: Version, place: Path, store: Store) -> Path:
    """Write a version below a new folder, read-only; the path of file or folder.

    Raises MissingObject and what else keeps a model from being written.
    """
    place.mkdir()
    name = _UNSAFE.sub('_', os.path.basename(version.path)) or 'model'
    target = place / ('model' if name in ('.', '..') else name)
    with Objects() as objects:
        if version.kind == 'blob':
            _write_blob(version.oid, version.path, target, objects, store)
        else:
            _write_tree(version, target, objects, store)
    for inner, _, files in os.walk(place, topdown=False):
        for file in files:
            os.chmod(os.path.join(inner, file), 0o444)
        os.chmod(inner, 0o555)
    return target


def _write_tree(
    version: Version, target: Path, objects: Objects, store: Store,
) -> None:
    """Files only: links may lead out of it."""
    target.mkdir()
    for entry in trees.entries(version.oid):
        if entry.mode in REGULAR_FILES:
            file = target / entry.path
            file.parent.mkdir(parents=True, exist_ok=True)
            path = f'{version.path}/{entry.path}'
            _write_blob(entry.oid, path, file, objects, store)


def _write_blob(
    oid: str, path: str, file: Path, objects: Objects, store: Store,
) -> None:
    with open(file, 'xb') as opened:
        pieces = objects.pieces(oid)
        head = next(pieces, b'')
        if not manifests.is_manifest(head):
            opened.write(head)
            opened.writelines(pieces)
            return
        manifest = manifests.parse(b''.join([head, *pieces]), path)
        Assembly(manifest, store, path).into(opened.fileno())


def facts_of(target: str) -> Facts:
    """What changes when somebody writes to the files: size and both times."""
    found = {}
    for file in _files(target):
        status = os.stat(file, follow_symlinks=False)
        if stat.S_ISREG(status.st_mode):
            found[file] = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return found


def _files(target: str) -> list[str]:
    if not os.path.isdir(target):
        return [target]
    return [
        os.path.join(place, name)
        for place, _, names in os.walk(target) for name in names
    ]
