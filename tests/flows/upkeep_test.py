"""Mending, fetching, and what must not happen on the side."""
from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.testing import repository
from tests.testing.repository import Git
from tests.testing.repository import Repo

M = 'm.safetensors'


def objects(git: Git) -> list[Path]:
    return sorted(git.path.glob('.git/model/objects/*/*'))


def damage(path: Path) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def clone(repo: Repo, name: str = 'clone', *options: str) -> Repo:
    """A clone with the driver set up for all repositories of the user."""
    repo.git('model', 'install', '--skip-repo')
    target = repo.path.parent / name
    repo.git('clone', '-q', *options, str(repo.path), str(target))
    return Repo(target)


@pytest.fixture
def two(repo: Repo) -> Repo:
    repo.save(M, a=[1.0], b=[2.0])
    repo.commit('one')
    repo.save(M, a=[3.0], b=[2.0])
    repo.commit('two')
    return repo


def test_damage_is_mended_from_the_worktree(two: Repo) -> None:
    two.git('checkout', '-q', 'HEAD~1')
    one, *_ = (path for path in objects(two) if path.read_bytes()[-4:] == b'\0\0\x80?')
    damage(one)
    digits = one.parent.name + one.name
    kept = os.path.realpath(two.path / '.git/model/damaged' / digits)
    assert two.run('git', 'model', 'fsck', '--repair').out == (
        f"sha256:{digits}: taken from '{os.path.realpath(two.path / M)}'\n"
        f'sha256:{digits}: what was there is now {kept}\n'
        '3 objects needed, all is well\n'
    )
    assert os.path.isfile(kept)
    assert two.git('model', 'fsck') == '3 objects needed, all is well\n'


def test_damage_is_mended_from_a_remote(two: Repo) -> None:
    other = clone(two)
    other.git('model', 'fetch')
    assert len(objects(other)) == 3
    for path in objects(other):
        # A clone may share the files of its origin.
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
        damage(path)
    (other.path / M).unlink()
    assert other.run('git', 'model', 'fsck', code=1).out.endswith('3 problems found\n')
    assert other.run('git', 'model', 'fsck', '--repair').out.endswith(
        '3 objects needed, all is well\n',
    )
    other.git('checkout', '-q', '.')
    assert other.load() == {'a': [3.0], 'b': [2.0]}


def test_a_clone_has_what_it_checks_out_and_fetch_gets_the_rest(two: Repo) -> None:
    other = clone(two)
    assert len(objects(other)) == 2
    assert other.run('git', 'model', 'fsck', code=1).out.count(': missing, ') == 1
    assert len(objects(other)) == 2, 'fsck fetched something'
    assert other.git('model', 'fetch') == 'Got 1 tensor.\n'
    assert other.git('model', 'fetch') == 'Got 0 tensors.\n'
    two.path.rename(two.path.parent / 'gone')
    other.git('checkout', '-q', 'HEAD~1')
    assert other.load() == {'a': [1.0], 'b': [2.0]}


def test_fetch_names_what_it_cannot_find(two: Repo) -> None:
    other = clone(two)
    other.git('remote', 'remove', 'origin')
    (other.path / '.git/FETCH_HEAD').unlink(missing_ok=True)
    done = other.run('git', 'model', 'fetch', code=128)
    assert done.err == (
        'error: 1 tensor could not be found\n'
        'hint: name another repository: git model fetch <remote>\n'
    )
    assert other.git('model', 'fetch', '../repo') == 'Got 1 tensor.\n'
    assert other.run('git', 'model', 'fetch', '../nothing', code=128).err.startswith(
        "error: '../nothing' is no repository in a directory of this machine, nor a "
        'remote\n',
    )


def test_an_edited_manifest_is_not_overwritten(two: Repo) -> None:
    old = two.manifest(revision='HEAD~1')
    two.write(M, old)
    for verb in ('checkout', 'pull'):
        done = two.run('git', 'model', verb)
        assert (done.out, done.err) == ('', (
            f"warning: '{M}' is a manifest, and not the index's: it was left alone\n"
            f'hint: stage it with "git add {M}", or drop it with '
            f'"git checkout -- {M}"\n'
        ))
    assert two.read(M).decode() == old
    assert two.status() == f' M {M}\n'
    two.git('add', M)
    assert two.git('model', 'checkout') == 'Wrote 1 model.\n'
    assert two.load() == {'a': [1.0], 'b': [2.0]}


def test_one_damaged_manifest_does_not_stop_the_others(two: Repo) -> None:
    blob = two.git(
        'hash-object', '-w', '--stdin', input=b'git-model manifest v1\nformat\n',
    ).strip()
    two.git('update-index', '--add', '--cacheinfo', f'100644,{blob},bad.safetensors')
    two.write(M, two.manifest())
    done = two.run('git', 'model', 'checkout')
    assert done.out == 'Wrote 1 model.\n'
    assert done.err.startswith("warning: the manifest in 'bad.safetensors' line 2: ")


