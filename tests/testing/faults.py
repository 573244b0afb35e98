"""Stories with a fault in the middle, and what must hold after it."""
from __future__ import annotations

import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from typing import NamedTuple
from unittest import mock

import numpy

from git_model_driver.cli.main import main
from git_model_driver.core import manifest as manifests
from git_model_driver.filters.smudge import Assembly
from git_model_driver.git import history
from git_model_driver.git import repository as repositories
from git_model_driver.store.locate import store_of
from git_model_driver.store.places import Places
from git_model_driver.store.statcache import StatCache
from tests.testing import injector
from tests.testing import repository
from tests.testing.models import Sink
from tests.testing.repository import Repo

M = 'm.safetensors'
_ROOT = Path(__file__).parents[2]
_PROGRAM = '''\
#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.testing import injector
injector.install()
from git_model_driver.cli.{module} import main
sys.exit(main())
'''


WELL, LACKING, DAMAGED = 'well', 'lacking', 'damaged'


class Story(NamedTuple):
    """A command in a repository that ``prepare`` made ready.

    ``clean_up`` is what Git wants done before the command is given again. ``well``
    is how fsck finds the repository even if the command is cut short.
    """

    name: str
    prepare: Callable[[Repo], None]
    command: tuple[str, ...]
    clean_up: str = ''
    well: str = WELL


class Outcome(NamedTuple):
    """What a command made: index, HEAD, the worktree's file, all versions."""

    index: str
    head: str
    file: str
    versions: dict[str, str]


class World:
    """A story, ready to be told many times from the same beginning."""

    def __init__(self, story: Story, folder: Path) -> None:
        self.story = story
        self.folder = folder
        self._template = folder / 'template'
        story.prepare(repository.make(self._template / 'repo'))
        self._programs = folder / 'programs'
        self._programs.mkdir()
        for name, module in (('git-model', 'main'), ('git-merge-model', 'merge_model')):
            program = self._programs / name
            program.write_text(_PROGRAM.format(
                python=sys.executable, root=str(_ROOT), module=module,
            ))
            program.chmod(0o755)
        self.calls: list[str] = []
        self.expected = self._told_to_the_end()

    @contextmanager
    def begun(self) -> Iterator[Repo]:
        place = self.folder / 'world'
        shutil.copytree(self._template, place, symlinks=True)
        before = os.getcwd()
        os.chdir(place / 'repo')
        try:
            yield Repo(place / 'repo')
        finally:
            os.chdir(before)
            shutil.rmtree(place)

    def _told_to_the_end(self) -> Outcome:
        with self.begun() as repo:
            done, self.calls = self.tell(repo, 'count', 0)
            assert done.returncode == 0, done.stderr.decode()
            return outcome(repo)

    def tell(
        self, repo: Repo, kind: str, at: int,
    ) -> tuple[subprocess.CompletedProcess[bytes], list[str]]:
        """Give the command; the calls that were counted."""
        log = repo.path.parent / 'calls'
        path = f'{self._programs}{os.pathsep}{os.environ["PATH"]}'
        done = subprocess.run(
            self.story.command, cwd=repo.path, capture_output=True, timeout=600,
            check=False, start_new_session=True, stdin=subprocess.DEVNULL,
            env={**os.environ, 'PATH': path, 'GIT_MODEL_FAULT': f'{kind} {at} {log}'},
        )
        data = log.read_bytes() if log.exists() else b''
        step = injector.RECORD
        return done, [
            data[i:i + step].decode().rstrip() for i in range(0, len(data), step)
        ]

    def points(self, kind: str, count: int, rng: random.Random) -> list[int]:
        """Some of the calls at which the fault can be."""
        possible = [
            number for number, name in enumerate(self.calls, 1)
            if kind in ('kill', 'killall') or name in injector.FILLING
        ]
        return [rng.choice(possible) for _ in range(count)] if possible else []

    def survive(self, kind: str, at: int) -> str:
        """Tell the story with a fault; what must hold does. The call that failed."""
        with self.begun() as repo:
            done, calls = self.tell(repo, kind, at)
            name = calls[at - 1] if len(calls) >= at else 'none'
            assert b'Traceback' not in done.stderr, done.stderr.decode()
            assert b'bug in git-model' not in done.stderr, done.stderr.decode()
            _unlock(repo)
            check(repo, self.expected.versions, self.story.well)
            if self.story.clean_up:
                repo.run('sh', '-c', self.story.clean_up)
            repo.run(*self.story.command)
            assert outcome(repo) == self.expected
            check(repo, {})
            check_leftovers(repo)
        return name


