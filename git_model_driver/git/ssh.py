"""Running a command on the other side of an ssh remote, with the ssh that git uses."""
from __future__ import annotations

import os
import re
import shlex
import subprocess
from typing import NamedTuple

from git_model_driver.core.errors import GitError
from git_model_driver.core.errors import GitModelError
from git_model_driver.git import run
from git_model_driver.git.run import Result

_URL = re.compile(r'(?:ssh|git\+ssh|ssh\+git)://(?:([^@/]+)@)?'
                  r'(\[[^\]/]+\]|[^:/]+)(?::(\d+))?(/.*)')
_SHORT = re.compile(r'(?:([^@/:\[]+)@)?(\[[^\]/]+\]|[^:/\[]+):(?!//|:)(.*)')


class Place(NamedTuple):
    """A path on a host that is reached by ssh."""

    user: str
    host: str
    port: str
    path: str


def parse(url: str) -> Place | None:
    """Of ``ssh://…`` or ``host:path``; None for any other address."""
    if match := _URL.fullmatch(url):
        user, host, port, path = match.groups(default='')
        return Place(user, host.strip('[]'), port, path)
    match = _SHORT.fullmatch(url)
    if match is None:
        return None
    user, host, path = match.groups(default='')
    host, port = host.strip('[]'), ''
    if '@' in host:         # [user@host:port]:path
        user, _, host = host.partition('@')
    if host.count(':') == 1:
        host, _, port = host.partition(':')
    return Place(user, host, port, path)


def command(place: Place, *words: str) -> Result:
    """Run a command there. Raises GitModelError where that cannot even be tried."""
    program = line(place, shlex.join(words))
    try:
        done = subprocess.run(
            program, stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )
    except OSError as e:
        raise GitError(
            f"cannot run '{program[0]}': {e.strerror}",
            'say which ssh to use: git config core.sshCommand <command>',
        ) from None
    return Result(done.returncode, done.stdout, done.stderr)


def line(place: Place, wanted: str, tells_version: bool = False) -> tuple[str, ...]:
    """The command that has a command run there, as git would run it.

    The other side is told the version of Git's protocol, if it is to be and this ssh
    can be told to. Raises GitModelError.
    """
    target = f'{place.user}@{place.host}' if place.user else place.host
    if target.startswith('-') or place.host.startswith('-'):
        raise GitModelError(
            f"'{target}' is no name of a host",
            'see the remotes there are with "git remote -v"',
        )
    program, variant = _program()
    can_tell = tells_version and variant == 'ssh'
    sent = ('-o', 'SendEnv=GIT_PROTOCOL') if can_tell else ()
    return (*program, *sent, *_port(place.port, variant), target, wanted)


def _program() -> tuple[tuple[str, ...], str]:
    """What to run, and which program's options it has: as git finds it."""
    shell = os.environ.get('GIT_SSH_COMMAND')
    simple = os.environ.get('GIT_SSH')
    if not shell and not simple:
        found = run.attempt('config', '--get', 'core.sshCommand')
        shell = os.fsdecode(found.out).strip() if found.code == 0 else None
    if shell:
        name = (_words(shell) or [''])[0]
        return ('sh', '-c', f'{shell} "$@"', shell), _variant(name)
    program = simple or 'ssh'
    return (program,), _variant(program)


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return []


def _variant(program: str) -> str:
    named = os.environ.get('GIT_SSH_VARIANT')
    if not named:
        found = run.attempt('config', '--get', 'ssh.variant')
        named = os.fsdecode(found.out).strip() if found.code == 0 else 'auto'
    if named != 'auto':
        return named
    name = os.path.basename(program).lower().removesuffix('.exe')
    return name if name in ('plink', 'putty', 'tortoiseplink') else 'ssh'


def _port(port: str, variant: str) -> list[str]:
    batch = ['-batch'] if variant == 'tortoiseplink' else []
    if not port:
        return batch
    if variant == 'simple':
        raise GitModelError(
            'this ssh cannot be told a port (ssh.variant is "simple")',
            'set the port in ~/.ssh/config, and see "git config ssh.variant"',
        )
    return [*batch, '-p' if variant == 'ssh' else '-P', port]
