"""Lines of .gitattributes, with git as the judge."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_model_driver.git import attributes
from tests.testing.repository import Git

NAMES = [
    'm.bin', 'a b.bin', ' leading.bin', 'trailing ', 'a"b', 'a\\b', 'a*b', 'a?b',
    '[ab]', '#hash', '!bang', 'tab\tbed', 'é.bin', "it's", 'a=b', '-dash', 'a#b',
    'dir/m.bin', 'dir with space/m.bin', '"quoted"', 'a\\"b', '\\', 'a\nb', 'x\x7fy',
    'ctrl\x01', '[attr]x', '**', 'a\\ b', '\\#x',
]


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    git = Git(tmp_path)
    git.git('init', '-q')
    monkeypatch.chdir(tmp_path)
    return git


def tracked(git: Git, name: str) -> bool:
    """Whether git gives the name to the filter."""
    out = git.git('check-attr', '-z', 'filter', '--', name)
    return out.split('\0')[2] == 'model'


@pytest.mark.parametrize('name', NAMES)
def test_a_file_name_is_tracked_and_no_other(git: Git, name: str) -> None:
    pattern = attributes.quoted(name, literal=True)
    assert attributes.add(pattern, Path('.gitattributes'))
    assert tracked(git, name)
    others = {'m', 'ab', 'axb', 'a', 'b', 'axxb', 'hash', 'x', 'tab bed'} - {name}
    assert not any(tracked(git, other) for other in others)
    assert not attributes.add(pattern, Path('.gitattributes'))
    assert attributes.listing() == [(pattern, '.gitattributes')]
    assert attributes.remove(pattern, Path('.gitattributes'))
    assert not tracked(git, name)
    assert not os.path.exists('.gitattributes')


@pytest.mark.parametrize(('pattern', 'matches', 'others'), [
    ('*.bin', ['m.bin', 'a/b.bin', 'a b.bin'], ['m.bin2']),
    ('models/**', ['models/a/b'], ['model/a']),
    ('my models/*.bin', ['my models/a.bin'], ['my models/a/b.bin']),
    ('[ab].bin', ['a.bin', 'b.bin'], ['c.bin', '[ab].bin']),
    ('/m.bin', ['m.bin'], ['a/m.bin']),
])
def test_a_pattern_means_what_it_means_to_git(
    git: Git, pattern: str, matches: list[str], others: list[str],
) -> None:
    attributes.add(attributes.quoted(pattern), Path('.gitattributes'))
    assert all(tracked(git, name) for name in matches)
    assert not any(tracked(git, name) for name in others)


def test_all_four_attributes_are_set(git: Git) -> None:
    attributes.add('*.bin', Path('.gitattributes'))
    assert git.read('.gitattributes') == (
        b'*.bin filter=model diff=model merge=model -text\n'
    )
    found = git.git('check-attr', 'filter', 'diff', 'merge', 'text', '--', 'a.bin')
    assert [line.rpartition(' ')[2] for line in found.splitlines()] == [
        'model', 'model', 'model', 'unset',
    ]


FOREIGN = b'# a comment\n\n*.txt text\r\n  *.png binary\n"a b" -diff\n*.x filter=lfs\n'


@pytest.mark.parametrize('text', [b'', FOREIGN, FOREIGN[:-1], b'\xff\xfe *.y\n'])
def test_other_lines_stay_as_they_are(git: Git, text: bytes) -> None:
    git.write('.gitattributes', text)
    file = Path('.gitattributes')
    for pattern in ('*.bin', '*.h5'):
        assert attributes.add(pattern, file)
    complete = text if text.endswith(b'\n') or not text else text + b'\n'
    assert git.read('.gitattributes') == complete + (
        b'*.bin filter=model diff=model merge=model -text\n'
        b'*.h5 filter=model diff=model merge=model -text\n'
    )
    assert attributes.remove('*.bin', file) and not attributes.remove('*.bin', file)
    assert attributes.remove('*.h5', file)
    assert (git.read('.gitattributes') if complete else b'') == complete


@pytest.mark.parametrize('line', [
    '*.bin filter=model', '  *.bin\tfilter=model -text', '*.bin -text filter=model x=y',
])
def test_a_line_written_by_hand_counts(git: Git, line: str) -> None:
    git.write('.gitattributes', f'{line}\n*.txt text\n')
    assert not attributes.add('*.bin', Path('.gitattributes'))
    assert attributes.remove('*.bin', Path('.gitattributes'))
    assert git.read('.gitattributes') == b'*.txt text\n'


@pytest.mark.parametrize('line', [
    '*.bin filter=lfs', '#*.bin filter=model', '*.bin2 filter=model', '*.bin -filter',
    '*.bin xfilter=model', '*.bin filter=model2',
])
def test_a_line_that_says_something_else_does_not(git: Git, line: str) -> None:
    git.write('.gitattributes', f'{line}\n')
    assert attributes.add('*.bin', Path('.gitattributes'))
    assert attributes.remove('*.bin', Path('.gitattributes'))
    assert git.read('.gitattributes') == f'{line}\n'.encode()


def test_the_list_has_every_file_of_the_worktree(git: Git) -> None:
    for folder in ('.', 'a', 'a b/c'):
        git.write(f'{folder}/.gitattributes', '*.bin filter=model\n*.txt text\n')
    git.write('ignored/.gitattributes', '*.bin filter=model\n')
    git.write('.gitignore', 'ignored\n')
    git.git('add', 'a/.gitattributes')
    assert attributes.listing() == [
        ('*.bin', '.gitattributes'), ('*.bin', 'a b/c/.gitattributes'),
        ('*.bin', 'a/.gitattributes'),
    ]
