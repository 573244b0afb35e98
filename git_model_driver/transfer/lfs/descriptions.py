"""How long objects are, and what they are made of: a server wants to be told the one,
and what arrives is stored by the other; our names say neither.
"""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import FormatError
from git_model_driver.core.errors import StoreError
from git_model_driver.core.oid import Oid
from git_model_driver.core.oid import is_oid
from git_model_driver.git import roots
from git_model_driver.git.repository import Repository
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec.form import Form
from git_model_driver.store.objects import Store


class Description(NamedTuple):
    """Of an object. ``nbytes`` is 0 where nobody knows: some servers do not mind; a
    ``form`` of None is guessed when it is stored.
    """

    nbytes: int = 0
    form: Form | None = None


UNKNOWN = Description()


def descriptions_of(
    oids: Iterable[Oid], store: Store, repository: Repository,
) -> dict[Oid, Description]:
    """Of those that are in the store or that any manifest names."""
    found: dict[Oid, Description] = {}
    unknown: set[Oid] = set()
    for oid in oids:
        described = _in_store(oid, store)
        if described is None:
            unknown.add(oid)
        else:
            found[oid] = described
    if unknown:
        found.update(_named(unknown, repository))
    return found


def _in_store(oid: Oid, store: Store) -> Description | None:
    if not store.has(oid):
        return None
    try:
        with store.open_here(oid) as file:
            return Description(file.nbytes)     # it is stored already
    except (StoreError, OSError):
        return None


def _named(wanted: set[Oid], repository: Repository) -> dict[Oid, Description]:
    """The newest manifests are read first, and no more of them than it takes."""
    found: dict[Oid, Description] = {}
    for blob in roots.manifests_of(roots.everything(repository)):
        text = blob.data.decode('utf-8', 'replace')
        if not wanted.isdisjoint(manifests.oids_in(text)):
            for oid, described in _lines_of(text):
                if oid in wanted:
                    found.setdefault(oid, described)
        if len(found) == len(wanted):
            break
    return found


def _lines_of(text: str) -> Iterator[tuple[Oid, Description]]:
    """Line by line: the other lines may be unsettled, or of a newer version."""
    for line in text.split('\n'):
        kind, *words = line.split(' ')
        try:
            if kind == 'tensor':
                entry = manifests.parse_entry(words)
                yield entry.oid, Description(entry.nbytes, forms.of_dtype(entry.dtype))
            elif kind in ('chunk', 'layout') and is_oid(words[0]):
                form = forms.DOCUMENT if kind == 'layout' else None
                yield Oid(words[0]), Description(max(0, int(words[1])), form)
        except (ValueError, FormatError, IndexError):
            continue
