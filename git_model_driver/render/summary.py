"""A model as lines that an ordinary diff compares."""
from __future__ import annotations

from collections.abc import Iterator

from git_model_driver.core import documents
from git_model_driver.core import dtype as dtypes
from git_model_driver.core import manifest as manifests
from git_model_driver.core import oid as oids
from git_model_driver.core import words
from git_model_driver.core.manifest import Entry
from git_model_driver.filters.statistics import Statistics
from git_model_driver.filters.summary import Conflicted
from git_model_driver.filters.summary import Summary

_NO_NUMBERS = '- - - - -'


def conflicted(summary: Conflicted) -> Iterator[str]:
    """The same of a manifest with conflicts; the markers stay as they are."""
    yield manifests.SUMMARY
    for line in summary.lines[1:]:
        if line in summary.statistics:
            yield _tensor(*summary.statistics[line])
        elif not line.startswith(('#', 'layout ')):
            yield line


def lines(summary: Summary) -> Iterator[str]:
    """Format and metadata, then a line per tensor in the order of the manifest."""
    manifest = summary.manifest
    yield manifests.SUMMARY
    yield f'format {manifest.format}'
    for key in sorted(manifest.meta):
        yield from _meta(key, manifest.meta[key])
    for chunk in manifest.chunks:
        yield f'chunk {oids.short(chunk.oid)} {chunk.nbytes}'
    group = None
    for name, entry in manifest.tensors.items():
        if words.group(name) != group:
            group = words.group(name)
            yield ''
        yield _tensor(entry, summary.statistics.get(name))
    if manifest.skeleton:
        yield ''
        yield f'layout {oids.short(manifest.skeleton.oid)}'


def _meta(key: str, value: str) -> Iterator[str]:
    """A line; of a document (a model's config) one for each value in it."""
    found = documents.flattened(value.removeprefix('str ')) if '{' in value else None
    if not found:
        yield manifests.meta_line(key, value)
        return
    for path, said in found:
        yield f'meta {words.quote(key)} {words.encode(path)} {words.printable(said)}'


def _tensor(entry: Entry, found: Statistics | None) -> str:
    """``name dtype shape oid12 mean std min max norm``, and what is odd about it.

    Counts of NaN, infinities and zeros are there where there are any.
    """
    parts = [words.encode(entry.name), entry.dtype, dtypes.format_shape(entry.shape)]
    parts.append(oids.short(entry.oid))
    parts.append(_numbers(found) if found else _NO_NUMBERS)
    parts += [f'{key}={words.encode(value)}' for key, value in entry.extra]
    parts += found.odd if found else ()
    return ' '.join(parts)


def _numbers(found: Statistics) -> str:
    return ' '.join(f'{value:.6g}' for value in found[:5])
