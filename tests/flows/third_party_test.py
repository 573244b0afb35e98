"""Methods of other packages, found by their entry points."""
from __future__ import annotations

import os
import struct
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.repository import Repo

MEDIAN = '''\
NAME = 'farthest'
NEEDS_BASE = True
VERSIONS = 2
PARAMETERS = {}


def plan(operands, parameters):
    """Of each element the version that went farther from base."""
    import numpy

    def combine(block):
        ours, theirs = block.versions
        near = abs(theirs - block.base) < abs(ours - block.base)
        return numpy.where(near, ours, theirs)

    return combine
'''
M = 'm.safetensors'


@pytest.fixture(scope='module')
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python of its own that has all of this one's packages, and another."""
    folder = tmp_path_factory.mktemp('other')
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path('purelib', vars={'base': str(folder)}))
    # With its .pth files: the hooks are a package that only these lead to.
    here = {sysconfig.get_path('purelib'), sysconfig.get_path('platlib')}
    (site / 'here.pth').write_text(
        ''.join(f'import site; site.addsitedir({path!r})\n' for path in sorted(here)),
    )
    for name in ('git-model', 'git-merge-model'):
        text = (Path(sysconfig.get_path('scripts')) / name).read_text()
        script = folder / 'bin' / name
        script.write_text(f'#!{folder}/bin/python\n{text.partition(chr(10))[2]}')
        script.chmod(0o755)
    info = site / 'farthest-1.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        'Metadata-Version: 2.1\nName: farthest\nVersion: 1\n',
    )
    (info / 'entry_points.txt').write_text(
        '[git_model_driver.methods]\nfarthest = farthest\n',
    )
    return folder


@pytest.fixture
def package(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the other package, whose programs Git finds first."""
    path = f'{environment / "bin"}{os.pathsep}{os.environ["PATH"]}'
    monkeypatch.setenv('PATH', path)
    monkeypatch.setenv('PYTHONDONTWRITEBYTECODE', '1')
    return Path(sysconfig.get_path('purelib', vars={'base': str(environment)}))


def test_a_method_of_another_package_merges(repo: Repo, package: Path) -> None:
    (package / 'farthest.py').write_text(MEDIAN)
    repo.diverge({'x': [0, 0, 9]}, {'x': [1, -5, 9]}, {'x': [3, 2, 9]})
    said = repo.run('git', '-c', 'model.merge=farthest', 'merge', 'topic').err
    assert said.startswith(f'{M}: 1 by farthest\n')
    assert repo.load() == {'x': [3, -5, 9]}
    assert 'farthest' in repo.git('log', '-1', '--format=%(trailers:key=Model-Merge)')


@pytest.mark.parametrize(('source', 'reason'), [
    ('import does_not_exist', "No module named 'does_not_exist'"),
    ('NAME = "farthest"', "has no attribute 'NEEDS_BASE'"),
    (MEDIAN.replace('    import numpy', '    {}["gone"]'), 'gone'),
    (MEDIAN.replace('ours, theirs)', 'ours, theirs)[:1]'), ''),
    *(pytest.param(*broken, marks=pytest.mark.slow) for broken in (
        ('raise RuntimeError("no licence")', 'no licence'),
        (MEDIAN.replace('ours, theirs = block', 'ours, = block'), 'too many values'),
        (MEDIAN.replace('return numpy.where(near, ours, theirs)', 'return None'), ''),
    )),
])
def test_a_broken_one_is_a_conflict_and_no_traceback(
    repo: Repo, package: Path, source: str, reason: str,
) -> None:
    (package / 'farthest.py').write_text(source)
    repo.diverge({'x': [0, 0, 9]}, {'x': [1, -5, 9]}, {'x': [3, 2, 9]})
    done = repo.run('git', '-c', 'model.merge=farthest', 'merge', 'topic', code=1)
    assert 'Traceback' not in done.err
    assert 'farthest' in done.err and reason in done.err
    assert repo.status() == f'UU {M}\n'
    repo.git('merge', '--abort')
    assert repo.load() == {'x': [1, -5, 9]}


WEIGHTS = '''\
from git_model_driver.core.layout import Extent, Layout, Tensor

NAME = 'raw-floats'


def sniff(head, size):
    return head.startswith(b'RAWF')


def read(source):
    count = (len(source) - 4) // 4
    tensor = Tensor('w', 'F32', (count,), Extent(4, 4 * count))
    return Layout(NAME, len(source), (tensor,), {'by': 'a package'})
'''


@pytest.fixture
def format_package(package: Path) -> Iterator[Path]:
    info = package / 'farthest-1.0.dist-info' / 'entry_points.txt'
    before = info.read_text()
    info.write_text(f'{before}[git_model_driver.formats]\nraw-floats = raw_floats\n')
    yield package
    info.write_text(before)


def raw(*values: float) -> bytes:
    return b'RAWF' + struct.pack(f'<{len(values)}f', *values)


def test_a_format_of_another_package_is_merged(
    repo: Repo, format_package: Path,
) -> None:
    (format_package / 'raw_floats.py').write_text(WEIGHTS)
    repo.git('model', 'track', '*.raw')
    repo.fork(*(lambda x=x: repo.write('m.raw', raw(1, x)) for x in (0, 2, 4)))
    assert 'format raw-floats\n' in repo.manifest('m.raw')
    repo.git('merge', '--no-edit', 'topic')
    assert repo.read('m.raw') == raw(1, 3)
    assert repo.status() == ''


@pytest.mark.parametrize(('source', 'reason'), [
    ('raise RuntimeError("no licence")', 'no licence'),
    ('NAME = "other"', 'it lacks NAME, sniff or read'),
])
def test_a_broken_format_stops_what_it_would_store_otherwise(
    repo: Repo, format_package: Path, source: str, reason: str,
) -> None:
    (format_package / 'raw_floats.py').write_text(source)
    repo.git('model', 'track', '*.raw')
    repo.write('m.raw', raw(1))
    said = repo.run('git', 'add', 'm.raw', code=128).err
    assert 'Traceback' not in said
    assert "the format 'raw-floats' of the package 'farthest'" in said
    assert reason in said


@pytest.mark.parametrize('broken', [
    WEIGHTS.replace('count = ', 'count = 1 / 0 + '),
    WEIGHTS.replace('return Layout(', 'return None and Layout('),
    WEIGHTS.replace('Extent(4', 'Extent(40'),
])
def test_a_file_that_it_fails_on_is_opaque(
    repo: Repo, format_package: Path, broken: str,
) -> None:
    (format_package / 'raw_floats.py').write_text(broken)
    repo.git('model', 'track', '*.raw')
    repo.write('m.raw', raw(1))
    repo.commit('a')
    assert 'format opaque\n' in repo.manifest('m.raw')
