"""History from plain Git and from Git LFS to manifests, and back."""
from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from git_model_driver.git import refs
from git_model_driver.git.refs import Change
from tests.testing import histories
from tests.testing.histories import model
from tests.testing.histories import plain
from tests.testing.models import npz
from tests.testing.repository import Git
from tests.testing.repository import Repo

M = 'm.safetensors'
LINE = '*.safetensors filter=model diff=model merge=model -text\n'
LFS_LINE = '*.safetensors filter=lfs diff=lfs merge=lfs -text\n'
needs_lfs = pytest.mark.skipif(not shutil.which('git-lfs'), reason='needs git-lfs')


def migrate(repo: Git, *args: str, code: int = 0) -> tuple[str, str]:
    done = repo.run('git', 'model', 'migrate', *args, code=code)
    return done.out, done.err


def undo(repo: Git, out: str) -> None:
    command = re.search('^Undo: (.*)$', out, re.MULTILINE)
    assert command
    repo.run('sh', '-c', command[1])


def three(repo: Repo) -> None:
    """A commit without a model, two with one."""
    repo.write('README', 'hello\n')
    repo.commit('readme')
    for number in (1, 2):
        repo.write(M, model(M, number))
        repo.commit(f'model {number}')


def everything(repo: Repo) -> tuple[str, str, dict[str, str], str]:
    """Refs, index, worktree, what status says."""
    attributes = repo.path / '.gitattributes'
    text = attributes.read_text() if attributes.exists() else 'none'
    return (
        repo.git('for-each-ref') + repo.git('rev-parse', 'HEAD'),
        repo.git('ls-files', '-s') + text, histories.files(repo.path), repo.status(),
    )


def test_each_version_becomes_a_manifest(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    readme = repo.git('rev-parse', 'HEAD~2')
    before = (repo.path / M).stat()
    out, err = migrate(repo, 'import')
    assert repo.git('rev-parse', 'HEAD~2') == readme
    assert repo.git('show', 'HEAD~1:.gitattributes') == LINE
    assert repo.manifest(revision='HEAD~1').startswith('git-model manifest v1\n')
    assert repo.status() == ''
    after = (repo.path / M).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert out.startswith(
        'Rewrote 2 of 3 commits: 2 versions of models (616 B) became manifests.\n'
        '  refs/heads/main ',
    )
    assert 'warning' not in err
    repo.git('fsck', '--strict')
    repo.git('model', 'fsck')
    repo.git('checkout', '-q', 'HEAD~1')
    assert repo.read(M) == model(M, 1)


def test_it_is_what_git_add_would_have_made(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    histories.grow(repo, random.Random(5), 14)
    old = repo.git('log', '--reverse', '--topo-order', '--format=%H', '--all').split()
    migrate(repo, 'import', '--everything')
    new = repo.git('log', '--reverse', '--topo-order', '--format=%H', '--branches',
                   '--tags').split()
    assert len(old) == len(new)
    for before, after in zip(old, new):
        assert added(repo, before, after) == repo.git('rev-parse', f'{after}^{{tree}}')


def added(repo: Repo, files: str, attributes: str) -> str:
    """The tree of the files of one commit, added with the .gitattributes of another."""
    work = repo.path.parent / 'work'
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    env = {'GIT_INDEX_FILE': str(repo.path.parent / 'index'),
           'GIT_DIR': str(repo.path / '.git'), 'GIT_WORK_TREE': str(work)}
    there = Git(work)
    there.git('-c', 'filter.model.process=', '-c', 'filter.model.smudge=cat',
              'read-tree', '--reset', '-u', files, env=env)
    for path in work.rglob('.gitattributes'):
        path.unlink()
    names = there.git('ls-tree', '-r', '-z', '--name-only', attributes, env=env)
    for name in names.split('\0'):
        if name.rpartition('/')[2] == '.gitattributes':
            there.write(name, there.git('show', f'{attributes}:{name}', env=env))
    there.git('read-tree', '--empty', env=env)
    there.git('add', '-A', '--force', env=env)
    return there.git('write-tree', env=env)


@pytest.mark.parametrize('seed', [
    0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6)),
])
def test_a_random_history_keeps_every_file_and_comes_back(
    tmp_path: Path, seed: int,
) -> None:
    repo = plain(tmp_path / 'r')
    histories.grow(repo, random.Random(seed), 16, attributes=seed % 2 == 0)
    repo.git('commit', '-q', '--allow-empty', '-m', 'end')
    before, names = histories.versions(repo), histories.refs(repo)
    migrate(repo, 'import', '--everything')
    assert repo.status() == ''
    assert histories.versions(repo) == before
    raw = json.loads(migrate(repo, 'info', '--everything', '--json')[0])['patterns']
    assert [row['raw']['blobs'] for row in raw] == [0] * len(raw)
    assert migrate(repo, 'import', '--everything', '--force')[0].startswith('Nothing')
    migrate(repo, 'export', '--everything', '--force')
    assert repo.status() == ''
    assert histories.versions(repo) == before
    if seed % 2:        # without other .gitattributes there
        assert histories.refs(repo) == names
    repo.git('fsck', '--strict')


