"""Which commits git merges when it calls a driver, in all that it does."""
from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from git_model_driver.merging import siblings
from tests.testing.expected import git_version
from tests.testing.repository import Git

# A merge driver that notes what it finds out, and takes both sides' lines.
DRIVER = '''
import json, os, sys
from git_model_driver.git import sides
from git_model_driver.merging import siblings
base, ours, theirs, path, log = sys.argv[1:]
texts = [open(file, 'rb').read() for file in (base, ours, theirs)]
places = sides.find(path, texts)
beside = siblings.find(path, texts)
note = {
    'commits': [place and place.commit for place in places],
    'paths': [place and place.path for place in places],
    'beside': [(beside.read(i, 'name') or b'').decode() for i in (-1, 0, 1)],
}
with open(log, 'a') as file:
    file.write(json.dumps(note) + chr(10))
old = texts[0].splitlines()
new = [line for line in texts[2].splitlines() if line not in texts[1].splitlines()]
with open(ours, 'wb') as file:
    file.write(texts[1] + b''.join(line + b'\\n' for line in new))
sys.exit(int(os.environ.get('DRIVER_FAILS', '0')))
'''
Call = dict[str, Any]
COMMON = ''.join(f'line {i}\n' for i in range(20))    # a renamed file is similar


class Lab(Git):
    """A repository whose file ``dir/m`` is merged by the driver above.

    Each commit has its own ``dir/m``, and beside it ``dir/name`` with the commit's.
    """

    def __init__(self, path: Path, *options: str) -> None:
        super().__init__(path)
        path.mkdir()
        self.log = path.parent / 'log'
        driver = path.parent / 'driver.py'
        driver.write_text(DRIVER)
        self.git('init', '-q', '-b', 'main', *options)
        command = f'{sys.executable} {driver} %O %A %B %P {self.log}'
        self.git('config', 'merge.note.driver', command)
        self.git('config', 'merge.note.recursive', 'binary')
        self.git('config', 'pull.rebase', 'false')
        self.write('.gitattributes', 'm merge=note\nname merge=ours\n')
        self.git('config', 'merge.ours.driver', 'true')

    def version(self, name: str, file: str = 'dir/m') -> str:
        self.write(file, f'{COMMON}{name}\n')
        self.write('dir/name', name)
        return self.commit_all(name)

    def commit_all(self, message: str) -> str:
        self.git('add', '.')
        self.git('commit', '-q', '-m', message)
        return self.git('rev-parse', 'HEAD').strip()

    def calls(self) -> list[Call]:
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def beside(self) -> list[list[str]]:
        """What stood beside base, ours and theirs in each call."""
        return [call['beside'] for call in self.calls()]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """main: base, ours; topic: base, one, two."""
    lab = Lab(tmp_path / 'repo')
    lab.version('base')
    lab.git('checkout', '-q', '-b', 'topic')
    lab.version('one')
    lab.version('two')
    lab.git('checkout', '-q', 'main')
    lab.version('ours')
    return lab


def cherry_pick_with_a_conflict(lab: Lab) -> None:
    lab.run('git', 'cherry-pick', 'topic~', 'topic', code=1, env={'DRIVER_FAILS': '1'})
    lab.log.unlink()
    lab.git('checkout', '-m', '--', 'dir/m')


def merge_again(lab: Lab) -> None:
    lab.run('git', 'merge', 'topic', code=1, env={'DRIVER_FAILS': '1'})
    lab.log.unlink()
    lab.git('checkout', '-m', '--', 'dir/m')


def continued_pick(lab: Lab) -> None:
    lab.run('git', 'cherry-pick', 'topic~', 'topic', code=1, env={'DRIVER_FAILS': '1'})
    lab.log.unlink()
    lab.git('add', '.')
    lab.git('cherry-pick', '--continue')


def pick_in_a_stopped_rebase(lab: Lab) -> None:
    """What the rebase is at is older than what git was asked for."""
    lab.git('checkout', '-q', 'topic')
    lab.run('git', 'rebase', 'main', code=1, env={'DRIVER_FAILS': '1'})
    lab.git('reset', '-q', '--hard')
    lab.log.unlink()
    lab.git('cherry-pick', 'topic')


