"""Settling what a merge left open, with the sides from the index."""
from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.manifest import Manifest
from git_model_driver.git.operation import MERGE
from git_model_driver.merging import resolve
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.resolve import Resolver
from git_model_driver.merging.rules import Rules
from git_model_driver.store.objects import Store
from tests.testing.repository import Repo
from tests.testing.repository import after

PATH = 'm.safetensors'
OPEN = {'a', 'layers.2.w', 'layers.10.w'}


@pytest.fixture
def open_merge(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A merge with three tensors and a line of metadata in conflict."""
    after(repo, stop)
    monkeypatch.chdir(repo.path)
    return repo


def stop(repo: Repo) -> None:
    names = {'a': 'a', 'layers.2.w': 'w2', 'layers.10.w': 'w10'}

    def save(message: str, version: str, **values: float) -> None:
        changed = {name: [values[short], 1.0] for name, short in names.items()}
        repo.save(PATH, {'k': version}, same=[0.0], **changed)
        repo.commit(message)

    save('base', '0', a=0, w2=0, w10=0)
    repo.git('checkout', '-q', '-b', 'topic')
    save('theirs', '2', a=2, w2=20, w10=200)
    repo.git('checkout', '-q', 'main')
    save('ours', '1', a=4, w2=40, w10=400)
    repo.git('-c', 'model.merge=conflict', 'merge', 'topic', code=1)


def settle(repo: Repo, method: str, *globs: str, text: str = '') -> resolve.Left:
    store = Store(repo.path / '.git' / 'model')
    rules = [Rule('*', 'merge', method, '')]
    if method == 'linear':
        rules.append(Rule('*', 'weight', '1/4', ''))
    resolver = Resolver(PATH, Rules(rules, MERGE), store)
    return resolver.resolve(text or repo.read(PATH).decode(), globs)


def values(repo: Repo, manifest: Manifest) -> dict[str, list[float]]:
    store = Store(repo.path / '.git' / 'model')
    return {
        name: numpy.frombuffer(store.read(entry.oid), 'f4').tolist()
        for name, entry in manifest.tensors.items()
    }


def test_everything_open_is_listed_with_its_reason(open_merge: Repo) -> None:
    listed = resolve.listing(open_merge.read(PATH).decode(), PATH)
    assert listed.keys() == {*OPEN, 'meta k'}
    assert all(reason.startswith('both sides changed it') for reason in listed.values())


@pytest.mark.parametrize(('method', 'factor'), [
    ('ours', 4), ('theirs', 2), ('base', 0),
])
def test_a_side_settles_everything(
    open_merge: Repo, method: str, factor: int,
) -> None:
    text, reasons = settle(open_merge, method)
    assert reasons == {}
    manifest = manifests.parse(text)
    assert manifest.meta == {'k': {'ours': '1', 'theirs': '2', 'base': '0'}[method]}
    assert values(open_merge, manifest) == {
        'a': [factor, 1], 'layers.2.w': [factor * 10, 1],
        'layers.10.w': [factor * 100, 1], 'same': [0],
    }


@pytest.mark.parametrize(('glob', 'settled'), [
    ('layers.*', {'layers.2.w', 'layers.10.w'}), ('a', {'a'}),
    ('*.2.*', {'layers.2.w'}), ('meta k', {'meta k'}), ('meta*', {'meta k'}),
])
def test_only_what_matches_is_settled(
    open_merge: Repo, glob: str, settled: set[str],
) -> None:
    text, reasons = settle(open_merge, 'theirs', glob)
    assert reasons.keys() == {*OPEN, 'meta k'} - settled
    assert manifests.has_conflict(text)
    rest = settle(open_merge, 'theirs', text=text)
    assert rest == settle(open_merge, 'theirs')


@pytest.mark.parametrize('glob', ['A', 'nothing', 'same', 'layers'])
def test_what_matches_nothing_is_told(open_merge: Repo, glob: str) -> None:
    with pytest.raises(GitModelError) as e:
        settle(open_merge, 'theirs', glob)
    assert e.value.message.startswith(f"'{glob}' matches nothing that is in conflict")


def test_the_order_in_which_it_is_settled_does_not_matter(open_merge: Repo) -> None:
    results = set()
    for first, second in (('a', 'layers.*'), ('layers.*', 'a')):
        text = settle(open_merge, 'ours', first).text
        text = settle(open_merge, 'ours', second, text=text).text
        results.add(settle(open_merge, 'theirs', 'meta k', text=text).text)
    (text,) = results
    assert manifests.parse(text).meta == {'k': '2'}


def test_a_method_settles_tensors(open_merge: Repo) -> None:
    text = settle(open_merge, 'ours', 'meta k').text
    text, reasons = settle(open_merge, 'linear', text=text)
    assert reasons == {}
    assert values(open_merge, manifests.parse(text))['a'] == [3.5, 1.0]


def test_a_method_does_not_settle_metadata(open_merge: Repo) -> None:
    with pytest.raises(GitModelError, match="a method settles tensors, and 'meta k'"):
        settle(open_merge, 'linear')


def test_a_path_without_a_conflict_is_told(
    repo: Repo, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(repo.path)
    with pytest.raises(GitModelError, match='is in no merge conflict between two'):
        resolve.read_stages(PATH)


def test_nothing_is_stored_for_what_fails(open_merge: Repo, tmp_path: Path) -> None:
    store = Store(open_merge.path / '.git' / 'model')
    before = list(store)
    with pytest.raises(GitModelError):
        settle(open_merge, 'linear')
    assert list(store) == before
