"""The programs that are compared: git-model, git-lfs, git alone, and git-theta."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import measure
from measure import Sample

OURS, LFS, PLAIN, THETA = 'git-model', 'git-lfs', 'git', 'git-theta'
FILE = 'model.safetensors'
_BIN = Path(sys.executable).parent
THETA_BIN = Path(__file__).with_name('.theta-venv') / 'bin'
_SETTINGS = {
    'user.name': 'Bench', 'user.email': 'bench@example.org', 'gc.auto': '0',
    'init.defaultBranch': 'main', 'advice.detachedHead': 'false', 'core.pager': 'cat',
}
_LFS_ATTRIBUTES = '*.safetensors filter=lfs diff=lfs merge=lfs -text\n'


def available(plain: bool) -> list[str]:
    """The tools that are here; git-lfs is left out where it is not installed."""
    lfs = [LFS] if shutil.which('git-lfs') else []
    return [OURS, *lfs, *([PLAIN] if plain else [])]


class Repository:
    """A fresh repository with a home directory of its own.

    ``facts`` keeps what the checks of the scenario found.
    """

    def __init__(self, tool: str, folder: Path) -> None:
        self.tool = tool
        self.top = folder / 'repository'
        self.file = self.top / ('model.pt' if tool == THETA else FILE)
        self.facts: dict[str, object] = {}
        home = folder / 'home'
        home.mkdir(parents=True)
        self.top.mkdir()
        # An ordinary file was not written in the same second as it is added in.
        self._clock = 1_700_000_000_123_456_789
        self.env = _environment(home, THETA_BIN if tool == THETA else _BIN)
        self._set_up()

    def _set_up(self) -> None:
        for key, value in _SETTINGS.items():
            self.git('config', '--global', key, value)
        self.git('init', '-q')
        if self.tool == OURS:
            self.git('model', 'install', '--local')
            self.git('model', 'track', '*.safetensors')
        elif self.tool == LFS:
            self.git('lfs', 'install', '--local', '--skip-repo')
            (self.top / '.gitattributes').write_text(_LFS_ATTRIBUTES)
        elif self.tool == THETA:
            self.git('theta', 'install')
            self.git('theta', 'track', self.file.name)
        else:
            (self.top / '.gitattributes').write_text('')
        self.git('add', '.gitattributes')
        self.git('commit', '-q', '-m', 'attributes')

    def git(self, *command: str, env: Mapping[str, str] | None = None) -> str:
        """What git prints; an error if it fails."""
        done = subprocess.run(
            ['git', *command], cwd=self.top, env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        if done.returncode:
            text = f'{self.tool}: git {" ".join(command)}: {done.stderr}'
            raise RuntimeError(text)
        return done.stdout

    def measure(self, command: tuple[str, ...], out: IO[bytes]) -> Sample:
        return measure.run(['git', *command], self.top, self.env, out)

    def aged(self) -> None:
        """Give the model a time of its own in the past: it is new, yet not racy."""
        self._clock += 1_000_000_000
        os.utime(self.file, ns=(self._clock, self._clock))

    @property
    def git_dir(self) -> Path:
        return self.top / '.git'

    @property
    def objects(self) -> Path:
        """git-model's own store."""
        return self.git_dir / 'model' / 'objects'


def _environment(home: Path, bin_: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(('GIT_', 'LC_'))}
    return {
        **kept, 'HOME': str(home), 'XDG_CONFIG_HOME': str(home / '.config'),
        'PATH': f'{bin_}{os.pathsep}{os.environ["PATH"]}', 'LANG': 'C.UTF-8',
        'GIT_CONFIG_NOSYSTEM': '1', 'GIT_TERMINAL_PROMPT': '0',
    }


def version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ''
    return done.stdout.strip().split('\n')[0]
