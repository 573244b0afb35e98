"""Long work says how far it is: on a terminal, and not at once."""
from __future__ import annotations

import re

import pytest

from tests.flows.blame_test import NEW
from tests.flows.blame_test import story
from tests.testing import repository
from tests.testing import terminal
from tests.testing.repository import Repo

SAID = {
    ('diff', 'HEAD~1'): r'Comparing tensors: 100% \(8 bytes of 8 bytes\), [\d.]+ \w+/s',
    ('show', '--stats', NEW): (
        r'Reading tensors: 100% \(20 bytes of 20 bytes\), [\d.]+ \w+/s'
    ),
    ('log', '-p', '-1'): r'Looking at commits: 1',
    ('log', '--json'): r'Looking at commits: [789]',
    ('blame', NEW): r'Blaming tensors: 100% \(5/5\)',
}


@pytest.fixture
def told(repo: Repo) -> Repo:
    return repository.after(repo, story)


@pytest.mark.parametrize('command', SAID)
def test_a_terminal_is_told_how_far_it_is(told: Repo, command: tuple[str, ...]) -> None:
    answer = told.git('model', *command)
    (told.path / '.git/model/statistics.sqlite').unlink(missing_ok=True)
    shown = terminal.show(
        told.path, 'git', 'model', *command, columns=200,
        env={'GIT_PAGER': 'cat', 'GIT_PROGRESS_DELAY': '0', 'NO_COLOR': '1'},
    )
    said, _, rest = shown.text.partition(', done.\n')
    assert re.fullmatch(SAID[command], said.rpartition('\r')[2])
    assert [line.split() for line in rest.splitlines()] == [
        line.split() for line in answer.splitlines()
    ]


def test_short_work_and_a_pipe_are_told_nothing(told: Repo) -> None:
    done = told.run('git', 'model', 'diff', 'HEAD~1', env={'GIT_PROGRESS_DELAY': '0'})
    assert done.err == ''
    shown = terminal.show(told.path, 'git', 'model', 'diff', 'HEAD~1',
                          env={'GIT_PAGER': 'cat'})
    assert 'Comparing' not in shown.text
