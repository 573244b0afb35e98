"""Settling what a merge left in conflict."""
from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core import words
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.core.manifest import OPAQUE
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.model import Entry
from git_model_driver.git import run
from git_model_driver.merging import conflicts
from git_model_driver.merging import fisher
from git_model_driver.merging import layouts
from git_model_driver.merging import siblings
from git_model_driver.merging.conflicts import Hunk
from git_model_driver.merging.conflicts import Key
from git_model_driver.merging.desk import Room
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.settle import Job
from git_model_driver.merging.settle import settle
from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide
from git_model_driver.merging.units import registry
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.merging.versions import SIDES
from git_model_driver.merging.versions import Versions
from git_model_driver.store.batch import Batch
from git_model_driver.store.objects import Store

_WHOLE: Key = ('format', '')
_CHUNK: Key = ('chunk', '')
_LAYOUT: Key = ('layout', '')


class Left(NamedTuple):
    """The text after settling, and the conflicts that remain by name."""

    text: str
    reasons: dict[str, str]


def name_of(key: Key) -> str:
    """What a conflict is called in lists and globs."""
    word, name = key
    return name if word == 'tensor' else f'{word} {name}'.rstrip()


def listing(text: str, path: str) -> dict[str, str]:
    """Reason by name of every conflict in the text."""
    versions = read_stages(path)
    found = {}
    for hunk in conflicts.parse(text, path).hunks:
        if _is_whole(hunk):
            found['the whole file'] = hunk.reason
        else:
            found.update({
                name_of(key): hunk.reason for key in hunk.keys
                if _decided(key, versions) is None
            })
    return found


def _is_whole(hunk: Hunk) -> bool:
    return any(key in hunk.keys for key in (_WHOLE, _CHUNK))


def _decided(key: Key, versions: Versions) -> list[str] | None:
    """The lines for what only one side changed; None where both did.

    A text merge, by a host or without the driver, puts such lines between
    markers with their neighbours.
    """
    word, name = key
    if word == 'tensor':
        entries = decide(*(side.tensors.get(name) for side in _three(versions)))
        if entries.who is Who.MANY:
            return None
        return [manifests.tensor_line(entries.value)] if entries.value else []
    if word == 'meta':
        values = decide(*(side.meta.get(name) for side in _three(versions)))
        if values.who is Who.MANY:
            return None
        return [] if values.value is None else [manifests.meta_line(name, values.value)]
    return None


def _three(versions: Versions) -> tuple[Manifest, Manifest, Manifest]:
    return versions.ancestor, versions.ours, versions.theirs


