"""Sending tensors to a remote that is a directory of this machine."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from git_model_driver.core import manifest as manifests
from git_model_driver.core.errors import GitModelError
from git_model_driver.core.errors import ManifestError
from git_model_driver.core.manifest import Manifest
from git_model_driver.core.oid import Oid
from git_model_driver.git import history
from git_model_driver.git import repository as repositories
from git_model_driver.git import run
from git_model_driver.git.repository import Repository
from git_model_driver.store.objects import Store


def store_at(name: str, repository: Repository) -> Path | None:
    """The store of a remote, or of a repository in a directory; None if it is none."""
    url = run.attempt('remote', 'get-url', '--push', name)
    address = url.out.decode().strip() if url.code == 0 else name
    base = repository.top or repository.git_dir
    return repositories.local_store(address, base if url.code == 0 else Path.cwd())


def commits_of(store: Path) -> list[str]:
    """What the refs of the repository around a store point to, and we have too."""
    listed = run.attempt(
        f'--git-dir={store.parent}', 'for-each-ref', '--format=%(objectname)',
    ).out
    checked = run.output('cat-file', '--batch-check', input=listed).decode()
    lines = (line.split() for line in checked.splitlines())
    return sorted({words[0] for words in lines if words[-1] != 'missing'})


def needed(revisions: list[str]) -> dict[Oid, str]:
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


def send(objects: Mapping[Oid, str], store: Store, target: Path) -> int:
    """Copy what the target lacks; how many objects those were.

    Raises MissingObject where neither side has one, CorruptObject.
    """
    other = Store(target)
    sent = 0
    with other.batch() as batch:
        for oid, path in objects.items():
            if other.has(oid):
                continue
            if store.find(oid) is None:
                raise GitModelError(
                    f"cannot push '{path}': its object {oid} is not in the store",
                    'get it with "git model pull", see all with "git model fsck"',
                )
            with store.open(oid) as file:
                batch.take_over(file, objects)
            sent += 1
    return sent
