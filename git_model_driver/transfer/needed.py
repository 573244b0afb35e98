"""Which objects commits need."""
from __future__ import annotations

from collections.abc import Sequence

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.git import history


def needed(revisions: Sequence[str]) -> dict[Oid, str]:
    """The objects that the manifests of these commits are made of, with a path."""
    found: dict[Oid, str] = {}
    for blob in history.manifests_in(revisions):
        for oid in _parse(blob).oids:
            found.setdefault(oid, blob.path)
    return found


def _parse(blob: history.Found) -> Manifest:
    try:
        return manifests.parse(blob.data, blob.path)
    except ManifestError as e:
        raise GitModelError(
            f'cannot push: {e.message} (blob {blob.blob[:12]})',
            'to push without its weights: git push --no-verify',
        ) from None


def beyond(remote: str, revisions: Sequence[str]) -> dict[Oid, str]:
    """Those of commits that the remote did not have when we last heard of it."""
    return needed([*revisions, '--not', f'--remotes={remote}'])
