"""A manifest with conflicts in it, as Git marks them, and back.

Only what is unsettled stands between markers; the reason stands behind the
opening one. Any text merge tool can work on it, tensor by tensor.
"""
from __future__ import annotations

import re
from collections.abc import Container
from collections.abc import Iterable
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.versions import Versions

# (``tensor``, name), (``meta``, key) or (another first word, '')
Key = tuple[str, str]


class Labels(NamedTuple):
    """What the markers call the sides, and how long they are."""

    ours: str = 'ours'
    theirs: str = 'theirs'
    size: int = 7


class Hunk(NamedTuple):
    """The lines of the two sides between a pair of markers, and these."""

    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    opening: str
    closing: str

    @property
    def keys(self) -> list[Key]:
        """What is in conflict, without repetitions."""
        return list(dict.fromkeys(map(key_of, (*self.ours, *self.theirs))))

    @property
    def reason(self) -> str:
        return self.opening.partition(': ')[2] or 'both sides changed it'

    def only(self, keys: Container[Key]) -> Hunk:
        """The hunk without the lines of other keys."""
        ours = tuple(line for line in self.ours if key_of(line) in keys)
        theirs = tuple(line for line in self.theirs if key_of(line) in keys)
        return self._replace(ours=ours, theirs=theirs)

    @property
    def lines(self) -> list[str]:
        middle = '=' * (len(self.closing) - len(self.closing.lstrip('>')))
        return [self.opening, *self.ours, middle, *self.theirs, self.closing]


class Marked(NamedTuple):
    """A conflicted manifest: settled lines and hunks, in their order."""

    parts: tuple[str | Hunk, ...]

    @property
    def hunks(self) -> list[Hunk]:
        return [part for part in self.parts if isinstance(part, Hunk)]


def render(merged: Merged, versions: Versions, labels: Labels) -> str:
    """The manifest of a merge that is not settled."""
    head = [manifests.FIRST_LINE, *manifests.COMMENT]
    if merged.whole:
        ours, theirs = _body(versions.ours), _body(versions.theirs)
        return _text([*head, *_hunk(ours, theirs, merged.whole, labels)])
    lines = [*head, f'format {merged.format}', *_layout(merged, versions, labels)]
    lines += _meta(merged, versions, labels)
    return _text(lines + _tensors(merged, versions, labels))


def whole_file(ours: str, theirs: str, reason: str, labels: Labels) -> str:
    """Two texts that cannot be compared line by line, one behind the other."""
    return _text(_hunk(_lines(ours), _lines(theirs), reason, labels))


def _lines(text: str) -> list[str]:
    return text.removesuffix('\n').split('\n') if text else []


def _text(lines: Iterable[str]) -> str:
    return '\n'.join(lines) + '\n'


def _body(manifest: Manifest) -> list[str]:
    return _lines(manifests.serialize(manifest))[1 + len(manifests.COMMENT):]


def _hunk(
    ours: Iterable[str], theirs: Iterable[str], reason: str, labels: Labels,
) -> list[str]:
    opening = words.printable(f'{"<" * labels.size} {labels.ours}: {reason}')
    closing = words.printable(f'{">" * labels.size} {labels.theirs}')
    return Hunk(tuple(ours), tuple(theirs), opening, closing).lines


def _layout(merged: Merged, versions: Versions, labels: Labels) -> list[str]:
    if not merged.layout_conflict:
        return [manifests.layout_line(merged.skeleton)]
    ours, theirs = (
        [manifests.layout_line(side.skeleton)]
        for side in (versions.ours, versions.theirs)
    )
    return _hunk(ours, theirs, merged.layout_conflict, labels)


def _meta(merged: Merged, versions: Versions, labels: Labels) -> list[str]:
    lines = []
    for key in sorted({*merged.meta, *merged.meta_conflicts}):
        if key in merged.meta:
            lines.append(manifests.meta_line(key, merged.meta[key]))
            continue
        ours, theirs = (
            [manifests.meta_line(key, side.meta[key])] if key in side.meta else []
            for side in (versions.ours, versions.theirs)
        )
        lines += _hunk(ours, theirs, merged.meta_conflicts[key], labels)
    return lines


def _tensors(merged: Merged, versions: Versions, labels: Labels) -> list[str]:
    lines, group = [], None
    names = {*merged.tensors, *merged.conflicts}
    for name in sorted(names, key=words.natural_key):
        if words.group(name) != group:
            group = words.group(name)
            lines.append('')
        if name in merged.tensors:
            lines.append(manifests.tensor_line(merged.tensors[name]))
            continue
        ours, theirs = (
            [manifests.tensor_line(side.tensors[name])] if name in side.tensors else []
            for side in (versions.ours, versions.theirs)
        )
        lines += _hunk(ours, theirs, merged.conflicts[name], labels)
    return lines


def key_of(line: str) -> Key:
    word, *rest = line.split(' ')
    if word in ('tensor', 'meta') and rest:
        try:
            return word, words.decode(rest[0])
        except ValueError:
            return word, rest[0]
    return word, ''


_OPEN = re.compile(r'<{7,}(?: |$)')
_BASE = re.compile(r'\|{7,}(?: |$)')
_MIDDLE = re.compile(r'={7,}$')
_CLOSE = re.compile(r'>{7,}(?: |$)')


def parse(text: str, path: str) -> Marked:
    """Read a conflicted manifest. Raises ManifestError for unbalanced markers."""
    parts: list[str | Hunk] = []
    sides: tuple[list[str], list[str], list[str]] | None = None
    side: list[str] | None = None
    opening = ''
    for number, line in enumerate(_lines(text), 1):
        if _OPEN.match(line) and sides is None:
            sides, opening = ([], [], []), line
            side = sides[0]
        elif _BASE.match(line) and sides and side is sides[0]:
            side = sides[1]
        elif _MIDDLE.match(line) and sides and side is not sides[2]:
            side = sides[2]
        elif _CLOSE.match(line) and sides and side is sides[2]:
            parts.append(Hunk(_entries(sides[0]), _entries(sides[2]), opening, line))
            sides = side = None
        elif any(m.match(line) for m in (_OPEN, _BASE, _MIDDLE, _CLOSE)):
            raise _unbalanced(path, number)
        elif side is not None:
            side.append(line)
        else:
            parts.append(line)
    if sides is not None:
        raise _unbalanced(path, text.count('\n'))
    return Marked(tuple(parts))


def _entries(lines: list[str]) -> tuple[str, ...]:
    return tuple(line for line in lines if line and not line.startswith('#'))


def _unbalanced(path: str, number: int) -> ManifestError:
    return ManifestError(
        f"the conflict markers in '{path}' line {number} do not match",
        f'make them anew with "git checkout -m -- {words.shell(path)}"',
    )

