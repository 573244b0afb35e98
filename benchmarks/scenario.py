"""The life of a model, step by step: what is measured, and what is checked.

Every step first makes its state (not measured), then runs one git command, then
looks at what came of it. What git-lfs and git cannot do is a note, not an error.
"""
from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from typing import Union

import proof
from measure import Sample
from measure import size_of
from model import F32
from model import Model
from model import sha256
from model import tensors
from tools import FILE
from tools import LFS
from tools import OURS
from tools import PLAIN
from tools import Repository

# Seeds of what is changed; RIVAL changes the tensors of OURS_SIDE otherwise.
FIRST, NEXT, OURS_SIDE, THEIRS_SIDE, RIVAL, DIRTY = range(6)
# What a diff of two commits says without us.
_SHOWN = {LFS: 'two pointers', PLAIN: '"differ"'}
Prepare = Callable[['World', Repository], None]
Check = Callable[['World', Repository, Sample], Union[str, None]]


class World:
    """The model, its versions, and what is expected of them."""

    def __init__(
        self, nbytes: int, folder: Path, dtype: str = F32, count: int | None = None,
    ) -> None:
        self.model = Model(tensors(nbytes, dtype))
        self.master = folder / 'master.safetensors'
        self.changed: dict[int, list[str]] = {}
        for seed in (NEXT, OURS_SIDE, THEIRS_SIDE, DIRTY):
            taken = [name for names in self.changed.values() for name in names]
            self.changed[seed] = self.model.pick(seed, taken, count)
        self.changed[RIVAL] = self.changed[OURS_SIDE]
        self.digests: dict[str, str] = {}

    def generate(self) -> None:
        """Write the first version, and learn the digests of what follows from it."""
        self.model.write(self.master, FIRST)
        self.digests['v0'] = sha256(self.master)
        scratch = self.master.with_name('expected.safetensors')
        shutil.copyfile(self.master, scratch)
        self.train(scratch, NEXT)
        self.digests['v1'] = sha256(scratch)
        self.train(scratch, OURS_SIDE)
        self.train(scratch, THEIRS_SIDE)
        self.digests['merged'] = sha256(scratch)
        scratch.unlink()

    def train(self, path: Path, seed: int) -> None:
        self.model.train(path, self.changed[seed], seed)


class Step(NamedTuple):
    name: str
    command: tuple[str, ...]
    prepare: Prepare
    check: Check


def _nothing(world: World, repo: Repository) -> None:
    pass


def _no_check(world: World, repo: Repository, sample: Sample) -> None:
    assert sample.code == 0, repo.tool


def _first(world: World, repo: Repository) -> None:
    repo.facts['start'] = size_of(repo.git_dir)
    shutil.copyfile(world.master, repo.file)
    repo.aged()


def _added_first(world: World, repo: Repository, sample: Sample) -> None:
    assert sample.code == 0, repo.tool
    repo.facts['v0 bytes'] = size_of(repo.git_dir) - _int(repo, 'start')
    repo.facts['v0 objects'] = _count(repo.objects)
    repo.git('commit', '-q', '-m', 'v0')


def _next(world: World, repo: Repository) -> None:
    world.train(repo.file, NEXT)
    repo.aged()


def _added_next(world: World, repo: Repository, sample: Sample) -> None:
    assert sample.code == 0, repo.tool
    size = size_of(repo.git_dir) - _int(repo, 'start')
    repo.facts['v1 bytes'] = size - _int(repo, 'v0 bytes')
    repo.facts['v1 objects'] = _count(repo.objects) - _int(repo, 'v0 objects')
    repo.git('commit', '-q', '-m', 'v1')


def _has(digest: str) -> Check:
    def check(world: World, repo: Repository, sample: Sample) -> None:
        assert sample.code == 0, repo.tool
        assert sha256(repo.file) == world.digests[digest], f'{repo.tool}: {digest}'
    return check


def _racy(world: World, repo: Repository) -> None:
    """The index and the model get the same time: as after any quick checkout."""
    times = os.stat(repo.file).st_mtime_ns
    os.utime(repo.git_dir / 'index', ns=(times, times))


def _touch(world: World, repo: Repository) -> None:
    repo.aged()


def _clean(world: World, repo: Repository, sample: Sample) -> None:
    assert sample.code == 0 and repo.git('status', '--porcelain') == '', repo.tool


def _forget_statistics(world: World, repo: Repository) -> None:
    _statistics(repo).unlink(missing_ok=True)


def _diffed_cold(world: World, repo: Repository, sample: Sample) -> str | None:
    assert sample.code == 0, repo.tool
    if repo.tool == OURS:
        repo.facts['statistics'] = _rows(_statistics(repo))
    return _SHOWN.get(repo.tool)


