"""Every command of Git that shows something."""
from __future__ import annotations

import os
from typing import Any

import pytest

from tests.testing import expected
from tests.testing.repository import Repo

M = 'm.safetensors'
FIRST: dict[str, Any] = {'a': 1.0, 'b': [1.0, 2.0], 'c': [10.0]}
SECOND: dict[str, Any] = {'a': 1.0, 'b': [3.0, 2.0], 'c': [10.0]}
THIRD: dict[str, Any] = {'a': 5.0, 'b': [3.0, 2.0], 'c': [10.0]}
CHANGED_B = (
    f'-{expected.shown("b", [1.0, 2.0])}+{expected.shown("b", [3.0, 2.0])}'
)


@pytest.fixture
def told(repo: Repo) -> Repo:
    """Three commits on main: first, second changes b, third changes a."""
    for subject, values in (('first', FIRST), ('second', SECOND), ('third', THIRD)):
        repo.save(M, **values)
        repo.commit(subject)
    return repo


def touch(repo: Repo) -> None:
    """Make Git look into the file again."""
    os.utime(repo.path / M, (1, 1))


def body(patch: str) -> str:
    """The changed lines of a patch, nothing else."""
    return ''.join(
        line for line in patch.splitlines(keepends=True)
        if line[0] in '+-' and not line.startswith(('+++', '---'))
    )


def test_a_diff_shows_the_changed_tensor_and_its_numbers(told: Repo) -> None:
    patch = told.git('diff', 'HEAD~2', 'HEAD~1')
    ids = [told.git('rev-parse', '--short', f'{revision}:{M}').strip()
           for revision in ('HEAD~2', 'HEAD~1')]
    assert patch == (
        f'diff --git a/{M} b/{M}\n'
        f'index {ids[0]}..{ids[1]} 100644\n'
        f'--- a/{M}\n'
        f'+++ b/{M}\n'
        '@@ -2,5 +2,5 @@ name dtype shape oid mean std min max norm\n'
        ' format safetensors\n \n'
        f' {expected.shown("a", 1.0)}{CHANGED_B} {expected.shown("c", [10.0])}'
    )
    for other in (('HEAD~2..HEAD~1',), ('HEAD~2', 'HEAD~1', '--', M),
                  (f'HEAD~2:{M}', f'HEAD~1:{M}', '--')):
        assert body(told.git('diff', *other)) == CHANGED_B


def test_a_diff_of_the_worktree_and_of_the_index_agree(told: Repo) -> None:
    told.git('reset', '-q', '--hard', 'HEAD~2')
    told.save(M, **SECOND)
    assert body(told.git('diff')) == CHANGED_B
    assert body(told.git('diff', 'HEAD')) == CHANGED_B
    assert told.git('diff', '--cached') == ''
    told.git('add', M)
    assert told.git('diff') == ''
    for option in (('--cached',), ('--staged', 'HEAD'), ('HEAD',)):
        assert body(told.git('diff', *option)) == CHANGED_B
    assert body(told.git('status', '-v')) == CHANGED_B
    assert body(told.git('diff', '-R', '--cached')) == (
        f'-{expected.shown("b", [3.0, 2.0])}+{expected.shown("b", [1.0, 2.0])}'
    )


def test_diffs_without_a_patch_count_lines_of_the_manifest(told: Repo) -> None:
    assert told.git('diff', '--numstat', 'HEAD~2', 'HEAD') == f'2\t2\t{M}\n'
    assert told.git('diff', '--name-status', 'HEAD~2', 'HEAD') == f'M\t{M}\n'
    assert f'{M} | 4 ++--' in told.git('diff', '--stat', 'HEAD~2', 'HEAD')
    assert '1 file changed, 2 insertions' in (
        told.git('diff', '--shortstat', 'HEAD~2', 'HEAD')
    )
    raw = told.git('diff', '--raw', '--no-abbrev', 'HEAD~2', 'HEAD')
    assert told.git('rev-parse', f'HEAD:{M}').strip() in raw


def test_without_textconv_a_diff_shows_manifests(told: Repo) -> None:
    patch = told.git('diff', '--no-textconv', 'HEAD~2', 'HEAD~1')
    assert body(patch) == (
        f'-{expected.line("b", [1.0, 2.0])}+{expected.line("b", [3.0, 2.0])}'
    )


def test_a_quiet_diff_answers_by_its_exit_code(told: Repo) -> None:
    told.git('diff', '--quiet', 'HEAD~2', 'HEAD', code=1)
    told.git('diff', '--exit-code', 'HEAD', 'HEAD')
    touch(told)
    told.git('diff', '--quiet')
    touch(told)
    told.git('diff-index', '--quiet', 'HEAD', '--', code=None)
    told.git('update-index', '--refresh')
    told.git('diff-index', '--quiet', 'HEAD', '--')
    told.save(M, **SECOND)
    told.git('diff', '--quiet', code=1)