def pull(lab: Lab) -> None:
    lab.git('pull', '-q', '--no-edit', '.', 'topic')


def rebase(*options: str) -> Callable[[Lab], object]:
    return lambda lab: lab.git('rebase', '-q', *options, 'main', 'topic')


def stash(*pop: str) -> Callable[[Lab], object]:
    def run(lab: Lab) -> None:
        lab.write('dir/m', 'stashed\n')
        lab.write('dir/name', 'stashed')
        lab.git('stash')
        if pop[-1].endswith(('1', '1}')):
            lab.write('other', 'x')
            lab.git('stash', '-u')
        lab.version('newer')
        lab.git('stash', *pop)
    return run


def stash_while_merging(lab: Lab) -> None:
    """refs/stash is there, and has nothing to do with it."""
    lab.write('dir/m', 'stashed\n')
    lab.git('stash')
    lab.git('merge', '-q', '--no-edit', 'topic')


def am(lab: Lab) -> None:
    patch = lab.git('format-patch', '--stdout', '-1', 'topic~')
    lab.git('am', '-q', '-3', input=patch.encode())


def revert_of_two(lab: Lab) -> None:
    lab.version('newer')
    lab.version('newest')
    lab.git('revert', '--no-edit', 'HEAD~', 'HEAD~2')


def revert(lab: Lab) -> None:
    lab.version('newer')
    lab.git('revert', '--no-edit', 'HEAD~')


def carry(lab: Lab) -> None:
    lab.write('dir/m', 'local\n')
    lab.git('checkout', '-m', '-q', 'topic')


def alias(lab: Lab) -> None:
    lab.git('config', 'alias.cp', 'cherry-pick -x')
    lab.git('cp', 'topic~')


def recreated(lab: Lab) -> None:
    """rebase -r makes the merge of left and right anew."""
    lab.git('checkout', '-q', '-b', 'left', 'main~')
    lab.version('left')
    lab.git('checkout', '-q', '-b', 'right', 'main~')
    lab.version('right')
    lab.git('merge', '-q', '--no-edit', 'left')
    lab.version('merge')
    lab.log.unlink()
    lab.git('rebase', '-q', '-r', '--force-rebase', 'main~')


ONE = ['base', 'ours', 'one']
TWO = ['one', 'ours', 'two']      # "name" stays ours' when it is merged
MERGED = ['base', 'ours', 'two']


# Git 2.55 stashes the changes before HEAD is the other branch: that is known to nobody.
CARRIED = (
    [['ours', '', 'ours']] if git_version() >= (2, 55) else [['ours', 'two', '']]
)


