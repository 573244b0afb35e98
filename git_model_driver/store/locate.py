"""The store of a repository."""
from __future__ import annotations

from functools import partial

from git_model_driver.git import repository as repositories
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store


def store_of(repository: Repository) -> Store:
    return Store(
        repository.store_root,
        alternates=partial(repositories.alternate_stores, repository),
        remotes=partial(repositories.neighbour_stores, repository),
    )
