"""Does a remote have what it is relied on for, and is it whole?"""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import CorruptObject
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.store.examine import DAMAGED
from git_model_driver.store.examine import MISSING
from git_model_driver.store.objects import Store
from git_model_driver.transfer.remotestore import RemoteStore

_TOGETHER = 64


class RemoteFault(NamedTuple):
    oid: Oid
    why: str


def faults(
    remote: RemoteStore, oids: Sequence[Oid], folder: Path, read: bool,
) -> Iterator[RemoteFault]:
    """What the remote lacks of these; with ``read`` also what is damaged there.

    For that each is fetched into a store below ``folder`` that is gone afterwards.
    Raises GitModelError where the remote cannot be asked.
    """
    lacking = remote.lacking(oids)
    yield from (RemoteFault(oid, MISSING) for oid in sorted(lacking))
    if read:
        there = [oid for oid in oids if oid not in lacking]
        for start in range(0, len(there), _TOGETHER):
            for oid in _damaged(remote, there[start:start + _TOGETHER], folder):
                yield RemoteFault(oid, DAMAGED)


def _damaged(
    remote: RemoteStore, oids: Sequence[Oid], folder: Path,
) -> Iterable[Oid]:
    """Those that do not arrive: all are asked for together, and one by one if need be.
    """
    if not _arrive(remote, oids, folder):
        if len(oids) == 1:
            yield oids[0]
        else:
            for oid in oids:
                yield from _damaged(remote, [oid], folder)


def _arrive(remote: RemoteStore, oids: Sequence[Oid], folder: Path) -> bool:
    scratch = Store(folder / f'fsck-{os.getpid()}-{os.urandom(8).hex()}')
    try:
        remote.take(oids, scratch)
        return not scratch.missing(oids)
    except CorruptObject:
        return False
    except GitModelError:
        remote.lacking(oids)    # raises if nothing can be had at all
        return False
    finally:
        shutil.rmtree(scratch.root, ignore_errors=True)