class Resolver:
    """Settles conflicts of one path by rules that say the same for all tensors."""

    def __init__(self, path: str, rules: Rules, store: Store) -> None:
        self.path = path
        self.file = words.shell(path)       # in hints
        self.rules = fisher.rules_for(path, rules)
        self.method = rules.choose('').method
        self.store = store
        self.versions = read_stages(path)
        blobs = _stages(path)
        self._beside = siblings.find(path, [blobs.get(i) for i in (1, 2, 3)])

    def resolve(self, text: str, globs: Sequence[str]) -> Left:
        """Settle what matches a glob, or everything if there is none."""
        marked = conflicts.parse(text, self.path)
        keys = [
            key for hunk in marked.hunks for key in hunk.keys
            if _decided(key, self.versions) is None
        ]
        for glob in globs:
            if not any(_matches(key, [glob]) for key in keys):
                raise GitModelError(
                    f"'{glob}' matches nothing that is in conflict in '{self.path}'",
                    f'see what is with "git model resolve --list {self.file}"',
                )
        lines: list[str] = []
        with self.store.batch() as batch:
            for part in marked.parts:
                if isinstance(part, str):
                    lines.append(part)
                else:
                    lines += self._settle(part, globs, batch)
        settled = '\n'.join(lines) + '\n'
        if manifests.has_conflict(settled):
            return Left(settled, listing(settled, self.path))
        return Left(self._finished(settled), {})

    def _settle(self, hunk: Hunk, globs: Sequence[str], batch: Batch) -> list[str]:
        if _is_whole(hunk):
            return hunk.lines if globs else self._whole(hunk)
        lines: list[str] = []
        left = []
        for key in hunk.keys:
            decided = _decided(key, self.versions)
            if decided is None and not _matches(key, globs):
                left.append(key)
            else:
                lines += self._line(key, batch) if decided is None else decided
        return lines + hunk.only(left).lines if left else lines

    def _whole(self, hunk: Hunk) -> list[str]:
        if self.method == 'ours':
            return list(hunk.ours)
        if self.method == 'theirs':
            return list(hunk.theirs)
        base = self.versions.base
        if self.method != 'base' or base is None:
            raise UsageError(
                f"'{self.path}' cannot be merged tensor by tensor",
                f'take one side: git model resolve --ours|--theirs {self.file}',
            )
        head = 1 + len(manifests.COMMENT)
        return manifests.serialize(base).rstrip('\n').split('\n')[head:]

    def _line(self, key: Key, batch: Batch) -> list[str]:
        """The lines that settle a key: one, or none where the thing is absent."""
        if key == _LAYOUT:
            return ['layout canonical']     # found anew when all is settled
        if self.method in SIDES:
            return self._side(key)
        if key[0] != 'tensor':
            raise UsageError(
                f"a method settles tensors, and '{name_of(key)}' is none",
                f'take a side: git model resolve --ours {self.file} '
                f'{words.shell(name_of(key))}',
            )
        entries = self._merged(key[1], batch)
        return [
            manifests.tensor_line(entries[name]) for name in entries if name == key[1]
        ]

    def _merged(self, name: str, batch: Batch) -> dict[str, Entry]:
        """The unit that the tensor belongs to, by the method."""
        base = self.versions.ancestor.tensors
        sides = [side.tensors for side in self.versions.sides]
        unit = next(u for u in registry.find(base, sides) if name in u.names)
        room = Room(
            self.rules, ('ours', 'theirs'), self._beside, self.store, batch,
            fisher.find(self.rules, self._beside, 2, self.path),
        )
        settled = settle(Job(unit, base, tuple(sides), (0, 1)), room)
        if settled.reason is not None:
            raise GitModelError(
                f"'{name}' in '{self.path}' cannot be merged: {settled.reason}",
                f'take a side: git model resolve --ours|--theirs '
                f'{self.file} {words.shell(name)}',
            )
        return settled.entries

    def _side(self, key: Key) -> list[str]:
        sides = (self.versions.base, *self.versions.sides)
        side = sides[SIDES.index(self.method)]
        if side is None:
            raise GitModelError(
                f"'{self.path}' has no common ancestor to take '{name_of(key)}' from",
            )
        word, name = key
        if word == 'tensor' and name in side.tensors:
            return [manifests.tensor_line(side.tensors[name])]
        if word == 'meta' and name in side.meta:
            return [manifests.meta_line(name, side.meta[name])]
        return []

    def _finished(self, text: str) -> str:
        """The manifest when all is settled, with the layout that fits it."""
        manifest = manifests.parse(text, self.path)
        if manifest.format == OPAQUE:
            return manifests.serialize(manifest)
        try:
            skeleton = layouts.find_layout(
                self.versions.base, self.versions.sides, manifest, self.store,
            )
        except Unsettled as e:
            raise GitModelError(
                f"'{self.path}' cannot be put together from both sides: {e}",
                f'take one side whole: git checkout --ours|--theirs {self.file}',
            ) from None
        return manifests.serialize(
            Manifest(manifest.format, skeleton, manifest.meta, manifest.tensors),
        )


def _matches(key: Key, globs: Sequence[str]) -> bool:
    names = {name_of(key), key[1]}
    return not globs or any(
        fnmatch.fnmatchcase(name, glob) for glob in globs for name in names
    )


def _stages(path: str) -> dict[int, str]:
    """The blobs of an unmerged path by stage."""
    records = run.zsplit('ls-files', '-u', '-z', '--', f':(top,literal){path}')
    oids = {}
    for record in records:
        _, oid, stage = record.partition(b'\t')[0].decode().split()
        oids[int(stage)] = oid
    if not {2, 3} <= oids.keys():
        raise GitModelError(
            f"'{path}' is in no merge conflict between two versions",
            'see the state of things with "git status"',
        )
    return oids


def read_stages(path: str) -> Versions:
    """The three sides of an unmerged path from the index."""
    oids = _stages(path)
    base, ours, theirs = (
        _manifest(oids[stage], path) if stage in oids else None for stage in (1, 2, 3)
    )
    assert ours and theirs
    return Versions(base, (ours, theirs))


def _manifest(oid: str, path: str) -> Manifest:
    """A side; one without a tensor where the file was emptied or is no model."""
    data = run.output('cat-file', 'blob', oid)
    return manifests.parse(data, path) if manifests.is_manifest(data) else Manifest('')
