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
from model import Model

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
    def takes_a_moment(self) -> bool:
        """A push to a directory of the same machine: nothing is packed nor sent."""
        return self.over != HTTP and self.name != 'git'


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


class Story:
    """A repository with two commits, each of which is pushed; and clones."""

    def __init__(self, kind: Kind, root: Path, far: Path, url: str) -> None:
        self.kind = kind
        name = kind.label.replace(', ', '-').replace('/', '_').replace(' ', '_')
        self.root = root / name
        self.place = far
        (self.root / 'home').mkdir(parents=True)
        self.env = {
            **os.environ, **pinned_environment(self.root / 'home'),
            'GIT_ALLOW_PROTOCOL': 'file:http',
        }
        self.base = url if kind.over == HTTP else f'file://{far}'
        self.repository = self.root / 'here'

    def share(self, number: int) -> Path:
        return self.place / f'share{number}'

    def far(self, number: int) -> Path:
        return self.place / f'far{number}.git'

    def url(self, number: int) -> str:
        return f'{self.base}/{self.far(number).name}'

    def git(self, *args: str, cwd: Path | None = None) -> None:
        subprocess.run(
            ('git', *args), cwd=cwd or self.root, env=self.env, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def begin(self, model: Model, parts: Sequence[str]) -> None:
        """Commits of the model and of a changed one, under the names of the parts."""
        self.git('init', '-q', '-b', 'main', str(self.repository))
        if self.kind.name == LFS:
            self.git('lfs', 'install')
            self.git('lfs', 'track', '*.safetensors', cwd=self.repository)
        else:
            self.git('model', 'install')
            self.git('model', 'track', '*.safetensors', cwd=self.repository)
        self.git('remote', 'add', 'origin', self.url(0), cwd=self.repository)
        path = self.repository / M
        model.write(path)
        for number, part in enumerate(parts):
            if number:
                model.train(path, model.pick(number), number)
            self.git('add', '.', cwd=self.repository)
            self.git('commit', '-q', '-m', part, cwd=self.repository)
            self.git('branch', part, cwd=self.repository)

    def point_at(self, number: int) -> None:
        """To another side that has nothing yet."""
        far = self.far(number)
        self.share(number).mkdir()
        self.git('init', '-q', '--bare', '-b', 'main', str(far))
        self.git('config', 'http.receivepack', 'true', cwd=far)
        url = self.url(number)
        self.git('config', 'remote.origin.url', url, cwd=self.repository)
        if self.kind.store:
            store = self.kind.store.format(share=self.share(number))
            self.git('config', '--global', 'remote.origin.modelStore', store)
        else:
            here = f'lfs.{url}/info/lfs.locksverify'
            self.git('config', '--global', here, 'false')
        self._forget()

    def _forget(self) -> None:
        """What this side believes the other one to have."""
        seen = 'refs/remotes/origin/main'
        self.git('update-ref', '-d', seen, cwd=self.repository)

    def push(self, part: str) -> tuple[Sample, int]:
        """What it costs, and bytes by which the other side grew."""
        before = measure.size_of(self.place)
        push = ('git', 'push', '-q', 'origin', f'{part}:main')
        sample = run(push, self.repository, self.env)
        return sample, measure.size_of(self.place) - before

    def put_aside(self, number: int) -> None:
        """What the next push must not find. Deleted only where memory is at stake:
        ext4 makes no new files beside those deleted in the last seconds, and looks
        for other places at a cost which is not that of the next push.
        """
        if self.kind.over == OTHER:
            shutil.rmtree(self.far(number))
            shutil.rmtree(self.share(number))
        elif self.kind.over == HTTP:
            shared = self.place / 'lfs-objects'
            shared.rename(self.place / f'lfs-objects-{number}')
            shared.mkdir()

    def clone(self, number: int) -> Sample:
        target = self.root / f'clone{number}'
        command = ('git', 'clone', '-q', self.url(0), str(target))
        sample = run(command, self.root / 'home', self.env)
        here = str(self.repository / M)
        same = subprocess.run(('cmp', here, str(target / M)), check=False)
        if same.returncode:
            raise SystemExit(f'{self.kind.label}: the clone has another model')
        return sample

    def floor(self) -> Sample:
        """Git alone: the packs are there, and sent as they are."""
        bare = self.root / 'floor.git'
        self.git('init', '-q', '--bare', str(bare))
        every = 'refs/models/*:refs/models/*'
        push = ('git', 'push', '-q', '--no-verify', f'file://{bare}', every)
        return run(push, self.far(0), self.env)
