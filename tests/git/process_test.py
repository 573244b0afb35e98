"""Streams of packets as git sends them, replayed against the filter process."""
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from git_model_driver.core import manifest as manifests
from git_model_driver.git.pktline import FLUSH
from git_model_driver.git.pktline import MAX_DATA
from git_model_driver.git.pktline import packet
from tests.testing.models import numbered
from tests.testing.repository import Repo

HELLO = [['git-filter-client', 'version=2'],
         ['capability=clean', 'capability=smudge', 'capability=delay']]
WELCOME = [[b'git-filter-server\n', b'version=2\n'],
           [b'capability=clean\n', b'capability=smudge\n', b'capability=delay\n']]
SUCCESS, ERROR = [b'status=success\n'], [b'status=error\n']
MODEL = save({'w': numbered(30_000), 'b': numpy.arange(3)})


def lines(*texts: str) -> bytes:
    return b''.join(packet(os.fsencode(text) + b'\n') for text in texts) + FLUSH


def content(data: bytes, size: int = MAX_DATA) -> bytes:
    pieces = (data[i:i + size] for i in range(0, len(data), size))
    return b''.join(map(packet, pieces)) + FLUSH


def request(command: str, path: str, data: bytes, *more: str, size: int = MAX_DATA,
            ) -> bytes:
    return lines(f'command={command}', f'pathname={path}', *more) + content(data, size)


def replay(repo: Repo, stream: bytes, code: int = 0,
           hello: bytes = b''.join(lines(*part) for part in HELLO),
           ) -> tuple[list[list[bytes]], str]:
    """What the process answers, flush by flush, and what it says to people."""
    done = subprocess.run(
        ['git-model', 'filter-process'], cwd=repo.path, input=hello + stream,
        capture_output=True, timeout=60, check=False,
    )
    said = done.stderr.decode()
    assert done.returncode == code, said
    assert 'Traceback' not in said
    return parts(done.stdout), said


def parts(data: bytes) -> list[list[bytes]]:
    found: list[list[bytes]] = [[]]
    while data:
        length = int(data[:4], 16)
        if length:
            assert 4 < length <= MAX_DATA + 4
            found[-1].append(data[4:length])
        else:
            found.append([])
        data = data[max(4, length):]
    assert found.pop() == []
    return found


@pytest.fixture
def manifest(repo: Repo) -> bytes:
    """What the model is in git."""
    repo.write('m.safetensors', MODEL)
    repo.git('add', 'm.safetensors')
    return repo.git('cat-file', 'blob', ':m.safetensors').encode()


@pytest.mark.parametrize('size', [1 << 12, MAX_DATA - 1, MAX_DATA])
def test_a_model_is_cleaned_whatever_its_packets(repo: Repo, size: int) -> None:
    answer, said = replay(repo, request('clean', 'm.safetensors', MODEL, size=size))
    assert answer[:3] == [*WELCOME, SUCCESS] and answer[4:] == [[]]
    (text,) = answer[3]
    assert manifests.parse(text).tensors.keys() == {'w', 'b'}
    assert said == ''


def test_a_manifest_is_smudged(repo: Repo, manifest: bytes) -> None:
    stream = request('smudge', 'm.safetensors', manifest, 'ref=refs/heads/main',
                     'treeish=1234', 'blob=5678')
    answer, said = replay(repo, stream)
    assert answer[:3] == [*WELCOME, SUCCESS] and answer[4:] == [[]]
    assert b''.join(answer[3]) == MODEL
    assert said == ''


def test_one_process_answers_many_requests(repo: Repo, manifest: bytes) -> None:
    stream = b''.join((
        request('clean', 'm.safetensors', MODEL), request('clean', 'empty', b''),
        request('smudge', 'm.safetensors', manifest), request('smudge', 'empty', b''),
        request('clean', 'manifest', manifest), request('clean', 'text', b'hello'),
        lines('command=list_available_blobs'),
    ))
    answer, _ = replay(repo, stream)
    contents = [b''.join(part) for part in answer[3::3]]
    assert contents[:5] == [manifest, b'', MODEL, b'', manifest]
    assert manifests.parse(contents[5]).format == 'opaque'
    assert answer[-2:] == [[], SUCCESS]


