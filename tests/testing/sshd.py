"""OpenSSH's own server on this machine, for the user who runs the tests."""
from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testing.repository import Git
from tests.testing.servers import HOST
from tests.testing.servers import wait_for

_SERVER = '''\
Port {port}
ListenAddress {host}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
AcceptEnv GIT_PROTOCOL
SetEnv PATH={folder}/bin:{path}
Subsystem sftp {sftp}
'''
_CLIENT = '''\
Host *
  IdentityFile {folder}/user
  IdentitiesOnly yes
  BatchMode yes
  UserKnownHostsFile {home}/.ssh/known_hosts
  StrictHostKeyChecking yes
'''
_FULL = '''\
#!/bin/sh
trap '' XFSZ
ulimit -f 8000
exec {program}
'''


class Sshd:
    """``address`` of everything on this machine; ``programs`` may be run there."""

    def __init__(self, folder: Path, home: Path, port: int) -> None:
        self.programs = folder / 'bin'
        self.known = home / '.ssh/known_hosts'
        self.key = home / '.ssh/id_ed25519'
        self.address = f'{getpass.getuser()}@{HOST}:{port}'
        self.name = f'[{HOST}]:{port}'


@contextmanager
def served(folder: Path, home: Path, is_full: bool = False) -> Iterator[Sshd]:
    """One that the user's ssh knows, and that knows the user.

    Skips where it is not installed. Where it ``is_full``, no file that is sent by SFTP
    can be larger than 8 MB.
    """
    program = _program('sshd', '/usr/sbin/sshd')
    sftp = _program(
        'sftp-server', '/usr/lib/openssh/sftp-server', '/usr/libexec/sftp-server',
        '/usr/libexec/openssh/sftp-server', '/usr/lib/ssh/sftp-server',
    )
    if os.getuid() == 0:
        Path('/run/sshd').mkdir(exist_ok=True)      # it wants that one
    (folder / 'bin').mkdir()
    for name in ('host', 'user'):
        make_key(folder / name)
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    if is_full:
        (folder / 'full').write_text(_FULL.format(program=sftp))
        (folder / 'full').chmod(0o755)
        sftp = str(folder / 'full')
    (folder / 'server').write_text(_SERVER.format(
        port=port, host=HOST, folder=folder, sftp=sftp, path=os.environ['PATH'],
    ))
    _introduce(folder, home, port)
    process = subprocess.Popen(
        (program, '-D', '-f', str(folder / 'server'), '-E', str(folder / 'log')),
    )
    try:
        wait_for(port)
        yield Sshd(folder, home, port)
    finally:
        process.terminate()
        process.wait()


def make_key(path: Path) -> None:
    subprocess.run(
        ('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', str(path)), check=True,
    )


def _introduce(folder: Path, home: Path, port: int) -> None:
    (home / '.ssh').mkdir(mode=0o700)
    shutil.copy(folder / 'user', home / '.ssh/id_ed25519')
    known = ' '.join((folder / 'host.pub').read_text().split()[:2])
    (home / '.ssh/known_hosts').write_text(f'[{HOST}]:{port} {known}\n')
    (folder / 'client').write_text(_CLIENT.format(folder=folder, home=home))
    Git(home).git('config', '--global', 'core.sshCommand', f'ssh -F {folder}/client')


def _program(name: str, *places: str) -> str:
    for place in (shutil.which(name), *places):
        if place and os.access(place, os.X_OK):
            return place
    pytest.skip(f'{name} is not installed: apt-get install openssh-server')
