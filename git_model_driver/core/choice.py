"""A choice of models by path, and of tensors in them by name, with globs."""
from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple


class Choice(NamedTuple):
    """What ``include`` names and ``exclude`` does not; everything if it is empty.

    A glob is over the whole path, a ``*`` in it matches any text. One without a slash
    is also over each part of the path: ``*.pt``, ``drafts``.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    tensors: tuple[str, ...] = ()

    def has_path(self, path: str) -> bool:
        return (not self.include or _matches(path, self.include)) and (
            not _matches(path, self.exclude)
        )

    def has_tensor(self, name: str) -> bool:
        return not self.tensors or any(fnmatchcase(name, g) for g in self.tensors)


EVERYTHING = Choice()


def _matches(path: str, globs: Iterable[str]) -> bool:
    return any(_match(path, glob) for glob in globs)


def _match(path: str, glob: str) -> bool:
    anywhere = '/' not in glob.rstrip('/')
    glob = glob.strip('/')
    parts = path.split('/')
    if anywhere and any(fnmatchcase(part, glob) for part in parts):
        return True
    ends = range(1, len(parts) + 1)
    return any(fnmatchcase('/'.join(parts[:end]), glob) for end in ends)
