"""Models of several heads become one: a true merge of N versions, no row of pairs."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.model import Manifest
from git_model_driver.git import run
from git_model_driver.merging.merge import Merged
from git_model_driver.merging.merge import merge
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.siblings import Siblings
from git_model_driver.merging.versions import Versions
from git_model_driver.merging.versions import means_for
from git_model_driver.store.objects import Store


class Heads(NamedTuple):
    """The commits that are merged, HEAD first, what people call them, their base."""

    commits: Sequence[str]
    labels: Sequence[str]
    base: str | None


def merge_model(path: str, heads: Heads, rules: Rules, store: Store) -> Merged:
    """Merge the versions at the path; its ``whole`` says why if there is no way."""
    base = _manifest(heads.base, path)
    sides = [_manifest(commit, path) for commit in heads.commits]
    if base is not None and None in sides:
        lost = [label for label, side in zip(heads.labels, sides) if side is None]
        return Merged(whole=f'deleted or no model in {", ".join(lost)}')
    kept = [i for i, side in enumerate(sides) if side is not None]
    versions = Versions(
        base, tuple(side for side in sides if side is not None),
        tuple(heads.labels[i] for i in kept),
    )
    commits = [heads.base, *(heads.commits[i] for i in kept)]
    beside = Siblings.of(commits, path)
    return merge(versions, means_for(path, rules, store, beside, len(kept)))


def _manifest(commit: str | None, path: str) -> Manifest | None:
    if commit is None:
        return None
    done = run.attempt('cat-file', 'blob', f'{commit}:{path}')
    if done.code or not manifests.is_manifest(done.out):
        return None
    return manifests.parse(done.out, path)
