"""Repositories with models where git-model is not set up, or not there."""
from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.testing import expected
from tests.testing.repository import Repo

M = 'm.safetensors'
MISSING = (
    "error: 'git-model' is not on PATH; this repository keeps its models with it\n"
    'hint: get it with: pip install git-model-driver && git model install\n'
)
WITHOUT = (
    '-c', 'filter.model.process=', '-c', 'filter.model.clean=',
    '-c', 'filter.model.smudge=', '-c', 'filter.model.required=false',
)
PROGRAMS = (
    'git', 'sh', 'cat', 'ls', 'sed', 'grep', 'basename', 'dirname', 'env', 'tr', 'mv',
    'rm', 'cp', 'mkdir', 'uname', 'expr',
)


@pytest.fixture
def bareboned(tmp_path: Path) -> dict[str, str]:
    """A PATH with Git and what a system has, without git-model."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return {'PATH': str(folder)}


@pytest.fixture
def diverged(repo: Repo) -> Repo:
    """Ours changed a and b, theirs b and c."""
    repo.diverge({'a': 1.0, 'b': 1.0, 'c': 1.0}, {'a': 2.0, 'b': 3.0, 'c': 1.0},
                 {'a': 1.0, 'b': 5.0, 'c': 6.0})
    return repo


def test_a_clone_without_the_driver_has_manifests_that_explain_themselves(
    diverged: Repo, tmp_path: Path,
) -> None:
    clone = diverged.clone(tmp_path / 'clone')
    text = clone.read(M).decode()
    assert text == expected.manifest(a=2.0, b=3.0, c=1.0)
    assert 'pip install git-model-driver && git model install && git model pull' in text
    assert clone.status() == ''
    assert f'+{expected.line("a", 2.0)}' in clone.git('show')
    # What it says to do:
    clone.git('model', 'install')
    assert clone.git('model', 'pull') == 'Wrote 1 model.\n'
    assert clone.sha256(M) == diverged.sha256(M)
    assert clone.status() == ''


def test_changes_of_different_groups_merge_as_text(repo: Repo, tmp_path: Path) -> None:
    layers = [f'layers.{i}.weight' for i in range(9)]
    values = [{name: float(i) for i, name in enumerate(layers)} for _ in range(3)]
    values[1]['layers.1.weight'] = 16.0
    values[2]['layers.7.weight'] = 32.0
    repo.diverge(*values)
    clone = repo.clone(tmp_path / 'clone')
    clone.git('merge', '-q', 'origin/topic', '-m', 'merged')
    clone.git('model', 'install')
    clone.git('model', 'pull')
    merged = {**values[0], 'layers.1.weight': 16.0, 'layers.7.weight': 32.0}
    assert clone.load() == merged
    assert clone.status() == ''


def test_a_conflict_of_a_text_merge_can_be_settled_by_tensors(
    diverged: Repo, tmp_path: Path,
) -> None:
    clone = diverged.clone(tmp_path / 'clone')
    clone.git('merge', 'origin/topic', code=1)
    clone.git('model', 'install')
    clone.git('add', M, code=128)
    listed = clone.git('model', 'resolve', '--list', M)
    assert [line.split(':')[0] for line in listed.splitlines()] == ['b']
    clone.git('model', 'resolve', '--method=linear', M)
    assert clone.load() == {'a': 2.0, 'b': 4.0, 'c': 6.0}
    clone.git('commit', '-q', '-m', 'merged')
    assert clone.status() == ''


def test_a_checkout_without_the_program_says_what_to_install(
    diverged: Repo, tmp_path: Path, bareboned: dict[str, str],
) -> None:
    diverged.git('model', 'install', '--skip-repo')
    clone = Repo(tmp_path / 'clone')
    done = diverged.run('git', 'clone', str(diverged.path), str(clone.path), code=128,
                        env=bareboned)
    assert MISSING in done.err
    # Both ways out: going on without the weights, and installing.
    assert f'hint: to go on without the weights: git {" ".join(WITHOUT)} ' in done.err
    clone.git(*WITHOUT, 'reset', '-q', '--hard', env=bareboned)
    assert clone.read(M).decode() == expected.manifest(a=2.0, b=3.0, c=1.0)
    assert clone.git(*WITHOUT, 'status', '--porcelain', env=bareboned) == ''
    assert f'+{expected.line("a", 2.0)}' in (
        clone.git(*WITHOUT, 'show', 'HEAD', env=bareboned)
    )
    assert clone.status() == ''
    assert clone.git('model', 'checkout') == 'Wrote 1 model.\n'
    assert clone.sha256(M) == diverged.sha256(M)


@pytest.mark.parametrize('command', [
    ('add', '.'), ('commit', '-a', '-m', 'x'), ('checkout', '-q', '-f', 'topic'),
    ('merge', 'topic'), ('stash',), ('diff', 'HEAD', 'topic'),
    ('archive', '-o', '../a.tar', 'HEAD'),
])
def test_without_the_program_nothing_is_done_wrong(
    diverged: Repo, bareboned: dict[str, str], command: tuple[str, ...],
) -> None:
    diverged.save(M, a=8.0)
    head, digest = diverged.git('rev-parse', 'HEAD'), diverged.sha256(M)
    done = diverged.run('git', *command, code=None, env=bareboned)
    assert done.code
    assert MISSING in done.err
    assert diverged.git('rev-parse', 'HEAD') == head
    if '-f' not in command:
        assert diverged.sha256(M) == digest
        assert diverged.status() == f' M {M}\n'
    else:
        assert not (diverged.path / M).exists() or diverged.sha256(M) == digest


def test_a_push_without_the_program_is_refused(
    diverged: Repo, bareboned: dict[str, str],
) -> None:
    diverged.git('init', '-q', '--bare', '../bare.git')
    done = diverged.run('git', 'push', '../bare.git', 'main', code=1, env=bareboned)
    assert done.err.startswith(
        "error: 'git-model' is not on PATH; the weights cannot be pushed\n"
    )
    diverged.git('push', '-q', '--no-verify', '../bare.git', 'main', env=bareboned)


def test_the_program_is_found_in_the_users_own_folder(
    diverged: Repo, pinned: Path, bareboned: dict[str, str],
) -> None:
    program = shutil.which('git-model')
    assert program
    (pinned / '.local/bin').mkdir(parents=True)
    (pinned / '.local/bin/git-model').symlink_to(program)
    diverged.git('checkout', '-q', 'topic', env=bareboned)
    assert diverged.load() == {'a': 1.0, 'b': 5.0, 'c': 6.0}
    assert diverged.git('diff', 'main', 'topic', env=bareboned).count(os.linesep) > 6
    assert diverged.git('status', '--porcelain', env=bareboned) == ''


def test_smudging_can_be_skipped(diverged: Repo) -> None:
    skip = {'GIT_MODEL_SKIP_SMUDGE': '1'}
    diverged.git('checkout', '-q', 'topic', env=skip)
    assert diverged.read(M).decode() == expected.manifest(a=1.0, b=5.0, c=6.0)
    assert diverged.status() == ''
    assert diverged.git('model', 'checkout') == 'Wrote 1 model.\n'
    assert diverged.load() == {'a': 1.0, 'b': 5.0, 'c': 6.0}
    assert diverged.status() == ''


def test_uninstalling_leaves_models_in_the_worktree_as_they_are(
    diverged: Repo,
) -> None:
    digest = diverged.sha256(M)
    diverged.git('model', 'uninstall', '--local')
    assert diverged.sha256(M) == digest
    assert not (diverged.path / '.git/hooks/pre-push').exists()
    assert diverged.git('config', '--local', '--get-regexp', r'\.model\.', code=1) == ''
