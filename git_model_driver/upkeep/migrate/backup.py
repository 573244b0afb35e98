"""The way back: a bundle, refs/original, and what undoes all of it.

A folder for each run, in the git directory. ``pending`` is in it until all is done:
Git renames one ref after the other, and the machine may stop between two of them.
"""
from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import bundle
from git_model_driver.git import refs
from git_model_driver.git.refs import ORIGINAL
from git_model_driver.git.refs import Change
from git_model_driver.git.repository import Repository
from git_model_driver.store.disk import fsync

_FOLDER = 'model-migrate'


class Backup:
    """Of one run."""

    def __init__(self, repository: Repository, is_checked_out: bool) -> None:
        self._repository = repository
        self._is_checked_out = is_checked_out
        self._name = time.strftime('%Y%m%d-%H%M%S', time.gmtime())
        self.folder = self._free(repository.common_dir / _FOLDER)
        self.bundle = self.folder / 'backup.bundle'
        self._undo = self.folder / 'undo'
        self._pending = self.folder / 'pending'

    def _free(self, above: Path) -> Path:
        folder, number = above / self._name, 1
        while folder.exists():
            number += 1
            folder = above / f'{self._name}-{number}'
        return folder

    def keep(self, names: Sequence[str], with_bundle: bool) -> None:
        """Bundle these refs. Raises GitError."""
        self.folder.mkdir(parents=True)
        if with_bundle:
            bundle.create(self.bundle, names)
            fsync(self.folder)

    def change_refs(self, changes: Sequence[Change], message: str) -> None:
        """All of them, and refs/original, or none. Raises GitError."""
        before = refs.listed(ORIGINAL)
        saved = [
            Change(ORIGINAL + change.name, None, change.old) for change in changes
        ]
        olds = {ref.name: ref.oid for ref in before}
        saved = [c._replace(old=olds.pop(c.name, None)) for c in saved]
        gone = [Change(name, oid, None) for name, oid in olds.items()]
        everything = [*saved, *gone, *changes]
        back = [Change(c.name, c.new, c.old) for c in everything]
        self._undo.write_bytes(refs.instructions(back, False))
        self._pending.write_bytes(refs.instructions(everything, False))
        for path in (self._undo, self._pending, self.folder):
            fsync(path)
        refs.update(everything, message)

    def done(self) -> None:
        self._pending.unlink()

    def drop(self) -> None:
        """Nothing was changed: nothing is kept."""
        for path in (self.bundle, self._undo, self._pending):
            path.unlink(missing_ok=True)
        self.folder.rmdir()

    @property
    def undo(self) -> str:
        """A command for a shell."""
        return _command(self._repository, self._undo, self._is_checked_out)


def _command(repository: Repository, file: Path, is_checked_out: bool) -> str:
    top = repository.top
    git = f'git -C {words.shell(str(top or repository.git_dir))}'
    update = f'{git} update-ref -z --stdin < {words.shell(str(file))}'
    return update + (f' && {git} reset --hard' if top and is_checked_out else '')


def refuse_pending(repository: Repository) -> None:
    """Raise GitModelError where an earlier run was cut short between two refs.

    One that was cut short before them is of no interest any more.
    """
    now = {ref.name: ref.oid for ref in refs.listed()}
    for file in (repository.common_dir / _FOLDER).glob('*/pending'):
        wanted = refs.values_of(file.read_bytes())
        if not any(now.get(name) == oid for name, oid in wanted.items()):
            file.unlink()
            continue
        undo = file.with_name('undo')
        drop = f'rm {words.shell(str(file))}'
        raise GitModelError(
            'an earlier migration was cut short while it changed refs or files',
            f'finish it: {_command(repository, file, True)} && {drop}',
            f'or undo it: {_command(repository, undo, True)} && {drop}',
        )


def refuse_second(force: bool) -> None:
    """Raise GitModelError where refs/original has what an earlier run left."""
    found = refs.listed(ORIGINAL)
    if found and not force:
        raise GitModelError(
            f'an earlier rewrite left {len(found)} refs in {ORIGINAL}',
            'replace them with --force; or, when they are not needed any more: '
            f"git for-each-ref --format='delete %(refname)' {ORIGINAL} | "
            'git update-ref --stdin',
        )


def left_behind(rewritten: Iterable[str]) -> list[str]:
    """In words, what other refs there are: they still have the old history."""
    names = set(rewritten)
    counts: dict[str, int] = {}
    for ref in refs.listed():
        group = '/'.join(ref.name.split('/')[:2])
        if ref.name not in names and group != ORIGINAL.rstrip('/'):
            counts[group] = counts.get(group, 0) + 1
    return [f'{group} ({n})' for group, n in sorted(counts.items())]
