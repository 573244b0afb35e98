"""One way to move models: a repository, what it pushes to, and clones of that."""
from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import measure
from measure import Sample

from tests.testing.repository import pinned_environment

M = 'm.safetensors'
HTTP, FILE, OTHER = 'http', 'file', 'another disk'
LFS = 'git-lfs'


class Kind(NamedTuple):
    """A way to keep tensors, and how the Git remote is reached."""

    name: str
    over: str
    store: str = ''     # remote.origin.modelStore

    @property
    def label(self) -> str:
        return f'{self.name}, {self.over}'

    @property
    def folder(self) -> str:
        return self.label.replace(', ', '-').replace('/', '_').replace(' ', '_')


KINDS = [
    Kind(LFS, HTTP), Kind('git', HTTP, 'git'), Kind('lfs', HTTP, 'lfs'),
    Kind(LFS, FILE), Kind('git', FILE, 'git'), Kind('directory', FILE, 'directory'),
    Kind('/a/directory', FILE, '{share}'), Kind('lfs', FILE, 'lfs'),
    Kind(LFS, OTHER), Kind('directory', OTHER, 'directory'),
    Kind('/a/directory', OTHER, '{share}'), Kind('lfs', OTHER, 'lfs'),
]


def run(command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Sample:
    """Measured in a process of its own: whose children are nobody else's."""
    context = multiprocessing.get_context('fork')
    answers = context.Queue()

    def work() -> None:
        measure.adopt_orphans()
        answers.put(measure.run(command, cwd, env))

    process = context.Process(target=work)
    process.start()
    sample: Sample = answers.get()
    process.join()
    if sample.code:
        said = (cwd.parent / 'stderr.txt').read_text(errors='replace')
        raise SystemExit(f'{" ".join(command)}: {sample.code}\n{said}')
    return sample


class Side(NamedTuple):
    """Where a repository is pushed to: one for each round."""

    folder: Path
    base: str       # of addresses

    @property
    def far(self) -> Path:
        return self.folder / 'far.git'

    @property
    def share(self) -> Path:
        return self.folder / 'share'

    @property
    def url(self) -> str:
        return f'{self.base}/{self.far.name}'


class Story:
    """A repository that is pushed to other sides, and clones of one."""

    def __init__(self, kind: Kind, root: Path, sides: Sequence[Side]) -> None:
        self.kind = kind
        self.root = root / kind.folder
        self.sides = sides
        (self.root / 'home').mkdir(parents=True)
        self.env = {
            **os.environ, **pinned_environment(self.root / 'home'),
            'GIT_ALLOW_PROTOCOL': 'file:http',
        }
        self.repository = self.root / 'here'

    def git(self, *args: str, cwd: Path | None = None) -> None:
        subprocess.run(
            ('git', *args), cwd=cwd or self.root, env=self.env, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def begin(self) -> None:
        for side in self.sides:
            side.share.mkdir()
            self.git('init', '-q', '--bare', '-b', 'main', str(side.far))
            self.git('config', 'http.receivepack', 'true', cwd=side.far)
        self.git('init', '-q', '-b', 'main', str(self.repository))
        if self.kind.name == LFS:
            self.git('lfs', 'install')
            self.git('lfs', 'track', '*.safetensors', cwd=self.repository)
        else:
            self.git('model', 'install')
            self.git('model', 'track', '*.safetensors', cwd=self.repository)
        self.git('remote', 'add', 'origin', self.sides[0].url, cwd=self.repository)

    def commit(self, message: str) -> None:
        self.git('add', '.', cwd=self.repository)
        self.git('commit', '-q', '-m', message, cwd=self.repository)

    def push(self, side: Side) -> tuple[Sample, int]:
        """What it costs, and bytes by which the other side grew."""
        self._point_at(side)
        before = measure.size_of(side.folder)
        sample = run(('git', 'push', '-q', 'origin', 'main'), self.repository, self.env)
        return sample, measure.size_of(side.folder) - before

    def _point_at(self, side: Side) -> None:
        """As if no other had been there: seen as it was left by the push before."""
        self.git('config', 'remote.origin.url', side.url, cwd=self.repository)
        seen = 'refs/remotes/origin/main'
        self.git('update-ref', '-d', seen, cwd=self.repository)
        left = side.far / 'refs/heads/main'
        if left.exists():
            there = left.read_text().strip()
            self.git('update-ref', seen, there, cwd=self.repository)
        if self.kind.store:
            store = self.kind.store.format(share=side.share)
            self.git('config', '--global', 'remote.origin.modelStore', store)
        else:
            here = f'lfs.{side.url}/info/lfs.locksverify'
            self.git('config', '--global', here, 'false')

    def clone(self, number: int, *, keep: bool) -> Sample:
        """``keep``: ext4 makes no new files beside those that were just deleted, and
        looks for other places at a cost that would be the next clone's.
        """
        target = self.root / f'clone{number}'
        command = ('git', 'clone', '-q', self.sides[0].url, str(target))
        sample = run(command, self.root / 'home', self.env)
        here = str(self.repository / M)
        same = subprocess.run(('cmp', here, str(target / M)), check=False)
        if same.returncode:
            raise SystemExit(f'{self.kind.label}: the clone has another model')
        if not keep:
            shutil.rmtree(target)
        return sample

    def floor(self) -> Sample:
        """Git alone: the packs are there, and sent as they are."""
        bare = self.root / 'floor.git'
        self.git('init', '-q', '--bare', str(bare))
        every = 'refs/models/*:refs/models/*'
        push = ('git', 'push', '-q', '--no-verify', f'file://{bare}', every)
        return run(push, self.sides[0].far, self.env)
