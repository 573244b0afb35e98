"""What Git's configuration says of remotes, and of how they may be reached."""
from __future__ import annotations

import os
from functools import cached_property
from typing import NamedTuple

from git_model_driver.git import run

_KEYS = r'^(remote|url|protocol)\.'
_IN_REPOSITORY = ('local', 'worktree')
_REWRITES = ('.insteadof', '.pushinsteadof')


class Setting(NamedTuple):
    """``key`` as git writes it: its first and its last word in lower case."""

    scope: str
    key: str
    value: str

    @property
    def remote(self) -> str:
        """The name in ``remote.<name>.<word>``; '' for another key."""
        return self.key.removeprefix('remote.').rpartition('.')[0] if (
            self.key.startswith('remote.')) else ''

    @property
    def word(self) -> str:
        return self.key.rpartition('.')[2]


class RemoteConfig:
    """Read once, when it is first asked for anything. Raises GitError then."""

    @cached_property
    def settings(self) -> list[Setting]:
        found = run.attempt('config', '-z', '--show-scope', '--get-regexp', _KEYS)
        if found.code > 1:      # 1 is that there are none
            run.check(found, 'config')
        words = found.out.split(b'\0')[:-1]
        return list(map(_setting, words[::2], words[1::2]))

    def values(self, key: str) -> list[str]:
        return [each.value for each in self.settings if each.key == key]

    def get(self, key: str) -> str:
        """The value in force; '' where there is none."""
        return ''.join(self.values(key)[-1:]).strip()

    def of_remote(self, name: str) -> dict[str, str]:
        """What is in force, by the last word of its key."""
        return {each.word: each.value for each in self.settings if each.remote == name}

    def in_repository(self) -> set[str]:
        """Remotes as "git remote get-url" knows them."""
        return {s.remote for s in self.settings if s.scope in _IN_REPOSITORY}

    def names(self) -> list[str]:
        """As "git remote" lists them: one may have no address, but say where its
        tensors are. Git takes no name that begins with a slash.
        """
        names = {each.remote for each in self.settings}
        return sorted(name for name in names if name and not name.startswith('/'))

    @cached_property
    def _rewrites(self) -> bool:
        """Whether an address may be another than it says."""
        return any(each.key.endswith(_REWRITES) for each in self.settings)

    def url_of(self, name: str, push: bool = False) -> str | None:
        """As "git remote get-url", which is asked only where there is a choice. None
        where there is no such remote.
        """
        urls = self.values(f'remote.{name}.url')
        plain = not (push and self.values(f'remote.{name}.pushurl'))
        if plain and not self._rewrites and name in self.in_repository() and (
            len(urls) == 1 and urls[0]
        ):
            return urls[0]
        found = run.attempt('remote', 'get-url', *(['--push'] if push else []), name)
        return None if found.code else os.fsdecode(found.out).rstrip('\n')

    def address(self, url: str) -> str:
        """As "git ls-remote --get-url": of a remote, or of an address itself."""
        urls = self.values(f'remote.{url}.url')
        if not self._rewrites:
            if len(urls) == 1 and urls[0]:
                return urls[0]
            if not urls and ('://' in url or os.path.isabs(url)):
                return url
        return run.text('ls-remote', '--get-url', url)


def _setting(scope: bytes, record: bytes) -> Setting:
    key, _, value = os.fsdecode(record).partition('\n')
    return Setting(scope.decode(), key, value)
