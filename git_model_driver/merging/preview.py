"""What a merge would do, without doing it."""
from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.model import Manifest
from git_model_driver.git import attributes
from git_model_driver.git import run
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.merge import merge
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.siblings import Siblings
from git_model_driver.merging.versions import Versions
from git_model_driver.merging.versions import means_for
from git_model_driver.store.objects import Store


class Preview(NamedTuple):
    """One model that both sides changed. ``merged`` None: it cannot be read."""

    path: str
    versions: Versions
    merged: Merged


def commits(revision: str) -> tuple[str | None, str, str]:
    """Base (None for unrelated histories), HEAD and the other commit.

    Raises GitModelError for a revision that is none.
    """
    found = []
    for name in ('HEAD', revision):
        done = run.attempt('rev-parse', '--verify', '-q', f'{name}^{{commit}}')
        if done.code:
            raise GitModelError(
                f"'{name}' is no commit here", 'see what there is with "git branch -a"',
            )
        found.append(done.out.decode().strip())
    base = run.attempt('merge-base', *found)
    return base.out.decode().strip() or None, found[0], found[1]


def preview(
    sides: tuple[str | None, str, str], rules: Rules, store: Store,
) -> Iterator[Preview]:
    """Each model that both sides changed since base, merged in vain."""
    base, ours, theirs = sides
    if base in (ours, theirs):
        return      # up to date, or fast-forward
    changed = _changed(base, ours) & _changed(base, theirs)
    for path in sorted(attributes.merged_as_models(changed)):
        versions = _versions(sides, path)
        if versions is not None:
            beside = Siblings.of(sides, path)
            means = means_for(path, rules, store, beside, 2)
            merged = merge(versions, means, keep=False)
            yield Preview(path, versions, merged)


def _changed(base: str | None, commit: str) -> set[str]:
    names = ('-r', '-z', '--name-only')
    if base is None:
        records = run.zsplit('ls-tree', '--full-tree', *names, commit)
    else:
        records = run.zsplit('diff-tree', *names, base, commit)
    return {os.fsdecode(record) for record in records}


def _versions(sides: tuple[str | None, str, str], path: str) -> Versions | None:
    """The model on the three sides; None where a side has no manifest there."""
    base, ours, theirs = (
        None if commit is None else _manifest(commit, path) for commit in sides
    )
    if ours is None or theirs is None:
        return None
    return Versions(base, (ours, theirs))


def _manifest(commit: str, path: str) -> Manifest | None:
    done = run.attempt('cat-file', 'blob', f'{commit}:{path}')
    if done.code or not manifests.is_manifest(done.out):
        return None
    return manifests.parse(done.out, path)
