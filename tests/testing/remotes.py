"""Git remotes that are far away, as far as git-model is concerned."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.testing.repository import Repo


def bare(repo: Repo, folder: Path) -> str:
    """A bare repository below a folder, its address. The driver is set up for all."""
    repo.git('model', 'install')
    (folder / 'srv').mkdir()
    path = folder / 'srv/bare.git'
    repo.git('init', '-q', '--bare', '-b', 'main', str(path))
    Repo(path).git('config', 'http.receivepack', 'true')
    return f'file://{path}'


def two_versions(repo: Repo, save: Callable[[Repo, int], None]) -> None:
    for seed in (1, 2):
        save(repo, seed)
        repo.commit(f'version {seed}')


def connect(repo: Repo, url: str) -> None:
    repo.git('remote', 'add', 'origin', url)
    repo.git('config', 'remote.origin.modelStore', 'git')


def clone(repo: Repo, url: str, path: Path, *options: str) -> Repo:
    made = repo.clone(path, '-c', 'remote.origin.modelStore=git', *options, url=url)
    made.git('model', 'install', '--local')
    return made


def batches(url: str, repo: Repo) -> list[str]:
    """The ids of what pushes brought."""
    listed = repo.git('ls-remote', url, 'refs/models/*').splitlines()
    return sorted({line.split('/')[2] for line in listed})
