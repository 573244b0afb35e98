"""Clean and smudge for a path, with all that may come in."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ConflictMarkers
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import UnsupportedManifest
from git_model_driver.filters import models
from git_model_driver.filters.filter import Filter
from git_model_driver.git import caller
from tests.testing.models import Sink
from tests.testing.models import numbered
from tests.testing.repository import Repo

PATH = 'm.safetensors'
MODEL = save({
    'layers.2.w': numbered(3), 'layers.10.w': numpy.arange(4), 'a': numbered(2),
})


@pytest.fixture
def inside(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(repo.path)
    return repo


@pytest.fixture
def filter_(inside: Repo) -> Iterator[Filter]:
    with Filter() as filter_:
        yield filter_


def clean(filter_: Filter, data: bytes, size: int = 65516) -> bytes:
    pieces = (data[i:i + size] for i in range(0, len(data), size))
    return filter_.clean(PATH, pieces)


def smudge(filter_: Filter, data: bytes) -> bytes:
    sink = Sink()
    filter_.smudge(PATH, data)(sink)
    return bytes(sink.taken)


def leftovers(repo: Repo) -> list[str]:
    return os.listdir(repo.path / '.git' / 'model' / 'tmp')


@pytest.mark.parametrize('size', [64, 100, 65516])
def test_a_model_becomes_a_manifest_and_a_model_again(
    filter_: Filter, inside: Repo, size: int,
) -> None:
    text = clean(filter_, MODEL, size)
    assert manifests.parse(text).format == 'safetensors'
    assert smudge(filter_, text) == MODEL
    assert leftovers(inside) == []


def test_nothing_stays_nothing(filter_: Filter) -> None:
    assert filter_.clean(PATH, []) == filter_.clean(PATH, [b'']) == b''
    assert smudge(filter_, b'') == b''


def test_a_clean_manifest_is_its_own_manifest(filter_: Filter) -> None:
    text = clean(filter_, MODEL)
    assert clean(filter_, text) == clean(filter_, text, 64) == text


def test_a_manifest_is_put_in_order(filter_: Filter) -> None:
    text = clean(filter_, MODEL)
    first, *lines = text.decode().split('\n')[:-1]
    changed = '\n'.join([first, *reversed(lines), '', '', '# more']) + '\n'
    assert clean(filter_, changed.encode()) == text


@pytest.mark.parametrize('change', [
    ('\n\n', '\n'), ('\n\n', '\n\n\n\n'), ('# The', '# Some'),
    ('tensor a', 'tensor "\\u0061"'),
])
def test_what_the_index_has_stays_where_it_means_the_same(
    filter_: Filter, inside: Repo, change: tuple[str, str],
) -> None:
    """So that a blank line that a text merge left is no change of the file."""
    with Filter() as another:       # git reads the index once for each
        blob = clean(another, MODEL).decode().replace(*change).encode()
    oid = inside.git('hash-object', '-w', '--stdin', '--no-filters', input=blob).strip()
    inside.git('update-index', '--add', '--cacheinfo', f'100644,{oid},{PATH}')
    assert clean(filter_, MODEL) == blob
    assert clean(filter_, blob) == blob
    other = save({'a': numbered(2)})
    assert clean(filter_, other) != blob


def test_conflicts_are_not_taken(filter_: Filter) -> None:
    text = clean(filter_, MODEL) + b'<<<<<<< ours\n=======\n>>>>>>> theirs\n'
    with pytest.raises(ConflictMarkers, match='has 1 conflict left to settle'):
        clean(filter_, text)
    assert smudge(filter_, text) == text


@pytest.mark.parametrize(('text', 'error'), [
    (b'git-model manifest v1\nnonsense\n', ManifestError),
    (b'git-model manifest v1\n\xff', ManifestError),
    (b'git-model manifest v2\nwhatever\n', UnsupportedManifest),
    (b'git-model manifest v1\r\nformat opaque\r\n', ManifestError),
])
def test_a_damaged_manifest_is_not_taken_and_not_touched(
    filter_: Filter, text: bytes, error: type[ManifestError],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(error):
        clean(filter_, text)
    assert capsys.readouterr().err == ''
    assert smudge(filter_, text) == text
    said = capsys.readouterr().err
    assert said.startswith("warning: the manifest in 'm.safetensors' ")
    assert "'m.safetensors' stays a manifest\nhint: " in said


def test_raw_bytes_are_told(
    filter_: Filter, capsys: pytest.CaptureFixture[str],
) -> None:
    assert smudge(filter_, MODEL) == MODEL
    assert capsys.readouterr().err == (
        f"warning: 'm.safetensors' is committed as raw bytes ({len(MODEL)} bytes), "
        'not as a manifest\n'
        'hint: convert it from now on: git add --renormalize m.safetensors\n'
    )


@pytest.mark.parametrize(('value', 'skipped'), [('1', True), ('0', False), ('', False)])
def test_smudging_can_be_left_out(
    filter_: Filter, monkeypatch: pytest.MonkeyPatch, value: str, skipped: bool,
) -> None:
    text = clean(filter_, MODEL)
    monkeypatch.setenv('GIT_MODEL_SKIP_SMUDGE', value)
    assert smudge(filter_, text) == (text if skipped else MODEL)


def test_a_summary_passes_through(filter_: Filter) -> None:
    summary = f'{manifests.SUMMARY}\nformat npy\n'.encode()
    assert clean(filter_, summary) == smudge(filter_, summary) == summary


def test_what_git_shows_is_not_cleaned_twice(inside: Repo) -> None:
    """The second of two runs on the same file reads no tensor."""
    inside.write(PATH, MODEL)
    os.utime(inside.path / PATH, ns=(10**18 + 1, 10**18 + 1))
    inside.git('add', PATH)
    before = inside.git('ls-files', '-s', PATH)
    cache = inside.path / '.git' / 'model-worktree' / 'clean'
    inside.git('update-index', '--really-refresh')
    assert inside.git('ls-files', '-s', PATH) == before
    assert not cache.exists() or len(list(cache.iterdir())) <= 1


def test_objects_lost_meanwhile_are_stored_again(inside: Repo) -> None:
    """Whatever the cache remembers: what it names must be there."""
    inside.write(PATH, MODEL)
    for _ in range(2):
        inside.git('add', PATH)
        objects = [f for f in (inside.path / '.git/model/objects').rglob('*')
                   if f.is_file()]
        assert len(objects) == 3
        for file in objects:
            file.unlink()
        inside.git('rm', '-q', '--cached', PATH)


@pytest.mark.parametrize(('prefixes', 'path', 'inside_'), [
    ([], 'a/b', True), (['.'], 'a', True), (['a'], 'a', True), (['a'], 'a/b', True),
    (['a'], 'ab', False), (['x', 'a'], 'a', True), (['a/b'], 'a', False),
])
def test_paths_are_below_prefixes(
    prefixes: list[str], path: str, inside_: bool,
) -> None:
    assert models.below(path, prefixes) == inside_


def test_a_file_outside_the_worktree_can_be_taken_apart(
    filter_: Filter, tmp_path: Path,
) -> None:
    (tmp_path / 'elsewhere').write_bytes(MODEL)
    manifest = filter_.take_apart(tmp_path / 'elsewhere', PATH)
    assert manifests.serialize(manifest).encode() == clean(filter_, MODEL)


def test_a_file_that_is_known_need_not_be_read(
    filter_: Filter, inside: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    inside.write(PATH, MODEL)
    head = MODEL[:100]
    assert filter_.clean_known(PATH, head) is None
    text = clean(filter_, MODEL)
    status = os.stat(PATH)
    filter_.stat_cache.put(PATH, status, status.st_ctime_ns + 10 ** 10, text)
    assert filter_.clean_known(PATH, head) is None      # git does not hold it
    monkeypatch.setattr(caller, 'reads_file', lambda stat: True)
    assert filter_.clean_known(PATH, head) == text
    assert filter_.clean_known(PATH, b'other' + head[5:]) is None
    assert filter_.clean_known(PATH, b'') is None
    inside.write(PATH, MODEL[:-1] + b'x')
    assert filter_.clean_known(PATH, head) is None
