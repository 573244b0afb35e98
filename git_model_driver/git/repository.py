"""Where a repository keeps its things, and where other stores may be."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import NotARepository
from git_model_driver.git import run
from git_model_driver.git.remoteconfig import RemoteConfig

# "<oid>\t<for merge or not>\tbranch 'main' of <url>", or the url alone for HEAD.
_FETCHED = r"(?m)^\w+\t[^\t]*\t(?:[a-z -]*'.*?' of )?(.+)$"
_REMOTE_URL = r'^remote\..*\.url$'
_DEEPEST_ALTERNATE = 5      # as in git
_MOST_HOPS = 3


class Repository(NamedTuple):
    """A repository: its own directory, that of all worktrees, the worktree."""

    git_dir: Path
    common_dir: Path
    top: Path | None        # None in a bare repository
    algorithm: str = 'sha1'     # or sha256: how git's own objects are named

    @property
    def store_root(self) -> Path:
        return self.common_dir / 'model'

    @property
    def private(self) -> Path:
        """What belongs to this worktree alone."""
        return self.git_dir / 'model-worktree'


def find() -> Repository:
    """The repository around the current directory. Raises NotARepository."""
    result = run.attempt(
        'rev-parse', '--show-object-format', '--git-dir', '--git-common-dir',
        '--show-cdup',
    )
    algorithm, *lines = os.fsdecode(result.out).split('\n')
    if len(lines) < 3 or not lines[1]:
        said = result.err.decode(errors='replace').removeprefix('fatal: ').strip()
        if said and not said.startswith('not a git repository'):
            raise GitError(*said.split('\n'))
        raise NotARepository(
            'not a git repository (or any of the parent directories)',
            'make one with "git init"',
        )
    here = Path.cwd()
    git_dir, common_dir = (Path(os.path.abspath(here / line)) for line in lines[:2])
    in_worktree = result.code == 0 and not _is_inside(here, git_dir)
    top = Path(os.path.abspath(here / lines[2])) if in_worktree else None
    return Repository(git_dir, common_dir, top, algorithm)


def _is_inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def has_none_below(prefix: str, common_dir: Path) -> bool:
    """Whether a repository surely has no ref there: as its files say, where refs are in
    files (gitrepository-layout(5)). To ask git takes 4 ms.
    """
    try:
        return (
            os.path.isdir(common_dir / 'refs/heads')
            and not os.path.exists(common_dir / prefix)
            and f' {prefix}'.encode() not in (common_dir / 'packed-refs').read_bytes()
        )
    except FileNotFoundError:       # nothing is packed
        return True
    except OSError:
        return False


def alternate_stores(repository: Repository) -> list[Path]:
    """Stores of the repositories whose objects Git borrows (clone --shared)."""
    return [
        objects.parent / 'model'
        for objects in _alternates(repository.common_dir / 'objects', 0)
    ]


def _alternates(objects: Path, depth: int) -> Iterator[Path]:
    try:
        lines = os.fsdecode((objects / 'info' / 'alternates').read_bytes()).split('\n')
    except OSError:
        return
    for line in lines:
        if line and not line.startswith('#') and depth < _DEEPEST_ALTERNATE:
            other = Path(os.path.abspath(objects / line))
            yield other
            yield from _alternates(other, depth + 1)


def neighbour_stores(repository: Repository, config: RemoteConfig) -> list[Path]:
    """Stores of the remotes, and of what was last fetched, on this machine.

    A remote that has no tensors itself (a mirror) has remotes of its own.
    """
    base = repository.top or repository.git_dir
    found: dict[Path, None] = {repository.common_dir: None}
    urls = [s.value for s in config.settings if s.remote and s.word == 'url']
    urls = list(map(config.address, [*urls, *fetched_urls(repository)]))
    for _ in range(_MOST_HOPS):
        new = {local_git_dir(url, base) for url in urls} - {None, *found}
        urls, base = [], Path('/')
        for git_dir in sorted(filter(None, new)):
            found[git_dir] = None
            urls += [
                str(path) for url in _urls_in(git_dir / 'config')
                if (path := local_git_dir(url, _base_of(git_dir)))
            ]
    return [git_dir / 'model' for git_dir in list(found)[1:]]


def _base_of(git_dir: Path) -> Path:
    """Where relative addresses in a repository's configuration start."""
    return git_dir.parent if git_dir.name == '.git' else git_dir


def _urls_in(file: Path) -> list[str]:
    where = '--file', str(file)
    records = run.attempt('config', *where, '-z', '--get-regexp', _REMOTE_URL).out
    return [
        os.fsdecode(record.partition(b'\n')[2])
        for record in records.split(b'\0') if record
    ]


def fetched_urls(repository: Repository) -> list[str]:
    try:
        fetched = os.fsdecode((repository.git_dir / 'FETCH_HEAD').read_bytes())
    except OSError:
        return []
    return list(dict.fromkeys(re.findall(_FETCHED, fetched)))


def local_store(url: str, base: Path) -> Path | None:
    """The store of the repository at url, if that is a directory here."""
    git_dir = local_git_dir(url, base)
    return git_dir / 'model' if git_dir else None


def is_far(url: str) -> bool:
    """Whether an address is not one of this machine: https://…, host:path."""
    if url.startswith('file://'):
        return False
    return '://' in url or ':' in url.split('/')[0]


def local_git_dir(url: str, base: Path) -> Path | None:
    """The common git directory of the repository at url, if that is one here."""
    if is_far(url):
        return None
    url = url.removeprefix('file://')
    path = Path(os.path.abspath(base / url))
    for candidate in (path / '.git', path, Path(f'{path}.git')):
        if (candidate / 'HEAD').is_file() and (candidate / 'objects').is_dir():
            return candidate
    return _linked_git_dir(path / '.git')


def _linked_git_dir(file: Path) -> Path | None:
    """Where the .git file of a linked worktree or submodule points."""
    try:
        target = file.read_text().strip().removeprefix('gitdir: ')
        git_dir = Path(os.path.abspath(file.parent / target))
        common = git_dir / 'commondir'
        if common.is_file():
            git_dir = Path(os.path.abspath(git_dir / common.read_text().strip()))
        return git_dir
    except (OSError, UnicodeDecodeError):
        return None
