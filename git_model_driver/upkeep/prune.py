"""Removing objects: those that nothing needs, or that a remote surely has."""
from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.core.oid import Oid
from git_model_driver.git import options
from git_model_driver.git import roots
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.git.roots import Roots
from git_model_driver.store.lock import locked
from git_model_driver.store.objects import Store
from git_model_driver.store.places import Places
from git_model_driver.store.remove import remove
from git_model_driver.transfer.remotestore import RemoteStore
from git_model_driver.upkeep import needed

_EXPIRE = '2.weeks.ago'


class Candidate(NamedTuple):
    """An object that may go; ``stored`` bytes on disk, last wanted at ``time``."""

    oid: Oid
    stored: int
    time: float


class Outcome(NamedTuple):
    """What is (to be) removed; what was to be, but no remote was found to have it."""

    removed: list[Candidate]
    unverified: list[Candidate]


def expiry(date: str | None) -> float:
    """``date``, or model.pruneExpire, or two weeks ago, as ``seconds`` has it."""
    return seconds(date or options.get('pruneExpire') or _EXPIRE)


def seconds(date: str) -> float:
    """A date as Git understands it ("2.weeks.ago"), in seconds since 1970.

    "never" is 0: nothing is as old. Raises UsageError.
    """
    read = run.attempt(
        'config', '--type=expiry-date', f'--default={date}', '--get', 'model.no-date',
    )
    if read.code:
        raise UsageError(
            f"'{date}' is not a date",
            'Git knows "2.weeks.ago", "2026-01-31", "now" and "never"',
        )
    return min(float(read.out), time.time())


def prune(
    repository: Repository, store: Store, before: float,
    remote: RemoteStore | None = None, pushed: str | None = None, dry: bool = False,
) -> Outcome:
    """Remove what nothing needs and nobody has wanted since ``before``.

    ``pushed`` names a remote: then also what only older commits need that it has.
    With ``remote`` only what that is found to have whole; if it lacks anything, nothing
    is removed at all.
    """
    if not store.root.is_dir():
        return Outcome([], [])
    with locked(store.root):
        wanted = needed.everything(repository)
        if pushed is not None:
            wanted = (wanted - _of_history(repository)) | _at_hand(repository, pushed)
        candidates = list(_candidates(store, wanted, before))
        lacking = _lacking(candidates, remote) if remote else set()
        unverified = [c for c in candidates if c.oid in lacking]
        if unverified or dry:
            return Outcome(candidates, unverified)
        Places(store.root).sweep()
        _sweep_damaged(store, before)
        gone = [c for c in candidates if remove(store.root, c.oid, before)]
        return Outcome(gone, [])


def _of_history(repository: Repository) -> set[Oid]:
    return needed.oids_of(roots.manifests_of(roots.everything(repository)))


def _at_hand(repository: Repository, remote: str) -> set[Oid]:
    """What the tips of branches and tags, worktrees, indexes, stashes and operations
    in progress need, and all commits that are not on the remote.
    """
    everything = roots.everything(repository)
    tips = Roots(
        ('--no-walk', '--branches', '--tags', '--indexed-objects'), everything.more,
    )
    unpushed = Roots(
        (*everything.arguments, '--not', f'--remotes={remote}'), everything.more,
    )
    return needed.oids_of(
        found for each in (tips, unpushed) for found in roots.manifests_of(each)
    )


def _candidates(
    store: Store, wanted: Iterable[Oid], before: float,
) -> Iterator[Candidate]:
    """This store's own objects that may go: nothing that stays is based on them."""
    known = [_candidate(store, oid) for oid in store]
    young = [c.oid for c in known if c.time >= before]
    kept = needed.with_bases([*wanted, *young], store)
    return (c for c in known if c.oid not in kept)


def _candidate(store: Store, oid: Oid) -> Candidate:
    try:
        status = store.path(oid).stat()
    except OSError:     # removed meanwhile
        return Candidate(oid, 0, float('inf'))
    return Candidate(oid, status.st_size, status.st_mtime)


def _lacking(candidates: Iterable[Candidate], remote: RemoteStore) -> set[Oid]:
    try:
        return remote.lacking([candidate.oid for candidate in candidates])
    except GitModelError as e:
        raise GitModelError(
            f'cannot verify what {remote.label} has: {e.message}', *e.hints,
            'without --pushed and --verify-remote nothing that is needed is removed',
        ) from None


def _sweep_damaged(store: Store, before: float) -> None:
    """What fsck --repair set aside, where the store has it whole by now."""
    for file in (store.root / 'damaged').glob('*'):
        oid = Oid(f'sha256:{file.name}')
        if file.stat().st_mtime < before and store.has_own(oid):
            file.unlink()
