"""Merging versions that are given by name, by rules that are given with them."""
from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import UsageError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.filter import Filter
from git_model_driver.git.operation import APPLY
from git_model_driver.git.operation import MERGE
from git_model_driver.looking.inplace import Overlay
from git_model_driver.looking.model import manifest_of
from git_model_driver.looking.model import open_model
from git_model_driver.merging import conflicts
from git_model_driver.merging.conflicts import Labels
from git_model_driver.merging.keys import Rule
from git_model_driver.merging.merge import merge
from git_model_driver.merging.rules import Rules
from git_model_driver.merging.versions import Nothing
from git_model_driver.merging.versions import Versions
from git_model_driver.merging.versions import means_for
from git_model_driver.store.objects import Store

Spec = str | os.PathLike[str]
Settings = Mapping[str, Mapping[str, object]]


class Result(NamedTuple):
    """``manifest`` is that of the merged model, for ``git_model_driver.smudge``.

    Where something could not be settled, ``conflicts`` gives the reasons by the name of
    the tensor, and the manifest has Git's conflict markers. ``notes`` say what else was
    decided.
    """

    manifest: str
    conflicts: Mapping[str, str]
    notes: tuple[str, ...]


def merged(
    base: Spec | None, ours: Spec, theirs: Spec, settings: Settings, operation: str,
) -> Result:
    """See ``git_model_driver.merge``."""
    if operation not in (MERGE, APPLY):
        raise UsageError(f"'{operation}' is neither '{MERGE}' nor '{APPLY}'")
    with Filter() as filter_:
        store = filter_.store
    ancestor = None if base is None else _manifest(base, store)
    sides = _manifest(ours, store), _manifest(theirs, store)
    versions = Versions(ancestor, sides)
    rules = Rules(list(_rules(settings)), operation)
    found = merge(versions, means_for('', rules, store, Nothing(), len(sides)))
    if found.reasons:
        text = conflicts.render(found, versions, Labels())
    else:
        text = manifests.serialize(found.manifest)
    return Result(text, found.reasons, tuple(found.notes))


def _manifest(spec: Spec, store: Store) -> Manifest:
    """That of a version; the tensors of a file are stored, so that they can be merged.
    """
    model = open_model(spec)
    if isinstance(model.store, Overlay) and store.missing(model.manifest.oids):
        if not os.path.isfile(spec):
            raise GitModelError(
                f"'{model.label}' is committed as raw bytes",
                'convert it from now on: git add --renormalize <path>',
            )
        return manifests.parse(manifest_of(spec))
    return model.manifest


def _rules(settings: Settings) -> Iterator[Rule]:
    for glob, pairs in settings.items():
        for key, value in pairs.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield Rule(glob, key, text, f"the rule '{glob}'")
