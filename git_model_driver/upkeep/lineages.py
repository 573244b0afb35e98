"""The versions of each tensor in the order of history: what may be based on what."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.git.history import Found
from git_model_driver.store.codec import form as forms
from git_model_driver.store.codec.form import Form
from git_model_driver.store.codec.update import Matrix
from git_model_driver.store.codec.update import matrix_of


class Version(NamedTuple):
    """An object, what its bytes are, and older objects that it may be like."""

    oid: Oid
    form: Form
    matrix: Matrix | None
    older: tuple[Oid, ...]


def versions(found: Iterable[Found], window: int) -> list[Version]:
    """Each object of these manifests once: line after line, in each the oldest first.

    ``found`` has the newest first, as ``git rev-list`` does. A line are tensors of one
    name and dtype, in whichever file, or the skeletons of one file; older ones are at
    most ``window``, the nearest first.
    """
    lines: dict[tuple[str, ...], dict[Oid, Version]] = defaultdict(dict)
    for blob in reversed(list(found)):
        for key, version in _parts(blob):
            lines[key].setdefault(version.oid, version)
    listed: dict[Oid, Version] = {}
    for line in lines.values():
        oids = list(line)
        for i, (oid, version) in enumerate(line.items()):
            older = tuple(reversed(oids[max(0, i - window):i]))
            listed.setdefault(oid, version._replace(older=older))
    return list(listed.values())


def _parts(blob: Found) -> Iterator[tuple[tuple[str, ...], Version]]:
    manifest = _parsed(blob)
    for entry in manifest.tensors.values():
        form = forms.of_dtype(entry.dtype)
        matrix = matrix_of(entry.dtype, entry.shape, entry.extra)
        yield ('tensor', entry.name, entry.dtype), Version(entry.oid, form, matrix, ())
    if manifest.skeleton is not None:
        oid = manifest.skeleton.oid
        yield ('skeleton', blob.path), Version(oid, forms.DOCUMENT, None, ())


def _parsed(blob: Found) -> Manifest:
    """Damaged ones have nothing that could be said of their tensors."""
    try:
        return manifests.parse(blob.data, blob.path)
    except ManifestError:
        return Manifest('')
