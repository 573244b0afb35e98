from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing import gits
from tests.testing import repository
from tests.testing.repository import Repo
from tests.testing.repository import pinned_environment


def pytest_configure(config: pytest.Config) -> None:
    """What a shell has a job in the background ignore, programs of ours must get."""
    for each, handler in (
        (signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(each) == signal.SIG_IGN:
            signal.signal(each, handler)


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
    for name, value in pinned_environment(home).items():
        monkeypatch.setenv(name, value)
    yield home


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository that tracks *.safetensors."""
    return repository.make(tmp_path / 'repo')


@pytest.fixture
def old_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Git that knows hooks as files only."""
    gits.use('old', monkeypatch)


@pytest.fixture
def new_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Git that runs the hooks that its configuration names."""
    gits.use('new', monkeypatch)