def _diffed_warm(world: World, repo: Repository, sample: Sample) -> str | None:
    assert sample.code == 0, repo.tool
    if repo.tool != OURS:
        return _SHOWN[repo.tool]
    shown = repo.git('diff', 'main~1', 'main')
    repo.facts['diff lines'] = sum(
        line.startswith('+tensor ') for line in shown.split('\n')
    )
    repo.facts['smudges'] = proof.smudges(repo, ('diff', 'main~1', 'main'))
    with _aside(repo.objects):
        repo.facts['diff reads no tensor'] = repo.git('diff', 'main~1', 'main') == shown
    return None


def _branches(world: World, repo: Repository) -> None:
    for branch, seed in (
        ('ours', OURS_SIDE), ('theirs', THEIRS_SIDE), ('rival', RIVAL),
    ):
        repo.git('checkout', '-q', '-b', branch, 'main')
        world.train(repo.file, seed)
        repo.aged()
        repo.git('commit', '-q', '-a', '-m', branch)


def _on_ours(world: World, repo: Repository) -> None:
    if not repo.facts.get('branches'):
        _branches(world, repo)
        repo.facts['branches'] = True
    repo.git('reset', '-q', '--hard')
    repo.git('checkout', '-q', '--detach', 'ours')


def _merge_tree(world: World, repo: Repository, sample: Sample) -> str | None:
    if repo.tool != OURS:
        return _conflict(world, repo, sample)
    assert sample.code == 0
    command = ('merge-tree', '--write-tree', 'ours', 'theirs')
    tree = repo.git(*command)
    with _aside(repo.objects):
        repo.facts['merge reads no tensor'] = repo.git(*command) == tree
    return None


def _merged(world: World, repo: Repository, sample: Sample) -> str | None:
    if repo.tool != OURS:
        return _conflict(world, repo, sample)
    assert sample.code == 0 and sha256(repo.file) == world.digests['merged']
    return None


def _averaged(world: World, repo: Repository, sample: Sample) -> str | None:
    if repo.tool != OURS:
        return _conflict(world, repo, sample)
    assert sample.code == 0 and repo.file.stat().st_size == world.model.nbytes
    return None


def _conflict(world: World, repo: Repository, sample: Sample) -> str | None:
    assert sample.code == 1, repo.tool
    return 'conflict'


def _dirty(world: World, repo: Repository) -> None:
    repo.git('reset', '-q', '--hard')
    repo.git('checkout', '-q', 'main')
    world.train(repo.file, DIRTY)
    repo.aged()


def _statistics(repo: Repository) -> Path:
    return repo.git_dir / 'model' / 'statistics.sqlite'


def _rows(path: Path) -> int:
    with sqlite3.connect(path) as database:
        return int(database.execute('SELECT count(*) FROM numbers').fetchone()[0])


def _count(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _int(repo: Repository, key: str) -> int:
    value = repo.facts[key]
    assert isinstance(value, int)
    return value


@contextmanager
def _aside(folder: Path) -> Iterator[None]:
    """While this lasts the folder is not there."""
    away = folder.with_name(f'{folder.name}-aside')
    folder.rename(away)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        away.rename(folder)


_DIFF = ('diff', 'main~1', 'main')
ADD, AGAIN = 'add', 'add, 5 % changed'
OLD, NEW = 'checkout old', 'checkout new'
RACY, QUIET, TOUCHED = (
    'status after checkout', 'status, nothing new', 'status after touch')
COLD, WARM, WORKTREE = (
    'diff of commits, first', 'diff of commits, again', 'diff of worktree, 5 % changed')
TREE, MERGE, BOTH = (
    'merge-tree, disjoint', 'merge, disjoint', 'merge, same tensors changed')

STEPS = (
    Step(ADD, ('add', FILE), _first, _added_first),
    Step(AGAIN, ('add', FILE), _next, _added_next),
    Step(OLD, ('checkout', '-q', 'main~1'), _nothing, _has('v0')),
    Step(NEW, ('checkout', '-q', 'main'), _nothing, _has('v1')),
    Step(RACY, ('status', '--porcelain'), _racy, _clean),
    Step(QUIET, ('status', '--porcelain'), _nothing, _clean),
    Step(TOUCHED, ('status', '--porcelain'), _touch, _clean),
    Step(COLD, _DIFF, _forget_statistics, _diffed_cold),
    Step(WARM, _DIFF, _nothing, _diffed_warm),
    Step(TREE, ('merge-tree', '--write-tree', 'ours', 'theirs'), _on_ours, _merge_tree),
    Step(MERGE, ('merge', '-q', '--no-edit', 'theirs'), _on_ours, _merged),
    Step(BOTH, ('merge', '-q', '--no-edit', 'rival'), _on_ours, _averaged),
    Step(WORKTREE, ('diff',), _dirty, _no_check),
)