def _unlock(repo: Repo) -> None:
    """Git's own locks, which it asks to be removed by hand."""
    for git_dir in repo.path.parent.glob('*/.git'):
        for lock in git_dir.glob('**/*.lock'):
            lock.unlink()


def outcome(repo: Repo) -> Outcome:
    file = repo.path / M
    return Outcome(
        repo.git('ls-files', '-s'), repo.git('rev-parse', 'HEAD^{tree}'),
        hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else '',
        dict(versions()),
    )


def versions() -> Iterator[tuple[str, str]]:
    """The manifests of all versions here, and the SHA-256 of their files."""
    store = store_of(repositories.find())
    for found in history.manifests_in(history.everything()):
        assembly = Assembly(manifests.parse(found.data), store, found.path)
        assembly.check()
        sink = Sink()
        assembly.write(sink)
        yield found.blob, hashlib.sha256(sink.taken).hexdigest()


def check(repo: Repo, known: dict[str, str], well: str = WELL) -> None:
    """Nothing is lost, half, or in a place where it should not be."""
    fsck(1 if well == DAMAGED else 0, *(['--objects'] if well == LACKING else []))
    if known and well == WELL:
        for blob, digest in versions():
            assert known[blob] == digest
    for head in repo.path.parent.glob('*/**/HEAD'):
        if (head.parent / 'objects').is_dir() and head.parent.parent != repo.path:
            os.chdir(head.parent)
            fsck()
    os.chdir(repo.path)
    for store in stores(repo):
        check_places(store)


def fsck(problems: int = 0, *options: str) -> None:
    """At most so many problems are found."""
    said = io.StringIO()
    with redirect_stdout(said):
        main(['fsck', *options])
    assert said.getvalue().count('\n') == problems + 1 or (
        said.getvalue().endswith('all is well\n')), said.getvalue()


def stores(repo: Repo) -> list[Path]:
    found = repo.path.parent.glob('**/model')
    return [store for store in found if (store / 'objects').is_dir()]


def check_places(store: Path) -> None:
    for path in store.rglob('*'):
        top, *names = path.relative_to(store).parts
        assert top in (
            'objects', 'tmp', 'damaged', 'merges', 'gc.lock', 'examined',
        ) or top.startswith('statistics.sqlite'), path
        if top == 'objects' and path.is_file():
            assert len(names) == 2 and len(''.join(names)) == 64, path


def check_leftovers(repo: Repo) -> None:
    """What is left in tmp is removed a day later."""
    with mock.patch('time.time', return_value=time.time() + 2 * 24 * 3600):
        for store in stores(repo):
            Places(store).sweep()
            assert list(store.glob('tmp/*')) == []
        cache = StatCache(repo.path / '.git/model-worktree/clean')
        cache.sweep()
        assert list(cache.folder.glob('*.*')) == []


Fault = tuple[str, str]         # its kind, the call it was at


def told(
    story: Story, folder: Path, seed: int, points: Mapping[str, int],
) -> tuple[Counter[Fault], list[str]]:
    """A story with so many faults of each kind; how many were where, what failed."""
    world = World(story, folder)
    rng = random.Random(f'{seed} {story.name}')
    tally: Counter[Fault] = Counter()
    failures = []
    for kind, count in points.items():
        for at in world.points(kind, count, rng):
            try:
                tally[kind, world.survive(kind, at)] += 1
            except AssertionError as e:
                failures.append(f'{story.name}, {kind} at call {at}: {e}')
    return tally, failures


def numbers(seed: int, near: float = 0.0) -> Any:
    """700 floats; the same ones, moved a little."""
    base = numpy.random.default_rng(1).standard_normal(700)
    moved = numpy.random.default_rng(seed).standard_normal(700) * near
    return (base + moved).astype('float32')


def model(seed: int) -> dict[str, Any]:
    return {
        'a': numbers(seed, 1e-3), 'b': numbers(seed + 100, 1e-3),
        'c': numpy.arange(300), 'scale': numpy.float32([seed]),
        **{f'layers.{i}.bias': numpy.float32([i, 0]) for i in range(3)},
    }


def first(repo: Repo) -> None:
    repo.save(M, **model(1))