def test_a_link_and_a_fifo_are_no_models(two: Repo) -> None:
    (two.path / 'link.safetensors').symlink_to(M)
    two.git('add', 'link.safetensors')
    assert two.git('model', 'status', '--porcelain') == ''
    (two.path / M).unlink()
    os.mkfifo(two.path / M)
    assert two.git('model', 'ls-files', '-n') == f'{M}\n'
    two.git('model', 'status')


def test_the_hook_comes_with_the_first_model(tmp_path: Path) -> None:
    work = Repo(tmp_path / 'work')
    work.path.mkdir()
    work.git('init', '-q', '-b', 'main')
    work.git('model', 'install', '--skip-repo')
    work.write('.gitattributes', '*.safetensors filter=model diff=model merge=model\n')
    work.save(M, a=[1.0])
    work.commit('one')
    work.git('init', '-q', '--bare', '-b', 'main', '../bare.git')
    work.git('push', '-q', '../bare.git', 'main')
    assert len(list((tmp_path / 'bare.git/model/objects').glob('*/*'))) == 1


def test_a_tracked_hooks_folder_is_not_written_to_on_the_side(tmp_path: Path) -> None:
    work = Repo(tmp_path / 'work')
    work.path.mkdir()
    work.git('init', '-q', '-b', 'main')
    work.git('model', 'install', '--skip-repo')
    work.git('config', 'core.hooksPath', '.husky')
    work.git('model', 'track', '*.safetensors')
    work.save(M, a=[1.0])
    work.commit('one')
    assert not (work.path / '.husky').exists()


def test_an_emptied_side_is_a_conflict(two: Repo) -> None:
    two.git('checkout', '-q', '-b', 'topic')
    two.write(M, b'')
    two.commit('emptied')
    two.git('checkout', '-q', 'main')
    two.save(M, a=[9.0], b=[2.0])
    two.commit('changed')
    done = two.run('git', 'merge', 'topic', code=1)
    assert '  the whole file: emptied in theirs, changed in ours\n' in done.err
    two.git('add', M, code=128)
    two.git('model', 'resolve', '--ours', M)
    assert two.load() == {'a': [9.0], 'b': [2.0]}


def test_a_shared_repository_stays_shared(two: Repo) -> None:
    two.git('init', '-q', '--bare', '--shared=group', '../bare.git')
    mask = os.umask(0o077)
    try:
        two.git('push', '-q', '../bare.git', 'main')
    finally:
        os.umask(mask)
    store = two.path.parent / 'bare.git/model'
    for path in (store, store / 'objects', *store.glob('objects/*')):
        mode = path.stat().st_mode
        assert mode & stat.S_IWGRP and mode & stat.S_ISGID, path


def test_python_path_does_not_reach_the_filter(repo: Repo) -> None:
    for module in ('secrets', 'tempfile', 'random', 'sitecustomize', 're'):
        repo.write(f'{module}.py', 'raise SystemExit("this ran")\n')
    repo.save(M, a=[1.0])
    env = {'PYTHONPATH': '.'}
    repo.git('add', M, env=env)
    repo.git('commit', '-q', '-m', 'one', env=env)
    (repo.path / M).unlink()
    repo.git('checkout', '-q', '.', env=env)
    assert repo.load() == {'a': [1.0]}


def test_hints_can_be_typed(repo: Repo) -> None:
    name = "it's a b.safetensors"
    repo.save(name, a=[1.0])
    data = repo.read(name)
    (repo.path / name).unlink()
    blob = repo.git('hash-object', '-w', '--no-filters', '--stdin', input=data).strip()
    repo.git('update-index', '--add', '--cacheinfo', f'100644,{blob},{name}')
    repo.git('commit', '-q', '-m', 'raw')
    hint = repo.run('git', 'checkout', '-q', '.').err.splitlines()[-1]
    command = hint.removeprefix('hint: convert it from now on: ')
    repo.run('sh', '-c', command)
    staged = repo.git('show', '--no-textconv', f':{name}')
    assert staged.startswith('git-model manifest v1\n')


@pytest.mark.parametrize('variable', ['GIT_LITERAL_PATHSPECS', 'GIT_ICASE_PATHSPECS'])
def test_pathspec_variables_change_nothing(two: Repo, variable: str) -> None:
    assert two.git('model', 'ls-files', '-n', env={variable: '1'}) == f'{M}\n'