@pytest.mark.parametrize(('operation', 'expected'), [
    (lambda lab: lab.git('merge', '-q', '--no-edit', 'topic'), [MERGED]),
    (lambda lab: lab.git('merge', '-q', '--squash', 'topic'), [MERGED]),
    (lambda lab: lab.git('-c', 'a.b=c', 'merge', '-m', 'topic~', 'topic'), [MERGED]),
    (pull, [MERGED]),
    (stash_while_merging, [MERGED]),
    (merge_again, [MERGED]),
    (rebase(), [ONE, TWO]),
    (rebase('--apply'), [ONE, TWO]),
    (rebase('-i'), [ONE, TWO]),
    (lambda lab: lab.git('cherry-pick', 'topic~'), [ONE]),
    (lambda lab: lab.git('cherry-pick', 'topic'), [TWO]),
    (lambda lab: lab.git('cherry-pick', '-n', 'main..topic~'), [ONE]),
    (lambda lab: lab.git('cherry-pick', 'topic~', 'topic'), [ONE, TWO]),
    (lambda lab: lab.git('cherry-pick', 'main..topic'), [ONE, TWO]),
    (alias, [ONE]),
    (cherry_pick_with_a_conflict, [ONE]),
    (continued_pick, [TWO]),
    (pick_in_a_stopped_rebase, [TWO]),
    (revert, [['ours', 'newer', 'base']]),
    (revert_of_two, [['newer', 'newest', 'ours'], ['ours', 'newest', 'base']]),
    (stash('pop'), [['ours', 'newer', 'stashed']]),
    (stash('apply', 'stash@{1}'), [['ours', 'newer', 'stashed']]),
    (stash('pop', '1'), [['ours', 'newer', 'stashed']]),
    (am, [['', 'ours', '']]),
    (carry, CARRIED),
    (lambda lab: lab.git('merge-tree', '--write-tree', 'main', 'topic'), [MERGED]),
    (lambda lab: lab.git('merge-tree', '--write-tree', 'topic', 'main'),
     [['base', 'two', 'ours']]),
], ids=[
    'merge', 'merge --squash', 'merge -m', 'pull', 'merge with a stash',
    'checkout -m path', 'rebase', 'rebase --apply', 'rebase -i', 'cherry-pick',
    'cherry-pick of the second', 'cherry-pick of a range of one',
    'cherry-pick of two', 'cherry-pick of a range', 'alias',
    'checkout -m path in a pick', 'cherry-pick --continue',
    'cherry-pick in a rebase', 'revert', 'revert of two', 'stash pop',
    'stash apply stash@{1}', 'stash pop 1', 'am -3', 'checkout -m branch',
    'merge-tree', 'merge-tree the other way',
])
def test_the_commits_are_found(
    lab: Lab, operation: Callable[[Lab], object], expected: list[list[str]],
) -> None:
    operation(lab)
    assert lab.beside() == expected


def commit(lab: Lab, rev: str) -> str:
    return lab.git('rev-parse', rev).strip()


def test_a_renamed_file_is_found_with_what_lies_beside_it_there(lab: Lab) -> None:
    lab.git('checkout', '-q', '-b', 'moved', 'main')
    lab.git('mv', 'dir', 'away')
    lab.git('mv', 'away/m', 'away/m2')
    lab.git('commit', '-q', '-m', 'moved')
    lab.write('.gitattributes', 'm* merge=note\nname merge=ours\n')
    lab.run('git', 'merge', '-q', '--no-edit', 'topic', code=1)     # about dir/name
    assert lab.calls() == [{
        'commits': [commit(lab, rev) for rev in ('main~', 'moved', 'topic')],
        'paths': ['dir/m', 'away/m2', 'dir/m'],
        'beside': ['base', 'ours', 'two'],
    }]


def test_of_commits_with_the_same_file_the_merged_ones_are_taken(lab: Lab) -> None:
    lab.git('checkout', '-q', 'topic')
    lab.write('dir/name', 'another')
    lab.commit_all('the same m')
    lab.git('checkout', '-q', 'main')
    lab.write('dir/name', 'newer')
    lab.commit_all('the same m')
    lab.git('merge', '-q', '--no-edit', 'topic~')
    assert lab.beside() == [['base', 'newer', 'two']]


def test_the_base_of_a_criss_cross_merge_is_no_commit(lab: Lab) -> None:
    lab.git('branch', 'left', 'main')
    lab.git('branch', 'right', 'topic')
    lab.git('merge', '-q', '--no-edit', 'topic')
    lab.version('newer')
    lab.git('checkout', '-q', 'topic')
    lab.git('merge', '-q', '--no-edit', 'left')
    lab.version('newest')
    lab.log.unlink()
    lab.git('config', 'merge.note.recursive', 'note')
    lab.git('merge', '-q', '--no-edit', 'main')
    # The inner call is for the two ancestors; HEAD is none of them.
    assert lab.beside()[-1] == ['', 'newest', 'newer']


