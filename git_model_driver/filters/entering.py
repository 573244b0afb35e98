"""What must not get into the index: text that stands for no model.

An editor that merges by ``git show --textconv`` writes a summary in place of the
model; one that settles conflicts line by line does not see what the layout says.
"""
from __future__ import annotations

from contextlib import suppress

from git_model_driver.core import words
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.errors import ObjectError
from git_model_driver.core.manifest import Manifest
from git_model_driver.filters.smudge import Assembly
from git_model_driver.store.objects import Store


def is_summary(path: str, is_merged: bool) -> ManifestError:
    """The error that a summary is no model; ``is_merged``: amid a merge of it."""
    file = words.shell(path)
    back = f'bring the model back with "git checkout -- {file}"'
    if is_merged:
        back = (
            f'bring the conflicts back with "git checkout -m -- {file}", settle them '
            f'with "git model resolve --ours|--theirs|--base {file} [<tensor>...]"'
        )
    return ManifestError(f"'{path}' is the summary of a model, not a model", back)


def check_fit(manifest: Manifest, store: Store, path: str, is_merged: bool) -> None:
    """Refuse a layout that belongs to other tensors, where all of them are here.

    Raises ManifestError, and FormatError for a skeleton that is none.
    """
    if manifest.skeleton is None or store.missing(manifest.oids):
        return
    with suppress(ObjectError):     # what is damaged is seen when it is written
        try:
            Assembly(manifest, store, path).check_fit()
        except ManifestError as e:
            if not is_merged:
                raise
            find = f'have a layout found with "git model resolve {words.shell(path)}"'
            raise ManifestError(e.message, find) from None
