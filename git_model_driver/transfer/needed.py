"""Which objects commits need."""
from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence

from git_model_driver.core import manifest as manifests
from git_model_driver.core.choice import EVERYTHING
from git_model_driver.core.choice import Choice
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.git import history


def needed(
    revisions: Sequence[str], choice: Choice = EVERYTHING, without: Iterable[str] = (),
) -> dict[Oid, str]:
    """The objects that the manifests of these commits are made of, with a path; but for
    the manifests that the commits ``without`` have.
    """
    found: dict[Oid, str] = {}
    for blob in history.manifests_in(revisions, without):
        if choice.has_path(blob.path):
            for oid in _chosen(_parse(blob), choice):
                found.setdefault(oid, blob.path)
    return found


def _chosen(manifest: Manifest, choice: Choice) -> Iterable[Oid]:
    if not choice.tensors:
        return manifest.oids
    entries = manifest.tensors.values()
    return [entry.oid for entry in entries if choice.has_tensor(entry.name)]


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