def many(repo: Repo) -> None:
    """So many that the file system is flushed as a whole."""
    repo.save(M, **{f'layers.{i}.w': numpy.float32([i] * 9) for i in range(40)})


def one_version(repo: Repo) -> None:
    first(repo)
    repo.commit('one')


def changed(repo: Repo) -> None:
    one_version(repo)
    repo.save(M, **model(2))


def two_versions(repo: Repo) -> None:
    changed(repo)
    repo.commit('two')


def forked(repo: Repo) -> None:
    repo.fork(*(lambda i=i: repo.save(M, **model(i)) for i in (1, 2, 3)))


def many_heads(repo: Repo) -> None:
    one_version(repo)
    for i, name in enumerate(('topic', 'other'), 2):
        repo.git('checkout', '-q', '-b', name, 'main')
        repo.save(M, **model(i))
        repo.commit(name)
    repo.git('checkout', '-q', 'main')
    repo.save(M, **model(5))
    repo.commit('ours')


def cloned(repo: Repo) -> None:
    """The repository is a clone that has only the newest version's tensors."""
    other = repo.path.with_name('other')
    repo.path.rename(other)
    two_versions(Repo(other))
    Repo(other).git('clone', '-q', '--no-checkout', '../other', str(repo.path))
    repo.git('model', 'install', '--local')
    repo.git('remote', 'set-url', 'origin', '../other')
    repo.git('reset', '-q')


def with_remote(repo: Repo) -> None:
    two_versions(repo)
    repo.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    repo.git('remote', 'add', 'origin', '../bare.git')


def damaged(repo: Repo) -> None:
    """A base is damaged; another clone has it."""
    two_versions(repo)
    repo.git('clone', '-q', '--no-checkout', '.', '../other')
    shutil.copytree(repo.path / '.git/model', repo.path / '../other/.git/model')
    repo.git('remote', 'add', 'origin', '../other')
    one = next(line for line in repo.manifest(revision='HEAD~1').splitlines()
               if line.startswith('tensor a '))
    digits = one.rpartition('sha256:')[2]
    path = repo.path / '.git/model/objects' / digits[:2] / digits[2:]
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def alike(repo: Repo) -> None:
    """Two files of one model, neither stored in terms of the other; and text."""
    repo.git('model', 'track', '*.npz')
    repo.save('other.safetensors', **model(1))
    numpy.savez(repo.path / 'm.npz', **{f'a.long.name.{i}': i for i in range(60)})
    repo.commit('other')
    repo.save(M, **model(2))
    repo.commit('two')


def unneeded(repo: Repo) -> None:
    two_versions(repo)
    repo.git('reset', '-q', '--hard', 'HEAD~1')
    repo.git('update-ref', '-d', 'ORIG_HEAD')
    repo.git('reflog', 'expire', '--all', '--expire=now')


_RESET = 'git merge --abort 2>/dev/null || git reset -q --hard'
# A command that is new goes here.
STORIES = (
    Story('first add', first, ('git', 'add', M)),
    Story('add of many tensors', many, ('git', 'add', M)),
    Story('add of a second version', changed, ('git', 'add', M)),
    Story('commit', changed,
          ('git', 'commit', '-q', '--allow-empty', '-a', '-m', 'two')),
    Story('merge', forked, ('git', 'merge', '-q', '-m', 'merged', 'topic'), _RESET),
    Story('octopus', many_heads,
          ('git', 'merge', '-q', '-m', 'merged', 'topic', 'other'), _RESET),
    Story('checkout', two_versions, ('git', 'checkout', '-q', '-f', 'main~1')),
    Story('diff', changed, ('git', '--no-pager', 'diff')),
    Story('checkout in a clone', cloned, ('git', 'reset', '-q', '--hard'),
          'git model pull', LACKING),
    Story('fetch', cloned, ('git', 'model', 'fetch'), '', LACKING),
    Story('push', with_remote, ('git', 'push', '-q', 'origin', 'main')),
    Story('model push', with_remote, ('git', 'model', 'push', 'origin')),
    Story('gc', alike, ('git', 'model', 'gc')),
    Story('prune', unneeded, ('git', 'model', 'prune', '--expire=now')),
    Story('gc with prune', unneeded, ('git', 'model', 'gc', '--prune=now')),
    Story('repair', damaged, ('git', 'model', 'fsck', '--repair'), '', DAMAGED),
)