def test_a_side_that_git_made_up_has_no_commit(lab: Lab) -> None:
    """Both added the file: there is no base."""
    lab.git('checkout', '-q', 'topic')
    lab.version('theirs', 'dir/added.m')
    lab.git('checkout', '-q', 'main')
    lab.version('ours too', 'dir/added.m')
    lab.write('.gitattributes', '*.m merge=note\nm merge=ours\nname merge=ours\n')
    lab.git('merge', '-q', '--no-edit', 'topic')
    assert lab.calls() == [{
        'commits': [None, commit(lab, 'main~'), commit(lab, 'topic')],
        'paths': [None, 'dir/added.m', 'dir/added.m'],
        'beside': ['', 'ours too', 'theirs'],
    }]


def test_picks_and_reverts_of_merges_know_their_mainline(lab: Lab) -> None:
    lab.git('merge', '-q', '-X', 'ours', '--no-edit', 'topic')
    lab.write('dir/m', 'merged\n')
    lab.git('commit', '-q', '-a', '--amend', '--no-edit')
    lab.version('newer')
    lab.log.unlink()
    lab.git('revert', '--no-edit', '-m', '2', 'HEAD~')
    lab.git('checkout', '-q', '-b', 'side', 'topic~2')
    lab.version('side')
    lab.git('cherry-pick', '-m', '1', 'main~2')
    assert lab.beside() == [['ours', 'newer', 'two'], ['ours', 'side', 'ours']]


def test_a_rebased_merge_has_the_new_parents(lab: Lab) -> None:
    recreated(lab)
    assert lab.beside()[-1] == ['base', 'right', 'left']


@pytest.mark.parametrize('path', ['linked', 'bare.git'])
def test_it_is_found_from_other_places(lab: Lab, tmp_path: Path, path: str) -> None:
    where = tmp_path / path
    if path == 'linked':
        lab.git('worktree', 'add', '-q', str(where), 'topic')
        Git(where).git('rebase', '-q', 'main')
        assert lab.beside() == [ONE, TWO]
    else:
        shutil.copytree(lab.path / '.git', where)
        Git(where).git('config', 'core.bare', 'true')
        attributes = str(lab.path / '.gitattributes')
        Git(where).git('config', 'core.attributesFile', attributes)
        Git(where).git('merge-tree', '--write-tree', 'main', 'topic')
        assert lab.beside() == [MERGED]


def test_a_path_may_be_any_bytes(lab: Lab) -> None:
    name = os.fsdecode(b'dir/\xe9 a\n"m')
    lab.git('checkout', '-q', 'main~')
    lab.version('base', name)
    lab.git('checkout', '-q', '-b', 'there')
    lab.version('there', name)
    lab.git('checkout', '-q', '-b', 'here', 'HEAD~')
    lab.version('here', name)
    lab.write('.gitattributes', '*m merge=note\nname merge=ours\n')
    lab.git('merge', '-q', '--no-edit', 'there')
    assert [call['paths'] for call in lab.calls()] == [[name] * 3]
    assert lab.beside() == [['base', 'here', 'there']]


def test_oids_of_another_length_are_compared_as_well(tmp_path: Path) -> None:
    lab = Lab(tmp_path / 'repo', '--object-format=sha256')
    lab.version('base')
    lab.git('checkout', '-q', '-b', 'topic')
    lab.version('two')
    lab.git('checkout', '-q', 'main')
    lab.version('ours')
    lab.git('merge', '-q', '--no-edit', 'topic')
    assert lab.beside() == [MERGED]


def test_nothing_is_looked_for_before_it_is_read(tmp_path: Path) -> None:
    """Not even a repository."""
    siblings.find('m', [b'base', b'ours', b'theirs'])


def test_known_commits_are_taken_as_they_are(
    lab: Lab, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(lab.path)
    beside = siblings.Siblings.of([None, 'main', 'topic~', 'topic'], 'dir/m')
    names = ('name', '../dir/m', '../.gitattributes', '../../x', '/etc', 'no')
    model, attributes = lab.read('dir/m'), lab.read('.gitattributes')
    one = model.replace(b'ours', b'one')
    assert [[beside.read(i, name) for name in names] for i in (-1, 0, 1, 3)] == [
        [None] * 6,
        [b'ours', model, attributes, None, None, None],
        [b'one', one, attributes, None, None, None],
        [None] * 6,
    ]
