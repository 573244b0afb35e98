"""Remotes as Git's configuration has them: git's own answers are the oracle."""
from __future__ import annotations

from pathlib import Path

import pytest

from git_model_driver.core.errors import GitError
from git_model_driver.git import run
from git_model_driver.git.remoteconfig import RemoteConfig
from tests.testing.repository import Repo

PLAIN = [('remote.origin.url', 'https://h/a.git')]
SETTINGS = {
    'none': [],
    'plain': PLAIN,
    'with a push address': [*PLAIN, ('remote.origin.pushurl', 'ssh://h/a')],
    'two addresses': [*PLAIN, ('remote.origin.url', 'https://h/b.git')],
    'rewritten': [*PLAIN, ('url.ssh://h/.insteadOf', 'https://h/')],
    'rewritten for pushes': [*PLAIN, ('url.ssh://h/.pushInsteadOf', 'https://h/')],
    'ugly': [('remote.it\'s "a" ü.b.url', '/srv/with space/ü'), *PLAIN],
    'relative': [('remote.up.url', '../a'), ('remote.up.fetch', '+refs/*:refs/*')],
    'only a store': [('remote.origin.modelStore', 'lfs')],
    'in capitals': [('REMOTE.Origin.URL', '/A'), ('remote.origin.url', '/a')],
}
NAMES = ['origin', 'Origin', 'up', 'it\'s "a" ü.b', '/srv', 'file:///srv/x',
         'https://h/a.git', 'host:path', '../a']


@pytest.fixture(autouse=True)
def inside(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repo.path)


@pytest.fixture(params=SETTINGS)
def here(request: pytest.FixtureRequest, repo: Repo) -> Repo:
    for key, value in SETTINGS[request.param]:
        repo.git('config', '--add', key, value)
    return repo


@pytest.mark.parametrize('push', [False, True])
def test_addresses_of_remotes_are_those_that_git_tells(here: Repo, push: bool) -> None:
    for name in NAMES:
        option = ['--push'] if push else []
        said = run.attempt('remote', 'get-url', *option, name)
        expected = None if said.code else said.out.decode().rstrip('\n')
        assert RemoteConfig().url_of(name, push) == expected


def test_addresses_of_anything_are_those_that_git_tells(here: Repo) -> None:
    for name in NAMES:
        expected = run.text('ls-remote', '--get-url', name)
        assert RemoteConfig().address(name) == expected


def test_names_are_those_that_git_lists(here: Repo) -> None:
    assert RemoteConfig().names() == run.text('remote').splitlines()


def test_what_is_set_for_the_user_is_no_remote_of_the_repository(repo: Repo) -> None:
    repo.git('config', '--global', 'remote.origin.modelStore', 'lfs')
    config = RemoteConfig()
    assert (config.names(), config.in_repository()) == (['origin'], set())
    assert config.of_remote('origin') == {'modelstore': 'lfs'}
    assert config.get('remote.origin.modelstore') == 'lfs'


def test_it_is_read_once(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in PLAIN:
        repo.git('config', key, value)
    config = RemoteConfig()
    assert config.url_of('origin') == 'https://h/a.git'
    monkeypatch.setenv('PATH', '')
    assert config.address('origin') == config.url_of('origin') == 'https://h/a.git'
    assert config.address('/a/b') == '/a/b'
    assert config.names() == ['origin']


def test_a_configuration_that_git_cannot_read(repo: Repo) -> None:
    config = Path(repo.path / '.git/config')
    config.write_text(config.read_text() + '[remote\n')
    with pytest.raises(GitError, match='bad config line'):
        RemoteConfig().names()
