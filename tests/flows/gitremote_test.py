"""Tensors on the same Git remote as the commits: push and clone are enough."""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from tests.testing import remotes
from tests.testing import repository
from tests.testing import servers
from tests.testing.params import slow_unless
from tests.testing.remotes import batches
from tests.testing.remotes import clone
from tests.testing.remotes import connect
from tests.testing.repository import Repo
from tests.testing.repository import after

M = 'm.safetensors'
SERVERS = {
    'file': servers.plain, 'daemon': servers.daemon, 'http': servers.http,
    'ssh': servers.ssh,
}
PLACES = [(name, version) for name in SERVERS for version in (0, 2)]
QUICK = ('file', 2), ('daemon', 0), ('http', 2)


def drawn(seed: int, near: float = 0.0) -> numpy.ndarray:
    base = numpy.random.default_rng(0).standard_normal((90, 70)) * 0.02
    moved = numpy.random.default_rng(seed).standard_normal((90, 70)) * near
    return (base + moved).astype('float32')


def save(repo: Repo, seed: int, name: str = M) -> None:
    repo.save(name, a=drawn(seed, 1e-5), b=drawn(seed + 100, 1e-2), c=drawn(1000, 1.0))


@pytest.fixture(autouse=True)
def everywhere(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.git('model', 'install')
    monkeypatch.setenv('GIT_ALLOW_PROTOCOL', 'file:git:http:ssh')


@pytest.fixture(
    params=slow_unless(QUICK.__contains__, PLACES),
    ids=lambda place: f'{place[0]}-v{place[1]}',
)
def url(
    request: pytest.FixtureRequest, tmp_path: Path, repo: Repo,
) -> Iterator[str]:
    """A bare repository behind a server, and the version of Git's protocol."""
    name, version = request.param
    repo.git('config', '--global', 'protocol.version', str(version))
    remotes.bare(repo, tmp_path)
    with SERVERS[name](tmp_path / 'srv') as address:
        yield f'{address}/bare.git'


@pytest.fixture
def here(tmp_path: Path, repo: Repo) -> str:
    """A bare repository in a directory, used as if it were far away."""
    return remotes.bare(repo, tmp_path)


@pytest.fixture
def told(repo: Repo) -> Repo:
    """Two commits on main."""
    return after(repo, commit_twice)


def commit_twice(repo: Repo) -> None:
    remotes.two_versions(repo, save)


def test_a_push_and_a_clone_are_enough(told: Repo, url: str, tmp_path: Path) -> None:
    connect(told, url)
    done = told.run('git', 'push', '-q', '-u', 'origin', 'main')
    assert done.err == "Sent 5 tensors to 'origin'\n"
    bob = clone(told, url, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.status() == ''
    bob.git('checkout', '-q', 'HEAD~1')
    told.git('checkout', '-q', 'HEAD~1')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.git('model', 'fsck') == '5 objects needed, all is well\n'
    assert not any((bob.path / '.git/model/tmp').iterdir())


def test_a_merge_goes_there_and_back(told: Repo, url: str, tmp_path: Path) -> None:
    connect(told, url)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, url, tmp_path / 'bob')
    save(bob, 3)
    bob.commit('bob')
    bob.git('push', '-q')
    save(told, 4)
    told.commit('ann')
    told.git('push', '-q', code=1)
    told.git('pull', '-q', '--no-rebase', '--no-edit')
    told.git('push', '-q')
    bob.git('pull', '-q')
    assert bob.sha256(M) == told.sha256(M)
    assert bob.git('rev-parse', 'HEAD') == told.git('rev-parse', 'HEAD')
    carl = clone(told, url, tmp_path / 'carl')
    assert carl.sha256(M) == told.sha256(M)
    carl.git('model', 'fetch')
    assert carl.git('model', 'fsck').endswith('all is well\n')


def logged_ssh(tmp_path: Path, before: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """From now on ssh writes a line for each connection, and does this before it."""
    script, log = tmp_path / 'logged-ssh', tmp_path / 'ssh.log'
    script.write_text(
        f'#!/bin/sh\necho x >>"{log}"\n{before}\nexec "{os.environ["GIT_SSH"]}" "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv('GIT_SSH', str(script))
    return log


def connections(log: Path) -> int:
    """Since it was last asked."""
    made = log.read_text().count('x') if log.exists() else 0
    log.unlink(missing_ok=True)
    return made


@pytest.fixture
def over_ssh(told: Repo, tmp_path: Path) -> Iterator[str]:
    """Three pushes were made there."""
    remotes.bare(told, tmp_path)
    with servers.ssh(tmp_path / 'srv') as address:
        connect(told, f'{address}/bare.git')
        for seed in (10, 11, 12):
            save(told, seed)
            told.commit(f'version {seed}')
            told.git('push', '-q', '-u', 'origin', 'main')
        yield f'{address}/bare.git'


def test_whatever_was_pushed_is_had_by_one_connection(
    told: Repo, over_ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Git's own, and one for refs, three lists, and tensors."""
    log = logged_ssh(tmp_path, '', monkeypatch)
    bob = clone(told, over_ssh, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    assert connections(log) == 2
    bob.git('model', 'fetch')
    assert connections(log) == 2        # and one for what is noted of versions
    assert bob.git('model', 'fsck').endswith('all is well\n')


def test_a_server_of_the_old_protocol_is_asked_once_whether_it_is_one(
    told: Repo, over_ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = logged_ssh(tmp_path, 'unset GIT_PROTOCOL', monkeypatch)
    bob = clone(told, over_ssh, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
    # Git's own; ours; refs, lists, tensors by name, those of three batches.
    assert connections(log) == 8


def test_a_host_that_cannot_be_reached_is_tried_once(
    told: Repo, over_ssh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    bob = clone(told, over_ssh, tmp_path / 'bob', '--no-checkout')
    failing = 'echo "ssh: connect to host there.example: No route" >&2; exit 255'
    log = logged_ssh(tmp_path, failing, monkeypatch)
    done = bob.run('git', 'model', 'fetch', code=128)
    assert done.err == (
        "warning: cannot read from 'origin': ssh: connect to host there.example: "
        'No route\n'
        'error: 11 tensors could not be found\n'
        'hint: name another repository: git model fetch <remote>\n'
    )
    assert connections(log) == 2        # and one for what is noted of versions
    done = bob.run('git', 'checkout', '-q', 'main')
    assert 'ssh: connect to host there.example: No route\n' in done.err
    assert connections(log) == 1


def test_a_relative_address_is_seen_from_the_top(told: Repo, tmp_path: Path) -> None:
    """As git sees it, wherever git-model is called; another repository may be there."""
    remotes.bare(told, tmp_path)
    connect(told, '../srv/bare.git')
    told.git('push', '-q', '-u', 'origin', 'main')
    inner = told.path / 'one/two'
    inner.mkdir(parents=True)
    told.git('init', '-q', '--bare', str(told.path / 'one/srv/bare.git'))
    told.lose()
    said = told.git('-C', str(inner), 'model', 'fetch')
    assert said == 'Got 5 tensors.\n'
    said = told.git('-C', str(inner), 'model', 'fsck', '--remote', 'origin')
    assert said.endswith('all is well\n')


def sizes(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.rglob('*') if f.is_file())


def test_only_what_the_other_side_lacks_is_sent(
    told: Repo, here: str, tmp_path: Path,
) -> None:
    connect(told, here)
    # Git 2.55 packs anew after a push, while we count.
    Repo(tmp_path / 'srv/bare.git').git('config', 'receive.autogc', 'false')
    told.git('push', '-q', '-u', 'origin', 'main')
    before = sizes(tmp_path / 'srv')
    assert told.run('git', 'push').err == 'Everything up-to-date\n'
    told.save(M, a=drawn(1, 1e-5), b=drawn(102, 1e-2), c=drawn(1000, 1.0) * 1.0001)
    told.commit('one tensor moved a little')
    assert told.run('git', 'push', '-q').err == "Sent 1 tensor to 'origin'\n"
    moved = sizes(tmp_path / 'srv') - before
    assert moved < 90 * 70 * 4      # it went as a difference
    assert len(batches(here, told)) == 2
    told.git('tag', 'v1')
    assert told.run('git', 'push', '-q', 'origin', 'v1', 'main:copy').err == ''
    assert len(batches(here, told)) == 2


def test_git_keeps_no_second_copy(told: Repo, here: str, tmp_path: Path) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, here, tmp_path / 'bob')
    for repo in (told, bob):
        assert sizes(repo.path / '.git/objects') < 20_000
        assert repo.git('for-each-ref', 'refs/models') == ''
        assert not (repo.path / '.git/FETCH_HEAD').exists()


def test_what_was_pushed_without_its_tensors_is_sent_later(
    told: Repo, here: str, tmp_path: Path,
) -> None:
    connect(told, here)
    told.git('push', '-q', '--no-verify', '-u', 'origin', 'main')
    bob = clone(told, here, tmp_path / 'bob')
    assert bob.read(M).startswith(b'git-model manifest v1\n')
    done = bob.run('git', 'model', 'pull', code=128)
    assert done.err == (
        f'error: tensors of 1 model are on no remote that can be read from here: {M}\n'
        'hint: see the remotes with "git remote -v"; where the tensors are, say '
        '"git model push <remote>"\n'
    )
    assert told.git('model', 'push', 'origin') == "Sent 5 tensors to 'origin'\n"
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    assert bob.sha256(M) == told.sha256(M)


# Commits, the list, and all that is missing; what is on this machine needs no server,
# unless somebody has settled how to reach it.
@pytest.mark.parametrize(('when', 'settings', 'packs'), [
    ('now', (), 2), ('later', (), 2),
    ('now', ('-c', 'remote.origin.uploadpack=git-upload-pack'), 3),
])
def test_many_files_are_fetched_together(
    told: Repo, here: str, tmp_path: Path, when: str, settings: tuple[str, ...],
    packs: int,
) -> None:
    names = [f"folder/it's {number}.safetensors" for number in range(4)]
    for number, name in enumerate(names):
        save(told, 10 + number, name)
    told.commit('more')
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    trace = tmp_path / 'trace'
    bob = Repo(tmp_path / 'bob')
    told.run(
        'git', '-c', f'model.materialize={when}', *settings, 'clone', '-q',
        '-c', 'remote.origin.modelStore=git', here, str(bob.path),
        env={'GIT_TRACE2_EVENT': str(trace)},
    )
    assert [bob.sha256(name) for name in names] == [told.sha256(n) for n in names]
    made = [
        line for line in trace.read_text().splitlines()
        if '"event":"start"' in line and '"pack-objects"' in line
    ]
    assert len(made) == packs


def test_without_the_remote_there_is_one_warning_and_one_command(
    told: Repo, here: str, tmp_path: Path,
) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, here, tmp_path / 'bob')
    (tmp_path / 'srv').rename(tmp_path / 'gone')
    done = bob.run('git', 'checkout', '-q', 'HEAD~1')
    assert f"'{M}' stays a manifest\n" in done.err
    assert f'hint: get what is missing with "git model pull {M}"\n' in done.err
    assert done.err.count('warning: ') == 1
    assert bob.status() == ''
    done = bob.run('git', 'model', 'pull', code=128)
    assert "does not appear to be a git repository" in done.err
    (tmp_path / 'gone').rename(tmp_path / 'srv')
    assert bob.git('model', 'pull') == 'Wrote 1 model.\n'
    told.git('checkout', '-q', 'HEAD~1')
    assert bob.sha256(M) == told.sha256(M)


def test_two_pushes_at_once_lose_nothing(told: Repo, here: str, tmp_path: Path) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    people = [clone(told, here, tmp_path / f'p{i}') for i in range(3)]
    for i, person in enumerate(people):
        person.git('checkout', '-q', '-b', f'b{i}')
        save(person, 50 + i)
        person.commit(f'by {i}')
    import subprocess

    running = [
        subprocess.Popen(('git', 'push', '-q', 'origin', f'b{i}'), cwd=person.path)
        for i, person in enumerate(people)
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    carl = clone(told, here, tmp_path / 'carl')
    carl.git('model', 'fetch')
    assert carl.git('model', 'fsck').endswith('all is well\n')
    assert len(batches(here, told)) == 4


def test_a_mirror_push_does_not_delete_tensors(told: Repo, here: str) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    before = batches(here, told)
    done = told.run('git', 'push', '--mirror', 'origin', code=1)
    assert done.err.startswith(
        'error: this would delete 2 refs with tensors of models\n'
        'hint: to push everything else: git push --all && git push --tags\n',
    )
    assert batches(here, told) == before


def test_a_bad_kind_is_told(told: Repo, here: str) -> None:
    connect(told, here)
    told.git('config', 'remote.origin.modelStore', 'tape')
    done = told.run('git', 'push', '-q', 'origin', 'main', code=1)
    assert done.err.startswith(
        "error: remote.origin.modelStore is 'tape', which is no kind of store\n"
        'hint: choose one of git, lfs, directory, none, or an address: '
        'git config remote.origin.modelStore ',
    )


@pytest.mark.parametrize('damage', ['cut', 'flipped', 'gone'])
def test_a_damaged_remote_gives_nothing_wrong(
    told: Repo, here: str, tmp_path: Path, damage: str,
) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    pack = max((tmp_path / 'srv/bare.git/objects/pack').glob('*.pack'),
               key=lambda path: path.stat().st_size)
    shutil.copyfile(pack, tmp_path / 'whole')
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    if damage == 'gone':
        pack.unlink()
    elif damage == 'cut':
        pack.write_bytes(data[:len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        pack.write_bytes(data)
    bob = Repo(tmp_path / 'bob')
    told.run('git', 'clone', '-q', '-c', 'remote.origin.modelStore=git', here,
             str(bob.path), code=None)
    # A flipped bit may be of what nobody needs.
    if bob.path.exists() and bob.sha256(M) != told.sha256(M):
        assert bob.read(M).startswith(b'git-model manifest v1\n')
        assert bob.store() == set()
        shutil.copyfile(tmp_path / 'whole', pack)
        bob.git('model', 'pull')
        assert bob.sha256(M) == told.sha256(M)


def test_a_large_object_travels_in_parts(
    told: Repo, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    noise = numpy.random.default_rng(5).bytes(65 << 20)
    told.git('model', 'track', '*.bin')
    told.write('noise.bin', noise)
    told.save('large.safetensors', x=numpy.frombuffer(noise, 'uint8'))
    told.commit('large')
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, here, tmp_path / 'bob')
    assert bob.read('noise.bin') == noise
    assert bob.sha256('large.safetensors') == told.sha256('large.safetensors')


def test_a_repository_with_sha256_names(repo: Repo, tmp_path: Path) -> None:
    repo.git('init', '-q', '--bare', '-b', 'main', '--object-format=sha256',
             str(tmp_path / 'x.git'))
    made = tmp_path / 'made'
    repo.git('init', '-q', '-b', 'main', '--object-format=sha256', str(made))
    ann = Repo(made)
    ann.git('model', 'track', '*.safetensors')
    save(ann, 1)
    ann.commit('one')
    connect(ann, f'file://{tmp_path}/x.git')
    ann.git('model', 'install', '--local')
    ann.git('push', '-q', 'origin', 'main')
    bob = clone(ann, f'file://{tmp_path}/x.git', tmp_path / 'bob')
    assert bob.sha256(M) == ann.sha256(M)


@pytest.mark.parametrize('options', [
    ('--depth=1',), ('--filter=blob:none',), ('--mirror',), ('--bare',),
    ('--single-branch',),
])
def test_clones_of_all_kinds(
    told: Repo, here: str, tmp_path: Path, options: tuple[str, ...],
) -> None:
    Repo(tmp_path / 'srv/bare.git').git('config', 'uploadpack.allowFilter', 'true')
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    bob = clone(told, here, tmp_path / 'bob', *options)
    if '--mirror' in options:
        carl = clone(told, f'file://{bob.path}', tmp_path / 'carl')
        assert carl.sha256(M) == told.sha256(M)
        return
    if '--bare' in options:
        bob.git('model', 'fetch')
        assert bob.git('model', 'fsck').endswith('all is well\n')
        return
    assert bob.sha256(M) == told.sha256(M)
    save(bob, 8)
    bob.commit('bob')
    bob.git('push', '-q', 'origin', 'HEAD:bobs')
    told.git('fetch', '-q', 'origin', 'bobs')
    told.git('checkout', '-q', 'FETCH_HEAD')
    assert bob.sha256(M) == told.sha256(M)


def test_a_submodule_gets_its_tensors(told: Repo, here: str, tmp_path: Path) -> None:
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    top = repository.make(tmp_path / 'top')
    top.git('-c', 'protocol.file.allow=always', '-c', 'remote.origin.modelStore=git',
            'submodule', '--quiet', 'add', here, 'sub')
    assert Repo(top.path / 'sub').sha256(M) == told.sha256(M)


def test_history_may_be_written_anew(told: Repo, here: str, tmp_path: Path) -> None:
    """Nothing depends on the names of commits."""
    connect(told, here)
    told.git('push', '-q', '-u', 'origin', 'main')
    told.git('checkout', '-q', '--orphan', 'new')
    told.commit('squashed')
    assert told.run('git', 'push', '-q', '--force', 'origin', 'new:main').err == ''
    bob = clone(told, here, tmp_path / 'bob')
    assert bob.sha256(M) == told.sha256(M)
