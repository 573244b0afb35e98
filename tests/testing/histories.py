"""Histories to migrate: made by plain Git, looked at as checkouts have them."""
from __future__ import annotations

import hashlib
import os
import random
import shutil
from pathlib import Path

import numpy
from safetensors.numpy import save

from tests.testing import models
from tests.testing.repository import Repo

Files = dict[str, str]
NAMES = (
    'm.safetensors', 'a/m.safetensors', 'a/b/w.npz', '-x.npz', 'new\nline.npy',
    'quo"te\\.npy', 'sp ace/ü.safetensors', '\udcff\udcfe.npz', '*.npy', 'x.npy/y.npy',
    '.npz',
)
OTHERS = ('README', 'a/notes.txt', 'z.safetensors.txt', 'empty.npz')
ATTRIBUTES = (
    '* text=auto\n', '*.npz binary\n', '[attr]big filter=lfs\n*.iso big\n', '', 'x y',
)


def plain(path: Path, *options: str) -> Repo:
    """A repository in which the filter is set up, and nothing is tracked."""
    path.mkdir(parents=True)
    repo = Repo(path)
    repo.git('init', '-q', '-b', 'main', *options)
    repo.git('model', 'install', '--local')
    return repo


def model(name: str, *numbers: float) -> bytes:
    """Some file of the format that the name says."""
    array = numpy.array([*numbers] * 40, numpy.float32)
    if name.endswith('.npz'):
        return models.npz(w=array, b=array[:7])
    if name.endswith('.npy'):
        return models.npy(array)
    return save({'w': array, 'b': array[:7]})


def grow(repo: Repo, rng: random.Random, count: int, attributes: bool = True) -> None:
    """Commits, branches, merges and tags; some change no model, some nothing."""
    for number in range(count):
        branches = repo.git('branch', '--format=%(refname:short)').split()
        if branches and rng.random() < 0.3:
            repo.git('checkout', '-q', rng.choice(branches))
        if rng.random() < 0.3:
            repo.git('checkout', '-q', '-b', f'b{number}')
        if len(branches) > 2 and rng.random() < 0.4:
            others = rng.sample(branches, rng.randint(1, 2))
            repo.git('merge', '-q', '-s', 'ours', '--no-ff', '-m', 'merge', *others)
        for _ in range(rng.randrange(3)):
            _change(repo, rng, attributes)
        repo.git('add', '-A')
        repo.git('commit', '-q', '--allow-empty', '-m', f'{number}\n\nbody',
                 env={'GIT_AUTHOR_DATE': f'{1700000000 + number} +0545'})
        if rng.random() < 0.3:
            repo.git('tag', *(['-a', '-m', 'tag'] * rng.randrange(2)), f't{number}')


def _change(repo: Repo, rng: random.Random, attributes: bool) -> None:
    name = rng.choice(NAMES + OTHERS)
    path = repo.path / name
    kind = rng.random()
    if path.is_dir() or any(p.is_file() for p in path.parents):
        return
    if os.path.lexists(path) and kind < 0.2:
        path.unlink()
    elif kind < 0.25 and not os.path.lexists(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to('README')
    elif kind < 0.35 and attributes:
        folder = rng.choice(['', 'a/', 'a/b/'])
        if not (repo.path / folder.rstrip('/')).is_file():
            repo.write(f'{folder}.gitattributes', rng.choice(ATTRIBUTES))
    elif not path.is_symlink():
        data = model(name, rng.randrange(5), rng.randrange(3))
        if name in OTHERS:
            data = b'' if name == 'empty.npz' else bytes(f'{rng.random()}\n', 'ascii')
        repo.write(name, data)
        path.chmod(rng.choice([0o644, 0o755]))


def refs(repo: Repo) -> str:
    """All refs but refs/original, and HEAD."""
    listed = repo.git('for-each-ref', '--format=%(refname) %(objectname)')
    head = repo.git('rev-parse', 'HEAD')
    return head + ''.join(
        line + '\n' for line in listed.splitlines() if 'refs/original/' not in line
    )


def versions(repo: Repo, *revisions: str) -> list[tuple[str, Files]]:
    """Message, people and dates of each commit, and its files when checked out."""
    listed = repo.git('log', '--reverse', '--topo-order', '--format=%H',
                      *(revisions or ['--branches', '--tags']))
    work = repo.path.parent / 'elsewhere'
    found = []
    for commit in listed.split():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        env = {'GIT_INDEX_FILE': str(work.parent / 'other-index')}
        options = [f'--git-dir={repo.path}/.git', f'--work-tree={work}']
        repo.git(*options, 'read-tree', '--empty', env=env)
        repo.git(*options, 'read-tree', '-m', '-u', commit, env=env)
        about = repo.git('log', '-1', '--format=%an %ae %ad %cn %ce %cd%n%B', commit)
        found.append((about, files(work)))
    shutil.rmtree(work, ignore_errors=True)
    return found


def files(folder: Path) -> Files:
    """Mode and content of everything below, but .gitattributes."""
    found = {}
    for path in sorted(folder.rglob('*')):
        name = path.relative_to(folder).as_posix()
        if path.name == '.gitattributes' or name.split('/')[0] == '.git':
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = f'{path.stat().st_mode & 0o100:o} {digest}'
    return found