def test_touching_or_saving_the_same_is_no_change(told: Repo) -> None:
    touch(told)
    assert told.status() == ''
    told.save(M, **THIRD)
    assert told.git('diff') == ''
    touch(told)
    assert told.git('ls-files', '-m') == ''
    touch(told)
    assert told.git('describe', '--always', '--dirty').strip() == (
        told.git('rev-parse', '--short', 'HEAD').strip()
    )
    told.save(M, **FIRST)
    assert told.status() == f' M {M}\n'
    assert told.git('ls-files', '-m') == f'{M}\n'
    assert told.git('describe', '--always', '--dirty').endswith('-dirty\n')
    told.save(M, **THIRD)
    assert told.status() == ''


def test_a_log_shows_each_change_where_it_was_made(told: Repo) -> None:
    first, second, third = told.git('log', '-p', '--reverse', '--format=%x01',
                                    '--', M).split('\1')[1:]
    assert body(first) == ''.join(
        f'+{line}' for line in expected.summary(**FIRST).splitlines(keepends=True)
    )
    assert body(second) == CHANGED_B
    assert body(third) == f'-{expected.shown("a", 1.0)}+{expected.shown("a", 5.0)}'
    assert body(told.git('show', 'HEAD~1')) == CHANGED_B
    assert f'{M} | 2 +-' in told.git('show', '--stat', 'HEAD~1')


def test_a_log_finds_the_commits_that_changed_a_tensor(told: Repo) -> None:
    assert told.subjects('-G', '^a F32 ', '--', M) == ['third', 'first']
    assert told.subjects('-G', '^b F32 ', '--', M) == ['second', 'first']
    assert told.subjects('-S', expected.short([1.0, 2.0])) == ['second', 'first']
    assert told.subjects('--no-textconv', '-S', expected.oid(5.0)) == ['third']
    followed = told.git('log', f'-L/b F32/,+1:{M}', '--format=%x01%s')
    assert [part.split('\n')[0] for part in followed.split('\1')[1:]] == (
        ['second', 'first']
    )


def test_a_log_follows_a_renamed_model(told: Repo) -> None:
    told.git('mv', M, 'n.safetensors')
    told.git('commit', '-q', '-m', 'rename')
    assert told.subjects('--follow', '--', 'n.safetensors') == (
        ['rename', 'third', 'second', 'first']
    )
    assert 'similarity index 100%' in told.git('show')


def test_show_prints_the_manifest_or_the_summary(told: Repo) -> None:
    name = f'HEAD~1:{M}'
    assert told.git('show', name) == expected.manifest(**SECOND)
    assert told.git('cat-file', '-p', name) == expected.manifest(**SECOND)
    assert told.git('show', '--textconv', name) == expected.summary(**SECOND)
    assert told.git('cat-file', '--textconv', name) == expected.summary(**SECOND)


def test_cat_file_with_filters_gives_the_model(told: Repo) -> None:
    raw = told.git('cat-file', '--filters', f'HEAD:{M}')
    assert os.fsencode(raw) == told.read(M)
    old = told.git('cat-file', '--filters', f'HEAD~2:{M}')
    told.write(M, os.fsencode(old))
    assert told.load() == FIRST


def test_blame_names_the_commit_of_each_tensor(told: Repo) -> None:
    commits = told.git('rev-parse', 'HEAD', 'HEAD~1', 'HEAD~2').split()
    for option in ((), ('-w',), ('HEAD', '--')):
        lines = told.git('blame', '-s', '-l', '--root', *option, M).splitlines()
        assert [line.split()[0] for line in lines[3:]] == commits
        assert [line.split(') ')[1].split()[0] for line in lines[3:]] == ['a', 'b', 'c']
    told.save(M, **{**THIRD, 'c': [11.0]})
    assert told.git('blame', '-s', M).splitlines()[-1].startswith('0000000')
    assert told.git('annotate', M).count('\n') == 6


def test_grep_searches_summaries_and_manifests(told: Repo) -> None:
    found = f'{M}:{expected.shown("a", 5.0)}'
    assert told.git('grep', '--textconv', '^a F32', '--', M) == found
    assert told.git('grep', '--textconv', '^a F32', 'HEAD', '--', M) == f'HEAD:{found}'
    assert told.git('grep', 'tensor a', 'HEAD~1') == (
        f'HEAD~1:{M}:{expected.line("a", 1.0)}'
    )
    assert told.git('grep', '--cached', '-c', '^tensor ') == f'{M}:3\n'


def test_a_new_and_a_deleted_model_are_shown_whole(told: Repo) -> None:
    told.save('n.safetensors', x=1.0)
    told.git('add', '-N', 'n.safetensors')
    shown = expected.summary(x=1.0).splitlines(keepends=True)
    assert body(told.git('diff')) == ''.join(f'+{line}' for line in shown)
    told.git('add', 'n.safetensors')
    assert body(told.git('diff', '--cached')) == ''.join(f'+{line}' for line in shown)
    told.git('commit', '-q', '-m', 'new')
    (told.path / 'n.safetensors').unlink()
    assert body(told.git('diff')) == ''.join(f'-{line}' for line in shown)


