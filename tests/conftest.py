from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing import repository
from tests.testing.repository import BIN
from tests.testing.repository import Repo


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption('--slow', action='store_true', help='run the slow tests too')


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item],
) -> None:
    if not config.getoption('--slow'):
        slow = [item for item in items if item.get_closest_marker('slow')]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]


@pytest.fixture(autouse=True)
def pinned(tmp_path_factory: pytest.TempPathFactory,
           monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No settings of the machine, an empty home, a fixed identity and time."""
    home = tmp_path_factory.mktemp('home')
    for name in list(os.environ):
        if name.startswith(('GIT_', 'XDG_')):
            monkeypatch.delenv(name)
    for name, value in {
        'HOME': str(home),
        'PATH': f'{BIN}{os.pathsep}{os.environ["PATH"]}',
        'GIT_CONFIG_NOSYSTEM': '1',
        'GIT_AUTHOR_NAME': 'Ann', 'GIT_AUTHOR_EMAIL': 'ann@example.com',
        'GIT_COMMITTER_NAME': 'Ann', 'GIT_COMMITTER_EMAIL': 'ann@example.com',
        'GIT_AUTHOR_DATE': '2026-01-02T03:04:05Z',
        'GIT_COMMITTER_DATE': '2026-01-02T03:04:05Z',
        'GIT_TERMINAL_PROMPT': '0', 'GIT_EDITOR': 'true', 'GIT_PAGER': 'cat',
        'GIT_ALLOW_PROTOCOL': 'file', 'LC_ALL': 'C.UTF-8', 'TERM': 'dumb',
    }.items():
        monkeypatch.setenv(name, value)
    yield home


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository that tracks *.safetensors."""
    return repository.make(tmp_path / 'repo')
