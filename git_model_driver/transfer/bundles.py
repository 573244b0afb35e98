"""A Git bundle that has tensors, too: ``git clone`` and ``git fetch`` read it.

It is what ``git bundle create`` makes, with the refs of a batch (transfer.gitrefs)
beside those of the commits. So it is a Git remote of the kind ``git``, which nobody can
push to (gitformat-bundle(5)).
"""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.git.transport import Quarantine
from git_model_driver.git.transport import Ref
from git_model_driver.store.objects import Store
from git_model_driver.transfer import outgoing
from git_model_driver.transfer.gitrefs import packing
from git_model_driver.transfer.needed import needed
from git_model_driver.transfer.seals import Plain

_FIRST_LINES = (b'# v2 git bundle\n', b'# v3 git bundle\n')


def create(
    target: Path, revisions: Sequence[str], repository: Repository, store: Store,
) -> int:
    """Write a bundle of these commits; how many objects of models it has.

    Raises GitModelError; what was at ``target`` is then still there.
    """
    objects = needed(revisions)
    tmp = repository.store_root / 'tmp'
    with _scratch(tmp) as scratch, Quarantine(tmp, repository) as quarantine:
        head = _head(scratch / 'commits', revisions)
        ready = outgoing.all_of(objects, set(objects), store, scratch)
        refs: list[Ref] = []
        if ready:
            _, _, refs = packing.written(
                quarantine.packs, list(outgoing.bases_first(ready)), Plain(),
                repository.algorithm,
            )
        _write(target, head, refs, quarantine)
    return len(ready)


@contextmanager
def _scratch(tmp: Path) -> Iterator[Path]:
    folder = tmp / f'bundle-{os.getpid()}-{os.urandom(8).hex()}'
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _head(path: Path, revisions: Sequence[str]) -> list[bytes]:
    """The lines with which git begins a bundle of these commits."""
    made = run.attempt('bundle', 'create', '--quiet', str(path), *revisions)
    if made.code:
        said = made.err.decode(errors='replace').strip().removeprefix('fatal: ')
        raise UsageError(
            f'cannot bundle: {said}',
            'name branches or ranges, as for git rev-list: "main", "v1..main", "--all"',
        )
    with open(path, 'rb') as file:
        return list(iter(file.readline, b'\n'))


def _write(
    target: Path, head: list[bytes], refs: Sequence[Ref], quarantine: Quarantine,
) -> None:
    """The lines, those of refs, and a pack with what they lead to."""
    temporary = target.with_name(f'.{target.name}.{os.urandom(8).hex()}')
    lines = [*head, *(f'{ref.oid} {ref.name}\n'.encode() for ref in refs), b'\n']
    with _named(target, temporary) as file:
        file.write(b''.join(lines))
        file.flush()
        quarantine.pack(file.fileno(), _tips(lines), _prerequisites(lines))
        os.fsync(file.fileno())


@contextmanager
def _named(target: Path, temporary: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name when it is complete."""
    try:
        with open(temporary, 'xb') as file:
            yield file
        os.replace(temporary, target)
    except OSError as e:
        raise GitModelError(
            f"cannot write '{target}': {e.strerror}",
            'see to the space and permissions there ("df -h", "ls -ld")',
        ) from None
    finally:
        temporary.unlink(missing_ok=True)


def _tips(lines: Sequence[bytes]) -> list[str]:
    return [
        line.split()[0].decode() for line in lines
        if line.strip() and line[:1] not in b'#@-'
    ]


def _prerequisites(lines: Sequence[bytes]) -> list[str]:
    return [line[1:].split()[0].decode() for line in lines if line[:1] == b'-']


def is_bundle(path: Path) -> bool:
    try:
        with open(path, 'rb') as file:
            return file.readline(64) in _FIRST_LINES
    except OSError:
        return False