def test_a_word_diff_marks_the_numbers(told: Repo) -> None:
    words = told.git('diff', '--word-diff', 'HEAD~1', 'HEAD')
    old, new = expected.short(1.0), expected.short(5.0)
    assert f'a F32 scalar [-{old} 1-]{{+{new} 5+}} 0 ' in words


def test_the_statistics_are_not_needed_for_a_diff(told: Repo) -> None:
    told.lose()
    (told.path / '.git' / 'model' / 'statistics.sqlite').unlink(missing_ok=True)
    for command in (('diff', 'HEAD~2', 'HEAD~1'), ('show', 'HEAD~1'),
                    ('log', '-1', '-p', 'HEAD~1')):
        done = told.run('git', *command)
        assert done.err == ''       # a smudge would say what is missing
        assert body(done.out) == (
            f'-b F32 2 {expected.short([1.0, 2.0])} - - - - -\n'
            f'+b F32 2 {expected.short([3.0, 2.0])} - - - - -\n'
        )


def test_a_missing_tensor_hides_only_its_own_numbers(told: Repo) -> None:
    told.lose(expected.oid([3.0, 2.0]))
    assert body(told.git('diff', 'HEAD~2', 'HEAD~1')) == (
        f'-{expected.shown("b", [1.0, 2.0])}'
        f'+b F32 2 {expected.short([3.0, 2.0])} - - - - -\n'
    )


def test_external_programs_are_given_models(told: Repo) -> None:
    program = told.path.parent / 'external'
    program.write_text('#!/bin/sh\ncp "$2" ../old.safetensors\n'
                       'cp "$5" ../new.safetensors\n')
    program.chmod(0o755)
    told.git('diff', 'HEAD~2', 'HEAD', env={'GIT_EXTERNAL_DIFF': str(program)})
    assert told.load('../old.safetensors') == FIRST
    assert told.load('../new.safetensors') == THIRD


@pytest.mark.parametrize('options', [('-d',), ()])
def test_difftool_is_given_models(told: Repo, options: tuple[str, ...]) -> None:
    copy = 'cp -L "{0}" ../{1}.safetensors'
    left, right = ('$LOCAL/' + M, '$REMOTE/' + M) if options else ('$LOCAL', '$REMOTE')
    told.git('config', 'difftool.keep.cmd',
             f'{copy.format(left, "old")} && {copy.format(right, "new")}')
    told.git('difftool', '-y', '--tool=keep', *options, 'HEAD~2', 'HEAD')
    assert told.load('../old.safetensors') == FIRST
    assert told.load('../new.safetensors') == THIRD
    assert told.status() == ''


def test_hash_object_gives_the_id_of_the_manifest(told: Repo) -> None:
    blob = told.git('rev-parse', f'HEAD:{M}')
    assert told.git('hash-object', M) == blob
    data = told.read(M)
    assert told.git('hash-object', '--stdin', '--path', M, input=data) == blob
    assert told.git('hash-object', '--no-filters', M) != blob
    assert told.git('hash-object', '--stdin', input=data) != blob


def test_a_cached_textconv_is_asked_once(told: Repo) -> None:
    told.git('config', 'diff.model.cachetextconv', 'true')
    for _ in range(2):
        assert body(told.git('show', 'HEAD~1')) == CHANGED_B
    assert told.git('notes', '--ref=textconv/model', 'list') != ''


def test_a_hunk_says_which_layer_it_is_in(repo: Repo) -> None:
    names = ['head', *(f'h.{i}.{w}' for i in range(12) for w in 'abcdefgh')]
    repo.save(M, **dict.fromkeys(names, 1.0))
    repo.commit('first')
    repo.save(M, **dict.fromkeys(names, 1.0) | {'h.2.e': 2.0, 'h.10.h': 2.0})
    patch = repo.git('diff')
    headers = [line.partition(' @@ ')[2] for line in patch.splitlines()
               if line.startswith('@@')]
    assert headers == ['h.2', 'h.10']
    manifest = repo.git('diff', '--no-textconv')
    assert ' @@ tensor h.2.a\n' in manifest


def test_a_range_diff_and_a_cherry_see_the_same_change(told: Repo) -> None:
    told.git('checkout', '-q', '-b', 'other', 'HEAD~2')
    told.git('commit', '-q', '--allow-empty', '-m', 'aside')
    told.git('cherry-pick', 'main~1')
    assert [line[0] for line in told.git('cherry', 'main').splitlines()] == ['+', '-']
    assert '= ' in told.git('range-diff', 'main~2..main~1', 'other~1..other')
