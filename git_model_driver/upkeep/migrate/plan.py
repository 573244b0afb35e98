"""Which files of a history are converted, and what .gitattributes say then.

A pattern gets its line in the first commit that has a file for it, and keeps it in all
later ones, as if it had been tracked there. A file is converted where the new lines
give it to the filter: so each commit is what ``git add`` would have made of it.
"""
from __future__ import annotations

import os
import re
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.formats.presets import PRESETS
from git_model_driver.git import attributes
from git_model_driver.git import filtering
from git_model_driver.git.filtering import UNSET
from git_model_driver.git.filtering import UNSPECIFIED
from git_model_driver.git.filtering import Glob
from git_model_driver.git.filtering import Line
from git_model_driver.git.filtering import Rules

MODEL, LFS, NONE = b'model', b'lfs', b''
LINES = {
    MODEL: attributes.ATTRIBUTES.encode(),
    LFS: b'filter=lfs diff=lfs merge=lfs -text',
    NONE: b'!filter !diff !merge !text',
}
_OF_ONE = re.compile(rb'(?<![^ \t\r])(filter|diff|merge)=(lfs|model)(?![^ \t\r])')
_TEXT = re.compile(rb'(?<![^ \t\r])-text(?![^ \t\r])')
# Anything may have that name: it counts beside the data of a checkpoint only.
_COMPANION, _OF = b'*.index', b'*.data-?????-of-?????'

_MOST_KNOWN = 1 << 17

Active = frozenset[int]


class Pattern(NamedTuple):
    """A pattern as it stands in .gitattributes at the top."""

    text: bytes
    glob: Glob

    def covers(self, line: Line, folder: bytes) -> bool:
        """Whether each file that a line is for is one of ours. "No" may be wrong."""
        if line.pattern == self.text and (not folder or self.glob.is_anywhere):
            return True
        if re.search(rb'[][?\\]', self.text):
            return False        # then a star in the other may be more than this
        glob = filtering.unquoted(line.pattern)
        probes = [folder + glob.removeprefix(b'/')]
        if b'/' not in glob:
            probes.append(folder + b'*/*/' + glob)
        return all(map(self.glob.matches, probes))

    def may_meet(self, line: Line) -> bool:
        """Whether a line may be for one of our files. "Yes" may be wrong."""
        one, other = (_ending(p) for p in (self.text, line.pattern))
        return one.endswith(other) or other.endswith(one)


def _ending(pattern_: bytes) -> bytes:
    """What the paths that match surely end with, in any case."""
    glob = filtering.unquoted(pattern_).removeprefix(b'/').lower()
    return re.split(rb'[][*?\\]', glob)[-1]


def pattern(text: bytes) -> Pattern:
    return Pattern(text, Glob(text))


def given(globs: Iterable[str]) -> list[Pattern]:
    """Patterns of the command line: several in one word, with commas between."""
    found = []
    for glob in (one for word in globs for one in word.split(',')):
        if not glob or glob.endswith('/'):
            raise UsageError(
                f"'{glob}' matches no file: attributes are not for folders",
                f"for all in a folder: '{glob}**'",
            )
        found.append(pattern(os.fsencode(attributes.quoted(glob))))
    return found


def usual() -> list[Pattern]:
    """What the frameworks write."""
    texts = dict.fromkeys(text for texts in PRESETS.values() for text in texts)
    return [pattern(text.encode()) for text in texts]


def listed(text: bytes, filters: Sequence[bytes]) -> list[Pattern]:
    """The patterns that a .gitattributes at the top gives to these filters."""
    lines = filter(None, map(filtering.parsed, text.split(b'\n')))
    return [
        pattern(line.pattern) for line in lines
        if not line.is_macro and dict(line.settings).get(b'filter') in filters
    ]


