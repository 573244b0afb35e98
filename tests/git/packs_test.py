"""Packs that we write are what git reads."""
from __future__ import annotations

import random
from pathlib import Path

import pytest

from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import TREE
from git_model_driver.git.packs import PackWriter
from tests.testing.repository import Git

CONTENTS = [
    b'', b'hello', b'x' * 65534, b'y' * 65535, b'z' * 65536,
    random.Random(1).randbytes(300_000),
]


@pytest.mark.parametrize('algorithm', ['sha1', 'sha256'])
def test_git_reads_what_was_packed(tmp_path: Path, algorithm: str) -> None:
    git = Git(tmp_path)
    git.git('init', '-q', '--bare', f'--object-format={algorithm}')
    with PackWriter(tmp_path / 'objects/pack', algorithm, len(CONTENTS) + 1) as pack:
        names = [pack.add(BLOB, len(c), [c[:70_000], c[70_000:]]) for c in CONTENTS]
        tree = pack.add_bytes(TREE, b''.join(
            b'100644 %d\0' % i + bytes.fromhex(name) for i, name in enumerate(names)
        ))
    assert git.run('git', 'fsck', '--full', '--strict').out == f'dangling tree {tree}\n'
    for name, content in zip(names, CONTENTS):
        assert git.run('git', 'cat-file', '-s', name).out == f'{len(content)}\n'
        assert git.run('git', 'hash-object', '--stdin', input=content).out.strip() == (
            name)
    index, = (tmp_path / 'objects/pack').glob('*.idx')
    git.git('verify-pack', str(index))


def test_a_pack_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(EOFError), PackWriter(tmp_path, 'sha1', 1) as pack:
        pack.add(BLOB, 5, [b'four'])
    assert list(tmp_path.iterdir()) == []
