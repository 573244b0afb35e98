"""Formats of other packages: what they do wrong is said, and never a crash."""
from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from git_model_driver.core.errors import FormatError
from git_model_driver.core.layout import Layout
from git_model_driver.formats.base import Source

_GROUP = 'git_model_driver.formats'


class Foreign:
    """A format (formats.base.Format) around another package's."""

    def __init__(self, module: Any, name: str) -> None:
        self._module = module
        self.NAME = name
        if module.NAME != name or not callable(module.sniff) or (
            not callable(module.read)
        ):
            raise TypeError('it lacks NAME, sniff or read')

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def sniff(self, head: bytes, size: int) -> bool:
        try:
            return bool(self._module.sniff(head, size))
        except Exception:
            return False

    def read(self, source: Source) -> Layout:
        try:
            layout = self._module.read(source)
        except Exception as e:
            raise FormatError(f'{self.NAME}: {type(e).__name__}: {e}') from e
        if not isinstance(layout, Layout) or layout.format != self.NAME or (
            layout.size != len(source)
        ):
            raise FormatError(f'{self.NAME}: it gave no layout of the file')
        return layout


@cache
def installed() -> Sequence[Foreign]:
    """The formats of other packages, by name.

    Raises FormatError for a broken one: without it, its files would silently be
    stored in another way.
    """
    from importlib.metadata import entry_points  # it reads the disk

    formats = []
    for found in sorted(entry_points(group=_GROUP), key=lambda e: e.name):
        try:
            formats.append(Foreign(found.load(), found.name))
        except Exception as e:
            package = found.dist.name if found.dist else found.value
            raise FormatError(
                f"the format '{found.name}' of the package '{package}' cannot be "
                f'used: {type(e).__name__}: {e}',
                f'mend it, or remove it with "pip uninstall {package}"',
            ) from None
    return formats