def test_a_linked_attributes_file_is_refused(tmp_path: Path) -> None:
    repo = repository.make(tmp_path / 'repo', '*.npz')
    (repo.path / '.gitattributes').unlink()
    (repo.path / '.gitattributes').symlink_to('/dev/null')
    done = repo.run('git', 'model', 'track', '*.npy', code=128)
    assert done.err == (
        "error: '.gitattributes' is a symbolic link, which git ignores\n"
        'hint: replace it by a file: rm .gitattributes\n'
    )


@pytest.mark.usefixtures('old_git')
def test_a_foreign_hook_works_with_the_lines_that_are_shown(two: Repo) -> None:
    hook = two.path / '.git/hooks/pre-push'
    foreign = 'while read local_ref _ remote_ref _; do echo "saw $remote_ref"; done\n'
    hook.write_text(f'#!/bin/sh\n{foreign}')
    hook.chmod(0o755)
    shown = two.run('git', 'model', 'install', '--local', code=1).err.splitlines()
    lines = [line.removeprefix('hint: ') for line in shown[3:]]
    hook.write_text('\n'.join(['#!/bin/sh', *lines, foreign]))
    two.git('init', '-q', '--bare', '../bare.git')
    done = two.run('git', 'push', '-q', '../bare.git', 'main')
    assert 'saw refs/heads/main\n' in done.out + done.err
    assert len(list((two.path.parent / 'bare.git/model/objects').glob('*/*'))) == 3


def test_a_lost_store_is_filled_from_the_worktree(two: Repo) -> None:
    two.git('checkout', '-q', 'HEAD~1')
    # An old file is not read again by git, which would store it.
    os.utime(two.path / M, (1_000_000_000, 1_000_000_000))
    two.git('update-index', '--refresh')
    for path in objects(two):
        path.unlink()
    assert two.git('model', 'status', '--porcelain') == f'?M 2 8 {M}\n'
    assert two.git('model', 'pull') == 'All models are here.\n'
    assert len(objects(two)) == 2
    assert two.git('model', 'status', '--porcelain') == ''


@pytest.mark.parametrize(('pattern', 'hint'), [('', "'**'"), ('sub/', "'sub/**'")])
def test_a_pattern_that_matches_no_file_is_refused(
    repo: Repo, pattern: str, hint: str,
) -> None:
    assert repo.run('git', 'model', 'track', pattern, code=129).err == (
        f"error: '{pattern}' matches no file: attributes are not for folders\n"
        f'hint: for all in a folder: git model track {hint}\n'
    )


def test_a_remote_of_the_same_name_in_another_place_gets_all(two: Repo) -> None:
    for place in ('a', 'b'):
        two.git('init', '-q', '--bare', '-b', 'main', f'../{place}.git')
    two.git('remote', 'add', 'origin', '../a.git')
    two.git('push', '-q', 'origin', 'main')
    two.git('remote', 'set-url', 'origin', '../b.git')
    two.git('push', '-q', 'origin', 'main')
    for place in ('a', 'b'):
        store = two.path.parent / f'{place}.git/model/objects'
        assert len(list(store.glob('*/*'))) == 3
    two.save(M, a=[4.0], b=[2.0])
    two.commit('three')
    assert two.run('git', 'push', '-q', 'origin', 'main').err.startswith(
        'Sent 1 tensor to ',
    )


def test_a_damaged_object_of_a_remote_does_not_stop_the_others(two: Repo) -> None:
    two.save('n.safetensors', c=[7.0])
    two.commit('another')
    one, *_ = (path for path in objects(two) if path.read_bytes()[-4:] == b'\0\0\xe0@')
    damage(one)
    other = clone(two)
    assert other.load() == {'a': [3.0], 'b': [2.0]}
    done = other.run('git', 'model', 'pull', code=128)
    assert f"warning: '{one}' is damaged: it was not taken\n" in done.err
    assert 'tensors of 1 model are on no remote' in done.err


def test_a_hint_can_be_typed_in_a_folder(two: Repo) -> None:
    two.git('mv', M, 'models.safetensors')
    two.save('deep/x.safetensors', a=[1.0])
    two.commit('deep')
    two.write('deep/x.safetensors', two.manifest('deep/x.safetensors'))
    folder = Git(two.path / 'deep')
    assert folder.git('model', 'checkout', 'deep/x.safetensors') == 'Wrote 1 model.\n'


def test_every_verb_means_the_whole_repository_in_a_folder(two: Repo) -> None:
    two.save('deep/x.safetensors', a=[1.0])
    two.commit('deep')
    two.save(M, a=[8.0], b=[2.0])
    folder = Git(two.path / 'deep')
    for verb in (('ls-files', '-s'), ('status', '--porcelain'), ('fsck',), ('env',)):
        assert folder.git('model', *verb) == two.git('model', *verb)
    assert folder.git('model', 'ls-files', '-n') == f'deep/x.safetensors\n{M}\n'
