"""The trees of a history, rewritten; each once for each folder it is in."""
from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.errors import GitModelError
from git_model_driver.git import filtering
from git_model_driver.git import raw
from git_model_driver.git.filtering import Rules
from git_model_driver.git.newobjects import Sink
from git_model_driver.git.objects import Objects
from git_model_driver.git.packs import BLOB
from git_model_driver.git.packs import TREE
from git_model_driver.git.raw import Entry
from git_model_driver.upkeep.migrate.listings import Listings
from git_model_driver.upkeep.migrate.plan import Active
from git_model_driver.upkeep.migrate.plan import Plan

NOTHING = Active()


class File(NamedTuple):
    """A file of a version: its path, and all that is in its folder."""

    path: bytes
    oid: str
    folder: dict[bytes, Entry]


Convert = Callable[[File], str]
_Key = tuple[str, bytes]


class Trees:
    """Reads trees, and writes what ``plan`` makes of them.

    ``convert`` gives the new blob for a file that is to be converted.
    """

    def __init__(
        self, objects: Objects, listings: Listings, plan: Plan, sink: Sink,
        convert: Convert, fold: bool = False,
    ) -> None:
        self._objects = objects
        self._listings = listings
        self._plan = plan
        self._sink = sink
        self._convert = convert
        self._fold = fold
        self._none = Rules()
        self._rules: dict[tuple[Rules, bytes, bytes], Rules] = {}
        self._active: dict[tuple[_Key, Rules], Active] = {}
        self._new: dict[tuple[_Key, Rules, Rules, Active], str] = {}
        self._texts: dict[str, bytes] = {}

    def active_in(self, tree: str) -> Active:
        """The patterns that the files of a whole tree call for."""
        return self._active_below(tree, b'', self._none)

    def rewritten(self, tree: str, active: Active) -> str:
        """The tree, from the top, with what is active converted."""
        return self._rewritten(tree, b'', (self._none, self._none), active)

    def files(self, tree: str) -> Iterator[tuple[bytes, str]]:
        """Path and blob of each regular file; each folder that is known is left out.
        """
        yield from self._files(tree, b'')

    def _files(self, tree: str, folder: bytes) -> Iterator[tuple[bytes, str]]:
        key = (tree, folder), self._none
        if key not in self._active:
            self._active[key] = NOTHING
            for entry in self._listings.of(tree):
                if entry.is_folder:
                    yield from self._files(entry.oid, folder + entry.name + b'/')
                elif entry.is_file:
                    yield folder + entry.name, entry.oid

    def _active_below(self, tree: str, folder: bytes, above: Rules) -> Active:
        key = (tree, folder), above
        found = self._active.get(key)
        if found is None:
            listed = self._listings.of(tree)
            rules = self._with(above, folder, self._text(listed, folder))
            active: set[int] = set()
            for entry in listed:
                path = folder + entry.name
                if entry.is_folder:
                    active |= self._active_below(entry.oid, path + b'/', rules)
                elif entry.is_file:
                    active.update(self._plan.activated(path, rules))
            found = self._active[key] = Active(active)
        return found

    def _text(self, listed: list[Entry], folder: bytes) -> bytes:
        """The .gitattributes among these entries. Git ignores one that is a link."""
        for entry in listed:
            if entry.name == filtering.NAME and entry.is_file:
                if entry.oid not in self._texts:
                    self._texts[entry.oid] = self._objects.read(entry.oid)[1]
                return self._texts[entry.oid]
        return b''

    def _with(self, above: Rules, folder: bytes, text: bytes) -> Rules:
        if not text:
            return above
        key = above, folder, text
        if key not in self._rules:
            self._rules[key] = Rules(above, folder, text, self._fold)
        return self._rules[key]

    def _rewritten(
        self, tree: str, folder: bytes, above: tuple[Rules, Rules], active: Active,
    ) -> str:
        key = (tree, folder), *above, active
        new = self._new.get(key)
        if new is None:
            listed = self._listings.of(tree)
            changed = self._changed(listed, folder, above, active)
            new = tree
            if changed != listed:
                new = self._sink.add(TREE, raw.tree(changed))
            self._new[key] = new
        return new

    def _changed(
        self, listed: list[Entry], folder: bytes, above: tuple[Rules, Rules],
        active: Active,
    ) -> list[Entry]:
        text = self._text(listed, folder)
        edited = self._plan.edited(text, folder, active)
        before = self._with(above[0], folder, text)
        after = self._with(above[1], folder, edited)
        by_name = {entry.name: entry for entry in listed}
        found = []
        for entry in listed:
            path = folder + entry.name
            if entry.is_folder:
                new = self._rewritten(entry.oid, path + b'/', (before, after), active)
                if new == entry.oid or self._objects_in(new):
                    found.append(entry._replace(oid=new))
            elif entry.is_file and self._plan.wants(path, before, after):
                new = self._convert(File(path, entry.oid, by_name))
                found.append(entry._replace(oid=new))
            else:
                found.append(entry)
        return found if edited == text else self._with_attributes(
            found, folder, edited,
        )

    def _objects_in(self, tree: str) -> bool:
        """Whether a new tree has anything in it: Git has no empty folders."""
        return tree != self._sink.empty_tree

    def _with_attributes(
        self, listed: list[Entry], folder: bytes, text: bytes,
    ) -> list[Entry]:
        old = next((e for e in listed if e.name == filtering.NAME), None)
        if old is not None and not old.is_file:
            name = os.fsdecode(folder + filtering.NAME)
            raise GitModelError(
                f"'{name}' is not a regular file in a commit that would be rewritten: "
                'git ignores it',
                'find the commits with "git log --all -- '
                f'{name}", and leave their branches out',
            )
        if not text:
            return [entry for entry in listed if entry is not old]
        new = Entry(b'100644', filtering.NAME, self._sink.add(BLOB, text))
        if old is None:
            return raw.placed(listed, new)
        return [
            entry._replace(oid=new.oid) if entry is old else entry for entry in listed
        ]
