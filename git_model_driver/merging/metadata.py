"""The metadata of several manifests become one, line by line."""
from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

from git_model_driver.formats import registry
from git_model_driver.formats.base import canonical_writer
from git_model_driver.merging import documents
from git_model_driver.merging import runstate
from git_model_driver.merging.threeway import Decision
from git_model_driver.merging.threeway import Who
from git_model_driver.merging.threeway import decide_all
from git_model_driver.merging.units.base import Unsettled
from git_model_driver.merging.versions import Versions


@dataclass
class Metadata:
    """What is settled, why the rest is not, by key, and lines for the report."""

    values: dict[str, str] = field(default_factory=dict)
    conflicts: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def merge(versions: Versions, form: str) -> Metadata:
    """Merge the metadata of files of the format ``form``."""
    metas = [side.meta for side in versions.sides]
    decisions = decide_all(versions.ancestor.meta, *metas)
    found = Metadata()
    if canonical_writer(registry.find(form)) is None:
        _settle_run_state(decisions, versions, found)
    for key, decision in decisions.items():
        if decision.value is not None:
            found.values[key] = decision.value
        elif decision.who is Who.MANY:
            _merge_document(key, versions, found)
    return found


def _settle_run_state(
    decisions: dict[str, Decision[str]], versions: Versions, found: Metadata,
) -> None:
    """Take out what is one run's: where several sides changed it, all of it is ours."""
    keys = runstate.keys(decisions)
    torn = {key for key in keys if decisions[key].who is Who.MANY}
    if not torn:
        return
    for key in keys:
        del decisions[key]
        if key in versions.ours.meta:
            found.values[key] = versions.ours.meta[key]
    found.notes += [
        f'{key}: taken from {versions.labels[0]} (state of one run)'
        for key in sorted(torn)
    ]


def _merge_document(key: str, versions: Versions, found: Metadata) -> None:
    try:
        found.values[key] = documents.merge(
            versions.ancestor.meta.get(key),
            [side.meta.get(key) for side in versions.sides],
        )
    except Unsettled as e:
        found.conflicts[key] = str(e)
