"""Shells complete what follows ``git model``."""
from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from git_model_driver.cli.main import VERBS
from tests.testing.repository import Repo

OF_GIT = Path('/usr/share/bash-completion/completions/git')
ASK = '''
. {of_git}
eval "$(git model completion bash)"
COMP_WORDS=({words} "{last}")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMP_LINE="${{COMP_WORDS[*]}}"
COMP_POINT=${{#COMP_LINE}}
__git_wrap__git_main
printf '%s\\n' "${{COMPREPLY[@]}}"
'''


def completed(repo: Repo, words: str, last: str) -> list[str]:
    script = ASK.format(of_git=OF_GIT, words=words, last=last)
    return [word.rstrip() for word in repo.run('bash', '-c', script).out.splitlines()]


@pytest.mark.skipif(not OF_GIT.exists(), reason="Git's completion is not installed")
def test_bash_completes_verbs_options_and_revisions(repo: Repo) -> None:
    assert completed(repo, 'git model', '') == list(VERBS)
    assert completed(repo, 'git model', 'bl') == ['blame']
    assert completed(repo, 'git model blame', '--gr') == ['--group']
    assert completed(repo, 'git model ls-files', '--incl') == ['--include=']
    assert completed(repo, 'git model diff', 'ma') == ['main']


@pytest.mark.skipif(not shutil.which('fish'), reason='there is no fish here')
def test_fish_completes_verbs_and_options(repo: Repo) -> None:
    def asked(line: str) -> list[str]:
        script = f'git model completion fish | source; complete -C "{line}"'
        done = repo.run('fish', '-c', script)
        return [row.split('\t')[0] for row in done.out.splitlines()]

    assert asked('git model bl') == ['blame']
    assert asked('git model blame --gr') == ['--group']
    assert 'main' in asked('git model log ma')


@pytest.mark.parametrize('shell', ['bash', 'zsh', 'fish'])
def test_each_shell_can_read_what_is_for_it(repo: Repo, shell: str) -> None:
    text = repo.git('model', 'completion', shell)
    assert all(verb in text for verb in VERBS)
    if shutil.which(shell):
        done = subprocess.run((shell, '-n'), input=text.encode(), capture_output=True)
        assert (done.returncode, done.stderr) == (0, b'')


def test_another_shell_is_a_wrong_command_line(repo: Repo) -> None:
    repo.run('git', 'model', 'completion', 'csh', code=129)
