"""Clones that push to and fetch from one remote, all at once, in any order."""
from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest

from tests.testing import remotes
from tests.testing.repository import Repo

SHARED = 'shared.safetensors'
CLONES = 4


class Person:
    """Works in a clone of their own, with models of their own and a shared one."""

    def __init__(self, clone: Repo, number: int) -> None:
        self.clone = clone
        self.number = number
        self.own = f'own {number}.safetensors'
        self.rng = random.Random(number)
        self.versions: list[tuple[str, str]] = []       # pushed: branch or commit, sum

    def change(self, name: str) -> None:
        seed = self.rng.randrange(6)
        draw = numpy.random.default_rng(seed).standard_normal((40, 30))
        near = numpy.random.default_rng(self.rng.randrange(1 << 30))
        moved = draw + near.standard_normal((40, 30)) * 1e-4
        self.clone.save(name, a=draw.astype('float32'), b=moved.astype('float32'))
        self.clone.commit(f'{name} by {self.number}')

    def push_branch(self) -> None:
        self.change(self.own)
        branch = f'p{self.number}-{len(self.versions)}'
        self.clone.git('push', '-q', 'origin', f'HEAD:refs/heads/{branch}')
        self.versions.append((f'origin/{branch}', self.clone.sha256(self.own)))

    def push_main(self) -> None:
        self.change(SHARED if self.rng.random() < 0.5 else self.own)
        for _ in range(200):
            self.clone.git('pull', '-q', '--no-rebase', '--no-edit')
            done = self.clone.run('git', 'push', '-q', 'origin', 'main', code=None)
            if done.code == 0:
                return
        raise AssertionError('others were always faster')

    def look_around(self) -> None:
        self.clone.git('fetch', '-q')
        listed = self.clone.git('for-each-ref', '--format=%(refname)', 'refs/remotes')
        refs = [ref for ref in listed.split() if not ref.endswith('/HEAD')]
        self.clone.git('checkout', '-q', '--detach', self.rng.choice(refs))
        assert self.clone.status() == ''
        self.clone.git('checkout', '-q', 'main')

    def tidy(self) -> None:
        self.clone.git('model', 'gc', '--quiet')

    def work(self, steps: int) -> None:
        self.clone.git('checkout', '-q', 'main')
        acts = [self.push_branch, self.push_branch, self.push_main, self.look_around,
                self.tidy]
        for _ in range(steps):
            self.rng.choice(acts)()


@pytest.mark.parametrize('steps', [
    5, pytest.param(50, marks=pytest.mark.slow),
])
@pytest.mark.parametrize('kind', ['git', 'directory'])
def test_nothing_is_lost_between_many(
    repo: Repo, tmp_path: Path, steps: int, kind: str,
) -> None:
    url = remotes.bare(repo, tmp_path)
    # Of the shape that it keeps: two new shapes would be a conflict, and rightly.
    repo.save(SHARED, a=numpy.ones((40, 30), 'f4'), b=numpy.ones((40, 30), 'f4'))
    repo.commit('start')
    remotes.connect(repo, url)
    repo.git('config', '--global', 'remote.origin.modelStore', kind)
    repo.git('config', 'remote.origin.modelStore', kind)
    repo.git('push', '-q', '-u', 'origin', 'main')
    people = []
    for number in range(CLONES):
        repo.git('clone', '-q', url, str(tmp_path / f'p{number}'))
        people.append(Person(Repo(tmp_path / f'p{number}'), number))
    with ThreadPoolExecutor(CLONES) as pool:
        list(pool.map(lambda person: person.work(steps), people))
    for person in people:
        person.clone.git('fetch', '-q')
        person.clone.git('model', 'fetch')
        assert person.clone.git('model', 'fsck').endswith('all is well\n')
        assert not any((person.clone.path / '.git/model/tmp').iterdir())
    fresh = Repo(tmp_path / 'fresh')
    repo.git('clone', '-q', url, str(fresh.path))
    for person in people:
        for ref, digest in person.versions:
            fresh.git('checkout', '-q', '--detach', ref)
            assert fresh.sha256(person.own) == digest
    said = fresh.git('model', 'fsck', '--remote', 'origin')
    assert said.endswith('all is well\n')
