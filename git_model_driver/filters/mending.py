"""Getting back what is damaged or missing in the store."""
from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

from git_model_driver.core.oid import Oid
from git_model_driver.filters.donors import donors
from git_model_driver.git.repository import Repository
from git_model_driver.store.examine import DAMAGED
from git_model_driver.store.examine import Examination
from git_model_driver.store.examine import Fault
from git_model_driver.store.objects import Store
from git_model_driver.store.repair import MendingStore


def mend(
    repository: Repository, store: Store, faults: list[Fault], needed: Collection[Oid],
) -> Iterator[str]:
    """Mend what can be; say what was done, a line for each object.

    What others are based on comes first: they mostly are readable again then. What
    cannot be had is set aside, so that it is stored anew when it turns up, unless
    something needs the part of it that is sound.
    """
    moved: list[tuple[Path, Path]] = []
    mending = MendingStore(store, set(), lambda was, now: moved.append((was, now)))
    yield from _fill(repository, mending, {f.oid for f in faults if not f.may_be_sound})
    based = {oid for f in _left(store, faults) for oid in f.dependents}
    yield from _fill(repository, mending, based)
    examination = Examination(store)
    for fault in examination.faults([*store, *needed]):
        for oid in _useless(fault, store, examination.carrying, needed):
            mending.move(oid)
    for was, now in moved:
        yield f'sha256:{was.parent.name}{was.name}: what was there is now {now}'


def _left(store: Store, faults: list[Fault]) -> list[Fault]:
    """What is still wrong with those that were."""
    oids = [oid for fault in faults for oid in (fault.oid, *fault.dependents)]
    return Examination(store).faults(oids)


def _fill(
    repository: Repository, mending: MendingStore, wanted: set[Oid],
) -> Iterator[str]:
    if not wanted:
        return
    mending.wanted = wanted
    for name, take in donors(repository, mending):
        before = set(wanted)
        take(mending)
        for oid in sorted(before - wanted):
            yield f'{oid}: taken from {name}'
        if not wanted:
            return


def _useless(
    fault: Fault, store: Store, carrying: set[Oid], needed: Collection[Oid],
) -> Iterator[Oid]:
    """The object if it is damaged; what is based on it and nobody needs."""
    if fault.may_be_sound:
        return
    if fault.why == DAMAGED and store.has_own(fault.oid) and fault.oid not in carrying:
        yield fault.oid
    for oid in fault.dependents:
        if store.has_own(oid) and oid not in needed:
            yield oid
