"""Git's octopus in a temporary index: what it makes of all but the models.

The steps are those of git-merge-octopus: heads one after the other, merges that are
trivial by git's own rules, the rest by git-merge-one-file.
"""
from __future__ import annotations

import os
from collections.abc import Iterable
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from git_model_driver.git import attributes
from git_model_driver.git import run


class Failed(Exception):
    """The heads cannot be merged; the message names what is in the way."""


class Folded(NamedTuple):
    """Models that more than one head changed; Failed's words if the rest conflicts."""

    models: set[str]
    failure: str | None


class Index:
    """A temporary index, and a worktree for what must be written to be merged."""

    def __init__(self, folder: Path) -> None:
        self._tree = folder / 'tree'
        self._tree.mkdir()
        self._env = {
            'GIT_DIR': run.text('rev-parse', '--absolute-git-dir'),
            'GIT_INDEX_FILE': str(folder / 'index'),
            'GIT_WORK_TREE': str(self._tree),
        }

    def _attempt(self, *args: str, input: bytes | None = None) -> run.Result:
        return run.attempt(*args, input=input, cwd=self._tree, env=self._env)

    def _text(self, *args: str) -> str | None:
        done = self._attempt(*args)
        return None if done.code else done.out.decode().strip()

    def write_tree(self) -> str | None:
        """The tree, None where the index has conflicts."""
        return self._text('write-tree')

    def put(self, path: str, text: str, mode: str) -> None:
        """Set a path to a blob with this text."""
        done = self._attempt('hash-object', '-w', '--stdin', input=text.encode())
        self._set(path, mode, done.out.decode().strip())

    def _set(self, path: str, mode: str, blob: str) -> None:
        record = f'{mode} {blob} 0\t'.encode() + os.fsencode(path) + b'\0'
        self._attempt('update-index', '-z', '--index-info', input=record)

    def _unmerged(self) -> dict[str, dict[int, tuple[str, str]]]:
        """(mode, blob) by stage of each path in conflict."""
        found: dict[str, dict[int, tuple[str, str]]] = {}
        done = self._attempt('ls-files', '-u', '-z')
        for record in done.out.split(b'\0')[:-1]:
            facts, _, path = record.partition(b'\t')
            mode, blob, stage = facts.decode().split()
            found.setdefault(os.fsdecode(path), {})[int(stage)] = (mode, blob)
        return found

    def fold(self, heads: Sequence[str]) -> Folded:
        """Merge the heads, the first of which is HEAD, into the index."""
        models: set[str] = set()
        done, fast = [heads[0]], True
        self._attempt('read-tree', heads[0])
        tree = self.write_tree()
        for head in heads[1:]:
            bases = (self._text('merge-base', '--all', head, *done) or '').split()
            if not bases:
                return Folded(models, 'the heads have no common ancestor')
            if head in bases:
                continue
            if fast and bases == done:
                self._attempt('read-tree', head)
                done, tree = [head], self.write_tree()
                continue
            fast = False
            step = self._attempt(
                'read-tree', '-i', '-m', '--aggressive', *bases, tree or '', head,
            )
            if step.code:
                return Folded(models, step.err.decode(errors='replace').strip())
            models |= self._models_aside()
            left = self._others()
            if left is not None:
                return Folded(models, left)
            done.append(head)
            tree = self.write_tree()
        return Folded(models, None)

    def _models_aside(self) -> set[str]:
        """Settle models for now, with any side; their paths."""
        unmerged = self._unmerged()
        models = attributes.merged_as_models(unmerged) if unmerged else set()
        for path in models:
            stages = unmerged[path]
            self._set(path, *(stages.get(2) or stages.get(3) or stages[1]))
        return models

    def _others(self) -> str | None:
        """Merge files as git does; the paths that it could not, or None."""
        if not self._unmerged():
            return None
        done = self._attempt('merge-index', '-o', 'git-merge-one-file', '-a')
        if done.code == 0 and not self._unmerged():
            return None
        return ', '.join(sorted(self._unmerged())) or 'files'


def common_ancestor(heads: Sequence[str]) -> str | None:
    """The best common ancestor of all heads, the first one if there are several."""
    done = run.attempt('merge-base', '--octopus', *heads)
    return done.out.decode().split('\n')[0] or None


def mode_of(commits: Iterable[str], path: str) -> str:
    """The file's mode in the first of the commits that has it."""
    for commit in commits:
        listed = run.output('ls-tree', '-z', '--full-tree', commit, '--', path)
        if listed:
            return listed.split(b' ')[0].decode()
    return '100644'


def is_clean() -> bool:
    """Whether the index is HEAD's tree: nothing staged would be lost."""
    return run.attempt('diff-index', '--quiet', '--cached', 'HEAD', '--').code == 0


def check_out(tree: str) -> str | None:
    """Make index and worktree the tree; git's words where that would lose changes."""
    run.attempt('update-index', '-q', '--refresh')
    done = run.attempt('read-tree', '-m', '-u', 'HEAD', tree)
    return done.err.decode(errors='replace').strip() if done.code else None