@dataclass
class Plan:
    """From the filter ``old`` to the filter ``new``.

    ``patterns`` are those that count; where they are ``exact`` no other file does.
    """

    old: bytes
    new: bytes
    patterns: list[Pattern]
    excluded: list[Pattern]
    exact: bool
    foreign: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    _known: dict[bytes, Sequence[int]] = field(default_factory=dict)

    @property
    def is_import(self) -> bool:
        return self.new == MODEL

    def activated(self, path: bytes, rules: Rules) -> Iterable[int]:
        """The patterns whose line a file calls for, and the exclusions."""
        matching = self._matching(path)
        if not matching:
            return
        now = rules.filter_of(path)
        for j, exclusion in enumerate(self.excluded):
            if exclusion.glob.matches(path):
                self._note_foreign(matching, path, now, (UNSET, UNSPECIFIED))
                yield len(self.patterns) + 2 * j + (now in (LFS, MODEL))
                return
        if not self.is_import:
            if now == MODEL:
                yield from matching
        elif now in (UNSPECIFIED, LFS):
            yield from matching
        elif now != MODEL:
            self._note_foreign(matching, path, now, ())

    def _matching(self, path: bytes) -> Sequence[int]:
        found = self._known.get(path)
        if found is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            found = self._known[path] = tuple(
                i for i, p in enumerate(self.patterns) if p.glob.matches(path)
            )
        return found

    def _note_foreign(self, matching: Sequence[int], path: bytes, now: bytes,
                      harmless: Sequence[bytes]) -> None:
        if now not in (LFS, MODEL, *harmless):
            for i in matching:
                self.foreign.setdefault(i, (path, now))

    def settled(self, active: Active) -> Active:
        """Without what counts beside others only."""
        names = [p.text for p in self.patterns]
        if self.exact or _COMPANION not in names:
            return active
        companion, of = names.index(_COMPANION), names.index(_OF)
        return active if of in active else active - {companion}

    def refuse_foreign(self, active: Active) -> None:
        """Raise GitModelError where a new line would overrule somebody else's."""
        for i in sorted(active & self.foreign.keys()):
            path, now = self.foreign[i]
            name = os.fsdecode(path)
            text = os.fsdecode(self.patterns[i].text)
            if now == UNSET:
                what = 'says that it has no filter'
                hint = f"leave it out with --exclude='{name}'"
            else:
                what = f"gives it to the filter '{os.fsdecode(now)}'"
                hint = 'name patterns that do not match it with --include'
            raise GitModelError(
                f"'{name}' matches '{text}', but .gitattributes {what}", hint,
            )

    def wants(self, path: bytes, before: Rules, after: Rules) -> bool:
        """Whether a file is to be converted."""
        is_ours = after.filter_of(path) == MODEL
        if is_ours != self.is_import or (
            not self.is_import and before.filter_of(path) != MODEL
        ):
            return False
        if any(p.glob.matches(path) for p in self.excluded):
            return False
        return not self.exact or bool(self._matching(path))

    def edited(self, text: bytes, folder: bytes, active: Active) -> bytes:
        """A folder's .gitattributes as they are to be."""
        patterns = [p for i, p in enumerate(self.patterns) if i in active]
        lines = text.removesuffix(b'\n').split(b'\n') if text else []
        lines = [new for line in lines for new in self._line(line, folder, patterns)]
        added = self._added(lines, folder, patterns, active)
        if added or text.endswith(b'\n'):
            return b''.join(line + b'\n' for line in [*lines, *added])
        return b'\n'.join(lines)

    def _line(
        self, line: bytes, folder: bytes, patterns: list[Pattern],
    ) -> list[bytes]:
        said = filtering.parsed(line)
        if said is None or not said.says(b'filter', self.old):
            return [line]
        if not (self.is_import or self.exact):
            covered = True
        else:
            covered = not said.is_macro and any(
                p.covers(said, folder) for p in patterns
            )
        if not covered:
            return [line]
        start = line[:len(line) - len(said.rest)]
        if self.new != NONE:
            rest = _OF_ONE.sub(self._renamed, said.rest)
            return [start + rest]
        rest = _TEXT.sub(b'', _OF_ONE.sub(b'', said.rest))
        return [start + b' ' + b' '.join(rest.split())] if rest.strip() else []

    def _renamed(self, match: re.Match[bytes]) -> bytes:
        value = self.new if match[2] == self.old else match[2]
        return match[1] + b'=' + value

    def _added(self, lines: list[bytes], folder: bytes, patterns: list[Pattern],
               active: Active) -> list[bytes]:
        said = [filtering.parsed(line) for line in lines]
        added = []
        for p in patterns:
            olds = [
                i for i, s in enumerate(said)
                if s and s.says(b'filter', self.old) and p.may_meet(s)
            ]
            if folder and not (p.glob.is_anywhere and olds):
                continue
            known = [
                i for i, s in enumerate(said)
                if s and s.pattern == p.text and self._is_new(s)
            ]
            if (self.is_import and not known) or [-1, *known][-1] < [-1, *olds][-1]:
                added.append(p.text + b' ' + LINES[self.new])
        for j, p in enumerate(self.excluded):
            for keeps in (0, 1):
                line = p.text + b' ' + LINES[self._stays(keeps)]
                is_wanted = len(self.patterns) + 2 * j + keeps in active
                if not folder and is_wanted and (added or line not in lines):
                    added.append(line)
        return added

    def _is_new(self, line: Line) -> bool:
        value = dict(line.settings).get(b'filter')
        return value == (self.new or UNSPECIFIED)

    def _stays(self, keeps: int) -> bytes:
        return self.old if keeps else NONE