def test_undo_brings_everything_back(tmp_path: Path) -> None:
    repo = plain(tmp_path / "it's a place")
    histories.grow(repo, random.Random(8), 12)
    repo.write('untracked', 'mine')
    before = everything(repo)
    out, _ = migrate(repo, 'import', '--everything')
    assert everything(repo) != before
    undo(repo, out)
    assert everything(repo) == before


def test_the_bundle_has_all_that_was_rewritten(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    histories.grow(repo, random.Random(9), 10)
    before = histories.versions(repo)
    names = repo.git('show-ref', '--heads', '--tags')
    out, _ = migrate(repo, 'import', '--everything')
    bundle = re.search('^Backup: (.*)$', out, re.MULTILINE)
    assert bundle
    repo.git('clone', '-q', '--mirror', bundle[1], str(tmp_path / 'c' / '.git'))
    assert Git(tmp_path / 'c').git('show-ref', '--heads', '--tags') == names
    clone = Repo(tmp_path / 'c')
    clone.git('config', 'core.bare', 'false')
    assert histories.versions(clone) == before
    originals = repo.git('for-each-ref', '--format=%(objectname) %(refname)',
                         'refs/original/')
    changed = {line.replace('refs/original/', '') for line in originals.splitlines()}
    assert changed <= set(names.splitlines())


def test_a_bare_repository_of_another_hash(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r', '--object-format=sha256')
    three(repo)
    bare = Git(tmp_path / 'bare')
    repo.git('clone', '-q', '--bare', str(repo.path), str(bare.path))
    out, _ = migrate(bare, 'import', '--no-bundle')
    assert 'Backup' not in out
    assert bare.git('show', f'HEAD:{M}').startswith('git-model manifest')
    bare.git('fsck', '--strict')
    undo(bare, out)
    assert bare.git('rev-parse', 'HEAD') == repo.git('rev-parse', 'HEAD')
    migrate(bare, 'import', '--no-bundle')
    migrate(bare, 'export', '--force')
    assert bare.git('rev-parse', 'HEAD') == repo.git('rev-parse', 'HEAD')


def test_only_what_matches_and_is_not_excluded(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    for name in (M, 'tests/t.safetensors', 'w.npz', 'x.bin'):
        repo.write(name, model(name, 1))
    repo.commit('models')
    migrate(repo, 'import', '--include=*.safetensors,*.bin', '--exclude=tests/**')
    assert repo.read('.gitattributes').decode() == (
        LINE + '*.bin filter=model diff=model merge=model -text\n'
        'tests/** !filter !diff !merge !text\n'
    )
    listed = repo.git('model', 'ls-files', '--name-only').split()
    assert (listed, repo.status()) == ([M, 'x.bin'], '')
    assert migrate(repo, 'import', '--include=*.safetensors', '-X', 'tests/**',
                   '--force')[0].startswith('Nothing')
    out, _ = migrate(repo, 'export', '-I', '*.bin', '--force')
    assert '1 version of models' in out
    assert repo.git('model', 'ls-files', '--name-only').split() == [M]
    assert repo.status() == ''


def test_what_was_tracked_late_is_a_manifest_from_the_start(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    repo.write('w.bin', model(M, 1))
    repo.commit('raw')
    repo.git('model', 'track', 'w.bin')
    repo.write('w.bin', model(M, 2))
    tracked = repo.commit('tracked')
    migrate(repo, 'import')
    for revision in ('HEAD', 'HEAD~1'):
        assert repo.manifest('w.bin', revision).startswith('git-model manifest')
    assert repo.git('diff', tracked, 'HEAD') == ''


def test_files_that_describe_others_are_added_with_them(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip('tensorflow')
    repo = plain(tmp_path / 'r')
    repo.write('a.index', 'of a book\n')
    repo.commit('no checkpoint')
    for number in (1, 2):
        variable = tensorflow.Variable([float(number)] * 100)
        checkpoint = tensorflow.train.Checkpoint(v=variable)
        checkpoint.write(str(repo.path / 'ck'))
        repo.commit(f'checkpoint {number}')
    old = repo.git('log', '--format=%H').split()
    migrate(repo, 'import')
    assert repo.git('show', 'HEAD~2:a.index') == 'of a book\n'
    for number, before in enumerate(old[:2]):
        tree = repo.git('rev-parse', f'HEAD~{number}^{{tree}}')
        assert added(repo, before, f'HEAD~{number}') == tree
        data = repo.manifest('ck.data-00000-of-00001', f'HEAD~{number}')
        assert 'format tensorflow-data' in data


def test_odd_commits_and_tags_stay_what_they_are(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    tree = repo.git('rev-parse', 'HEAD^{tree}').strip()
    parent = repo.git('rev-parse', 'HEAD').strip()
    odd = (
        f'tree {tree}\nparent {parent}\nparent {parent}~\n'
        'author J\xf6 <j@x> 1 +051800\n'
        'committer <> 99999999999 -0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n'
        ' -----END PGP SIGNATURE-----\nencoding latin-1\n\n\nno newline'
    ).replace(f'{parent}~', repo.git('rev-parse', 'HEAD~').strip()).encode('latin-1')
    oid = repo.git('hash-object', '-t', 'commit', '-w', '--stdin', '--literally',
                   input=odd).strip()
    repo.git('update-ref', 'refs/heads/main', oid)
    tag = f'object {oid}\ntype commit\ntag v\ntagger A <a> 1 +0000\n\nv\n'
    signed = tag + '-----BEGIN PGP SIGNATURE-----\n-----END PGP SIGNATURE-----\n'
    name = repo.git('hash-object', '-t', 'tag', '-w', '--stdin', input=signed.encode())
    repo.git('update-ref', 'refs/tags/v', name.strip())
    repo.git('tag', '-a', '-m', 'outer', 'outer', 'v')
    repo.git('tag', 'tree', 'HEAD^{tree}')
    repo.git('tag', '-a', '-m', 'x', 'blob', f'HEAD:{M}')
    repo.git('notes', 'add', '-m', 'note')
    kept = repo.git('rev-parse', 'tree', 'blob', 'refs/notes/commits')
    _, err = migrate(repo, 'import', '--everything')
    new = subprocess.run(['git', 'cat-file', 'commit', 'main'], cwd=repo.path,
                         capture_output=True, check=True).stdout
    a, b = new[:48 + 2 * 48].split(b'\n')[1:3]
    assert a.split()[1].decode() == repo.git('rev-parse', 'main^1').strip()
    assert b.split()[1].decode() == repo.git('rev-parse', 'main^1~1').strip()
    assert new[46 + 2 * 48:] == (
        'author J\xf6 <j@x> 1 +051800\ncommitter <> 99999999999 -0000\n'
        'encoding latin-1\n\n\nno newline'
    ).encode('latin-1')
    main = repo.git('rev-parse', 'main').strip()
    assert repo.git('cat-file', 'tag', 'v') == tag.replace(oid, main)
    assert repo.git('rev-parse', 'outer^{commit}').strip() == main
    assert repo.git('rev-parse', 'tree', 'blob', 'refs/notes/commits') == kept
    assert err.startswith(
        'warning: dropped 1 commit signature and 1 tag signature: none survives a '
        'rewrite\nhint: these still have the old history: refs/notes (1), '
        'refs/tags (2)\n',
    )


def test_submodules_links_and_modes_stay(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    (repo.path / 'link.safetensors').symlink_to(M)
    (repo.path / M).chmod(0o755)
    (repo.path / 'sub').mkdir()
    repo.git('add', '.')
    repo.git('update-index', '--add', '--cacheinfo', f'160000,{"1" * 40},sub')
    repo.git('commit', '-q', '-m', 'odd entries')
    migrate(repo, 'import')
    listed = repo.git('ls-tree', '--format=%(objectmode) %(path)', 'HEAD').split('\n')
    assert listed[:-1] == ['100644 .gitattributes', '100644 README',
                           '120000 link.safetensors', f'100755 {M}', '160000 sub']
    assert repo.status() == ''


def test_what_must_not_be_touched_is_refused(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    before = repo.git('for-each-ref')
    repo.write('README', 'changed\n')
    assert migrate(repo, 'import', code=128)[1] == (
        'error: there are changes that are not committed: README\n'
        'hint: commit them, or put them away with "git stash"\n'
    )
    repo.git('add', 'README')
    assert 'not committed: README' in migrate(repo, 'import', code=128)[1]
    repo.git('reset', '-q', '--hard')
    repo.git('update-ref', 'MERGE_HEAD', 'HEAD')
    assert migrate(repo, 'import', code=128)[1] == (
        'error: a merge is in progress\n'
        'hint: finish it first, or drop it with "git merge --abort"\n'
    )
    repo.git('update-ref', '-d', 'MERGE_HEAD')
    repo.write('.gitattributes', '# mine\n')
    assert migrate(repo, 'import', code=128)[1] == (
        "error: '.gitattributes' is not committed, and would be overwritten\n"
        'hint: commit it with "git add .gitattributes && git commit"\n'
    )
    (repo.path / '.gitattributes').unlink()
    repo.git('worktree', 'add', '-q', '-b', 'other', str(tmp_path / 'w'))
    assert "'refs/heads/other', which would be rewritten" in (
        migrate(repo, 'import', '--everything', code=128)[1]
    )
    repo.git('worktree', 'remove', str(tmp_path / 'w'))
    repo.git('branch', '-q', '-D', 'other')
    repo.git('model', 'uninstall', '--local')
    assert migrate(repo, 'import', code=128)[1] == (
        'error: the filter is not set up here\n'
        'hint: set it up with "git model install --local"\n'
    )
    assert migrate(repo, 'import', 'nowhere', code=129)[1].startswith(
        "error: 'nowhere' is neither a branch nor a tag here\n",
    )
    assert migrate(repo, 'import', '--include=models/', code=129)[1] == (
        "error: 'models/' matches no file: attributes are not for folders\n"
        "hint: for all in a folder: 'models/**'\n"
    )
    assert repo.git('for-each-ref') == before
    assert not (repo.path / '.git/model-migrate').exists()


def test_incomplete_clones_are_refused(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    url = f'file://{repo.path}'
    shallow = repo.clone(tmp_path / 's', '--depth=1', url=url)
    assert migrate(shallow, 'import', code=128)[1] == (
        'error: the repository is shallow: older commits are not here\n'
        'hint: get them with "git fetch --unshallow"\n'
    )
    repo.git('config', 'uploadpack.allowFilter', 'true')
    partial = repo.clone(tmp_path / 'p', '--filter=blob:none', url=url)
    assert migrate(partial, 'import', code=128)[1] == (
        'error: the clone is partial: objects are not here, 1 in all\n'
        'hint: get them with "git fetch --refetch --no-filter"\n'
    )


def test_a_second_one_must_be_forced(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    migrate(repo, 'import')
    before = repo.git('for-each-ref')
    assert migrate(repo, 'export', code=128)[1].startswith(
        'error: an earlier rewrite left 1 refs in refs/original/\n'
        'hint: replace them with --force; ',
    )
    assert repo.git('for-each-ref') == before
    out, _ = migrate(repo, 'export', '--force')
    undo(repo, out)
    assert repo.git('for-each-ref') == before


def test_other_filters_are_respected(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    repo.write('secret/s.safetensors', model(M, 3))
    repo.write('.gitattributes', 'secret/** filter=crypt\n')
    repo.commit('secret')
    assert migrate(repo, 'import', code=128)[1] == (
        "error: 'secret/s.safetensors' matches '*.safetensors', but .gitattributes "
        "gives it to the filter 'crypt'\n"
        'hint: name patterns that do not match it with --include\n'
    )
    migrate(repo, 'import', f'--include=/{M}')
    assert repo.read('.gitattributes').decode() == (
        f'secret/** filter=crypt\n/{M} filter=model diff=model merge=model -text\n'
    )
    assert repo.git('model', 'ls-files', '--name-only').split() == [M]


def test_info_says_what_there_is(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    repo.git('model', 'track', '*.npz')
    repo.write('w.npz', npz(w=[1.0]))
    repo.commit('npz')
    nbytes = 2 * len(model(M, 1))
    assert migrate(repo, 'info')[0] == (
        f'*.safetensors\traw\t1 file\t2 versions\t{nbytes} B\n'
        '*.npz\tmanifests\t1 file\t1 version\t364 B\n'
    )
    found = json.loads(migrate(repo, 'info', '--json')[0])
    assert found['patterns'][0] == {
        'pattern': '*.safetensors', 'raw': {'files': 1, 'blobs': 2, 'bytes': nbytes},
        'lfs': {'files': 0, 'blobs': 0, 'bytes': 0},
        'manifests': {'files': 0, 'blobs': 0, 'bytes': 0},
    }


def lfs(path: Path) -> Repo:
    """The history of ``three`` in Git LFS, and a file that is not."""
    repo = plain(path)
    repo.git('lfs', 'install', '--local', '--force')
    repo.write('README', 'hello\n')
    repo.write('.gitattributes', f'* text=auto\n{LFS_LINE}*.psd filter=lfs diff=lfs '
                                 'merge=lfs -text\n')
    repo.commit('readme')
    for number in (1, 2):
        repo.write(M, model(M, number))
        repo.write('a.psd', f'{number}')
        repo.commit(f'model {number}')
    assert repo.git('show', f'HEAD:{M}').startswith('version https://git-lfs')
    return repo


@needs_lfs
def test_from_git_lfs_and_back(tmp_path: Path) -> None:
    repo = lfs(tmp_path / 'r')
    before, names = histories.versions(repo), histories.refs(repo)
    stat = (repo.path / M).stat()
    _, err = migrate(repo, 'import', '--everything')
    assert "pre-push' is another hook: git push sends no tensors" in err
    assert repo.read('.gitattributes').decode() == (
        f'* text=auto\n{LINE}*.psd filter=lfs diff=lfs merge=lfs -text\n'
    )
    assert repo.git('show', 'HEAD:a.psd').startswith('version https://git-lfs')
    assert (repo.path / M).stat().st_mtime_ns == stat.st_mtime_ns
    assert (histories.versions(repo), repo.status()) == (before, '')
    shutil.rmtree(repo.path / '.git/lfs/objects' / _digest(model(M, 1))[:2])
    out, _ = migrate(repo, 'export', '--to=lfs', '--everything', '--force')
    assert (histories.refs(repo), repo.status()) == (names, '')
    assert histories.versions(repo) == before
    repo.git('lfs', 'fsck')
    undo(repo, out)
    assert repo.manifest().startswith('git-model manifest')


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@needs_lfs
def test_what_git_lfs_lacks_is_fetched_or_told(tmp_path: Path) -> None:
    repo = lfs(tmp_path / 'r')
    repo.git('init', '-q', '--bare', str(tmp_path / 'remote'))
    repo.git('remote', 'add', 'origin', f'file://{tmp_path}/remote')
    os.utime(repo.path / M, (1, 1))     # or git-lfs may read it again, and keep it
    repo.git('update-index', '--refresh')
    shutil.rmtree(repo.path / '.git/lfs/objects')
    before = repo.git('for-each-ref')
    _, err = migrate(repo, 'import', code=128)
    assert err.startswith('error: 2 objects of Git LFS are not here; nothing was '
                          'changed\nhint: ')
    assert f'hint: {_digest(model(M, 1))} ({M})\n' in err
    assert repo.git('for-each-ref') == before
    repo = lfs(tmp_path / 'r2')
    repo.git('remote', 'add', 'origin', f'file://{tmp_path}/remote')
    repo.git('push', '-q', 'origin', 'main')
    shutil.rmtree(repo.path / '.git/lfs/objects')
    migrate(repo, 'import')
    assert repo.manifest().startswith('git-model manifest')
    repo.git('checkout', '-q', 'HEAD~1')
    assert repo.read(M) == model(M, 1)


@needs_lfs
def test_a_worktree_of_pointers_becomes_one_of_models(tmp_path: Path) -> None:
    repo = lfs(tmp_path / 'r')
    clone = repo.clone(tmp_path / 'c', url=f'file://{repo.path}')
    clone.git('model', 'install', '--local')
    clone.git('lfs', 'install', '--local', '--force', '--skip-smudge')
    clone.git('lfs', 'fetch', '--all', '-q', code=None)
    assert clone.read(M) != model(M, 2)
    migrate(clone, 'import', f'--include={M}')
    assert (clone.read(M), clone.status()) == (model(M, 2), '')


_PROGRAM = '''\
#!{python}
import sys
sys.path.insert(0, {root!r})
from tests.testing import injector
injector.install()
from git_model_driver.cli.main import main
sys.exit(main())
'''


def _killed(repo: Repo, programs: Path, at: int, kind: str) -> int:
    """Run an import that is killed at a call; how many there were."""
    log = repo.path.parent / 'calls'
    log.unlink(missing_ok=True)
    path = f'{programs}{os.pathsep}{os.environ["PATH"]}'
    subprocess.run(
        ['git', 'model', 'migrate', 'import', '--everything'], cwd=repo.path,
        capture_output=True, check=False, start_new_session=True,
        env={**os.environ, 'PATH': path, 'GIT_MODEL_FAULT': f'{kind} {at} {log}'},
    )
    return log.stat().st_size // 16


@pytest.mark.parametrize('kind', [
    pytest.param('kill', marks=pytest.mark.slow), 'killall',
])
def test_killed_at_any_moment_there_is_the_old_or_the_new(
    tmp_path: Path, kind: str,
) -> None:
    programs = tmp_path / 'programs'
    programs.mkdir()
    program = programs / 'git-model'
    program.write_text(_PROGRAM.format(
        python=sys.executable, root=str(Path(__file__).parents[2]),
    ))
    program.chmod(0o755)
    template = plain(tmp_path / 'template')
    histories.grow(template, random.Random(3), 6)
    old = histories.refs(template)
    whole = _copied(template, tmp_path / 'whole')
    calls = _killed(whole, programs, 0, 'count')
    new = histories.refs(whole)
    assert old != new and calls > 100
    rng = random.Random(kind)
    some = [rng.randrange(1, calls) for _ in range(5)]
    for at in [calls, calls - 1, calls - 5, *some]:
        repo = _copied(template, tmp_path / 'copy')
        _killed(repo, programs, at, kind)
        assert histories.refs(repo) in (old, new)
        for lock in (repo.path / '.git').glob('**/*.lock'):
            lock.unlink()       # git's own, which it asks to be removed by hand
        done = repo.run('git', 'model', 'migrate', 'import', '--everything', '--force',
                        code=None)
        if done.code:
            finish = re.search('^hint: finish it: (.*)$', done.err, re.MULTILINE)
            assert finish, done.err
            repo.run('sh', '-c', finish[1])
        assert histories.refs(repo) == new
        assert repo.status() == ''
        repo.git('fsck', '--strict')
        repo.git('model', 'fsck')
        shutil.rmtree(repo.path)


def _copied(repo: Repo, path: Path) -> Repo:
    shutil.copytree(repo.path, path, symlinks=True)
    copy = Repo(path)
    copy.git('update-index', '-q', '--refresh')
    return copy


@pytest.mark.parametrize('way', ['finish it', 'or undo it'])
def test_where_the_machine_stopped_between_two_refs(tmp_path: Path, way: str) -> None:
    """Git renames one after the other; what is to be done then is said."""
    repo = plain(tmp_path / 'r')
    three(repo)
    repo.git('branch', 'other')
    old = everything(repo)
    out, _ = migrate(repo, 'import', '--everything')
    new = everything(repo)
    found = re.search('^Undo: .* < (.*)/undo ', out, re.MULTILINE)
    assert found
    listed = repo.git('for-each-ref', '--format=%(objectname) %(refname)')
    pairs = (line.split(' ') for line in listed.splitlines())
    wanted = refs.instructions([Change(name, None, oid) for oid, name in pairs], False)
    (Path(found[1]) / 'pending').write_bytes(wanted)
    repo.git('update-ref', 'refs/heads/other', 'refs/original/refs/heads/other')
    _, err = migrate(repo, 'export', '--force', code=128)
    assert err.startswith(
        'error: an earlier migration was cut short while it changed refs or files\n',
    )
    command = re.search(f'^hint: {way}: (.*)$', err, re.MULTILINE)
    assert command
    repo.run('sh', '-c', command[1])
    assert everything(repo) == (new if way == 'finish it' else old)
    assert not (Path(found[1]) / 'pending').exists()


def test_a_detached_head_is_brought_along(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    three(repo)
    repo.git('checkout', '-q', '--detach', 'HEAD~1')
    before = everything(repo)
    out, _ = migrate(repo, 'import', '--everything')
    assert repo.git('rev-parse', 'HEAD') == repo.git('rev-parse', 'main~1')
    assert (repo.read(M), repo.status()) == (model(M, 1), '')
    undo(repo, out)
    assert everything(repo) == before


def test_a_link_in_place_of_attributes_is_refused(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    repo.write(M, model(M, 1))
    (repo.path / '.gitattributes').symlink_to('README')
    repo.commit('a link')
    before = repo.git('for-each-ref')
    assert migrate(repo, 'import', code=128)[1].startswith(
        "error: '.gitattributes' is not a regular file in a commit that would be "
        'rewritten: git ignores it\n',
    )
    assert repo.git('for-each-ref') == before


def test_a_sparse_checkout_stays_sparse(tmp_path: Path) -> None:
    repo = plain(tmp_path / 'r')
    repo.write('a/' + M, model(M, 1))
    repo.write('b/' + M, model(M, 2))
    repo.commit('two')
    repo.git('sparse-checkout', 'set', 'a')
    assert not (repo.path / 'b').exists()
    migrate(repo, 'import')
    assert (repo.status(), (repo.path / 'b').exists()) == ('', False)
    repo.git('sparse-checkout', 'disable')
    assert repo.read('b/' + M) == model(M, 2)
