"""Which tensors a push needs on the other side, and getting them there."""
from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.oid import Oid
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store
from git_model_driver.transfer import local
from git_model_driver.transfer import remotes
from git_model_driver.transfer.gitremote import GitRemote
from git_model_driver.transfer.remotes import Remote


def new(
    remote: Remote, revisions: Sequence[str], repository: Repository,
) -> dict[Oid, str]:
    """The objects that these commits need beyond those the other side has, with a path.

    A directory is asked what commits it has itself: what we remember of a remote of
    that name may be of another place. What commits a Git remote has we remember, if it
    has any tensors at all.
    """
    if remote.kind == remotes.DIRECTORY and remote.store is not None:
        return local.needed([*revisions, '--not', *local.commits_of(remote.store)])
    more = local.needed([*revisions, '--not', f'--remotes={remote.name}'])
    other = GitRemote(remote.name, repository)
    if other.is_known() and not more:
        return {}       # and nobody was asked
    return local.needed(list(revisions)) if other.is_new() else more


def send(
    remote: Remote, objects: Mapping[Oid, str], store: Store, repository: Repository,
) -> int:
    """How many objects were sent. Raises GitModelError."""
    if remote.kind == remotes.GIT:
        return GitRemote(remote.name, repository).send(objects, store)
    if remote.store is None:
        raise GitModelError(
            f"'{remote.name}' has no store for tensors",
            'keep them on the remote itself: git config '
            f'remote.{remote.name}.modelStore git',
        )
    return local.send(objects, store, remote.store)


def where(remote: Remote) -> Path | str:
    """What is said of the place that tensors were sent to."""
    if remote.kind == remotes.DIRECTORY and remote.store is not None:
        return remote.store
    return f"'{remote.name}'"
