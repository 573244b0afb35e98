"""The store of a repository, and all that objects may be had from."""
from __future__ import annotations

from functools import partial

from git_model_driver.git import repository as repositories
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store
from git_model_driver.transfer import remotes


def store_of(repository: Repository) -> Store:
    return Store(
        repository.store_root,
        alternates=partial(repositories.alternate_stores, repository),
        remotes=partial(repositories.neighbour_stores, repository),
        sources=partial(remotes.sources, repository),
    )
