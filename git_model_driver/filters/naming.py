"""What an object is in a manifest, in words."""
from __future__ import annotations

from collections.abc import Iterator

from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid


def parts(manifest: Manifest) -> Iterator[tuple[Oid, str]]:
    """Every object of a manifest with its name there."""
    if manifest.skeleton is not None:
        yield manifest.skeleton.oid, 'the layout'
    for number, chunk in enumerate(manifest.chunks, 1):
        yield chunk.oid, f'chunk {number}'
    for entry in manifest.tensors.values():
        yield entry.oid, f"tensor '{entry.name}'"


def name_of(oid: Oid, manifest: Manifest) -> str:
    return next((name for known, name in parts(manifest) if known == oid), oid)