@pytest.mark.parametrize('offered', [[], ['clean'], ['smudge', 'other'], ['delay']])
def test_only_what_git_offers_is_taken(repo: Repo, offered: list[str]) -> None:
    hello = lines(*HELLO[0]) + lines(*(f'capability={name}' for name in offered))
    answer, _ = replay(repo, b'', hello=hello)
    assert answer[1] == [
        f'capability={name}\n'.encode() for name in offered if name != 'other'
    ]


def test_what_cannot_be_cleaned_is_an_error_and_the_next_is_answered(
    repo: Repo, manifest: bytes,
) -> None:
    damaged = manifest.replace(b'tensor w', b'tenser w')
    stream = request('clean', 'm.safetensors', damaged, size=50)
    stream += request('clean', 'm.safetensors', manifest)
    answer, said = replay(repo, stream)
    assert answer[2:] == [ERROR, SUCCESS, [manifest], []]
    assert "the manifest in 'm.safetensors' line" in said


@pytest.mark.parametrize('missing', ['tensor', 'everything'])
def test_what_cannot_be_smudged_stays_a_manifest(
    repo: Repo, manifest: bytes, missing: str,
) -> None:
    text = manifest.decode()
    changed = text if missing == 'tensor' else text.replace('sha256:', 'sha256:0000')
    oid = text.split('sha256:')[1][:64]
    if missing == 'tensor':
        (repo.path / '.git' / 'model' / 'objects' / oid[:2] / oid[2:]).unlink()
    answer, said = replay(repo, request(
        'smudge', 'm.safetensors', changed.encode(), 'ref=main'))
    assert answer[2:] == [SUCCESS, [changed.encode()], []]
    assert said.startswith('warning: ') and "'m.safetensors' stays a manifest" in said


@pytest.mark.parametrize('path', ['a b.safetensors', 'é', 'a=b', '\udcff', '-', 'a\nb'])
def test_any_path_may_come(repo: Repo, path: str) -> None:
    answer, _ = replay(repo, request('clean', path, MODEL))
    assert answer[2] == SUCCESS
    answer, _ = replay(repo, request('smudge', path, b''.join(answer[3]), 'ref=x'))
    assert b''.join(answer[3]) == MODEL


GARBAGE = {
    'nothing': b'', 'text': b'GET / HTTP/1.1\r\n\r\n', 'noise': bytes(range(256)),
    'another client': lines('git-other-client', 'version=2'),
    'another version': lines('git-filter-client', 'version=3'),
    'half a packet': b'0099git-filter', 'only a flush': FLUSH, 'no hex': b'zzzz',
}


@pytest.mark.parametrize('case', GARBAGE)
def test_who_is_not_git_is_told_so(repo: Repo, case: str) -> None:
    answer, said = replay(repo, b'', 128, GARBAGE[case])
    assert answer == []
    assert 'this is a bug' not in said
    if case != 'nothing':
        assert said.startswith(
            'error: this is not git speaking its filter protocol: ')


BROKEN = {
    'an unknown command': request('explode', 'm.safetensors', MODEL[:9]),
    'no command': lines('pathname=x') + content(b'x'),
    'no key': lines('clean') + content(b'x'),
    'half a packet': b'0050command=clean',
    'text': b'hello',
    'a request cut off': lines('command=clean', 'pathname=x') + packet(MODEL[:99]),
    'a manifest cut off': lines('command=smudge', 'pathname=x') + packet(b'git-model'),
}


@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_stream_ends_the_process_and_stores_nothing(
    repo: Repo, case: str,
) -> None:
    answer, said = replay(repo, BROKEN[case], 128)
    assert answer == WELCOME
    assert 'this is a bug' not in said
    store = repo.path / '.git' / 'model'
    assert [file for file in store.rglob('*') if file.is_file()] == []


def test_a_repository_is_not_needed_for_a_greeting(tmp_path: Path) -> None:
    answer, _ = replay(Repo(tmp_path), b'')
    assert answer == WELCOME


@pytest.mark.parametrize('command', ['clean', 'smudge'])
def test_outside_a_repository_a_request_is_an_error(
    tmp_path: Path, command: str,
) -> None:
    data = MODEL if command == 'clean' else b'git-model manifest v1\nformat opaque\n'
    answer, said = replay(Repo(tmp_path), request(command, 'x', data, 'ref=y'))
    assert answer[2] == (ERROR if command == 'clean' else SUCCESS)
    assert 'not a git repository' in said
