"""Google's and Azure's object storage, as others emulate them on this machine."""
from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.testing import failing
from tests.testing.failing import Faults
from tests.testing.servers import HOST
from tests.testing.servers import wait_for

BUCKET = 'models'
_ACCOUNT = 'devstoreaccount1'
# Azurite's own, which everybody knows.
_KEY = (
    'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/'
    'K1SZFPTOtr/KBHBeksoGMGw=='
)
_ASK = '''
import sys
from fsspec.core import url_to_fs
system, path = url_to_fs(sys.argv[1])
if sys.argv[2] == 'make':
    system.mkdir(path)
elif sys.argv[2] == 'keys':
    for key in system.find(path):
        print(key)
elif sys.argv[2] == 'read':
    sys.stdout.buffer.write(system.cat_file(path))
else:
    system.pipe_file(path, sys.stdin.buffer.read())
'''


class Cloud:
    """A folder "team" in a bucket, behind a server that can be had to fail."""

    def __init__(self, kind: str, port: int, faults: Faults) -> None:
        self.kind = kind
        self.faults = faults
        self._port = port
        self.url = f'{kind}://{BUCKET}/team {uuid.uuid4()}'

    def environment(self, key: str = _KEY) -> Mapping[str, str]:
        """Nothing of the machine's own."""
        address = f'http://{HOST}:{self._port}'
        return {
            'STORAGE_EMULATOR_HOST': address, 'NO_GCE_CHECK': 'true',
            'AZURE_STORAGE_CONNECTION_STRING': (
                f'DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};'
                f'AccountKey={key};BlobEndpoint={address}/{_ACCOUNT};'
            ), 'FSSPEC_CONFIG_DIR': '/dev/null',
            'GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT': 'false',
        }

    def keys(self) -> list[str]:
        found = self._ask(self.url, 'keys').decode().splitlines()
        return sorted(key.partition('/')[2].partition('/')[2] for key in found)

    def read(self, key: str) -> bytes:
        return self._ask(f'{self.url}/{key}', 'read')

    def write(self, key: str, data: bytes) -> None:
        self._ask(f'{self.url}/{key}', 'write', data)

    def make(self) -> None:
        self._ask(f'{self.kind}://{BUCKET}', 'make')

    def _ask(self, url: str, action: str, data: bytes = b'') -> bytes:
        return subprocess.run(
            (sys.executable, '-W', 'ignore', '-c', _ASK, url, action), input=data,
            capture_output=True, check=True, env={**os.environ, **self.environment()},
        ).stdout


@contextmanager
def served(kind: str, folder: Path) -> Iterator[Cloud]:
    """Skips where the emulator is not installed."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    command = _gs(folder, port) if kind == 'gs' else _az(folder, port)
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder,
    )
    try:
        wait_for(port)
        with failing.before(port) as (front, faults):
            cloud = Cloud(kind, front, faults)
            if kind == 'az':
                cloud.make()
            yield cloud
    finally:
        process.kill()
        process.wait()


def _need(*modules: str) -> None:
    for name in modules:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f'{name} is not installed: pip install -e ".[test]"')


def _gs(folder: Path, port: int) -> tuple[str, ...]:
    _need('gcsfs', 'gcp_storage_emulator')
    return (
        sys.executable, '-m', 'gcp_storage_emulator', '--data-dir', str(folder),
        'start', '--host', HOST, '--port', str(port), '--default-bucket', BUCKET,
    )


def _az(folder: Path, port: int) -> tuple[str, ...]:
    _need('adlfs')
    program = shutil.which('azurite-blob')
    if program is None:
        pytest.skip('azurite is not installed: npm install -g azurite')
    return (
        program, '--blobPort', str(port), '--location', str(folder), '--silent',
        '--disableTelemetry', '--skipApiVersionCheck',
    )
