"""The store of a repository, and all that objects may be had from."""
from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from git_model_driver.git import repository as repositories
from git_model_driver.git.remoteconfig import RemoteConfig
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Raw
from git_model_driver.store.objects import Source
from git_model_driver.store.objects import Store
from git_model_driver.store.objects import nowhere


def store_of(repository: Repository, raw: Raw = nowhere) -> Store:
    config = RemoteConfig()
    return Store(
        repository.store_root,
        alternates=partial(repositories.alternate_stores, repository),
        remotes=partial(repositories.neighbour_stores, repository, config),
        sources=partial(_sources, repository, config),
        raw=raw,
    )


def _sources(repository: Repository, config: RemoteConfig) -> Sequence[Source]:
    from git_model_driver.transfer.remotes import Remotes  # a fifth of a filter's start

    return Remotes(repository, config).sources()
