"""A bucket on a server of this machine."""
from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KEY = re.compile(r'<Key>([^<]*)</Key>')


class Server:
    """``tests.testing.s3server``, asked as anybody can: it checks no signatures."""

    def __init__(self, port: int) -> None:
        self.address = f'http://127.0.0.1:{port}'

    def environment(self) -> dict[str, str]:
        """Nothing of the machine's own; one try for each question."""
        return {
            'AWS_ENDPOINT_URL': self.address, 'AWS_DEFAULT_REGION': 'us-east-1',
            'AWS_ACCESS_KEY_ID': 'ann', 'AWS_SECRET_ACCESS_KEY': 'a-secret-of-ann',
            'AWS_EC2_METADATA_DISABLED': 'true', 'AWS_CONFIG_FILE': '/dev/null',
            'AWS_SHARED_CREDENTIALS_FILE': '/dev/null', 'AWS_MAX_ATTEMPTS': '1',
            'FSSPEC_CONFIG_DIR': '/dev/null',
        }

    def ask(self, method: str, path: str, data: bytes | None = None) -> bytes:
        request = urllib.request.Request(
            f'{self.address}/{path}', data=data, method=method,
            headers={'Authorization': 'of anybody'},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def have(self, **control: object) -> list[tuple[str, str]]:
        """Say what is to fail from now on; what was asked since it was last said."""
        said = self.ask('POST', '_test', json.dumps(control).encode())
        return [(method, path) for method, path in json.loads(said)]

    def keys(self, bucket: str) -> list[str]:
        return _KEY.findall(self.ask('GET', f'{bucket}?list-type=2').decode())


@contextmanager
def served() -> Iterator[Server]:
    process = subprocess.Popen(
        (sys.executable, '-m', 'tests.testing.s3server'), stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, cwd=Path(__file__).parents[2], text=True,
    )
    assert process.stdout
    try:
        yield Server(int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
