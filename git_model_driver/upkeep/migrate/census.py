"""How many files of a history are raw, in Git LFS, or manifests already."""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from git_model_driver.core.manifest import Manifest
from git_model_driver.git import history
from git_model_driver.git.newobjects import Named
from git_model_driver.git.objects import Objects
from git_model_driver.upkeep.migrate import plan as plans
from git_model_driver.upkeep.migrate.exporting import readable
from git_model_driver.upkeep.migrate.kinds import MANIFEST
from git_model_driver.upkeep.migrate.kinds import NOTHING
from git_model_driver.upkeep.migrate.kinds import POINTER
from git_model_driver.upkeep.migrate.kinds import Kinds
from git_model_driver.upkeep.migrate.listings import Listings
from git_model_driver.upkeep.migrate.listings import commits
from git_model_driver.upkeep.migrate.options import Options
from git_model_driver.upkeep.migrate.options import patterns_of
from git_model_driver.upkeep.migrate.options import tips_of
from git_model_driver.upkeep.migrate.plan import LFS
from git_model_driver.upkeep.migrate.plan import MODEL
from git_model_driver.upkeep.migrate.plan import Plan
from git_model_driver.upkeep.migrate.trees import Trees


class Count(NamedTuple):
    """Paths, different versions, and their bytes: those of the models, for pointers and
    manifests.
    """

    files: int
    blobs: int
    bytes: int


class Row(NamedTuple):
    """What matches a pattern."""

    pattern: str
    raw: Count
    lfs: Count
    manifests: Count


def census(options: Options, algorithm: str) -> list[Row]:
    """A row for each pattern that a file has. A file counts for the first one.

    ``algorithm`` is that of the names of objects here.
    """
    with Objects() as objects:
        tips = tips_of(options)
        patterns = patterns_of(options, tips, objects, (MODEL, LFS))
        excluded = plans.given(options.exclude)
        plan = Plan(LFS, MODEL, patterns, excluded, True)
        listings = Listings(objects)
        named = Named(algorithm)
        trees = Trees(objects, listings, plan, named, lambda file: file.oid)
        files: dict[int, set[tuple[bytes, str]]] = defaultdict(set)
        oids = history.commits(tip.oid for tip in tips)
        for _, commit in commits(oids, objects, listings):
            for path, blob in trees.files(commit.tree):
                if any(p.glob.matches(path) for p in excluded):
                    continue
                for number, p in enumerate(patterns):
                    if p.glob.matches(path):
                        files[number].add((path, blob))
                        break
        kinds = Kinds(objects)
        kinds.learn(blob for each in files.values() for _, blob in each)
        return [
            _row(patterns[n].text.decode('utf-8', 'replace'), each, kinds, objects)
            for n, each in sorted(files.items())
        ]


def _row(
    pattern: str, found: set[tuple[bytes, str]], kinds: Kinds, objects: Objects,
) -> Row:
    by_kind: dict[str, set[tuple[bytes, str]]] = defaultdict(set)
    for path, blob in found:
        kind = kinds.of(blob)
        by_kind[kind if kind in (MANIFEST, POINTER, NOTHING) else 'raw'].add(
            (path, blob),
        )

    def count(kind: str) -> Count:
        each = by_kind[kind]
        blobs = {blob for _, blob in each}
        nbytes = sum(_size(blob, kind, kinds, objects) for blob in blobs)
        return Count(len({path for path, _ in each}), len(blobs), nbytes)

    return Row(pattern, count('raw'), count(POINTER), count(MANIFEST))


def _size(blob: str, kind: str, kinds: Kinds, objects: Objects) -> int:
    if kind == POINTER:
        return kinds.pointers[blob].size
    if kind == MANIFEST:
        return sum(_parts(readable(objects.read(blob)[1])))
    return kinds.sizes[blob]


def _parts(manifest: Manifest | None) -> Iterator[int]:
    """Sizes of what a manifest names; each tensor as often as it is named."""
    if manifest is None:
        return
    yield from (entry.nbytes for entry in manifest.tensors.values())
    yield from (chunk.nbytes for chunk in manifest.chunks)
    if manifest.skeleton is not None:
        yield manifest.skeleton.nbytes
