"""What git's own transport does for us: any host, any protocol, no account more.

What is sent and what arrives is kept in an object directory of its own, beside the
repository's, so that nothing is stored twice for longer than it takes.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.core import words
from git_model_driver.core.errors import GitError
from git_model_driver.git import run
from git_model_driver.git.objects import Objects
from git_model_driver.git.repository import Repository
from git_model_driver.git.run import Result

NAMESPACE = 'refs/models/'
# The server would take so few objects apart, and compress each (receive.unpackLimit).
UNPACKED_BELOW = 100
_REFUSED = (b'unadvertised object', b'not our ref', b'did not send all necessary')
_FAST = (
    '-c', 'core.compression=0', '-c', 'pack.window=0', '-c', 'fetch.unpackLimit=1',
    '-c', 'transfer.unpackLimit=1', '-c', 'gc.auto=0', '-c', 'maintenance.auto=false',
    '-c', 'fetch.recurseSubmodules=no', '-c', 'push.recurseSubmodules=no',
    '-c', 'push.followTags=false', '-c', 'push.gpgSign=false',
    '-c', 'fetch.writeCommitGraph=false', '-c', 'core.hooksPath=/dev/null',
    # Git maps a pack of any size, and counts as using all of it.
    '-c', 'core.packedGitWindowSize=8m', '-c', 'core.packedGitLimit=64m',
)


class Ref(NamedTuple):
    name: str
    oid: str


class Refused(GitError):
    """The other side does not give out objects by their names (protocol v0)."""


class Quarantine:
    """An object directory of its own below ``parent``, gone after the ``with``."""

    def __init__(
        self, parent: Path, repository: Repository, *lenders: Path,
    ) -> None:
        self.folder = parent / f'git-{os.getpid()}-{os.urandom(8).hex()}'
        others = [
            os.environ.get('GIT_OBJECT_DIRECTORY')
            or str(repository.common_dir / 'objects'),
            os.environ.get('GIT_ALTERNATE_OBJECT_DIRECTORIES', ''),
            *map(_quoted, lenders),
        ]
        self._env = {
            'GIT_OBJECT_DIRECTORY': str(self.folder),
            'GIT_ALTERNATE_OBJECT_DIRECTORIES': os.pathsep.join(filter(None, others)),
            'GIT_DIR': str(repository.git_dir),
        }

    def __enter__(self) -> Quarantine:
        self.folder.mkdir(parents=True)
        return self

    def __exit__(self, *exc: object) -> None:
        import shutil  # 6 ms that a push of another kind does not need

        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def packs(self) -> Path:
        return self.folder / 'pack'

    def push(
        self, url: str, refs: Iterable[Ref], told: Callable[[bytes], None] | None,
    ) -> None:
        """Send what these refs need. Raises GitError with git's own words.

        ``told`` gets git's lines of progress, if anybody wants them.
        """
        specs = [f'{ref.oid}:{ref.name}' for ref in refs]
        command = (*_FAST, 'push', '--no-verify', '--no-signed')
        if told:
            result = run.watched(
                *command, '--progress', url, *specs, told=told, env=self._env,
            )
        else:
            result = run.attempt(*command, '--quiet', url, *specs, env=self._env)
        check(result, 'push', url)

    def fetch(self, url: str, wanted: Sequence[str]) -> None:
        """Get objects by their names, or refs by theirs. Raises GitError, Refused.

        No ref of ours is changed by it, whatever refspecs say.
        """
        command = (
            *_FAST, '-c', 'fetch.negotiationAlgorithm=noop', 'fetch', '--quiet',
            '--no-tags', '--no-prune', '--no-filter', '--refmap=', '--stdin',
            '--no-write-fetch-head', '--no-auto-maintenance',
            '--recurse-submodules=no', url,
        )
        asked = ''.join(f'{name}\n' for name in wanted).encode()
        result = run.attempt(*command, input=asked, env=self._env)
        if result.code and any(words in result.err for words in _REFUSED):
            raise Refused(result.err.decode(errors='replace').strip())
        check(result, 'fetch', url)

    def pack(self, fd: int, tips: Iterable[str], without: Iterable[str]) -> None:
        """Write a pack of what these lead to, but for what others do. Raises GitError.
        """
        lines = [*tips, *(f'^{name}' for name in without), '']
        run.into(
            fd, *_FAST, '-c', 'core.bigFileThreshold=512k', 'pack-objects', '--revs',
            '--thin', '--stdout', '--delta-base-offset', '-q',
            input='\n'.join(lines).encode(), env=self._env,
        )

    def blob(self, name: str) -> bytes:
        return self._run('cat-file', 'blob', name)

    @property
    def objects(self) -> Objects:
        """Reads what is in it, and what lies where it may borrow from."""
        return Objects(self._env)

    def _run(self, *command: str) -> bytes:
        return run.output(*command, env=self._env)


def _quoted(path: Path) -> str:
    """As a member of a list of paths: git takes off the quotes."""
    text = str(path).replace('\\', '\\\\').replace('"', '\\"')
    return f'"{text}"'


def check(result: Result, command: str, url: str) -> bytes:
    """As ``run.check``, with a word on how to see whether a remote can be reached."""
    try:
        return run.check(result, command)
    except GitError as e:
        raise GitError(
            e.message, *e.hints,
            f'see that "git ls-remote {words.shell(url)}" works, then run the command '
            'again: it goes on where this one ended',
        ) from None


def refs_of(url: str) -> list[Ref]:
    """The refs of models that a remote has. Raises GitError."""
    result = run.attempt('ls-remote', '--quiet', url, f'{NAMESPACE}*')
    listed = os.fsdecode(check(result, 'ls-remote', url))
    lines = (line.split('\t') for line in listed.splitlines())
    return [Ref(name, oid) for oid, name in lines]
