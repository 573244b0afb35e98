"""Places where a remote may keep its tensors, looked at from behind."""
from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.testing.s3 import Server


class Folder:
    """A directory."""

    def __init__(self, path: Path, url: str = '') -> None:
        self.path = path
        self.url = url or str(path)

    def keys(self) -> list[str]:
        files = (f for f in self.path.rglob('*') if f.is_file())
        return sorted(f.relative_to(self.path).as_posix() for f in files)

    def read(self, key: str) -> bytes:
        return (self.path / key).read_bytes()

    def write(self, key: str, data: bytes) -> None:
        self.remove(key)
        (self.path / key).write_bytes(data)

    def remove(self, key: str) -> None:
        (self.path / key).unlink()


class Bucket:
    """A folder "team" in a bucket of its own."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._name = f'models-{uuid.uuid4()}'
        server.have()
        server.ask('PUT', self._name)
        self.url = f's3://{self._name}/team'

    def keys(self) -> list[str]:
        found = self.server.keys(self._name)
        assert all(key.startswith('team/') for key in found)
        return sorted(key.removeprefix('team/') for key in found)

    def read(self, key: str) -> bytes:
        return self.server.ask('GET', f'{self._name}/team/{key}')

    def write(self, key: str, data: bytes) -> None:
        self.server.ask('PUT', f'{self._name}/team/{key}', data)

    def remove(self, key: str) -> None:
        self.server.ask('DELETE', f'{self._name}/team/{key}')


def size(place: Folder | Bucket) -> int:
    return sum(len(place.read(key)) for key in place.keys())


@contextmanager
def sftp(folder: Path, home: Path) -> Iterator[Folder]:
    """A folder behind a server that the user's ssh knows, and that knows the user."""
    import paramiko

    (home / '.ssh').mkdir(mode=0o700, exist_ok=True)
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(home / '.ssh/id_ecdsa'))
    public = home / '.ssh/id_ecdsa.pub'
    public.write_text(f'{key.get_name()} {key.get_base64()}\n')
    process = subprocess.Popen(
        (sys.executable, '-m', 'tests.testing.sftpserver', str(folder), str(public)),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=Path(__file__).parents[2], env={**os.environ, 'HOME': str(home)},
    )
    assert process.stdout
    try:
        known = process.stdout.readline()
        (home / '.ssh/known_hosts').write_text(known)
        port = known.split()[0].rpartition(':')[2]
        (folder / 'team').mkdir()
        yield Folder(folder / 'team', f'sftp://ann@127.0.0.1:{port}/team')
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
