"""Flax's files, with flax as the writer and the judge."""
from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy
import pytest

from git_model_driver.formats import registry
from tests.testing.models import Vault
from tests.testing.repository import Repo

serialization: Any = pytest.importorskip('flax.serialization')


def state(step: float = 0, **more: Any) -> dict[str, Any]:
    import ml_dtypes

    return {
        'params': {'dense': {
            'kernel': numpy.arange(6, dtype='f4').reshape(2, 3) + numpy.float32(step),
            'bias': numpy.ones(3, ml_dtypes.bfloat16),
        }},
        'opt': {'0': numpy.arange(3), 'count': 5}, 'name': 'é', 'rate': .5, 'x': None,
        **more,
    }


def saved(step: float = 0, **more: Any) -> bytes:
    data: bytes = serialization.msgpack_serialize(state(step, **more))
    return data


def test_names_and_lines(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    manifest = vault.around(saved(scalar=numpy.float32(2), many=list(range(300))))
    entries = {n: (e.dtype, e.shape) for n, e in manifest.tensors.items()}
    assert entries == {
        'params/dense/kernel': ('F32', (2, 3)), 'params/dense/bias': ('BF16', (3,)),
        'opt/0': ('I64', (3,)),
    }
    assert manifest.meta['opt/count'] == '5' and manifest.meta['name'] == '"é"'
    assert manifest.meta['many/299'] == '299' and manifest.meta['x'] == 'null'


@pytest.mark.parametrize('operation, expected', [
    (('merge', '--no-edit', 'topic'), 15), (('rebase', '-q', 'topic'), 30),
])
def test_versions_meet(repo: Repo, operation: tuple[str, ...], expected: float) -> None:
    repo.git('model', 'track', '*.msgpack')
    repo.fork(
        lambda: repo.write('m.msgpack', saved()),
        lambda: repo.write('m.msgpack', saved(10)),
        lambda: repo.write('m.msgpack', saved(20, more=numpy.ones(2))),
    )
    repo.git(*operation)
    found = serialization.msgpack_restore(repo.read('m.msgpack'))
    wanted = numpy.arange(6).reshape(2, 3) + expected
    assert found['params']['dense']['kernel'].tolist() == wanted.tolist()
    assert found['more'].tolist() == [1, 1] and found['name'] == 'é'
    assert repo.status() == ''


def test_damaged_files_are_read_or_refused() -> None:
    sample = saved()
    random.seed(7)
    for _ in range(3000):
        data = bytearray(sample)
        for _ in range(random.choice((1, 1, 3))):
            data[random.randrange(len(data))] = random.randrange(256)
        found = registry.read_any(bytes(data))
        assert found is None or found.size == len(data)


@pytest.mark.parametrize('data', [
    b'\x81\xa1a' * 100, b'\xdf\xff\xff\xff\xff', b'\x81\xa1a\xdd\xff\xff\xff\xff',
    b'\x81\xa1a\xc9\xff\xff\xff\xff\1', b'\x81\xa1a\xc1', b'\x81\xa1a\1',
])
def test_hostile_counts_are_refused(data: bytes) -> None:
    assert registry.read_any(data) is None
