"""Real repositories, driven by real git, for the tests."""
from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from collections.abc import Mapping
from functools import cache
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy
from safetensors.numpy import load_file
from safetensors.numpy import save_file

# The programs of the environment that runs the tests come first.
BIN = Path(sys.executable).parent


def pinned_environment(home: Path) -> dict[str, str]:
    """Nothing of the machine's settings, a fixed identity and time."""
    return {
    'HOME': str(home),
    'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}',
    'GIT_CONFIG_NOSYSTEM': '1',
    'GIT_AUTHOR_NAME': 'Ann', 'GIT_AUTHOR_EMAIL': 'ann@example.com',
    'GIT_COMMITTER_NAME': 'Ann', 'GIT_COMMITTER_EMAIL': 'ann@example.com',
    'GIT_AUTHOR_DATE': '2026-01-02T03:04:05Z',
    'GIT_COMMITTER_DATE': '2026-01-02T03:04:05Z',
    'GIT_TERMINAL_PROMPT': '0', 'GIT_EDITOR': 'true', 'GIT_PAGER': 'cat',
    'GIT_ALLOW_PROTOCOL': 'file', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb',
    }


Tensors = Mapping[str, Any]
Step = Callable[[], object]


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Git:
    """A directory to run programs in; every failure is an error unless expected."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str, code: int | None = 0, input: bytes | None = None,
            env: Mapping[str, str] | None = None) -> Done:
        """Run a program; ``code`` is the exit code it must have, None for any."""
        done = subprocess.run(
            command, cwd=self.path, input=input, capture_output=True, timeout=600,
            stdin=subprocess.DEVNULL if input is None else None,
            env={**os.environ, **(env or {})},
        )
        out, err = (os.fsdecode(stream) for stream in (done.stdout, done.stderr))
        if code is not None:
            assert done.returncode == code, f'{command}: {done.returncode}\n{out}{err}'
        return Done(done.returncode, out, err)

    def git(self, *args: str, code: int | None = 0, input: bytes | None = None,
            env: Mapping[str, str] | None = None) -> str:
        """What git prints on standard output."""
        return self.run('git', *args, code=code, input=input, env=env).out

    def write(self, name: str, data: bytes | str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def sha256(self, name: str) -> str:
        return hashlib.sha256(self.read(name)).hexdigest()


class Repo(Git):
    """A repository with the driver installed."""

    def save(self, name: str, metadata: dict[str, str] | None = None,
             **tensors: Any) -> None:
        """Write a safetensors file; lists become float32, arrays stay as they are."""
        arrays = {
            key: value if isinstance(value, numpy.ndarray)
            else numpy.array(value, numpy.float32)
            for key, value in tensors.items()
        }
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, self.path / name, metadata)

    def load(self, name: str = 'm.safetensors') -> dict[str, Any]:
        """The tensors of the file in the worktree, as lists."""
        loaded = load_file(self.path / name)
        return {key: loaded[key].tolist() for key in sorted(loaded)}

    def commit(self, message: str, *paths: str) -> str:
        """Add the paths (everything if none is given), commit, return the oid."""
        self.git('add', '--', *(paths or ['.']))
        self.git('commit', '-q', '-m', message)
        return self.git('rev-parse', 'HEAD').strip()

    def fork(self, base: Step, ours: Step, theirs: Step) -> None:
        """Commit base, then theirs on a branch "topic" and ours on "main"."""
        base()
        self.commit('base')
        self.git('checkout', '-q', '-b', 'topic')
        theirs()
        self.commit('theirs')
        self.git('checkout', '-q', 'main')
        ours()
        self.commit('ours')

    def diverge(self, base: Tensors, ours: Tensors, theirs: Tensors,
                name: str = 'm.safetensors') -> None:
        """Three versions of a model, as ``fork`` commits them."""
        self.fork(*(partial(self.save, name, **x) for x in (base, ours, theirs)))

    def clone(self, path: Path, *options: str, url: str = '') -> Repo:
        """A clone; the driver works there if it was installed for the user."""
        self.git('clone', '-q', *options, url or str(self.path), str(path))
        return Repo(path)

    def store(self) -> set[str]:
        """The oids of all objects in the store."""
        folder = self.path / '.git' / 'model' / 'objects'
        return {f'sha256:{f.parent.name}{f.name}' for f in folder.glob('??/*')}

    def lose(self, *oids: str) -> None:
        """Remove objects from the store; all of them if none is named.

        The index is made younger than any file: of those that were written in its own
        second Git asks the filter again, which would store the objects again.
        """
        index, later = self.path / '.git/index', time.time() + 2
        if index.exists():
            os.utime(index, (later, later))
        for oid in oids or self.store():
            digits = oid.removeprefix('sha256:')
            place = self.path / '.git' / 'model' / 'objects' / digits[:2] / digits[2:]
            place.chmod(0o600)
            place.unlink()

    def subjects(self, *args: str) -> list[str]:
        """The subjects that git log prints."""
        return self.git('log', '--format=%s', *args).splitlines()

    def manifest(self, name: str = 'm.safetensors', revision: str = 'HEAD') -> str:
        return self.git('show', '--no-textconv', f'{revision}:{name}')

    def status(self) -> str:
        return self.git('status', '--porcelain')


def make(path: Path, *patterns: str) -> Repo:
    """A new repository that tracks the patterns, with one commit of .gitattributes.

    It is a copy of the first one made with the same settings: making one takes ten
    times as long as copying it.
    """
    made = _made(patterns or ('*.safetensors',), _settings())
    return _copied(made, path)


def after(repo: Repo, steps: Callable[[Repo], None]) -> Repo:
    """What a new repository is after these steps, taken once and copied."""
    made = _stepped(steps, _settings())
    shutil.rmtree(repo.path)
    return _copied(made, repo.path)


def _copied(made: Path, path: Path) -> Repo:
    shutil.copytree(made, path, symlinks=True)
    repo = Repo(path)
    repo.git('update-index', '-q', '--refresh', code=None)      # 1 in a conflict
    return repo


def _settings() -> tuple[object, ...]:
    """What a repository may be another one by."""
    users = Path(os.environ['HOME']) / '.gitconfig'
    return (
        users.read_bytes() if users.exists() else b'',
        *((name, value) for name, value in sorted(os.environ.items())
          if name == 'PATH' or name.startswith('GIT_')),
    )


@cache
def _made(patterns: tuple[str, ...], _: object) -> Path:
    folder = _folder()
    folder.mkdir()
    repo = Repo(folder)
    repo.git('init', '-q', '-b', 'main')
    repo.git('model', 'install', '--local')
    repo.git('model', 'track', *patterns)
    repo.commit('track models', '.gitattributes')
    return folder


@cache
def _stepped(steps: Callable[[Repo], None], _: object) -> Path:
    folder = _folder()
    steps(make(folder))
    return folder


def _folder() -> Path:
    """The name of one that is gone with this process."""
    parent = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, parent, ignore_errors=True)
    return Path(parent) / 'repo'
